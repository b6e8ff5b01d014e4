//! Feature flags: made, replaced, deleted. What they decide for a user is left to `evaluation`.

use serde_json::{Value, json};

use super::evaluation;
use super::fault::Fault;
use super::holdings::{Asked, Holdings, author, refused, results};
use super::http::Response;
use super::shape::{self, FREE, Member, Shape, list, needs, takes, text};
use super::shelf::Item;
use super::time;

const FLAG: &[Member] = &[
    needs("name", Shape::Length(1, 255)),
    needs("key", Shape::Length(1, 255)),
    takes("description", Shape::Nullable(&Shape::Text)),
    needs("tags", Shape::List(&Shape::Text)),
    takes("experiment_id", Shape::Nullable(&Shape::Length(36, 36))),
    takes("status", Shape::Words(&["enabled", "disabled", "archived"])),
    needs("context", Shape::Length(1, 255)),
    // A text or a number.
    takes("data_group_id", Shape::Any),
    needs(
        "serving_method",
        Shape::Words(&["client", "server", "remote_or_local", "remote_only"]),
    ),
    needs(
        "ruleset",
        Shape::Object(&[
            needs(
                "variants",
                Shape::ListTo(
                    11,
                    &Shape::Object(&[
                        needs("key", Shape::Text),
                        needs("value", Shape::Any),
                        takes("description", Shape::Nullable(&Shape::Text)),
                        needs("is_control", Shape::Boolean),
                        needs("split", Shape::Fraction),
                        takes("is_sticky", Shape::Boolean),
                    ]),
                ),
            ),
            needs("rollout", Shape::List(&Shape::Object(ROLLOUT))),
            takes(
                "test",
                Shape::Nullable(&Shape::Map(&Shape::Map(&Shape::Text))),
            ),
        ]),
    ),
    takes("workspace_id", Shape::Nullable(&Shape::Integer)),
    takes("is_experiment_active", Shape::Nullable(&Shape::Boolean)),
    takes("hash_salt", Shape::Nullable(&Shape::Length(32, 32))),
    takes("reset_hash_salt", Shape::Nullable(&Shape::Boolean)),
];

const ROLLOUT: &[Member] = &[
    takes("name", Shape::Nullable(&Shape::Text)),
    takes("cohort_definition", Shape::Nullable(&FREE)),
    takes("runtime_evaluation_definition", Shape::Nullable(&FREE)),
    takes("runtime_evaluation_rule", Shape::Nullable(&FREE)),
    takes(
        "runtime_event_rule",
        Shape::Nullable(&Shape::Object(&[
            needs("event_name", Shape::Text),
            needs("time_window", Shape::Words(&["while_flag_enabled"])),
            takes(
                "duration",
                Shape::Nullable(&Shape::Words(&["end_of_session", "indefinitely"])),
            ),
            takes("property_filters", Shape::Nullable(&FREE)),
        ])),
    ),
    takes("cohort_hash", Shape::Nullable(&Shape::Text)),
    needs("rollout_percentage", Shape::Fraction),
    takes(
        "variant_override",
        Shape::Nullable(&Shape::Object(&[needs("key", Shape::Text)])),
    ),
    needs("variant_splits", Shape::Map(&Shape::Number)),
];

/// The flag that the shop begins with: half of its users get the new checkout.
pub(super) fn furnish(holdings: &mut Holdings, now_ms: i64) {
    let flag = json!({
        "name": "New checkout",
        "key": "new_checkout_flow",
        "description": "One page instead of three",
        "tags": ["checkout"],
        "status": "enabled",
        "context": "distinct_id",
        "serving_method": "remote_or_local",
        "ruleset": {
            "variants": [
                {"key": "control", "value": false, "is_control": true, "split": 0.5, "is_sticky": false},
                {"key": "treatment", "value": true, "is_control": false, "split": 0.5, "is_sticky": false},
            ],
            "rollout": [{"rollout_percentage": 1.0, "variant_splits": {"control": 0.5, "treatment": 0.5}}],
            "test": null,
        },
    });
    let flag = flag.as_object().cloned().unwrap_or_default();
    let now = time::instant(now_ms);
    let id = holdings.next_uuid();
    let flag = made(holdings, &id, flag, author("sandbox"), &now);
    let put = holdings.flags.put(id, flag);
    debug_assert_eq!(put, Ok(()));
}

/// `GET /projects/{}/workspaces/{}/feature-flags`
pub(super) fn list_all(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    of_workspace(holdings, asked)?;
    let is_all = asked.request.parameter("include_archived") == Some("true");
    let flags: Vec<&Item> = holdings
        .flags
        .iter()
        .map(|(_, flag)| flag)
        .filter(|flag| is_all || text(flag, "status") != "archived")
        .collect();
    Ok(results(200, &json!(flags)))
}

/// `POST /projects/{}/workspaces/{}/feature-flags`
pub(super) fn create(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    of_workspace(holdings, asked)?;
    let flag = match read(holdings, asked, None)? {
        Ok(flag) => flag,
        Err(refusal) => return Ok(refusal),
    };
    let id = holdings.next_uuid();
    let flag = made(holdings, &id, flag, asked.author(), &asked.now());
    holdings.flags.put(id, flag.clone())?;
    Ok(results(200, &Value::Object(flag)))
}

/// `GET /projects/{}/workspaces/{}/feature-flags/{}`
pub(super) fn get(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    Ok(results(200, &json!(existing(holdings, asked)?)))
}

/// `PUT /projects/{}/workspaces/{}/feature-flags/{}`: what is left out is lost.
pub(super) fn replace(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let old = existing(holdings, asked)?.clone();
    let id = asked.part(1).to_owned();
    let new = match read(holdings, asked, Some(&id))? {
        Ok(flag) => flag,
        Err(refusal) => return Ok(refusal),
    };
    let now = asked.now();
    let mut flag = made(holdings, &id, new, asked.author(), &now);
    let was_enabled = text(&old, "status") == "enabled" && text(&flag, "status") == "enabled";
    let kept = ["creator_id", "creator_name", "creator_email", "created"];
    for name in kept.into_iter().chain(was_enabled.then_some("enabled_at")) {
        flag.insert(name.into(), old.get(name).cloned().unwrap_or_default());
    }
    for name in ["id", "name", "email"] {
        let [user_id, user_name, email] = asked.author();
        let (_, value) = match name {
            "id" => user_id,
            "name" => user_name,
            _ => email,
        };
        flag.insert(format!("last_modified_by_{name}"), value);
    }
    holdings.flags.put(id, flag.clone())?;
    Ok(results(200, &Value::Object(flag)))
}

/// `DELETE /projects/{}/workspaces/{}/feature-flags/{}`: it is archived, and then no longer to be had by its id.
pub(super) fn delete(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let mut flag = existing(holdings, asked)?.clone();
    flag.insert("status".into(), json!("archived"));
    flag.insert("deleted".into(), json!(asked.now()));
    holdings.flags.put(asked.part(1).to_owned(), flag)?;
    Ok(results(200, &json!({"id": asked.part(1)})))
}

/// `GET /flags`
pub(super) fn evaluate(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let context: Option<Item> = asked
        .request
        .parameter("context")
        .and_then(|context| serde_json::from_slice(context.as_bytes()).ok());
    let context = context
        .filter(|context| !text(context, "distinct_id").is_empty())
        .ok_or_else(|| Fault::bad_request("context must be a JSON object with distinct_id"))?;
    let selected: Item = enabled(holdings)
        .filter_map(|flag| {
            let selected = evaluation::selected(flag, &context)?;
            Some((text(flag, "key").to_owned(), selected))
        })
        .collect();
    Ok(Response::json(200, &json!({ "flags": selected })))
}

/// `GET /flags/definitions`
pub(super) fn definitions(holdings: &mut Holdings, _: &Asked<'_>) -> Result<Response, Fault> {
    const PUBLISHED: &[&str] = &[
        "id",
        "name",
        "key",
        "status",
        "project_id",
        "workspace_id",
        "ruleset",
        "context",
        "experiment_id",
        "is_experiment_active",
    ];
    const RULES: &[(&str, &[&str])] = &[
        (
            "variants",
            &["key", "value", "is_control", "is_sticky", "split"],
        ),
        (
            "rollout",
            &[
                "rollout_percentage",
                "cohort_hash",
                "runtime_evaluation_rule",
                "runtime_evaluation_definition",
                "variant_splits",
                "variant_override",
            ],
        ),
    ];
    let definitions: Vec<Item> = enabled(holdings)
        .map(|flag| {
            let mut shown = published(flag, PUBLISHED);
            let Some(Value::Object(ruleset)) = shown.get_mut("ruleset") else {
                return shown;
            };
            ruleset.retain(|_, member| !member.is_null());
            for (part, members) in RULES {
                let rules = list(ruleset, part).iter().filter_map(Value::as_object);
                let rules: Vec<Item> = rules.map(|rule| published(rule, members)).collect();
                ruleset.insert((*part).into(), json!(rules));
            }
            shown
        })
        .collect();
    Ok(Response::json(200, &json!({ "flags": definitions })))
}

/// What evaluating code needs to know of something: these members, where they say anything.
fn published(whole: &Item, members: &[&str]) -> Item {
    let shown = members.iter().filter_map(|name| {
        let value = whole.get(*name).filter(|value| !value.is_null())?;
        Some(((*name).to_owned(), value.clone()))
    });
    shown.collect()
}

fn enabled(holdings: &Holdings) -> impl Iterator<Item = &Item> {
    holdings
        .flags
        .iter()
        .map(|(_, flag)| flag)
        .filter(|flag| text(flag, "status") == "enabled")
}

/// The flag in the body; or the refusal with HTTP 200 of one whose parts do not fit each other.
fn read(
    holdings: &Holdings,
    asked: &Asked<'_>,
    own_id: Option<&String>,
) -> Result<Result<Item, Response>, Fault> {
    let flag = shape::body(asked.request, FLAG)?;
    let key = text(&flag, "key");
    let is_taken = holdings
        .flags
        .iter()
        .any(|(id, known)| Some(id) != own_id && !is_deleted(known) && text(known, "key") == key);
    if is_taken {
        let error = format!("A feature flag with the key '{key}' exists already");
        return Ok(Err(refused("validation_error", error)));
    }
    if let Some(unknown) = unknown_variant(&flag) {
        let error = format!("ruleset.rollout names the variant '{unknown}', which is not defined");
        return Ok(Err(refused("validation_error", error)));
    }
    Ok(Ok(flag))
}

/// A variant that a rollout names and the ruleset does not have.
fn unknown_variant(flag: &Item) -> Option<String> {
    let ruleset = flag.get("ruleset")?.as_object()?;
    let known: Vec<&str> = list(ruleset, "variants")
        .iter()
        .filter_map(|variant| variant.get("key")?.as_str())
        .collect();
    let rollouts = list(ruleset, "rollout").iter().filter_map(Value::as_object);
    let mut named = rollouts.flat_map(|rollout| {
        let splits = rollout.get("variant_splits").and_then(Value::as_object);
        let overriding = rollout
            .get("variant_override")
            .and_then(|variant| variant.get("key")?.as_str());
        let splits = splits.into_iter().flat_map(|splits| splits.keys());
        splits.map(String::as_str).chain(overriding)
    });
    named.find(|name| !known.contains(name)).map(str::to_owned)
}

/// A flag with all that Mixpanel adds to what was sent.
fn made(
    holdings: &Holdings,
    id: &str,
    sent: Item,
    author: [(String, Value); 3],
    now: &str,
) -> Item {
    let mut flag = Item::new();
    for (member, nothing) in [
        ("description", Value::Null),
        ("experiment_id", Value::Null),
        ("status", json!("disabled")),
        ("data_group_id", Value::Null),
        ("is_experiment_active", Value::Null),
        ("hash_salt", Value::Null),
        ("deleted", Value::Null),
    ] {
        flag.insert(member.into(), nothing);
    }
    flag.extend(sent);
    if flag.remove("reset_hash_salt") == Some(json!(true)) {
        flag.insert("hash_salt".into(), Value::Null);
    }
    let enabled_at = match text(&flag, "status") {
        "enabled" => json!(now),
        _ => Value::Null,
    };
    flag.extend(author);
    for (member, value) in [
        ("id", json!(id)),
        ("project_id", json!(holdings.facts.id)),
        ("workspace_id", json!(holdings.facts.workspace_id)),
        ("content_type", json!("feature-flags")),
        ("created", json!(now)),
        ("modified", json!(now)),
        ("enabled_at", enabled_at),
        ("can_view", json!(true)),
        ("can_update_basic", json!(true)),
    ] {
        flag.insert(member.into(), value);
    }
    flag
}

fn is_deleted(flag: &Item) -> bool {
    flag.get("deleted")
        .is_some_and(|deleted| !deleted.is_null())
}

fn existing<'h>(holdings: &'h Holdings, asked: &Asked<'_>) -> Result<&'h Item, Fault> {
    of_workspace(holdings, asked)?;
    let flag = holdings.flags.get(&asked.part(1).to_owned());
    flag.filter(|flag| !is_deleted(flag)).ok_or_else(|| {
        Fault::new(
            404,
            format!("Feature flag {} does not exist", asked.part(1)),
        )
    })
}

/// The workspace in the path must be the project's.
fn of_workspace(holdings: &Holdings, asked: &Asked<'_>) -> Result<(), Fault> {
    if asked.part(0) == holdings.facts.workspace_id.to_string() {
        return Ok(());
    }
    Err(Fault::forbidden(format!(
        "You do not have access to workspace {}",
        asked.part(0)
    )))
}
