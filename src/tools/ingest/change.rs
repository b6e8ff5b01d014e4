//! One change of a profile, of a user or of a group: whether Mixpanel can use it, what it is sent as, what is lost by it.
//!
//! Mixpanel answers 200 to a change that it cannot use, so that is told before.

use serde_json::{Map, Value};

use super::event::{Fault, ITEM_BYTES_MAX, distinct_id_fault};
use crate::mcp::args::choice;
use crate::mcp::consent::Loss;
use crate::tools::ask::quoted;

choice! {
    pub(super) enum Operation {
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

/// Whose profile it is.
pub(super) enum Owner {
    User(String),
    Group { key: String, id: String },
}

impl Owner {
    pub(super) fn id(&self) -> &str {
        match self {
            Owner::User(id) | Owner::Group { id, .. } => id,
        }
    }

    pub(super) fn in_words(&self) -> String {
        match self {
            Owner::User(id) => format!("the user {}", quoted(id)),
            Owner::Group { key, id } => format!("the group {} of {}", quoted(id), quoted(key)),
        }
    }

    fn fault(&self) -> Option<Fault> {
        match self {
            Owner::User(id) => distinct_id_fault(&id.as_str().into()),
            Owner::Group { .. } => None,
        }
    }

    fn members(self) -> Map<String, Value> {
        let members = match self {
            Owner::User(id) => vec![("$distinct_id", id)],
            Owner::Group { key, id } => vec![("$group_key", key), ("$group_id", id)],
        };
        let members = members.into_iter();
        members
            .map(|(name, id)| (name.to_owned(), id.into()))
            .collect()
    }
}

/// What is done to a profile.
pub(super) struct Change {
    pub(super) owner: Owner,
    operation: Operation,
    properties: Map<String, Value>,
}

impl Change {
    pub(super) fn new(
        owner: Owner,
        operation: Option<Operation>,
        properties: Option<Map<String, Value>>,
    ) -> Change {
        Change {
            owner,
            operation: operation.unwrap_or(Operation::Set),
            properties: properties.unwrap_or_default(),
        }
    }

    pub(super) fn word(&self) -> &'static str {
        self.operation.word()
    }

    /// The names of the properties that change.
    pub(super) fn names(&self) -> Vec<String> {
        self.properties.keys().cloned().collect()
    }

    /// What Mixpanel could not use.
    pub(super) fn faults(&self) -> Vec<String> {
        let fault = self.owner.fault();
        let mut faults: Vec<String> = fault.iter().map(Fault::to_string).collect();
        let word = self.word();
        match self.operation {
            Operation::Delete if !self.properties.is_empty() => faults.push(format!(
                "properties: not for {word}, which drops the whole profile; to drop some properties take $unset"
            )),
            Operation::Delete => (),
            _ if self.properties.is_empty() => faults.push(format!(
                "properties: missing. {word} needs at least one property"
            )),
            _ => (),
        }
        for (name, value) in &self.properties {
            let expected = match self.operation {
                Operation::Add if !value.is_number() => "a number",
                Operation::Union if !value.is_array() => "a list",
                _ => continue,
            };
            faults.push(format!("properties.{name}: must be {expected} for {word}"));
        }
        let bytes: usize = self
            .properties
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

    /// What is lost for good. Only dropping is asked about; $remove takes values out of a list that the caller names.
    /// What cannot be done need not be asked about.
    pub(super) fn loss(&self) -> Option<String> {
        let owner = self.owner.in_words();
        let what = match self.operation {
            Operation::Delete => format!("delete the whole profile of {owner} for good"),
            Operation::Unset => {
                let names: Vec<String> = self.properties.keys().map(|name| quoted(name)).collect();
                let names = names.join(", ");
                format!("drop {names} from the profile of {owner} for good")
            }
            _ => return None,
        };
        self.faults().is_empty().then_some(what)
    }

    /// What is sent, but for the token.
    pub(super) fn update(self) -> Value {
        let value = match self.operation {
            Operation::Unset => self.names().into(),
            // Mixpanel ignores the value.
            Operation::Delete => "".into(),
            _ => Value::Object(self.properties),
        };
        let mut update = self.owner.members();
        update.insert(self.operation.word().to_owned(), value);
        update.into()
    }
}

/// How many losses of a batch a question tells; of the others it tells the number.
const LOSSES_TOLD_MAX: usize = 10;

/// What changes lose that are done together: named by the owner, or by their number.
pub(super) fn loss_of_all(changes: &[Change]) -> Option<Loss> {
    let losses: Vec<(&Change, String)> = changes
        .iter()
        .filter_map(|change| Some((change, change.loss()?)))
        .collect();
    let number = losses.len();
    let name = match losses.as_slice() {
        [] => return None,
        [(change, _)] => change.owner.id().to_owned(),
        _ => format!("{number} profiles"),
    };
    let told: Vec<String> = losses
        .into_iter()
        .take(LOSSES_TOLD_MAX)
        .map(|(_, what)| what)
        .collect();
    let more = match number - told.len() {
        0 => String::new(),
        more => format!(", and {more} more of the kind"),
    };
    Some(Loss {
        name,
        what: told.join(", ") + &more,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(operation: Operation, properties: Value, expected: &[&str]) {
        let properties = properties.as_object().cloned();
        let change = Change::new(Owner::User("u".into()), Some(operation), properties);
        assert_eq!(change.faults(), expected);
    }

    #[test]
    fn values_must_suit_the_operation() {
        check(Operation::Set, json!({"a": [1]}), &[]);
        check(Operation::Add, json!({"a": -1.5}), &[]);
        check(Operation::Unset, json!({"a": null}), &[]);
        check(
            Operation::Add,
            json!({"a": "1", "b": null}),
            &[
                "properties.a: must be a number for $add",
                "properties.b: must be a number for $add",
            ],
        );
        check(
            Operation::Union,
            json!({"a": 1}),
            &["properties.a: must be a list for $union"],
        );
    }

    #[test]
    fn an_operation_without_properties_is_a_fault_but_for_delete() {
        check(Operation::Delete, json!({}), &[]);
        check(
            Operation::Set,
            json!({}),
            &["properties: missing. $set needs at least one property"],
        );
        check(
            Operation::Delete,
            json!({"a": 1}),
            &[
                "properties: not for $delete, which drops the whole profile; to drop some properties take $unset",
            ],
        );
    }

    #[test]
    fn an_id_that_stands_for_nobody_is_a_fault_of_a_user_only() {
        let faults = |owner| {
            let properties = json!({"a": 1}).as_object().cloned();
            Change::new(owner, None, properties).faults()
        };
        let group = Owner::Group {
            key: "company".into(),
            id: "null".into(),
        };
        assert_eq!(faults(group), Vec::<String>::new());
        assert_eq!(
            faults(Owner::User("null".into())),
            [
                "distinct_id: \"null\" stands for nobody, Mixpanel refuses it; give the user's own id"
            ]
        );
    }

    #[test]
    fn what_is_lost_together_is_named_by_the_one_owner_or_their_number_and_ten_are_told() {
        let loss = |number: usize| {
            let deletion =
                |at| Change::new(Owner::User(format!("u{at}")), Some(Operation::Delete), None);
            loss_of_all(&(1..=number).map(deletion).collect::<Vec<_>>())
        };
        assert!(loss(0).is_none());
        let one = loss(1).unwrap();
        assert_eq!(one.name, "u1");
        assert_eq!(
            one.what,
            "delete the whole profile of the user \"u1\" for good"
        );
        let many = loss(12).unwrap();
        assert_eq!(many.name, "12 profiles");
        assert_eq!(many.what.matches("delete the whole").count(), 10);
        assert!(
            many.what.ends_with(", and 2 more of the kind"),
            "{}",
            many.what
        );
    }
}
