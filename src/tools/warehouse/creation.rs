//! A new import: what its rows become decides which settings it needs.

use serde_json::{Map, Value, json};

use super::imports::{IMPORT, Schedule, answered, in_words};
use crate::mcp::args::{Arg as _, Id, Text, args, choice};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::WarehouseImportKind;
use crate::tools::ask::{Ask, bad_arguments};

pub(super) const CREATE_WAREHOUSE_IMPORT: Tool<Ask> = Tool {
    name: "mixpanel_create_warehouse_import",
    title: "Create a warehouse import",
    about: "Makes an import of a warehouse table into events, user or group profiles, or a lookup table. With a schedule, or sync_mode one_time, it runs at once, which costs the warehouse's time.",
    effect: Effect::Adds,
    params: CreateWarehouseImport::FIELDS,
    output: IMPORT,
    run: |ask, arguments| create(ask, CreateWarehouseImport::read(arguments)),
};

choice! {
    enum ImportType {
        EventStream = "event_stream",
        People = "people",
        Groups = "groups",
        LookupTable = "lookup_table",
    }
}

impl ImportType {
    fn kind(self) -> WarehouseImportKind {
        match self {
            ImportType::EventStream => WarehouseImportKind::EventStream,
            ImportType::People => WarehouseImportKind::People,
            ImportType::Groups => WarehouseImportKind::Groups,
            ImportType::LookupTable => WarehouseImportKind::LookupTable,
        }
    }

    /// The settings that it must have beside what all have; and those that it may.
    fn settings(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            ImportType::EventStream => (
                &["time_column_name"],
                &[
                    "event_name",
                    "event_column_name",
                    "user_column_name",
                    "company_column_name",
                    "device_column_name",
                    "json_properties_column_name",
                    "insert_time_column_name",
                    "property_mappings",
                ],
            ),
            ImportType::People => (
                &["user_column_name"],
                &[
                    "json_properties_column_name",
                    "insert_time_column_name",
                    "property_mappings",
                ],
            ),
            ImportType::Groups => (
                &["group_key", "group_id_column"],
                &[
                    "json_properties_column_name",
                    "insert_time_column_name",
                    "property_mappings",
                ],
            ),
            ImportType::LookupTable => (
                &["property_key_column_name", "mixpanel_property"],
                &["mixpanel_property_of", "custom_property_id"],
            ),
        }
    }
}

choice! {
    enum SyncMode {
        TimeBased = "time_based",
        Mirror = "mirror_mode",
        Full = "full_sync",
        OneTime = "one_time",
    }
}

choice! {
    enum PropertyOf {
        Event = "event",
        User = "user",
    }
}

args! {
    struct CreateWarehouseImport {
        /// What the rows become. event_stream: events, needs time_column_name and event_name or event_column_name. people: user profiles, needs user_column_name. groups: group profiles, needs group_key and group_id_column. lookup_table: needs mixpanel_property and property_key_column_name.
        import_type: ImportType,
        /// Id of the warehouse, as connected in Mixpanel's settings.
        warehouse_source_id: Id,
        /// Which table; its members depend on the warehouse, as mixpanel_get_warehouse_import shows those of another import.
        table_params: Map<String, Value>,
        /// time_based: rows by insert_time_column_name. mirror_mode: the table's changes. full_sync: all rows each time. one_time: once. lookup_table: only the last two.
        sync_mode: SyncMode,
        /// How often it runs. Default manual.
        run_every: Option<Schedule>,
        /// event_stream: name of all events, instead of event_column_name.
        event_name: Option<Text<255>>,
        /// event_stream: column with the event's name.
        event_column_name: Option<Text<255>>,
        /// event_stream: column with the event's time.
        time_column_name: Option<Text<255>>,
        /// event_stream, people: column with the user's id.
        user_column_name: Option<Text<255>>,
        /// event_stream: column with the company's id.
        company_column_name: Option<Text<255>>,
        /// event_stream: column with the device's id.
        device_column_name: Option<Text<255>>,
        /// Column with further properties as JSON. Not for lookup_table.
        json_properties_column_name: Option<Text<255>>,
        /// Column with the time when the row came in; sync_mode time_based needs it. Not for lookup_table.
        insert_time_column_name: Option<Text<255>>,
        /// Property names by column name. Not for lookup_table.
        property_mappings: Option<Map<String, Value>>,
        /// groups: the group key, as company_id.
        group_key: Option<Text<255>>,
        /// groups: column with the group's id.
        group_id_column: Option<Text<255>>,
        /// lookup_table: the property that the table is joined to.
        mixpanel_property: Option<Text<255>>,
        /// lookup_table: whose property it is. Default event.
        mixpanel_property_of: Option<PropertyOf>,
        /// lookup_table: id of the property, if it is a custom one.
        custom_property_id: Option<Id>,
        /// lookup_table: column with the property's values.
        property_key_column_name: Option<Text<255>>,
        /// Databricks: {"export_cluster_config": …}.
        databricks_params: Option<Map<String, Value>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn create(ask: &Ask, args: CreateWarehouseImport) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let kind = args.import_type.kind();
    let settings = settings(args).map_err(bad_arguments)?;
    let app = &ask.mixpanel()?.app;
    let import = app.create_warehouse_import(&project, kind, &settings)?;
    let Some(id) = import.get("id").and_then(Value::as_u64) else {
        return Err(Failure::new(
            "unexpected_answer",
            "Mixpanel made the import without telling its id; mixpanel_list_warehouse_imports lists it, do not make it again",
        ));
    };
    let summary = format!("project {project}: made {}", in_words(id, &import));
    Ok(answered(summary, id, import))
}

/// The members of a new import, or every way in which they do not fit its kind.
fn settings(args: CreateWarehouseImport) -> Result<Map<String, Value>, Vec<String>> {
    let kind = args.import_type;
    let text = |text: Option<Text<255>>| text.map(|text| Value::from(text.0));
    let own = [
        ("event_name", text(args.event_name)),
        ("event_column_name", text(args.event_column_name)),
        ("time_column_name", text(args.time_column_name)),
        ("user_column_name", text(args.user_column_name)),
        ("company_column_name", text(args.company_column_name)),
        ("device_column_name", text(args.device_column_name)),
        (
            "json_properties_column_name",
            text(args.json_properties_column_name),
        ),
        (
            "insert_time_column_name",
            text(args.insert_time_column_name),
        ),
        (
            "property_mappings",
            args.property_mappings.map(Value::Object),
        ),
        ("group_key", text(args.group_key)),
        ("group_id_column", text(args.group_id_column)),
        ("mixpanel_property", text(args.mixpanel_property)),
        (
            "mixpanel_property_of",
            args.mixpanel_property_of.map(|of| of.word().into()),
        ),
        (
            "custom_property_id",
            args.custom_property_id
                .as_ref()
                .map(|id| id.number().into()),
        ),
        (
            "property_key_column_name",
            text(args.property_key_column_name),
        ),
    ];
    let mut settings: Map<String, Value> = own
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    let faults = faults(kind, args.sync_mode, &settings);
    if !faults.is_empty() {
        return Err(faults);
    }
    if let Some(value) = settings.remove("mixpanel_property") {
        let of = settings.remove("mixpanel_property_of");
        let mut property = json!({
            "value": value,
            "resourceType": of.unwrap_or_else(|| PropertyOf::Event.word().into()),
        });
        if let Some(id) = settings.remove("custom_property_id") {
            property["customPropertyId"] = id;
        }
        settings.insert("mixpanel_property".into(), property);
    }
    settings.extend([
        (
            "warehouse_source_id".to_owned(),
            args.warehouse_source_id.number().into(),
        ),
        ("table_params".to_owned(), args.table_params.into()),
        ("sync_mode".to_owned(), args.sync_mode.word().into()),
    ]);
    if let Some(schedule) = args.run_every {
        settings.insert("run_every".into(), schedule.nanoseconds().into());
    }
    if let Some(parameters) = args.databricks_params {
        settings.insert("databricks_params".into(), parameters.into());
    }
    Ok(settings)
}

fn faults(kind: ImportType, mode: SyncMode, given: &Map<String, Value>) -> Vec<String> {
    let word = kind.word();
    let (needed, taken) = kind.settings();
    let mut faults: Vec<String> = needed
        .iter()
        .filter(|name| !given.contains_key(**name))
        .map(|name| format!("{name}: missing, {word} needs it"))
        .collect();
    let foreign = given
        .keys()
        .filter(|name| !needed.contains(&name.as_str()) && !taken.contains(&name.as_str()));
    faults.extend(foreign.map(|name| format!("{name}: not for {word}; leave it out")));
    let event_names = ["event_name", "event_column_name"];
    let named = event_names
        .iter()
        .filter(|name| given.contains_key(**name))
        .count();
    if kind == ImportType::EventStream && named != 1 {
        faults.push("event_name, event_column_name: give one of the two".into());
    }
    let by_time = mode == SyncMode::TimeBased;
    if kind == ImportType::LookupTable && !matches!(mode, SyncMode::Full | SyncMode::OneTime) {
        faults.push("sync_mode: must be full_sync or one_time for lookup_table".into());
    } else if by_time && !given.contains_key("insert_time_column_name") {
        faults.push("insert_time_column_name: missing, sync_mode time_based needs it".into());
    }
    if let Some(Value::Object(mappings)) = given.get("property_mappings") {
        let wrong = mappings.iter().filter(|(_, name)| !name.is_string());
        faults.extend(
            wrong.map(|(column, _)| format!("property_mappings.{column}: must be a string")),
        );
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: ImportType, mode: SyncMode, given: Value, expected: &[&str]) {
        let given = given.as_object().cloned().unwrap_or_default();
        assert_eq!(faults(kind, mode, &given), expected);
    }

    #[test]
    fn each_kind_needs_its_own_columns_and_takes_no_others() {
        check(
            ImportType::EventStream,
            SyncMode::Full,
            json!({"time_column_name": "at", "event_name": "Order"}),
            &[],
        );
        check(
            ImportType::EventStream,
            SyncMode::Full,
            json!({"group_key": "company"}),
            &[
                "time_column_name: missing, event_stream needs it",
                "group_key: not for event_stream; leave it out",
                "event_name, event_column_name: give one of the two",
            ],
        );
        check(
            ImportType::People,
            SyncMode::Mirror,
            json!({"user_column_name": "user", "property_mappings": {"a": 1}}),
            &["property_mappings.a: must be a string"],
        );
    }

    #[test]
    fn the_mode_must_suit_the_kind_and_its_columns() {
        check(
            ImportType::Groups,
            SyncMode::TimeBased,
            json!({"group_key": "company", "group_id_column": "id"}),
            &["insert_time_column_name: missing, sync_mode time_based needs it"],
        );
        check(
            ImportType::LookupTable,
            SyncMode::TimeBased,
            json!({"mixpanel_property": "sku", "property_key_column_name": "sku"}),
            &["sync_mode: must be full_sync or one_time for lookup_table"],
        );
    }
}
