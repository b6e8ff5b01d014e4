//! One line of an export, of which only the wanted fields are made into values; the rest is skipped, no faster than it
//! must be to find its end: unwanted values are not checked to be good JSON.

use std::borrow::Cow;

use super::scanner::{Part, Scanner};
use crate::mixpanel::expression::{Operand, Source, Subject};

/// Times below are seconds, above milliseconds.
const SECONDS_BELOW: f64 = 100_000_000_000.0;
/// A whole number of so many digits is exact as a float.
const EXACT_DIGITS_MAX: usize = 15;

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

    fn place(&self, name: &[u8]) -> Option<usize> {
        self.0.iter().position(|known| known.as_bytes() == name)
    }

    fn slot(&self, name: &[u8]) -> Slot {
        match name {
            b"time" => Slot::Time,
            b"distinct_id" => Slot::User,
            b"$insert_id" => Slot::InsertId,
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
        let mut scanner = Scanner::new(line);
        let mut is_open = scanner.opens()?;
        while is_open {
            match scanner.name()?.as_ref() {
                b"properties" => take_properties(&mut scanner, wanted, &mut found)?,
                b"event" => found.name = operand(scanner.value()?)?,
                _ => {
                    scanner.value()?;
                }
            }
            is_open = scanner.stays_open()?;
        }
        if !scanner.is_at_end() {
            return None;
        }
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
                .place(name.as_bytes())
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

/// Takes the properties that are wanted.
#[inline(always)]
fn take_properties<'a>(
    scanner: &mut Scanner<'a>,
    wanted: &Wanted,
    found: &mut Found<'a>,
) -> Option<()> {
    let mut is_open = scanner.opens()?;
    while is_open {
        let name = scanner.name()?;
        let value = scanner.value()?;
        let place = match wanted.slot(&name) {
            Slot::Nowhere => None,
            Slot::Time => Some(&mut found.time),
            Slot::User => Some(&mut found.user),
            Slot::InsertId => Some(&mut found.insert_id),
            Slot::Wanted(place) => found.values.get_mut(place),
        };
        if let Some(place) = place {
            *place = operand(value)?;
        }
        is_open = scanner.stays_open()?;
    }
    Some(())
}

/// A JSON value from its text. Nothing: it is none.
fn operand(value: Part<'_>) -> Option<Operand<'_>> {
    match value {
        Part::Plain(inner) => {
            let inner = std::str::from_utf8(inner).ok()?;
            Some(Operand::Text(Cow::Borrowed(inner)))
        }
        Part::Other(text) => match whole_number(text) {
            Some(number) => Some(Operand::Number(number)),
            None => serde_json::from_slice(text).ok(),
        },
    }
}

/// What times and most other numbers are, for which a parser is slow. Nothing: it is something else, or takes more care.
fn whole_number(text: &[u8]) -> Option<f64> {
    if !matches!(text, [b'1'..=b'9', ..]) || text.len() > EXACT_DIGITS_MAX {
        return None;
    }
    let mut number = 0_u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    Some(number as f64)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::sandbox::random::Random;

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
            r#"{"event":"A","properties":{"time":1,"plan":tru}}"#,
            r#"{"event":"A","properties":{"time":1,"x":}}"#,
            r#"{"event":"A","properties":{"time":1,"x":[}}"#,
            r#"{"event":"A","properties":{"time":1,"x":"}}"#,
            r#"{"event":"A","properties":{"time":1,}}"#,
            r#"{"event":"A","properties":{"time":1 "x":1}}"#,
            r#"{"event":"A","properties":{"time":1,"x\":1}}"#,
            r#"{"event":"A" "properties":{"time":1}}"#,
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

    /// A JSON text that is some value, with white space and escapes here and there.
    fn text(random: &mut Random, depth: u32) -> String {
        let space = random.pick(&["", "", " ", "\t"]);
        let inner = match random.below(if depth == 0 { 5 } else { 7 }) {
            0 => random.pick(&["true", "false", "null"]).to_owned(),
            1 => random.pick(&["0", "-1.5", "1e3", "1767600000"]).to_owned(),
            2 => r#""a\"}],{[\\""#.to_owned(),
            3 => r#""\u00e9é""#.to_owned(),
            4 => format!("\"{}\"", "x".repeat(random.below(40) as usize)),
            5 => {
                let items: Vec<String> = (0..random.below(4))
                    .map(|_| text(random, depth - 1))
                    .collect();
                format!("[{}]", items.join(","))
            }
            _ => object(random, depth - 1, &["a", "b\\n", "plan"]),
        };
        format!("{space}{inner}{space}")
    }

    fn object(random: &mut Random, depth: u32, names: &[&str]) -> String {
        let members: Vec<String> = (0..random.below(6))
            .map(|_| {
                let name = random.pick(names);
                format!("\"{name}\":{}", text(random, depth))
            })
            .collect();
        format!("{{{}}}", members.join(","))
    }

    #[test]
    fn what_is_found_is_what_a_whole_reading_finds() {
        const NAMES: [&str; 7] = [
            "plan",
            "p\\u006can",
            "distinct_id",
            "$insert_id",
            "x",
            "y\\\"",
            "time",
        ];
        let wanted = Wanted::new(["plan", "y\""]);
        let mut random = Random::new(3);
        let (mut whole, mut cut) = (0, 0);
        for _ in 0..20_000 {
            let properties = object(&mut random, 3, &NAMES);
            let line = format!(
                "{{\"event\":\"A\",\"properties\":{properties},\"z\":{}}}",
                text(&mut random, 2)
            );
            let value: Value = serde_json::from_str(&line).unwrap();
            let expected = |name: &str| Operand::from_json(&value["properties"][name]);
            let event = Event::read(line.as_bytes(), &wanted);
            assert_eq!(
                event.is_some(),
                value["properties"]["time"].is_number(),
                "{line}"
            );
            if let Some(event) = event {
                whole += 1;
                for name in ["plan", "y\"", "distinct_id", "$insert_id"] {
                    assert_eq!(
                        event.property(Source::Event, name),
                        expected(name),
                        "{line}"
                    );
                }
            }
            // A line that is cut off is none, wherever.
            let end = random.below(line.len() as u64) as usize;
            if let Some(part) = line.as_bytes().get(..end) {
                assert!(Event::read(part, &wanted).is_none(), "{line} until {end}");
                cut += 1;
            }
        }
        assert!(whole > 500 && cut == 20_000, "{whole}");
    }
}
