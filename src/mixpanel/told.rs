//! How answers of the many forms are read that are small or hold [`Value`]s anyway: out of a [`Value`], member by member, and
//! leniently where Mixpanel does not document them. What serde derives for each form takes more of the program than all of these.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::credentials::Secret;
use super::report::text_of;

/// What can be read out of an answer.
pub(super) trait Told: Sized {
    /// Reads it. `None`: the value has another shape.
    fn told(value: Value) -> Option<Self>;
}

/// The members of an object that is read.
pub(super) struct Members(Map<String, Value>);

impl Members {
    pub(super) fn of(value: Value) -> Option<Members> {
        Map::told(value).map(Members)
    }

    /// A member. One of another shape counts as left out.
    pub(super) fn take<T: Told>(&mut self, name: &str) -> Option<T> {
        T::told(self.value(name)?)
    }

    /// A member that may be null or left out, but not have another shape.
    pub(super) fn maybe<T: Told>(&mut self, name: &str) -> Option<Option<T>> {
        match self.value(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => T::told(value).map(Some),
        }
    }

    /// A member that comes as a number or as a text.
    pub(super) fn id(&mut self, name: &str) -> Option<String> {
        let value = self.value(name)?;
        (!value.is_null()).then(|| text_of(value))
    }

    /// A member that may be left out, but not have another shape.
    pub(super) fn or_default<T: Told + Default>(&mut self, name: &str) -> Option<T> {
        self.value(name).map_or_else(|| Some(T::default()), T::told)
    }

    fn value(&mut self, name: &str) -> Option<Value> {
        self.0.get_mut(name).map(Value::take)
    }

    /// What has not been taken.
    pub(super) fn rest(self) -> Value {
        Value::Object(self.0)
    }
}

/// What an answer has as this member, or all of it where it has none: Mixpanel's own pages disagree about some wrappers.
pub(super) fn unwrapped(mut answer: Value, name: &str) -> Value {
    let inner = answer.get_mut(name).map(Value::take);
    inner.unwrap_or(answer)
}

impl Told for Members {
    fn told(value: Value) -> Option<Members> {
        Members::of(value)
    }
}

impl Told for Value {
    fn told(value: Value) -> Option<Value> {
        Some(value)
    }
}

impl Told for Map<String, Value> {
    fn told(value: Value) -> Option<Map<String, Value>> {
        match value {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }
}

impl Told for String {
    fn told(value: Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

impl Told for Secret {
    fn told(value: Value) -> Option<Secret> {
        String::told(value).map(Secret::new)
    }
}

impl Told for bool {
    fn told(value: Value) -> Option<bool> {
        value.as_bool()
    }
}

impl Told for u64 {
    fn told(value: Value) -> Option<u64> {
        value.as_u64()
    }
}

impl Told for u8 {
    fn told(value: Value) -> Option<u8> {
        value.as_u64()?.try_into().ok()
    }
}

impl Told for u32 {
    fn told(value: Value) -> Option<u32> {
        value.as_u64()?.try_into().ok()
    }
}

impl Told for f64 {
    fn told(value: Value) -> Option<f64> {
        value.as_f64()
    }
}

impl<T: Told> Told for Vec<T> {
    fn told(value: Value) -> Option<Vec<T>> {
        match value {
            Value::Array(items) => items.into_iter().map(T::told).collect(),
            _ => None,
        }
    }
}

impl<T: Told> Told for BTreeMap<String, T> {
    fn told(value: Value) -> Option<BTreeMap<String, T>> {
        let members = Map::told(value)?.into_iter();
        members
            .map(|(name, value)| Some((name, T::told(value)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_of_another_shape_counts_as_left_out_and_an_id_is_a_text() {
        let value = json!({"name": 7, "ids": ["a", 1], "owner": 7, "maker": "m", "none": null});
        let mut members = Members::of(value).unwrap();
        assert_eq!(members.take::<String>("name"), None);
        assert_eq!(members.take::<Vec<String>>("ids"), None);
        assert_eq!(members.id("owner").as_deref(), Some("7"));
        assert_eq!(members.id("maker").as_deref(), Some("m"));
        assert_eq!(members.id("none"), None);
        assert_eq!(members.id("missing"), None);
    }

    #[test]
    fn a_member_that_may_be_left_out_must_have_its_shape_where_it_is_there() {
        let mut members = Members::of(json!({"added": 3, "deleted": "x"})).unwrap();
        assert_eq!(members.or_default::<u64>("added"), Some(3));
        assert_eq!(members.or_default::<u64>("deleted"), None);
        assert_eq!(members.or_default::<u64>("changed"), Some(0));
        let mut members = Members::of(json!({"ratio": 1, "none": null, "page": "x"})).unwrap();
        assert_eq!(members.maybe::<f64>("ratio"), Some(Some(1.0)));
        assert_eq!(members.maybe::<f64>("none"), Some(None));
        assert_eq!(members.maybe::<f64>("missing"), Some(None));
        assert_eq!(members.maybe::<u32>("page"), None);
    }

    #[test]
    fn a_list_or_a_map_is_told_only_when_every_part_of_it_is() {
        assert_eq!(Vec::<u64>::told(json!([1, 2])), Some(vec![1, 2]));
        assert_eq!(Vec::<u64>::told(json!([1, "2"])), None);
        let map = BTreeMap::<String, bool>::told(json!({"a": true}));
        assert_eq!(map, Some(BTreeMap::from([("a".to_owned(), true)])));
        assert_eq!(BTreeMap::<String, bool>::told(json!({"a": 1})), None);
        assert!(Members::of(json!([])).is_none());
    }
}
