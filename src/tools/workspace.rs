//! What belongs to a workspace: which one is meant, and how the flags and experiments in it are told.

use serde_json::{Map, Value, json};

use super::ask::{Ask, quoted};
use crate::mcp::args::Id;
use crate::mcp::tool::Failure;

/// The most characters of a name that `confirm` can repeat.
const NAME_CHARS_MAX: usize = 255;
/// The most workspaces that a failure names.
const NAMED_MAX: usize = 10;

/// The workspace that is meant: the argument, else the project's default one, else its view on all data, else the only
/// one. Looked up where it is not said, which costs a request.
pub(super) fn workspace(
    ask: &Ask,
    argument: Option<&Id>,
    project: Option<&Id>,
) -> Result<u64, Failure> {
    if let Some(id) = argument {
        return number(&id.0);
    }
    let project = ask.project(project)?;
    let known = ask.mixpanel()?.app.workspaces(&project)?;
    let default = known.iter().find(|one| one.is_default == Some(true));
    let global = || known.iter().find(|one| one.is_global == Some(true));
    let only = || known.first().filter(|_| known.len() == 1);
    if let Some(id) = default
        .or_else(global)
        .or_else(only)
        .and_then(|workspace| workspace.id.as_deref())
    {
        return number(id);
    }
    let ids: Vec<&str> = known
        .iter()
        .filter_map(|workspace| workspace.id.as_deref())
        .take(NAMED_MAX)
        .collect();
    let text = format!(
        "project {project} has no default workspace: give workspace_id{}",
        match ids.as_slice() {
            [] => ", as Mixpanel's address bar shows it".into(),
            ids => format!(", one of {}", ids.join(", ")),
        }
    );
    Err(Failure::new("no_workspace", text).with("workspaces", ids))
}

fn number(id: &str) -> Result<u64, Failure> {
    id.parse().map_err(|_| {
        let text = format!("workspace_id: {} is not the id of a workspace", quoted(id));
        Failure::new("bad_arguments", text)
    })
}

/// A text member; empty if there is none.
pub(super) fn text<'v>(item: &'v Value, member: &str) -> &'v str {
    item.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// What an item is called where it must be named exactly: its name, or the id if that is no good as a name.
pub(super) fn called<'v>(item: &'v Value, id: &'v str) -> &'v str {
    let name = text(item, "name");
    match (1..=NAME_CHARS_MAX).contains(&name.chars().count()) {
        true => name,
        false => id,
    }
}

/// The members that were given.
pub(super) fn given<const N: usize>(members: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let members = members.into_iter();
    members
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// The main members of an item: its id under the name that tools know it by, and those of `members` that are texts,
/// lists of texts or true or false.
pub(super) fn row(item: &Value, id_name: &str, members: &[&str]) -> Value {
    let mut row = json!({id_name: text(item, "id")});
    for name in members {
        match item.get(*name) {
            Some(value @ (Value::String(_) | Value::Bool(_))) => row[*name] = value.clone(),
            Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
                row[*name] = items.as_slice().into();
            }
            _ => (),
        }
    }
    row
}

/// As many members of an item as one answer can hold, and whether these are all.
pub(super) fn whole_or_part(ask: &Ask, item: Value) -> (Value, bool) {
    let Value::Object(members) = item else {
        return (json!({}), false);
    };
    // The large ones last, so that they are what is left out.
    let mut members: Vec<(String, Value)> = members.into_iter().collect();
    members.sort_by_cached_key(|(_, value)| value.to_string().len());
    let (members, is_whole) = ask.fitting(members, |(name, value)| json!([name, value]));
    (Value::Object(Map::from_iter(members)), is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_called(name: Value, expected: &str) {
        assert_eq!(called(&json!({ "name": name }), "the-id"), expected);
    }

    #[test]
    fn an_item_is_called_by_its_name_unless_nobody_could_repeat_it() {
        check_called("Dark mode".into(), "Dark mode");
        check_called("é".repeat(255).into(), &"é".repeat(255));
        check_called("é".repeat(256).into(), "the-id");
        check_called("".into(), "the-id");
        check_called(Value::Null, "the-id");
    }

    #[test]
    fn a_row_has_the_members_that_were_asked_for_and_are_plain() {
        let item = json!({
            "id": "i", "name": "n", "tags": ["a"], "status": null, "settings": {"b": 1}, "other": "o",
        });
        let row = row(&item, "flag_id", &["name", "tags", "status", "settings"]);
        assert_eq!(row, json!({"flag_id": "i", "name": "n", "tags": ["a"]}));
    }
}
