//! Which ids are one user: `$identify` and `$create_alias` by `/track`, `$merge` by `/import`. What is joined stays so.

use serde_json::{Map, Value};

use super::record::{Invalid, invalid, is_disallowed};
use super::store::Project;

pub(super) fn is_merge(record: &Value) -> bool {
    record.get("event").and_then(Value::as_str) == Some("$merge")
}

/// Joins the two users of an imported `$merge`; the first id is kept.
pub(super) fn merge(project: &mut Project, record: &Value) -> Result<(), Invalid> {
    let field = "properties.$distinct_ids";
    let ids = record
        .pointer("/properties/$distinct_ids")
        .and_then(Value::as_array);
    match ids.map(Vec::as_slice) {
        Some([Value::String(first), Value::String(second)]) => join(project, field, first, second),
        _ => Err(invalid(field, "must be a list of exactly two strings")),
    }
}

/// What a tracked event joins; none for an event that is not about identities.
pub(super) fn tracked(
    project: &mut Project,
    name: &str,
    properties: &Map<String, Value>,
) -> Option<Result<(), Invalid>> {
    let text = |name: &str| properties.get(name).and_then(Value::as_str);
    let needed = |name: &'static str| {
        text(name)
            .filter(|id| !id.is_empty())
            .ok_or_else(|| invalid(&format!("properties.{name}"), "must be a non-empty string"))
    };
    let joined = match name {
        "$identify" => needed("$identified_id").and_then(|identified| {
            let anonymous = needed("$anon_id")?;
            if !is_uuid_v4(anonymous) {
                return Err(invalid(
                    "properties.$anon_id",
                    "must be a UUID of version 4",
                ));
            }
            join(project, "properties.$identified_id", identified, anonymous)
        }),
        "$create_alias" => needed("distinct_id").and_then(|distinct_id| {
            join(project, "properties.alias", distinct_id, needed("alias")?)
        }),
        "$merge" => Err(invalid("event", "$merge is taken by /import only")),
        _ => return None,
    };
    Some(joined)
}

fn join(project: &mut Project, field: &str, kept: &str, gone: &str) -> Result<(), Invalid> {
    if [kept, gone]
        .iter()
        .any(|id| id.is_empty() || is_disallowed(id))
    {
        return Err(invalid(field, "is on the list of disallowed values"));
    }
    if kept == gone {
        return Err(invalid(field, "must name two different ids"));
    }
    project
        .join(kept, gone)
        .map_err(|_| invalid(field, "cannot be joined: no more ids are held in memory"))
}

fn is_uuid_v4(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'4',
            19 => matches!(byte.to_ascii_lowercase(), b'8' | b'9' | b'a' | b'b'),
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::sample;
    use crate::sandbox::store::Filter;

    const ANONYMOUS: &str = "8f14e45f-ceea-467f-a6b5-0d2d4f5e8c11";

    fn users(project: &Project) -> Vec<&str> {
        project
            .select(&Filter::default())
            .map(|event| project.text(event.user))
            .collect()
    }

    fn track(project: &mut Project, name: &str, properties: Value) -> Option<Result<(), Invalid>> {
        tracked(project, name, properties.as_object().unwrap())
    }

    #[test]
    fn what_was_done_under_either_id_belongs_to_one_user() {
        let mut project = sample::project(&[
            ("Open", ANONYMOUS, "2026-01-01T10:00:00", json!({})),
            ("Buy", "ann", "2026-01-01T11:00:00", json!({})),
            ("Buy", "bob", "2026-01-01T12:00:00", json!({})),
        ]);
        let identify = json!({"$identified_id": "ann", "$anon_id": ANONYMOUS});
        assert_eq!(track(&mut project, "$identify", identify), Some(Ok(())));
        assert_eq!(users(&project), ["ann", "ann", "bob"]);
        let alias = json!({"distinct_id": "ann", "alias": "ann@example.com"});
        assert_eq!(track(&mut project, "$create_alias", alias), Some(Ok(())));
        assert_eq!(project.canonical("ann@example.com"), "ann");
        let both = json!({"event": "$merge", "properties": {"$distinct_ids": ["bob", "ann"]}});
        assert_eq!(merge(&mut project, &both), Ok(()));
        assert_eq!(users(&project), ["bob", "bob", "bob"]);
        assert_eq!(project.canonical(ANONYMOUS), "bob");
    }

    #[test]
    fn ids_that_cannot_be_joined_are_refused_with_their_field() {
        let mut project = Project::default();
        for (name, properties, field) in [
            (
                "$identify",
                json!({"$identified_id": "ann", "$anon_id": "bob"}),
                "properties.$anon_id",
            ),
            (
                "$identify",
                json!({"$anon_id": ANONYMOUS}),
                "properties.$identified_id",
            ),
            (
                "$create_alias",
                json!({"distinct_id": "a", "alias": "a"}),
                "properties.alias",
            ),
            (
                "$create_alias",
                json!({"distinct_id": "a", "alias": "null"}),
                "properties.alias",
            ),
            ("$merge", json!({}), "event"),
        ] {
            let refused = track(&mut project, name, properties).unwrap().unwrap_err();
            assert_eq!(refused.field, field, "{name}");
        }
        assert_eq!(track(&mut project, "Buy", json!({})), None);
        for ids in [
            json!(["a"]),
            json!(["a", "b", "c"]),
            json!([1, 2]),
            json!(null),
        ] {
            let record = json!({"event": "$merge", "properties": {"$distinct_ids": ids}});
            assert!(merge(&mut project, &record).is_err(), "{ids}");
        }
    }
}
