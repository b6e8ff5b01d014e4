//! The profile of a user is changed.

use serde_json::{Map, Value, json};

use super::event::{Fault, ITEM_BYTES_MAX, distinct_id_fault};
use crate::mcp::args::{Arg as _, Id, Text, args, choice};
use crate::mcp::consent::Loss;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::tools::ask::{Ask, bad_arguments, object, quoted};

pub(super) const SET_USER_PROFILE: Tool<Ask> = Tool {
    name: "mixpanel_set_user_profile",
    title: "Change a user's profile",
    about: "Changes the profile of one user, and makes it if there is none. $set overwrites, $set_once does not; $add adds numbers; $append, $union and $remove change lists; $unset drops properties and $delete the whole profile, for good. Mixpanel's own properties begin with $, as $name and $email. Costs no query quota.",
    effect: Effect::Destroys(loss),
    params: SetUserProfile::FIELDS,
    output: &[
        Field::always("distinct_id", Shape::Words),
        Field::always("operation", Shape::Words),
        Field::always(
            "properties",
            Shape::List {
                item: &Shape::Words,
                min: 0,
                max: usize::MAX,
            },
        )
        .about("The names of those that change."),
    ],
    run: |ask, arguments| set_user_profile(ask, SetUserProfile::read(arguments)),
};

choice! {
    enum Operation {
        Set = "$set",
        SetOnce = "$set_once",
        Add = "$add",
        Append = "$append",
        Union = "$union",
        Remove = "$remove",
        Unset = "$unset",
        Delete = "$delete",
    }
}

args! {
    struct SetUserProfile {
        /// Id of the user.
        distinct_id: Text<255>,
        /// Values by name. $add: numbers. $union: lists. $unset: the names, with any value. Not for $delete.
        properties: Option<Map<String, Value>>,
        /// What to do with properties. Default $set.
        operation: Option<Operation>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

/// Only dropping is asked about; $remove takes values out of a list that the caller names.
fn loss(_: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let args = SetUserProfile::read(arguments);
    let user = args.distinct_id.0;
    // What cannot be done need not be asked about.
    let properties = args.properties.unwrap_or_default();
    let operation = args.operation.unwrap_or(Operation::Set);
    if !faults(&user, operation, &properties).is_empty() {
        return Ok(None);
    }
    let what = match operation {
        Operation::Delete => {
            format!(
                "delete the whole profile of the user {} for good",
                quoted(&user)
            )
        }
        Operation::Unset => {
            let names: Vec<String> = properties.keys().map(|name| quoted(name)).collect();
            format!(
                "drop {} from the profile of the user {} for good",
                names.join(", "),
                quoted(&user)
            )
        }
        _ => return Ok(None),
    };
    Ok(Some(Loss { name: user, what }))
}

fn set_user_profile(ask: &Ask, args: SetUserProfile) -> Result<Answer, Failure> {
    let operation = args.operation.unwrap_or(Operation::Set);
    let distinct_id = args.distinct_id.0;
    let properties = args.properties.unwrap_or_default();
    let faults = faults(&distinct_id, operation, &properties);
    if !faults.is_empty() {
        return Err(bad_arguments(faults));
    }
    let names: Vec<String> = properties.keys().cloned().collect();
    let what = match names.len() {
        0 => String::new(),
        1 => " of 1 property".into(),
        number => format!(" of {number} properties"),
    };
    let value = match operation {
        Operation::Unset => names.clone().into(),
        // Mixpanel ignores the value.
        Operation::Delete => "".into(),
        _ => Value::Object(properties),
    };
    let update = json!({"$distinct_id": distinct_id, operation.word(): value});

    let clients = ask.mixpanel()?;
    // With a token alone no project need be named.
    let project = ask.project(args.project_id.as_ref());
    let token = clients.project_token(project.as_ref().ok())?;
    clients.ingestion.engage(&token, &[update])?;
    let place = match &project {
        Ok(project) => format!("project {project}"),
        Err(_) => "the project of the server's token".into(),
    };
    Ok(Answer {
        summary: format!(
            "Mixpanel took {}{what} for the user {} in {place}",
            operation.word(),
            quoted(&distinct_id)
        ),
        data: object([
            ("distinct_id", distinct_id.into()),
            ("operation", operation.word().into()),
            ("properties", names.into()),
        ]),
    })
}

/// Mixpanel answers 200 to what it cannot use, so it is told before.
fn faults(distinct_id: &str, operation: Operation, properties: &Map<String, Value>) -> Vec<String> {
    let fault = distinct_id_fault(&distinct_id.into());
    let mut faults: Vec<String> = fault.iter().map(Fault::to_string).collect();
    let word = operation.word();
    match operation {
        Operation::Delete if !properties.is_empty() => faults.push(format!(
            "properties: not for {word}, which drops the whole profile; to drop some properties take $unset"
        )),
        Operation::Delete => (),
        _ if properties.is_empty() => faults.push(format!(
            "properties: missing. {word} needs at least one property"
        )),
        _ => (),
    }
    for (name, value) in properties {
        let expected = match operation {
            Operation::Add if !value.is_number() => "a number",
            Operation::Union if !value.is_array() => "a list",
            _ => continue,
        };
        faults.push(format!("properties.{name}: must be {expected} for {word}"));
    }
    let bytes: usize = properties
        .iter()
        .map(|(name, value)| name.len() + value.to_string().len())
        .sum();
    if bytes >= ITEM_BYTES_MAX {
        faults.push(format!(
            "properties: are {bytes} bytes as JSON, must be under {ITEM_BYTES_MAX}"
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(distinct_id: &str, operation: Operation, properties: Value, expected: &[&str]) {
        let properties = properties.as_object().cloned().unwrap_or_default();
        assert_eq!(faults(distinct_id, operation, &properties), expected);
    }

    #[test]
    fn values_must_suit_the_operation() {
        check("u", Operation::Set, json!({"a": [1]}), &[]);
        check("u", Operation::Add, json!({"a": -1.5}), &[]);
        check("u", Operation::Unset, json!({"a": null}), &[]);
        check(
            "u",
            Operation::Add,
            json!({"a": "1", "b": null}),
            &[
                "properties.a: must be a number for $add",
                "properties.b: must be a number for $add",
            ],
        );
        check(
            "u",
            Operation::Union,
            json!({"a": 1}),
            &["properties.a: must be a list for $union"],
        );
    }

    #[test]
    fn an_operation_without_properties_is_a_fault_but_for_delete() {
        check("u", Operation::Delete, json!({}), &[]);
        check(
            "null",
            Operation::Set,
            json!({}),
            &[
                "distinct_id: \"null\" stands for nobody, Mixpanel refuses it; give the user's own id",
                "properties: missing. $set needs at least one property",
            ],
        );
        check(
            "u",
            Operation::Delete,
            json!({"a": 1}),
            &[
                "properties: not for $delete, which drops the whole profile; to drop some properties take $unset",
            ],
        );
    }
}
