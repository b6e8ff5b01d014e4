//! A pipeline is made or changed: its type decides which settings of the destination it needs and takes.

use serde_json::{Map, Value};

use crate::mcp::args::{Arg as _, Date, Id, List, Text, args, choice};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{PipelineForm, PipelineStep, Secret};
use crate::tools::ask::{Ask, bad_arguments, quoted};

/// Settings that are never shown again.
const SECRETS: &[&str] = &["client_secret", "azure_client_secret", "snowflake_password"];
/// What the settings of a pipeline that there is may be.
const CHANGEABLE: &[&str] = &[
    "azure_client_id",
    "azure_client_secret",
    "azure_tenant_id",
    "bq_share_with_group",
    "glue_database",
    "glue_role",
    "glue_table_prefix",
];

pub(super) const CREATE_PIPELINE: Tool<Ask> = Tool {
    name: "mixpanel_create_pipeline",
    title: "Create a data pipeline",
    about: "Makes a data pipeline that exports a project's events each hour or day to storage or a warehouse. Its destination's secrets pass through this conversation. Deprecated by Mixpanel.",
    effect: Effect::Adds,
    params: CreatePipeline::FIELDS,
    output: &[Field::always("pipeline_names", Shape::list(&Shape::Words))],
    run: |ask, arguments| create(ask, CreatePipeline::read(arguments)),
};

pub(super) const UPDATE_PIPELINE: Tool<Ask> = Tool {
    name: "mixpanel_update_pipeline",
    title: "Change a data pipeline",
    about: "Pauses or resumes a data pipeline, or changes which events it exports. What is left out stays. Deprecated by Mixpanel.",
    effect: Effect::Sets,
    params: UpdatePipeline::FIELDS,
    output: &[
        Field::always("pipeline_name", Shape::Words),
        Field::always("changed", Shape::list(&Shape::Words))
            .about("The names of the arguments that were done."),
    ],
    run: |ask, arguments| update(ask, UpdatePipeline::read(arguments)),
};

choice! {
    enum PipelineType {
        GcsRaw = "gcs-raw",
        S3Raw = "s3-raw",
        AzureRaw = "azure-raw",
        BigQuery = "bigquery",
        Snowflake = "snowflake",
        Aws = "aws",
        AzureBlob = "azure-blob",
        GcsSchema = "gcs-schema",
    }
}

const GCS: &[&str] = &["gcs_bucket", "gcs_region"];
const S3: &[&str] = &["s3_bucket", "s3_region", "s3_role"];
const AZURE: &[&str] = &[
    "storage_account",
    "container_name",
    "client_id",
    "client_secret",
    "tenant_id",
];

impl PipelineType {
    /// Whether it exports events as they are; else in columns.
    fn is_raw(self) -> bool {
        use PipelineType::*;
        matches!(self, GcsRaw | S3Raw | AzureRaw)
    }

    /// The settings of the destination that it must have, and those that it may.
    fn settings(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            PipelineType::GcsRaw => (GCS, &["gcs_prefix"]),
            PipelineType::GcsSchema => (GCS, &["gcs_prefix", "data_format"]),
            PipelineType::S3Raw => (S3, &["s3_prefix", "s3_encryption", "s3_kms_key_id"]),
            PipelineType::Aws => (
                S3,
                &[
                    "s3_prefix",
                    "s3_encryption",
                    "s3_kms_key_id",
                    "data_format",
                    "use_glue",
                    "glue_database",
                    "glue_role",
                    "glue_table_prefix",
                ],
            ),
            PipelineType::AzureRaw => (AZURE, &["prefix"]),
            PipelineType::AzureBlob => (AZURE, &["prefix", "data_format"]),
            PipelineType::BigQuery => (
                &["bq_region", "gcp_project", "bq_dataset_name"],
                &["bq_prefix"],
            ),
            PipelineType::Snowflake => (
                &[
                    "snowflake_account_name",
                    "snowflake_warehouse",
                    "snowflake_storage_integration",
                    "snowflake_user",
                    "snowflake_password",
                    "snowflake_role",
                    "snowflake_database",
                    "snowflake_schema",
                ],
                &["snowflake_prefix"],
            ),
        }
    }
}

choice! {
    enum Frequency {
        Daily = "daily",
        Hourly = "hourly",
    }
}

choice! {
    enum SchemaType {
        Mono = "monoschema",
        Multi = "multischema",
    }
}

choice! {
    enum DataSource {
        Events = "events",
        People = "people",
    }
}

args! {
    struct CreatePipeline {
        /// The destination: raw events as JSON files (gcs-raw, s3-raw, azure-raw), or columns.
        pipeline_type: PipelineType,
        /// First day that is exported, at most six months ago: YYYY-MM-DD, or a word such as 7d.
        from_date: Date,
        /// Last day. Default: none, it goes on.
        to_date: Option<Date>,
        /// The destination's settings by name. gcs: gcs_bucket, gcs_region. s3, aws: s3_bucket, s3_region, s3_role. azure: storage_account, container_name, client_id, client_secret, tenant_id. bigquery: bq_region, gcp_project, bq_dataset_name. snowflake: snowflake_account_name, _warehouse, _storage_integration, _user, _password, _role, _database, _schema. Others, as gcs_prefix, are told where one is unknown.
        destination: Map<String, Value>,
        /// How often. Default daily.
        frequency: Option<Frequency>,
        /// All but raw need it: all events in one table (monoschema) or one table an event (multischema).
        schema_type: Option<SchemaType>,
        /// What is exported; raw exports only events. Default events.
        data_source: Option<DataSource>,
        /// Only these events. Default: all.
        event_names: Option<List<Text<255>, 1, 100>>,
        /// Only events of which this expression is true. Default: all.
        r#where: Option<Text<4000>>,
        /// Whether it is a trial that ends after 30 days. Default false.
        trial: Option<bool>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct UpdatePipeline {
        /// As mixpanel_list_pipelines lists it.
        pipeline_name: Text<255>,
        /// true pauses it, false resumes it. Default: as it is.
        paused: Option<bool>,
        /// Only these events from now on, also where older days are synced anew. Default: as it is.
        event_names: Option<List<Text<255>, 1, 100>>,
        /// Only events of which this expression is true. Default: as it is.
        r#where: Option<Text<4000>>,
        /// Settings by name that change: azure_client_id, azure_client_secret, azure_tenant_id, bq_share_with_group (only adds), glue_database, glue_role, glue_table_prefix. Default: as they are.
        destination: Option<Map<String, Value>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

/// A form as it grows; secrets apart.
#[derive(Default)]
struct Form {
    fields: Vec<(String, String)>,
    secrets: Vec<(String, Secret)>,
}

impl Form {
    fn put(&mut self, name: &str, value: impl Into<String>) {
        self.fields.push((name.into(), value.into()));
    }

    /// The filters that a pipeline is made with and changed by.
    fn put_filters(
        &mut self,
        event_names: Option<List<Text<255>, 1, 100>>,
        condition: Option<Text<4000>>,
    ) {
        for event in event_names.into_iter().flat_map(|names| names.0) {
            self.put("events", event.0);
        }
        if let Some(condition) = condition {
            self.put("where", condition.0);
        }
    }

    /// What was checked by [`setting_faults`].
    fn put_settings(&mut self, settings: Map<String, Value>) {
        for (name, value) in settings {
            for text in texts(&value) {
                if SECRETS.contains(&name.as_str()) {
                    self.secrets.push((name.clone(), Secret::new(text)));
                } else {
                    self.fields.push((name.clone(), text));
                }
            }
        }
    }

    fn as_form(&self) -> PipelineForm<'_> {
        PipelineForm {
            fields: &self.fields,
            secrets: &self.secrets,
        }
    }

    fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.secrets.is_empty()
    }
}

fn create(ask: &Ask, args: CreatePipeline) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let kind = args.pipeline_type;
    let (needed, taken) = kind.settings();
    let mut faults: Vec<String> = needed
        .iter()
        .filter(|name| !args.destination.contains_key(**name))
        .map(|name| format!("destination.{name}: missing, {} needs it", kind.word()))
        .collect();
    faults.extend(setting_faults(&args.destination, &[needed, taken].concat()));
    match (kind.is_raw(), args.schema_type) {
        (true, Some(_)) => faults.push(format!(
            "schema_type: not for {}, which exports events as they are; leave it out",
            kind.word()
        )),
        (false, None) => faults.push(format!("schema_type: missing, {} needs it", kind.word())),
        _ => (),
    }
    if kind.is_raw() && args.data_source == Some(DataSource::People) {
        faults.push(format!("data_source: must be events for {}", kind.word()));
    }
    let today = ask.today(&project);
    let from = args.from_date.0.resolved(today).map(|(first, _)| first);
    let to = args
        .to_date
        .and_then(|to| to.0.resolved(today))
        .map(|(_, last)| last);
    match (from, to) {
        (None, _) => faults.push("from_date: lies before the calendar begins".into()),
        (Some(from), Some(to)) if from > to => faults.push(format!(
            "from_date {from} is after to_date {to}; exchange them"
        )),
        _ => (),
    }
    let Some(from) = from.filter(|_| faults.is_empty()) else {
        return Err(bad_arguments(faults));
    };

    let mut form = Form::default();
    form.put("type", kind.word());
    form.put("from_date", from.to_string());
    if let Some(to) = to {
        form.put("to_date", to.to_string());
    }
    for (name, word) in [
        ("frequency", args.frequency.map(Frequency::word)),
        ("schema_type", args.schema_type.map(SchemaType::word)),
        ("data_source", args.data_source.map(DataSource::word)),
    ] {
        if let Some(word) = word {
            form.put(name, word);
        }
    }
    if !kind.is_raw() {
        // Mixpanel takes nothing else.
        form.put("sync", "true");
    }
    if let Some(trial) = args.trial {
        form.put("trial", trial.to_string());
    }
    form.put_filters(args.event_names, args.r#where);
    form.put_settings(args.destination);
    let made = ask
        .mixpanel()?
        .export
        .create_pipeline(&project, &form.as_form())?;
    let names: Vec<&str> = made["pipeline_names"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    Ok(Answer {
        summary: format!(
            "project {project}: made the data pipeline {} from {from} on",
            names.join(", ")
        ),
        data: Data::of([("pipeline_names", names.into())]),
    })
}

fn update(ask: &Ask, args: UpdatePipeline) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let name = args.pipeline_name.0;
    let mut changed = Vec::new();
    for (name, is_given) in [
        ("event_names", args.event_names.is_some()),
        ("where", args.r#where.is_some()),
        ("destination", args.destination.is_some()),
        ("paused", args.paused.is_some()),
    ] {
        if is_given {
            changed.push(name);
        }
    }
    let destination = args.destination.unwrap_or_default();
    let mut faults = setting_faults(&destination, CHANGEABLE);
    if changed.is_empty() {
        faults.push("paused, event_names, where, destination: give at least one".into());
    }
    if !faults.is_empty() {
        return Err(bad_arguments(faults));
    }
    let mut form = Form::default();
    form.put_filters(args.event_names, args.r#where);
    form.put_settings(destination);
    let export = &ask.mixpanel()?.export;
    if !form.is_empty() {
        export.update_pipeline(&project, &name, &form.as_form())?;
    }
    if let Some(paused) = args.paused {
        let step = match paused {
            true => PipelineStep::Pause,
            false => PipelineStep::Resume,
        };
        export
            .step_pipeline(&project, &name, step)
            .map_err(|error| {
                let mut failure = Failure::from(error);
                if !form.is_empty() {
                    failure
                        .text
                        .push_str("; what it exports was changed before, only paused was not");
                }
                failure
            })?;
    }
    Ok(Answer {
        summary: format!(
            "project {project}, pipeline {}: changed {}",
            quoted(&name),
            changed.join(", ")
        ),
        data: Data::of([("pipeline_name", name.into()), ("changed", changed.into())]),
    })
}

/// No fault repeats a value: it may be a secret.
fn setting_faults(settings: &Map<String, Value>, known: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, value) in settings {
        if !known.contains(&name.as_str()) {
            faults.push(format!(
                "destination.{name}: unknown here, known are {}",
                known.join(", ")
            ));
        } else if texts(value).is_empty() {
            faults.push(format!(
                "destination.{name}: must be a string, a number, true, false, or a list of strings"
            ));
        }
    }
    faults
}

/// A setting as a form takes it, once an item of a list; nothing, if it cannot be.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if !text.is_empty() => vec![text.clone()],
        Value::Number(_) | Value::Bool(_) => vec![value.to_string()],
        Value::Array(items) => {
            let all: Option<Vec<String>> = items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect();
            all.unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(settings: Value, known: &[&str], expected: &[&str]) {
        let settings = settings.as_object().cloned().unwrap_or_default();
        assert_eq!(setting_faults(&settings, known), expected);
    }

    #[test]
    fn a_setting_must_be_known_and_have_a_value_that_a_form_takes() {
        check(
            json!({"use_glue": true, "bq_share_with_group": ["a@example.com"]}),
            &["use_glue", "bq_share_with_group"],
            &[],
        );
        check(
            json!({"client_secret": {"hidden-canary": 1}, "s3_bucket": "b"}),
            &["client_secret"],
            &[
                "destination.client_secret: must be a string, a number, true, false, or a list of strings",
                "destination.s3_bucket: unknown here, known are client_secret",
            ],
        );
    }
}
