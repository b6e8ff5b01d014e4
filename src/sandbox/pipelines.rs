//! Data pipelines: made, changed, paused. Nothing is exported: each day has one task, the newest of which is running
//! when it is first asked about.

use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::fault::Fault;
use super::holdings::{Asked, Holdings};
use super::http::Response;
use super::parameters::{day, required};
use super::shape::text;
use super::shelf::Item;
use super::time;
use crate::mixpanel::expression::parse_day;

/// Days whose tasks are told.
const TASKS_MAX: usize = 31;
/// "cannot be more than six months in the past"
const MONTHS_BACK_MAX: i32 = 6;

/// The types of pipelines: whether it is schematized, and what it needs beside what all need.
const TYPES: &[(&str, bool, &[&str])] = &[
    ("gcs-raw", false, &["gcs_bucket", "gcs_region"]),
    ("s3-raw", false, &["s3_bucket", "s3_region", "s3_role"]),
    ("azure-raw", false, AZURE),
    (
        "bigquery",
        true,
        &["bq_region", "gcp_project", "bq_dataset_name"],
    ),
    (
        "snowflake",
        true,
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
    ),
    ("aws", true, &["s3_bucket", "s3_region", "s3_role"]),
    ("azure-blob", true, AZURE),
    ("gcs-schema", true, &["gcs_bucket", "gcs_region"]),
];
const AZURE: &[&str] = &[
    "storage_account",
    "container_name",
    "client_id",
    "client_secret",
    "tenant_id",
];

/// `POST /nessie/pipeline/create`
pub(super) fn create(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let request = asked.request;
    let kind = required(request, "type")?;
    let (_, is_schematized, needed) = TYPES
        .iter()
        .find(|(known, _, _)| *known == kind)
        .ok_or_else(|| Fault::bad_request(format!("invalid type: '{kind}'")))?;
    for name in *needed {
        required(request, name)?;
    }
    let from = day(request, "from_date")?;
    let today = time::day_of(request.received_ms);
    let earliest = today.checked_sub(MONTHS_BACK_MAX.months());
    if earliest.is_ok_and(|earliest| from < earliest) {
        return Err(Fault::bad_request(
            "from_date cannot be more than six months in the past",
        ));
    }
    let to = match request.parameter("to_date") {
        Some(_) => Some(day(request, "to_date")?),
        None => None,
    };
    let frequency = match request.parameter("frequency") {
        None => "daily",
        Some(word @ ("daily" | "hourly")) => word,
        Some(other) => return Err(Fault::bad_request(format!("invalid frequency: '{other}'"))),
    };
    let source = request.parameter("data_source").unwrap_or("events");
    let mut name = format!("{source}-{frequency}-{kind}");
    if request.parameter("trial") == Some("true") {
        name.insert_str(0, "trial-");
    }
    if *is_schematized {
        name = format!("{name}-{}", required(request, "schema_type")?);
        if required(request, "sync")? != "true" {
            return Err(Fault::bad_request("sync must be true"));
        }
    }
    if holdings.pipelines.get(&name).is_some() {
        return Err(Fault::bad_request(format!(
            "a pipeline {name} exists already"
        )));
    }
    let pipeline = json!({
        "from_date": from.to_string(),
        "to_date": to.map(|to| to.to_string()),
        "frequency": frequency,
        "sync_enabled": is_schematized.to_string(),
        "created": time::moment(request.received_ms),
    });
    let pipeline = pipeline.as_object().cloned().unwrap_or_default();
    holdings.pipelines.put(name.clone(), pipeline)?;
    Ok(Response::json(200, &json!({"pipeline_names": [name]})))
}

/// `GET /nessie/pipeline/jobs`
pub(super) fn jobs(holdings: &mut Holdings, _: &Asked<'_>) -> Result<Response, Fault> {
    let jobs: Vec<Value> = holdings
        .pipelines
        .iter()
        .map(|(name, pipeline)| {
            json!({
                "name": name,
                "Dispatcher": if is_paused(pipeline) { "paused" } else { "live" },
                "last_dispatched": pipeline.get("created"),
                "frequency": pipeline.get("frequency"),
                "sync_enabled": pipeline.get("sync_enabled"),
            })
        })
        .collect();
    let mut answer = Item::new();
    answer.insert(holdings.facts.id.to_string(), json!(jobs));
    Ok(Response::json(200, &Value::Object(answer)))
}

/// `POST /nessie/pipeline/edit`
pub(super) fn edit(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let events: Vec<&str> = asked
        .request
        .parameters
        .iter()
        .filter(|(name, _)| name == "events")
        .map(|(_, event)| event.as_str())
        .collect();
    change(holdings, asked, |pipeline| {
        if !events.is_empty() {
            pipeline.insert("events".into(), json!(events));
        }
        if let Some(condition) = asked.request.parameter("where") {
            pipeline.insert("where".into(), json!(condition));
        }
    })
}

/// `POST /nessie/pipeline/pause`
pub(super) fn pause(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let today = time::day_of(asked.request.received_ms).to_string();
    change(holdings, asked, |pipeline| {
        pipeline.insert("paused_on".into(), json!(today));
    })
}

/// `POST /nessie/pipeline/resume`
pub(super) fn resume(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    change(holdings, asked, |pipeline| {
        pipeline.remove("paused_on");
    })
}

/// `POST /nessie/pipeline/cancel`
pub(super) fn cancel(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let (name, _) = existing(holdings, asked)?;
    holdings.pipelines.take(&name);
    Ok(Response::text(200, ""))
}

/// `GET /nessie/pipeline/status`
pub(super) fn status(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let (name, mut pipeline) = existing(holdings, asked)?;
    let is_new = pipeline.insert("told".into(), json!(true)).is_none();
    let wanted: Vec<&str> = asked
        .request
        .parameters
        .iter()
        .filter(|(name, _)| name == "status")
        .map(|(_, state)| state.as_str())
        .collect();
    let mut by_state: [(&str, Vec<Value>); 4] =
        ["canceled", "retried", "running", "succeeded"].map(|state| (state, Vec::new()));
    let days = days(&pipeline, asked);
    for (nth, day) in days.iter().enumerate() {
        let is_running = is_new && nth + 1 == days.len() && !is_paused(&pipeline);
        let state = if is_running { "running" } else { "succeeded" };
        let task = json!({
            "project_id": holdings.facts.id,
            "name": name,
            "state": state,
            "last_finish": if is_running { "0000-00-00T00:00:00".into() } else { format!("{day}T04:10:00") },
            "run_at": format!("{day}T04:00:00"),
            "from_date": format!("{day}T00:00:00"),
            "to_date": format!("{day}T00:00:00"),
        });
        let place = by_state.iter_mut().find(|(known, _)| *known == state);
        place
            .into_iter()
            .for_each(|(_, tasks)| tasks.push(task.clone()));
    }
    let is_summary = asked.request.parameter("summary") == Some("true");
    let answer: Item = by_state
        .into_iter()
        .filter(|(state, _)| wanted.is_empty() || wanted.contains(state))
        .map(|(state, tasks)| {
            let told = if is_summary {
                json!(tasks.len())
            } else {
                json!(tasks)
            };
            (state.to_owned(), told)
        })
        .collect();
    holdings.pipelines.put(name, pipeline)?;
    Ok(Response::json(200, &Value::Object(answer)))
}

/// `GET /nessie/pipeline/timeline`
pub(super) fn timeline(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let (_, pipeline) = existing(holdings, asked)?;
    let syncs: Vec<Value> = days(&pipeline, asked)
        .iter()
        .map(|day| {
            json!({
                "date": day.to_string(),
                "sync_times": [format!("{day} 04:10:00.000000 +0000 UTC")],
                "status": "synced",
            })
        })
        .collect();
    Ok(Response::json(200, &json!({ "day_syncs": syncs })))
}

/// The days whose tasks there are: up to yesterday, or the day of the pause.
fn days(pipeline: &Item, asked: &Asked<'_>) -> Vec<Date> {
    let set = |name: &str| parse_day(text(pipeline, name));
    let today = time::day_of(asked.request.received_ms);
    let end = [set("to_date"), set("paused_on"), today.yesterday().ok()];
    let (Some(from), Some(end)) = (set("from_date"), end.into_iter().flatten().min()) else {
        return Vec::new();
    };
    let days = from.series(1.day()).take_while(|day| *day <= end);
    let mut days: Vec<Date> = days.collect();
    days.drain(..days.len().saturating_sub(TASKS_MAX));
    days
}

fn is_paused(pipeline: &Item) -> bool {
    pipeline.contains_key("paused_on")
}

fn change(
    holdings: &mut Holdings,
    asked: &Asked<'_>,
    change: impl FnOnce(&mut Item),
) -> Result<Response, Fault> {
    let (name, mut pipeline) = existing(holdings, asked)?;
    change(&mut pipeline);
    holdings.pipelines.put(name, pipeline)?;
    Ok(Response::text(200, ""))
}

fn existing(holdings: &Holdings, asked: &Asked<'_>) -> Result<(String, Item), Fault> {
    let name = required(asked.request, "name")?.to_owned();
    match holdings.pipelines.get(&name).cloned() {
        Some(pipeline) => Ok((name, pipeline)),
        None => Err(Fault::new(
            404,
            format!("there is no pipeline {name} in the project"),
        )),
    }
}
