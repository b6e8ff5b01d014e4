//! Changes of profiles: `/engage` for users and `/groups` for groups. Failures are told with HTTP 200.

use serde_json::{Map, Value, json};

use super::fault::{Fault, reason};
use super::http::{Request, Response};
use super::ingestion::{loose_answer, loose_records};
use super::projects::{Facts, facts_of_token};
use super::store::{Owner, Profile, Store};
use super::time;

/// One update as JSON.
const UPDATE_BYTES_MAX: usize = 1024 * 1024;

/// `POST /engage`
pub(super) fn users(store: &Store, request: &Request) -> Result<Response, Fault> {
    Ok(update_all(store, request, user))
}

/// `POST /groups`
pub(super) fn groups(store: &Store, request: &Request) -> Result<Response, Fault> {
    Ok(update_all(store, request, group))
}

/// An id as clients send them: text, or a number.
fn id(update: &Map<String, Value>, field: &str) -> Result<String, String> {
    match update.get(field) {
        Some(Value::String(id)) if !id.is_empty() => Ok(id.clone()),
        Some(id @ Value::Number(_)) => Ok(id.to_string()),
        Some(_) => Err(format!("'{field}' must be a non-empty string")),
        None => Err(format!("'{field}' is missing")),
    }
}

fn user(update: &Map<String, Value>) -> Result<Owner, String> {
    Ok(Owner::User(id(update, "$distinct_id")?))
}

fn group(update: &Map<String, Value>) -> Result<Owner, String> {
    if update.contains_key("$append") {
        return Err("'$append' is not supported for groups".into());
    }
    Ok(Owner::Group(
        id(update, "$group_key")?,
        id(update, "$group_id")?,
    ))
}

type WhoseFn = fn(&Map<String, Value>) -> Result<Owner, String>;

fn update_all(store: &Store, request: &Request, whose: WhoseFn) -> Response {
    let records = match loose_records(request) {
        Ok(records) => records,
        Err(error) => return loose_answer(request, false, &error),
    };
    let mut errors = Vec::new();
    for (index, record) in records.iter().enumerate() {
        if let Err(error) = update_one(store, request, record, whose) {
            errors.push((index, error));
        }
    }
    let good = records.len() - errors.len();
    if request.parameter("strict") == Some("1") {
        return strict_answer(good, &errors);
    }
    let error = errors.first().map_or("", |(_, error)| error.as_str());
    loose_answer(request, good > 0, error)
}

fn strict_answer(good: usize, errors: &[(usize, String)]) -> Response {
    if errors.is_empty() {
        let answer = json!({"code": 200, "num_good_events": good, "status": reason(200)});
        return Response::json(200, &answer);
    }
    let failed: Vec<Value> = errors
        .iter()
        .map(|(index, error)| json!({"index": index, "message": error}))
        .collect();
    let answer = json!({
        "code": 400,
        "error": "some data points in the request failed validation",
        "failed_records": failed,
        "num_good_events": good,
        "status": reason(400),
    });
    Response::json(200, &answer)
}

fn update_one(
    store: &Store,
    request: &Request,
    record: &Value,
    whose: WhoseFn,
) -> Result<(), String> {
    let update = record.as_object().ok_or("an update must be an object")?;
    if record.to_string().len() > UPDATE_BYTES_MAX {
        return Err("an update must not be larger than 1 MB".into());
    }
    let token = match update.get("$token") {
        Some(Value::String(token)) if !token.is_empty() => token,
        _ => return Err("'$token' is missing or empty".into()),
    };
    let owner = whose(update)?;
    let operation = Operation::read(update)?;
    // An unknown token is taken without a word, like an event's.
    let facts: Option<&Facts> = facts_of_token(token);
    let Some(mut project) = facts.and_then(|facts| store.write(facts)) else {
        return Ok(());
    };
    let is_timed = matches!(owner, Owner::User(_))
        && update.get("$ignore_time").and_then(Value::as_bool) != Some(true);
    let owner = match owner {
        Owner::User(id) => Owner::User(project.canonical(&id).to_owned()),
        group => group,
    };
    project
        .change_profile(owner, |profile| {
            let mut profile = operation.apply(profile)?;
            if is_timed {
                profile.insert(
                    "$last_seen".into(),
                    json!(time::moment(request.received_ms)),
                );
            }
            Some(profile)
        })
        .map_err(|_| "the profile is too large, or no more are held in memory".to_owned())
}

/// What an update does. The values are those of the request, in a form that fits.
#[derive(Debug, PartialEq)]
enum Operation<'u> {
    Set(&'u Map<String, Value>),
    SetOnce(&'u Map<String, Value>),
    Add(&'u Map<String, Value>),
    Append(&'u Map<String, Value>),
    Union(&'u Map<String, Value>),
    Remove(&'u Map<String, Value>),
    Unset(Vec<&'u str>),
    Delete,
}

impl<'u> Operation<'u> {
    /// The one operation of an update.
    fn read(update: &'u Map<String, Value>) -> Result<Operation<'u>, String> {
        const OPERATORS: [&str; 8] = [
            "$set",
            "$set_once",
            "$add",
            "$append",
            "$union",
            "$remove",
            "$unset",
            "$delete",
        ];
        let mut present = OPERATORS
            .iter()
            .filter_map(|name| Some((*name, update.get(*name)?)));
        let (name, value) = present
            .next()
            .ok_or_else(|| format!("one of {} is missing", OPERATORS.join(", ")))?;
        if let Some((other, _)) = present.next() {
            return Err(format!("'{name}' and '{other}' cannot stand in one update"));
        }
        match name {
            // Its value is ignored.
            "$delete" => return Ok(Operation::Delete),
            "$unset" => {
                let names = value
                    .as_array()
                    .and_then(|names| names.iter().map(Value::as_str).collect());
                return names
                    .map(Operation::Unset)
                    .ok_or_else(|| "'$unset' must be an array of property names".into());
            }
            _ => {}
        }
        let values = value
            .as_object()
            .ok_or_else(|| format!("'{name}' must be an object"))?;
        let each = |holds: fn(&Value) -> bool, what: &str| match values
            .iter()
            .find(|(_, value)| !holds(value))
        {
            None => Ok(values),
            Some((property, _)) => Err(format!("'{name}.{property}' must be {what}")),
        };
        Ok(match name {
            "$set" => Operation::Set(values),
            "$set_once" => Operation::SetOnce(values),
            "$add" => Operation::Add(each(Value::is_number, "a number")?),
            "$append" => Operation::Append(values),
            "$union" => Operation::Union(each(Value::is_array, "an array")?),
            _ => Operation::Remove(values),
        })
    }

    /// The profile afterwards; none if it is gone, or was never there and nothing makes it.
    fn apply(&self, profile: Option<Profile>) -> Option<Profile> {
        let makes = !matches!(
            self,
            Operation::Unset(_) | Operation::Remove(_) | Operation::Delete
        );
        let mut profile = match profile {
            Some(profile) => profile,
            None if makes => Profile::new(),
            None => return None,
        };
        match self {
            Operation::Set(values) => {
                let values = values
                    .iter()
                    .map(|(name, value)| (name.clone(), value.clone()));
                profile.extend(values);
            }
            Operation::SetOnce(values) => {
                for (name, value) in *values {
                    profile.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
            Operation::Add(values) => {
                for (name, value) in *values {
                    let sum = added(profile.get(name), value);
                    profile.insert(name.clone(), sum);
                }
            }
            Operation::Append(values) => {
                for (name, value) in *values {
                    list(&mut profile, name, |list| list.push(value.clone()));
                }
            }
            Operation::Union(values) => {
                for (name, value) in *values {
                    let items = value.as_array().into_iter().flatten();
                    list(&mut profile, name, |list| {
                        for item in items {
                            if !list.contains(item) {
                                list.push(item.clone());
                            }
                        }
                    });
                }
            }
            Operation::Remove(values) => {
                for (name, value) in *values {
                    if let Some(Value::Array(items)) = profile.get_mut(name) {
                        items.retain(|item| item != value);
                    }
                }
            }
            Operation::Unset(names) => {
                for name in names {
                    profile.remove(*name);
                }
            }
            Operation::Delete => return None,
        }
        Some(profile)
    }
}

/// A sum; whole numbers stay whole. What is no number counts as 0.
fn added(old: Option<&Value>, value: &Value) -> Value {
    let zero = json!(0);
    let old = old.filter(|old| old.is_number()).unwrap_or(&zero);
    match (old.as_i64(), value.as_i64()) {
        (Some(old), Some(value)) => match old.checked_add(value) {
            Some(sum) => json!(sum),
            None => json!(old as f64 + value as f64),
        },
        _ => json!(old.as_f64().unwrap_or_default() + value.as_f64().unwrap_or_default()),
    }
}

/// Changes a list property. What is no list is replaced by one.
fn list(profile: &mut Profile, name: &str, change: impl FnOnce(&mut Vec<Value>)) {
    let entry = profile.entry(name.to_owned()).or_insert_with(|| json!([]));
    if !entry.is_array() {
        *entry = json!([]);
    }
    if let Value::Array(items) = entry {
        change(items);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::projects::{PROJECT_ID, PROJECT_TOKEN, facts};
    use crate::sandbox::sample::{self, NOW_MS};

    #[track_caller]
    fn check(update: Value, expected: Value) {
        let before = json!({"plan": "free", "count": 2, "tags": ["a", "b"]});
        let update = update.as_object().cloned().unwrap();
        let operation = Operation::read(&update).unwrap();
        let after = operation.apply(before.as_object().cloned());
        assert_eq!(after.map_or(Value::Null, Value::Object), expected);
    }

    #[track_caller]
    fn refuses(update: Value, expected: &str) {
        let update = update.as_object().cloned().unwrap();
        assert_eq!(Operation::read(&update), Err(expected.to_owned()));
    }

    #[test]
    fn each_operator_does_what_it_is_named_for() {
        let with = |count: Value, plan: &str, tags: Value| json!({"plan": plan, "count": count, "tags": tags});
        check(
            json!({"$set": {"plan": "pro"}}),
            with(json!(2), "pro", json!(["a", "b"])),
        );
        check(
            json!({"$set_once": {"plan": "pro"}}),
            with(json!(2), "free", json!(["a", "b"])),
        );
        check(
            json!({"$add": {"count": -3}}),
            with(json!(-1), "free", json!(["a", "b"])),
        );
        check(
            json!({"$add": {"count": 0.5}}),
            with(json!(2.5), "free", json!(["a", "b"])),
        );
        check(
            json!({"$append": {"tags": "a"}}),
            with(json!(2), "free", json!(["a", "b", "a"])),
        );
        check(
            json!({"$union": {"tags": ["a", "c"]}}),
            with(json!(2), "free", json!(["a", "b", "c"])),
        );
        check(
            json!({"$remove": {"tags": "a"}}),
            with(json!(2), "free", json!(["b"])),
        );
        check(
            json!({"$unset": ["plan", "count"]}),
            json!({"tags": ["a", "b"]}),
        );
        check(json!({"$delete": null, "$ignore_alias": true}), json!(null));
    }

    #[test]
    fn only_operators_that_add_something_make_a_profile() {
        for (update, made) in [
            (json!({"$set": {}}), true),
            (json!({"$add": {"a": 1}}), true),
            (json!({"$remove": {"a": 1}}), false),
            (json!({"$unset": ["a"]}), false),
            (json!({"$delete": ""}), false),
        ] {
            let update = update.as_object().cloned().unwrap();
            assert_eq!(
                Operation::read(&update).unwrap().apply(None).is_some(),
                made,
                "{update:?}"
            );
        }
    }

    #[test]
    fn a_malformed_update_is_refused_with_its_place() {
        refuses(json!({"$add": {"a": "1"}}), "'$add.a' must be a number");
        refuses(json!({"$union": {"a": 1}}), "'$union.a' must be an array");
        refuses(
            json!({"$unset": "a"}),
            "'$unset' must be an array of property names",
        );
        refuses(json!({"$set": 1}), "'$set' must be an object");
        refuses(
            json!({"$set": {}, "$add": {}}),
            "'$set' and '$add' cannot stand in one update",
        );
    }

    fn ask(
        store: &Store,
        url: &str,
        handler: fn(&Store, &Request) -> Result<Response, Fault>,
        body: &Value,
    ) -> Value {
        let mut request = Request {
            url: url.into(),
            body: body.to_string().into_bytes(),
            ..Request::default()
        };
        request.read_parameters();
        sample::json(handler(store, &request))
    }

    #[test]
    fn good_updates_are_taken_and_the_first_fault_is_told() {
        let store = Store::new(NOW_MS);
        let updates = json!([
            {"$token": PROJECT_TOKEN, "$distinct_id": "zoe"},
            {"$token": PROJECT_TOKEN, "$distinct_id": "zoe", "$add": {"visits": 1}, "$ignore_time": true},
            {"$token": PROJECT_TOKEN, "$set": {}},
        ]);
        let operators = "$set, $set_once, $add, $append, $union, $remove, $unset, $delete";
        let missing = format!("one of {operators} is missing");
        assert_eq!(
            ask(&store, "/engage?verbose=1", users, &updates),
            json!({"status": 1, "error": missing})
        );
        let project = store.read(facts(PROJECT_ID).unwrap()).unwrap();
        let profile = project.profiles().get("zoe").cloned();
        assert_eq!(profile.map(Value::Object), Some(json!({"visits": 1})));
    }

    #[test]
    fn strict_names_the_updates_that_failed() {
        let store = Store::new(NOW_MS);
        let updates = json!([
            {"$token": PROJECT_TOKEN, "$distinct_id": "zoe", "$set": {"a": 1}},
            {"$token": PROJECT_TOKEN, "$set": {}},
        ]);
        let expected = json!({
            "code": 400,
            "error": "some data points in the request failed validation",
            "failed_records": [{"index": 1, "message": "'$distinct_id' is missing"}],
            "num_good_events": 1,
            "status": "Bad Request",
        });
        assert_eq!(ask(&store, "/engage?strict=1", users, &updates), expected);
    }

    #[test]
    fn groups_are_kept_by_their_key_and_take_no_append() {
        let store = Store::new(NOW_MS);
        let update = |operator: &str| json!({"$token": PROJECT_TOKEN, "$group_key": "company", "$group_id": "acme", operator: {"size": 7}});
        let taken = ask(&store, "/groups?verbose=1", groups, &update("$set"));
        assert_eq!(taken, json!({"status": 1, "error": ""}));
        let refused = ask(&store, "/groups?verbose=1", groups, &update("$append"));
        assert_eq!(
            refused,
            json!({"status": 0, "error": "'$append' is not supported for groups"})
        );
        let project = store.read(facts(PROJECT_ID).unwrap()).unwrap();
        let groups: Vec<_> = project
            .groups("company")
            .map(|(id, group)| (id.as_str(), group["size"].clone()))
            .collect();
        assert_eq!(groups, [("acme", json!(7))]);
        assert_eq!(project.groups("team").count(), 0);
    }
}
