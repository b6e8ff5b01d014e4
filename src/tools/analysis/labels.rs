//! Groups of events, named by event and properties. Each distinct combination gets a small number.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use serde_json::{Map, Value};

use crate::mixpanel::expression::{Operand, Source, Subject as _};
use crate::tools::stream::Event;

/// A longer value is cut: what begins alike is one group then.
const VALUE_BYTES_MAX: usize = 512;
/// Stands between the parts of a name; control characters are no part of a value that one would group by.
const BETWEEN: char = '\u{1f}';

type Numbers = HashMap<Box<str>, u32, RandomState>;

/// The names of groups, up to a number.
pub(super) struct Labels {
    by_event: bool,
    properties: Vec<String>,
    most: usize,
    numbers: Numbers,
    /// Used again for each event.
    name: String,
}

impl Labels {
    /// Groups by the event's name, if so, and these properties. At most `most` of them.
    pub(super) fn new(by_event: bool, properties: &[String], most: usize) -> Labels {
        Labels {
            by_event,
            properties: properties.to_vec(),
            most,
            numbers: HashMap::default(),
            name: String::new(),
        }
    }

    /// The number of an event's group; nothing if it would be one group too many.
    pub(super) fn number(&mut self, event: &Event<'_>) -> Option<u32> {
        if self.by_event && self.properties.is_empty() && is_plain(&event.name) {
            // Most analyses have these groups only; what was just written is slow to read again.
            return number(&mut self.numbers, self.most, &event.name);
        }
        self.name.clear();
        if self.by_event {
            push(&mut self.name, &event.name);
        }
        for (place, property) in self.properties.iter().enumerate() {
            if self.by_event || place > 0 {
                self.name.push(BETWEEN);
            }
            match event.property(Source::Event, property) {
                Operand::Text(text) => push(&mut self.name, &text),
                other => push(&mut self.name, &other.label()),
            }
        }
        number(&mut self.numbers, self.most, &self.name)
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Name and number of each group, in the order of the names.
    pub(super) fn sorted(&self) -> Vec<(&str, u32)> {
        let mut sorted: Vec<(&str, u32)> = self
            .numbers
            .iter()
            .map(|(name, number)| (name.as_ref(), *number))
            .collect();
        sorted.sort_unstable();
        sorted
    }

    /// What a group's name says, as the members `event` and `by`.
    pub(super) fn described(&self, name: &str) -> Map<String, Value> {
        let mut parts = name.split(BETWEEN);
        let mut described = Map::new();
        if self.by_event {
            described.insert("event".into(), parts.next().unwrap_or_default().into());
        }
        if !self.properties.is_empty() {
            let by: Map<String, Value> = self
                .properties
                .iter()
                .zip(parts)
                .map(|(property, value)| (property.clone(), value.into()))
                .collect();
            described.insert("by".into(), by.into());
        }
        described
    }
}

/// The number of a name: its own, or the next one while there are fewer than `most`.
fn number(numbers: &mut Numbers, most: usize, name: &str) -> Option<u32> {
    if let Some(number) = numbers.get(name) {
        return Some(*number);
    }
    if numbers.len() >= most {
        return None;
    }
    let number = u32::try_from(numbers.len()).ok()?;
    numbers.insert(name.into(), number);
    Some(number)
}

/// Whether a part stands in a name as it is.
fn is_plain(part: &str) -> bool {
    part.len() <= VALUE_BYTES_MAX && part.bytes().all(|byte| byte != BETWEEN as u8)
}

fn push(name: &mut String, part: &str) {
    if is_plain(part) {
        name.push_str(part);
        return;
    }
    let mut end = part.len().min(VALUE_BYTES_MAX);
    while !part.is_char_boundary(end) {
        end -= 1;
    }
    let part = part.get(..end).unwrap_or_default();
    name.extend(part.chars().map(|character| match character {
        BETWEEN => ' ',
        character => character,
    }));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tools::stream::Wanted;

    #[test]
    fn equal_events_are_one_group_and_a_group_too_many_is_none() {
        let properties = ["plan".to_owned(), "n".to_owned()];
        let wanted = Wanted::new(properties.iter().map(String::as_str));
        let mut labels = Labels::new(true, &properties, 2);
        let mut number = |properties: &str| {
            let line = format!(r#"{{"event":"A","properties":{{"time":1,{properties}}}}}"#);
            labels.number(&Event::read(line.as_bytes(), &wanted).unwrap())
        };
        assert_eq!(number(r#""plan":"pro","n":1"#), Some(0));
        assert_eq!(number(r#""n":1.0,"plan":"pro""#), Some(0));
        assert_eq!(number(r#""plan":"p\u001fro""#), Some(1));
        assert_eq!(number(r#""plan":"free""#), None);
        let described: Vec<Value> = labels
            .sorted()
            .into_iter()
            .map(|(name, _)| labels.described(name).into())
            .collect();
        assert_eq!(
            described,
            [
                json!({"event": "A", "by": {"plan": "p ro", "n": "undefined"}}),
                json!({"event": "A", "by": {"plan": "pro", "n": "1"}}),
            ]
        );
    }

    #[test]
    fn by_event_only_a_group_is_named_as_with_properties() {
        let long = "n".repeat(VALUE_BYTES_MAX);
        let wanted = Wanted::default();
        let mut labels = Labels::new(true, &[], 3);
        let mut number = |name: &str| {
            let line = format!(r#"{{"event":"{name}","properties":{{"time":1}}}}"#);
            labels.number(&Event::read(line.as_bytes(), &wanted).unwrap())
        };
        assert_eq!(number("A"), Some(0));
        assert_eq!(number("A b"), Some(1));
        assert_eq!(number("A\\u001fb"), Some(1));
        assert_eq!(number(&long), Some(2));
        assert_eq!(number(&format!("{long}m")), Some(2));
        assert_eq!(number("B"), None);
        let events: Vec<Value> = labels
            .sorted()
            .into_iter()
            .map(|(name, _)| labels.described(name).into())
            .collect();
        assert_eq!(
            events,
            [
                json!({"event": "A"}),
                json!({"event": "A b"}),
                json!({"event": long})
            ]
        );
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let mut name = String::new();
        push(&mut name, &"é".repeat(400));
        assert_eq!(name, "é".repeat(VALUE_BYTES_MAX / 2));
    }
}
