//! Experiments and the steps of their life. A step that the state does not allow is refused with HTTP 200.

use serde_json::{Value, json};

use super::fault::Fault;
use super::holdings::{Asked, Holdings, author, refused, results};
use super::http::Response;
use super::shape::{self, FREE, Member, Shape, needs, takes, text};
use super::shelf::Item;
use super::time;
use crate::mixpanel::expression::parse_moment;

const NEW: &[Member] = &[
    needs("name", Shape::Length(1, 255)),
    takes("description", Shape::Length(0, 400)),
    takes("hypothesis", Shape::Text),
    takes("settings", FREE),
    takes("variants", Shape::List(&Shape::Any)),
    takes("metrics", Shape::List(&Shape::Any)),
    takes("global_access_type", Shape::Text),
];
const CHANGE: &[Member] = &[
    takes("name", Shape::Length(1, 255)),
    takes("description", Shape::Length(0, 400)),
    takes("hypothesis", Shape::Text),
    takes(
        "status",
        Shape::Words(&["draft", "active", "concluded", "success", "fail"]),
    ),
    takes("settings", FREE),
    takes("variants", Shape::List(&Shape::Any)),
    takes("metrics", Shape::List(&Shape::Any)),
    takes("start_date", Shape::Text),
    takes("end_date", Shape::Text),
    takes("exposures_cache", FREE),
    takes("results_cache", FREE),
    takes("tags", Shape::List(&Shape::Text)),
    takes("global_access_type", Shape::Text),
];
const DECISION: &[Member] = &[
    needs("success", Shape::Boolean),
    takes("variant", Shape::Text),
    takes("message", Shape::Text),
];
const CONCLUSION: &[Member] = &[takes("end_date", Shape::Text)];

/// The draft that the shop begins with.
pub(super) fn furnish(holdings: &mut Holdings, now_ms: i64) {
    let id = holdings.next_uuid();
    let sent = json!({
        "name": "Free shipping banner",
        "hypothesis": "A banner on the product page makes more people buy",
        "variants": [{"key": "control", "split": 0.5}, {"key": "banner", "split": 0.5}],
        "metrics": [{"event": "Purchase Completed", "type": "unique"}],
    });
    let sent = sent.as_object().cloned().unwrap_or_default();
    let draft = drafted(&id, sent, author("sandbox"), &time::instant(now_ms));
    let put = holdings.experiments.put(id, draft);
    debug_assert_eq!(put, Ok(()));
}

/// `GET /workspaces/{}/experiments`: not the archived ones.
pub(super) fn list_all(holdings: &mut Holdings, _: &Asked<'_>) -> Result<Response, Fault> {
    let experiments: Vec<&Item> = holdings
        .experiments
        .iter()
        .map(|(_, experiment)| experiment)
        .filter(|experiment| !is_archived(experiment))
        .collect();
    Ok(results(200, &json!(experiments)))
}

/// `POST /workspaces/{}/experiments`
pub(super) fn create(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let sent = shape::body(asked.request, NEW)?;
    let id = holdings.next_uuid();
    let draft = drafted(&id, sent, asked.author(), &asked.now());
    holdings.experiments.put(id, draft.clone())?;
    Ok(results(201, &Value::Object(draft)))
}

/// `GET /workspaces/{}/experiments/{}`
pub(super) fn get(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    Ok(results(200, &Value::Object(existing(holdings, asked)?)))
}

/// `PATCH /workspaces/{}/experiments/{}`
pub(super) fn change(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let mut experiment = existing(holdings, asked)?;
    let mut change = shape::body(asked.request, CHANGE)?;
    let (from, to) = (text(&experiment, "status"), text(&change, "status"));
    let is_step = matches!(
        (from, to),
        ("draft", "active") | ("active", "concluded") | ("concluded", "success" | "fail")
    );
    if !to.is_empty() && from != to && !is_step {
        let error = format!("An experiment cannot go from '{from}' to '{to}'");
        return Ok(refused("invalid_state", error));
    }
    change.remove("global_access_type");
    experiment.extend(change);
    keep(holdings, asked, experiment)
}

/// `DELETE /workspaces/{}/experiments/{}`
pub(super) fn delete(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let id = asked.part(0).to_owned();
    let gone = holdings.experiments.take(&id);
    gone.ok_or_else(|| missing(asked))?;
    Ok(results(200, &json!({ "id": id })))
}

/// `POST /workspaces/{}/experiments/{}/archive`
pub(super) fn archive(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let mut experiment = existing(holdings, asked)?;
    if is_archived(&experiment) {
        return Ok(refused(
            "invalid_state",
            "The experiment is archived already",
        ));
    }
    experiment.insert("deleted".into(), json!(asked.now()));
    keep(holdings, asked, experiment)?;
    Ok(results(200, &json!({"id": asked.part(0)})))
}

/// `DELETE /workspaces/{}/experiments/{}/archive`
pub(super) fn unarchive(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let mut experiment = existing(holdings, asked)?;
    if !is_archived(&experiment) {
        return Ok(refused("invalid_state", "The experiment is not archived"));
    }
    experiment.insert("deleted".into(), Value::Null);
    keep(holdings, asked, experiment)
}

/// `PUT /workspaces/{}/experiments/{}/launch`
pub(super) fn launch(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    shape::body(asked.request, &[])?;
    let mut experiment = existing(holdings, asked)?;
    if let Some(refusal) = unless(&experiment, "draft", "launched") {
        return Ok(refusal);
    }
    experiment.insert("status".into(), json!("active"));
    experiment.insert("start_date".into(), json!(asked.now()));
    keep(holdings, asked, experiment)
}

/// `PUT /workspaces/{}/experiments/{}/force_conclude`
pub(super) fn conclude(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let body = shape::body(asked.request, CONCLUSION)?;
    let mut experiment = existing(holdings, asked)?;
    if let Some(refusal) = unless(&experiment, "active", "concluded") {
        return Ok(refusal);
    }
    let end = match text(&body, "end_date") {
        "" => asked.now(),
        given if parse_moment(given).is_some() => given.to_owned(),
        given => {
            return Err(Fault::bad_request(format!(
                "body.end_date '{given}' is not a date"
            )));
        }
    };
    experiment.insert("status".into(), json!("concluded"));
    experiment.insert("end_date".into(), json!(end));
    keep(holdings, asked, experiment)
}

/// `PATCH /workspaces/{}/experiments/{}/decide`
pub(super) fn decide(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let decision = shape::body(asked.request, DECISION)?;
    let mut experiment = existing(holdings, asked)?;
    if let Some(refusal) = unless(&experiment, "concluded", "decided") {
        return Ok(refusal);
    }
    let status = match decision.get("success") {
        Some(Value::Bool(true)) => "success",
        _ => "fail",
    };
    experiment.insert("status".into(), json!(status));
    experiment.insert("results_cache".into(), json!({ "decision": decision }));
    keep(holdings, asked, experiment)
}

/// The refusal of a step that needs another state.
fn unless(experiment: &Item, state: &str, step: &str) -> Option<Response> {
    let found = text(experiment, "status");
    (found != state || is_archived(experiment)).then(|| {
        let article = if state == "active" { "an" } else { "a" };
        let found = if is_archived(experiment) {
            "archived"
        } else {
            found
        };
        let error = format!("Only {article} {state} experiment can be {step}; this one is {found}");
        refused("invalid_state", error)
    })
}

fn drafted(id: &str, sent: Item, author: [(String, Value); 3], now: &str) -> Item {
    let mut experiment = Item::new();
    for (member, value) in [
        ("id", json!(id)),
        ("content_type", json!("experiment")),
        ("description", Value::Null),
        ("hypothesis", Value::Null),
        ("status", json!("draft")),
        ("settings", json!({})),
        ("variants", json!([])),
        ("metrics", json!([])),
        ("tags", json!([])),
        ("exposures_cache", json!({})),
        ("results_cache", json!({})),
        ("start_date", Value::Null),
        ("end_date", Value::Null),
        ("created", json!(now)),
        ("modified", json!(now)),
        ("deleted", Value::Null),
        ("feature_flag", Value::Null),
        ("can_view", json!(true)),
        ("can_update_basic", json!(true)),
    ] {
        experiment.insert(member.into(), value);
    }
    experiment.extend(sent);
    experiment.remove("global_access_type");
    experiment.extend(author);
    experiment
}

fn keep(
    holdings: &mut Holdings,
    asked: &Asked<'_>,
    mut experiment: Item,
) -> Result<Response, Fault> {
    experiment.insert("modified".into(), json!(asked.now()));
    let id = asked.part(0).to_owned();
    holdings.experiments.put(id, experiment.clone())?;
    Ok(results(200, &Value::Object(experiment)))
}

fn is_archived(experiment: &Item) -> bool {
    !text(experiment, "deleted").is_empty()
}

fn existing(holdings: &Holdings, asked: &Asked<'_>) -> Result<Item, Fault> {
    let experiment = holdings.experiments.get(&asked.part(0).to_owned());
    experiment.cloned().ok_or_else(|| missing(asked))
}

fn missing(asked: &Asked<'_>) -> Fault {
    Fault::new(404, format!("Experiment {} does not exist", asked.part(0)))
}
