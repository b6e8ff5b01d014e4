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

/// The names of groups, up to a number.
pub(super) struct Labels {
    by_event: bool,
    properties: Vec<String>,
    most: usize,
    numbers: HashMap<Box<str>, u32, RandomState>,
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
        self.name.clear();
        if self.by_event {
            push(&mut self.name, &event.name);
            self.name.push(BETWEEN);
        }
        for property in &self.properties {
            match event.property(Source::Event, property) {
                Operand::Text(text) => push(&mut self.name, &text),
                other => push(&mut self.name, &other.label()),
            }
            self.name.push(BETWEEN);
        }
        if let Some(number) = self.numbers.get(self.name.as_str()) {
            return Some(*number);
        }
        if self.numbers.len() >= self.most {
            return None;
        }
        let number = u32::try_from(self.numbers.len()).ok()?;
        self.numbers.insert(self.name.as_str().into(), number);
        Some(number)
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

fn push(name: &mut String, part: &str) {
    let mut end = part.len().min(VALUE_BYTES_MAX);
    while !part.is_char_boundary(end) {
        end -= 1;
    }
    let part = part.get(..end).unwrap_or_default();
    if !part.contains(BETWEEN) {
        name.push_str(part);
        return;
    }
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
    fn a_long_value_is_cut_between_characters() {
        let mut name = String::new();
        push(&mut name, &"é".repeat(400));
        assert_eq!(name, "é".repeat(VALUE_BYTES_MAX / 2));
    }
}
