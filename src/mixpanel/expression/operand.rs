//! The values that expressions work on, and how they compare and convert.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    Deserialize, Deserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer,
};
use serde_json::{Map, Value};

/// A value inside of an expression. Dates are numbers: seconds since the epoch.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand<'a> {
    /// Not there, or the outcome of an operation that makes no sense.
    Undefined,
    /// True or false.
    Boolean(bool),
    /// A number, or a moment.
    Number(f64),
    /// A string.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Operand<'a>>),
    /// An object, as its JSON text.
    Object(String),
}

impl<'a> Operand<'a> {
    /// A copy of a JSON value.
    pub fn from_json(value: &Value) -> Operand<'a> {
        match value {
            Value::Null => Operand::Undefined,
            Value::Bool(boolean) => Operand::Boolean(*boolean),
            Value::Number(number) => number.as_f64().map_or(Operand::Undefined, Operand::Number),
            Value::String(text) => Operand::Text(Cow::Owned(text.clone())),
            Value::Array(items) => Operand::List(items.iter().map(Operand::from_json).collect()),
            Value::Object(_) => Operand::Object(value.to_string()),
        }
    }

    /// Whether it counts as true: everything but not there, false, 0, "" and "false".
    pub fn is_true(&self) -> bool {
        match self {
            Operand::Undefined => false,
            Operand::Boolean(boolean) => *boolean,
            Operand::Number(number) => *number != 0.0 && !number.is_nan(),
            Operand::Text(text) => !text.is_empty() && !text.eq_ignore_ascii_case("false"),
            Operand::List(_) | Operand::Object(_) => true,
        }
    }

    /// The number it stands for, or that it is written as.
    pub fn number(&self) -> Option<f64> {
        match self {
            Operand::Number(number) => Some(*number),
            Operand::Boolean(boolean) => Some(f64::from(u8::from(*boolean))),
            Operand::Text(text) => text
                .trim()
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite()),
            Operand::Undefined | Operand::List(_) | Operand::Object(_) => None,
        }
    }

    /// As reports name a segment.
    pub fn label(&self) -> String {
        match self {
            Operand::Undefined => "undefined".into(),
            Operand::Boolean(boolean) => boolean.to_string(),
            // `f64` displays whole numbers without a fraction.
            Operand::Number(number) => number.to_string(),
            Operand::Text(text) => text.to_string(),
            Operand::List(_) => self.json().to_string(),
            Operand::Object(text) => text.clone(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Operand::Undefined => Value::Null,
            Operand::Boolean(boolean) => Value::Bool(*boolean),
            // Written without a fraction, if it has none and is exact.
            Operand::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                Value::from(*number as i64)
            }
            Operand::Number(number) => Value::from(*number),
            Operand::Text(text) => Value::from(text.as_ref()),
            Operand::List(items) => items.iter().map(Operand::json).collect(),
            Operand::Object(text) => Value::from(text.as_str()),
        }
    }

    /// Which comes first; only values of one kind can be told apart so.
    pub(super) fn order(&self, other: &Operand<'_>) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Operand::Number(left), Operand::Number(right)) => left.partial_cmp(right),
            (Operand::Text(left), Operand::Text(right)) => Some(left.cmp(right)),
            (Operand::Boolean(left), Operand::Boolean(right)) => Some(left.cmp(right)),
            _ => None,
        }
    }

    /// `==`: never between different kinds.
    pub(super) fn equals(&self, other: &Operand<'_>) -> bool {
        match (self, other) {
            (Operand::List(left), Operand::List(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(a, b)| a.equals(b))
            }
            (Operand::Object(left), Operand::Object(right)) => left == right,
            _ => self.order(other) == Some(std::cmp::Ordering::Equal),
        }
    }

    /// `in`: an item of a list, or a part of a string.
    pub(super) fn is_in(&self, other: &Operand<'_>) -> bool {
        match (self, other) {
            (_, Operand::List(items)) => items.iter().any(|item| self.equals(item)),
            (Operand::Text(part), Operand::Text(whole)) => whole.contains(part.as_ref()),
            _ => false,
        }
    }
}

/// Text is borrowed where JSON holds it without escapes.
impl<'de> Deserialize<'de> for Operand<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Operand<'de>, D::Error> {
        deserializer.deserialize_any(OperandVisitor)
    }
}

struct OperandVisitor;

impl<'de> Visitor<'de> for OperandVisitor {
    type Value = Operand<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Operand<'de>, E> {
        Ok(Operand::Undefined)
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<Operand<'de>, E> {
        Ok(Operand::Boolean(boolean))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Operand<'de>, E> {
        Ok(Operand::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Operand<'de>, E> {
        Ok(Operand::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Operand<'de>, E> {
        Ok(Operand::Number(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Operand<'de>, E> {
        Ok(Operand::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Operand<'de>, E> {
        Ok(Operand::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Operand<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Operand::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Operand<'de>, A::Error> {
        let object = Map::deserialize(MapAccessDeserializer::new(entries))?;
        Ok(Operand::Object(Value::Object(object).to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: &Value, label: &str, is_true: bool) {
        let operand = Operand::from_json(value);
        let text = value.to_string();
        assert_eq!(serde_json::from_str::<Operand<'_>>(&text).unwrap(), operand);
        assert_eq!(
            (operand.label().as_str(), operand.is_true()),
            (label, is_true)
        );
    }

    #[test]
    fn values_have_labels_and_a_truth_and_are_the_same_from_text() {
        check(&json!(null), "undefined", false);
        check(&json!(false), "false", false);
        check(&json!("False"), "False", false);
        check(&json!("no"), "no", true);
        check(&json!(0), "0", false);
        check(&json!(39.5), "39.5", true);
        check(&json!(7.0), "7", true);
        check(&json!([1, 2.5, "a"]), r#"[1,2.5,"a"]"#, true);
        check(&json!({"a": 1}), r#"{"a":1}"#, true);
    }
}
