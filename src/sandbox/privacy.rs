//! Retrievals and deletions of persons' data. A job goes one step on each time that it is asked about.

use serde_json::{Value, json};

use super::fault::Fault;
use super::holdings::{Asked, Holdings, results};
use super::http::Response;
use super::shape::{self, Member, Shape, list, needs, takes, text};
use super::shelf::{Item, Shelf};
use super::store::Project;
use super::time;

const RETRIEVED_MAX: usize = 2_000;
const DELETED_MAX: usize = 1_999;

const RETRIEVAL: &[Member] = &[
    needs("distinct_ids", Shape::ListTo(RETRIEVED_MAX, &Shape::Text)),
    takes("compliance_type", Shape::Words(&["GDPR", "CCPA"])),
    takes(
        "disclosure_type",
        Shape::Words(&["Data", "Categories", "Sources"]),
    ),
];
const DELETION: &[Member] = &[
    needs("distinct_ids", Shape::ListTo(DELETED_MAX, &Shape::Text)),
    takes("compliance_type", Shape::Words(&["GDPR", "CCPA"])),
];

/// `POST /data-retrievals/v3.0`
pub(super) fn create_retrieval(
    holdings: &mut Holdings,
    _: &mut Project,
    asked: &Asked<'_>,
) -> Result<Response, Fault> {
    let job = begun(holdings, asked, RETRIEVAL)?;
    holdings
        .retrievals
        .put(text(&job, "tracking_id").into(), job.clone())?;
    Ok(results(201, &json!({"task_id": job.get("tracking_id")})))
}

/// `GET /data-retrievals/v3.0/{}`
pub(super) fn retrieval(
    holdings: &mut Holdings,
    _: &mut Project,
    asked: &Asked<'_>,
) -> Result<Response, Fault> {
    let job = moved_on(&mut holdings.retrievals, asked)?;
    let link = match text(&job, "status") {
        "SUCCESS" => format!(
            "https://sandbox.invalid/data-retrievals/{}.zip",
            asked.part(0)
        ),
        _ => String::new(),
    };
    let answer = json!({
        "status": job.get("status"), "results": link, "distinct_ids": job.get("distinct_ids"),
    });
    Ok(results(200, &answer))
}

/// `POST /data-deletions/v3.0`
pub(super) fn create_deletion(
    holdings: &mut Holdings,
    _: &mut Project,
    asked: &Asked<'_>,
) -> Result<Response, Fault> {
    let job = begun(holdings, asked, DELETION)?;
    holdings
        .deletions
        .put(text(&job, "tracking_id").into(), job.clone())?;
    Ok(results(201, &json!({"task_id": job.get("tracking_id")})))
}

/// `GET /data-deletions/v3.0/{}`: when the job succeeds, the users' events and profiles are gone.
pub(super) fn deletion(
    holdings: &mut Holdings,
    project: &mut Project,
    asked: &Asked<'_>,
) -> Result<Response, Fault> {
    let mut job = moved_on(&mut holdings.deletions, asked)?;
    if text(&job, "status") == "SUCCESS" {
        for user in list(&job, "distinct_ids").iter().filter_map(Value::as_str) {
            project.erase(user);
        }
    }
    job.remove("disclosure_type");
    Ok(results(200, &Value::Object(job)))
}

/// `DELETE /data-deletions/v3.0/{}`
pub(super) fn cancel_deletion(
    holdings: &mut Holdings,
    _: &mut Project,
    asked: &Asked<'_>,
) -> Result<Response, Fault> {
    let id = asked.part(0).to_owned();
    let job = holdings.deletions.get(&id).cloned();
    let mut job = job.ok_or_else(|| missing(asked))?;
    match text(&job, "status") {
        "PENDING" => {}
        state => {
            return Err(Fault::new(
                405,
                format!("The deletion is {state} and can no longer be cancelled"),
            ));
        }
    }
    job.insert("status".into(), json!("REVOKED"));
    holdings.deletions.put(id, job)?;
    Ok(Response::text(204, ""))
}

fn begun(
    holdings: &mut Holdings,
    asked: &Asked<'_>,
    members: &'static [Member],
) -> Result<Item, Fault> {
    let mut job = shape::body(asked.request, members)?;
    if list(&job, "distinct_ids").is_empty() {
        return Err(Fault::bad_request("body.distinct_ids must not be empty"));
    }
    job.entry("compliance_type")
        .or_insert_with(|| json!("GDPR"));
    for (member, value) in [
        ("tracking_id", json!(holdings.next_uuid())),
        ("status", json!("PENDING")),
        ("requesting_user", json!("oauth@example.com")),
        ("project_id", json!(holdings.facts.id)),
        (
            "date_requested",
            json!(time::moment(asked.request.received_ms)),
        ),
    ] {
        job.insert(member.into(), value);
    }
    Ok(job)
}

/// The job as it is told now. What was told pending is pending until the next question, so that it can be cancelled.
fn moved_on(jobs: &mut Shelf<String>, asked: &Asked<'_>) -> Result<Item, Fault> {
    let id = asked.part(0).to_owned();
    let mut job = jobs.get(&id).cloned().ok_or_else(|| missing(asked))?;
    let was_told = job.remove("told").is_some();
    let status = match text(&job, "status") {
        "PENDING" if was_told => "STARTED",
        "STARTED" => "SUCCESS",
        other => other,
    };
    let status = json!(status);
    job.insert("status".into(), status);
    let mut kept = job.clone();
    kept.insert("told".into(), json!(true));
    jobs.put(id, kept)?;
    Ok(job)
}

fn missing(asked: &Asked<'_>) -> Fault {
    Fault::new(404, format!("Task {} does not exist", asked.part(0)))
}
