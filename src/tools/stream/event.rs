//! One line of an export, of which only the wanted fields are made into values; the rest is skipped.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::mixpanel::expression::{Operand, Source, Subject};

/// Times below are seconds, above milliseconds.
const SECONDS_BELOW: f64 = 100_000_000_000.0;

/// The properties that somebody wants to see, beside who, what and when.
#[derive(Debug, Default)]
pub(in crate::tools) struct Wanted(Vec<String>);

/// Where a property of a line goes.
#[derive(Clone, Copy)]
enum Slot {
    Time,
    User,
    InsertId,
    Wanted(usize),
    Nowhere,
}

impl Wanted {
    /// These properties. What every event has anyway (who, what, when) may be among them.
    pub(in crate::tools) fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Wanted {
        let mut wanted: Vec<String> = Vec::new();
        for name in names {
            if reserved(name).is_none() && wanted.iter().all(|known| known != name) {
                wanted.push(name.to_owned());
            }
        }
        Wanted(wanted)
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|known| known == name)
    }

    fn slot(&self, name: &str) -> Slot {
        match name {
            "time" => Slot::Time,
            "distinct_id" => Slot::User,
            "$insert_id" => Slot::InsertId,
            _ => self.place(name).map_or(Slot::Nowhere, Slot::Wanted),
        }
    }
}

/// Names that expressions use for what every event has.
enum Reserved {
    User,
    Time,
    InsertId,
    Event,
}

fn reserved(name: &str) -> Option<Reserved> {
    match name {
        "distinct_id" | "$distinct_id" => Some(Reserved::User),
        "time" | "$time" => Some(Reserved::Time),
        "$insert_id" => Some(Reserved::InsertId),
        "$event_name" => Some(Reserved::Event),
        _ => None,
    }
}

/// One event, borrowed from its line.
#[derive(Debug)]
pub(in crate::tools) struct Event<'a> {
    /// What happened.
    pub(in crate::tools) name: Cow<'a, str>,
    /// When, in milliseconds since the epoch (UTC, or as if the project's zone were UTC before 2023).
    pub(in crate::tools) time_ms: i64,
    user: Operand<'a>,
    insert_id: Operand<'a>,
    /// In the order of the wanted names; empty when nothing is wanted.
    values: Vec<Operand<'a>>,
    wanted: &'a Wanted,
}

impl<'a> Event<'a> {
    /// Reads a line. Nothing: it is no event, or has no time.
    pub(in crate::tools) fn read(line: &'a [u8], wanted: &'a Wanted) -> Option<Event<'a>> {
        let mut found = Found {
            name: Operand::Undefined,
            time: Operand::Undefined,
            user: Operand::Undefined,
            insert_id: Operand::Undefined,
            values: vec![Operand::Undefined; wanted.0.len()],
        };
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        deserializer
            .deserialize_map(Line {
                wanted,
                found: &mut found,
            })
            .ok()?;
        deserializer.end().ok()?;
        let (Operand::Text(name), Operand::Number(time)) = (found.name, found.time) else {
            return None;
        };
        let scale = if time.abs() < SECONDS_BELOW {
            1_000.0
        } else {
            1.0
        };
        Some(Event {
            name,
            time_ms: (time * scale).round() as i64,
            user: found.user,
            insert_id: found.insert_id,
            values: found.values,
            wanted,
        })
    }

    /// Who did it; nothing where the event belongs to nobody.
    pub(in crate::tools) fn user(&self) -> Option<Cow<'_, str>> {
        text(&self.user)
    }

    /// What tells it from its copies; nothing where it has no such id.
    pub(in crate::tools) fn insert_id(&self) -> Option<Cow<'_, str>> {
        text(&self.insert_id)
    }
}

fn text<'e>(operand: &'e Operand<'_>) -> Option<Cow<'e, str>> {
    match operand {
        Operand::Undefined => None,
        Operand::Text(text) if text.is_empty() => None,
        Operand::Text(text) => Some(Cow::Borrowed(text.as_ref())),
        other => Some(Cow::Owned(other.label())),
    }
}

/// As Mixpanel's filters see an event. Profiles are not in an export: they are undefined here.
impl<'a> Subject<'a> for Event<'a> {
    fn property(&self, source: Source, name: &str) -> Operand<'a> {
        if source == Source::User {
            return Operand::Undefined;
        }
        match reserved(name) {
            Some(Reserved::User) => self.user.clone(),
            Some(Reserved::Time) => Operand::Number(self.time_ms as f64 / 1_000.0),
            Some(Reserved::InsertId) => self.insert_id.clone(),
            Some(Reserved::Event) => Operand::Text(self.name.clone()),
            None => self
                .wanted
                .place(name)
                .and_then(|place| self.values.get(place))
                .cloned()
                .unwrap_or(Operand::Undefined),
        }
    }
}

/// What was taken out of a line so far.
struct Found<'a> {
    name: Operand<'a>,
    time: Operand<'a>,
    user: Operand<'a>,
    insert_id: Operand<'a>,
    values: Vec<Operand<'a>>,
}

/// The object that a line is.
struct Line<'w, 'f, 'a> {
    wanted: &'w Wanted,
    found: &'f mut Found<'a>,
}

impl<'a> Visitor<'a> for Line<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(member) = members.next_key_seed(Known(|name: &str| match name {
            "event" => Member::Event,
            "properties" => Member::Properties,
            _ => Member::Other,
        }))? {
            match member {
                Member::Event => self.found.name = members.next_value()?,
                Member::Properties => members.next_value_seed(Properties {
                    wanted: self.wanted,
                    found: self.found,
                })?,
                Member::Other => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

enum Member {
    Event,
    Properties,
    Other,
}

struct Properties<'w, 'f, 'a> {
    wanted: &'w Wanted,
    found: &'f mut Found<'a>,
}

impl<'a> DeserializeSeed<'a> for Properties<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Properties<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event's properties")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<(), A::Error> {
        let Properties { wanted, found } = self;
        while let Some(slot) = members.next_key_seed(Known(|name: &str| wanted.slot(name)))? {
            let value = match slot {
                Slot::Time => &mut found.time,
                Slot::User => &mut found.user,
                Slot::InsertId => &mut found.insert_id,
                Slot::Wanted(place) => found
                    .values
                    .get_mut(place)
                    .ok_or_else(|| A::Error::custom("a place that was not made"))?,
                Slot::Nowhere => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *value = members.next_value()?;
        }
        Ok(())
    }
}

/// A member's name, told apart without a copy.
struct Known<F>(F);

impl<'a, T, F: FnOnce(&str) -> T> DeserializeSeed<'a> for Known<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Known<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<T, E> {
        Ok((self.0)(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<(&str, i64, Option<&str>, &str)>) {
        let wanted = Wanted::new(["plan", "time", "a\"b", "plan"]);
        let event = Event::read(line.as_bytes(), &wanted);
        let found = event.as_ref().map(|event| {
            let plan = event.property(Source::Event, "plan").label();
            (
                event.name.to_string(),
                event.time_ms,
                event.user().map(Cow::into_owned),
                plan,
            )
        });
        let expected = expected.map(|(name, time_ms, user, plan)| {
            (
                name.to_owned(),
                time_ms,
                user.map(str::to_owned),
                plan.to_owned(),
            )
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn who_what_and_when_are_taken_out_of_a_line_with_the_wanted_properties() {
        check(
            r#"{"event":"Buy","properties":{"time":1767600000,"distinct_id":"ann","$insert_id":"i","plan":"pro","x":{"plan":"no"}}}"#,
            Some(("Buy", 1_767_600_000_000, Some("ann"), "pro")),
        );
        check(
            r#" { "properties" : {"plan":["a",1],"x":[[{}]],"time":1767600000123,"distinct_id":7} , "event" : "B\u00fcy" } "#,
            Some(("Büy", 1_767_600_000_123, Some("7"), r#"["a",1]"#)),
        );
        check(
            r#"{"event":"","properties":{"time":0,"distinct_id":""},"more":null}"#,
            Some(("", 0, None, "undefined")),
        );
    }

    #[test]
    fn what_is_no_event_is_nothing() {
        for line in [
            "",
            "terminated",
            "[]",
            "{}",
            r#"{"event":"A"}"#,
            r#"{"event":1,"properties":{"time":1}}"#,
            r#"{"event":"A","properties":{"time":"1"}}"#,
            r#"{"event":"A","properties":[]}"#,
            r#"{"event":"A","properties":{"time":1,"x":tru}}"#,
            r#"{"event":"A","properties":{"time":1}"#,
            r#"{"event":"A","properties":{"time":1}} {"#,
        ] {
            check(line, None);
        }
    }

    #[test]
    fn filters_find_what_every_event_has_under_their_own_names() {
        let wanted = Wanted::new(["$event_name", "a"]);
        let line = br#"{"event":"Buy","properties":{"time":12,"distinct_id":"ann","$insert_id":"i","a":true}}"#;
        let event = Event::read(line, &wanted).unwrap();
        let label = |name| event.property(Source::Event, name).label();
        let names = [
            "$event_name",
            "$time",
            "time",
            "$distinct_id",
            "$insert_id",
            "a",
            "b",
        ];
        assert_eq!(
            names.map(label),
            ["Buy", "12", "12", "ann", "i", "true", "undefined"]
        );
        assert_eq!(event.property(Source::User, "a"), Operand::Undefined);
    }
}
