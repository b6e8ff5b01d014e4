//! One event: how it is kept, what its properties are, how it is exported.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::packed::{Stored, Symbol};
use super::profiles;
use super::store::Project;
use super::time::SECOND_MS;
use crate::mixpanel::expression::{Expression, Operand, Source, Subject};

/// One event, as it came in.
pub(super) struct Event {
    pub(super) name: Symbol,
    pub(super) user: Symbol,
    pub(super) time_ms: i64,
    pub(super) received_ms: i64,
    pub(super) insert_id: Box<str>,
    pub(super) properties: Box<[(Symbol, Stored)]>,
}

impl Project {
    /// A property of an event, by name; the reserved ones included.
    pub(super) fn property<'p>(&'p self, event: &'p Event, name: &str) -> Operand<'p> {
        match name {
            "distinct_id" | "$distinct_id" => Operand::Text(Cow::Borrowed(self.text(event.user))),
            "time" | "$time" => Operand::Number(event.time_ms as f64 / SECOND_MS as f64),
            "$insert_id" => Operand::Text(Cow::Borrowed(&event.insert_id)),
            "$event_name" => Operand::Text(Cow::Borrowed(self.text(event.name))),
            _ => {
                let stored = self.symbol(name).and_then(|symbol| {
                    event
                        .properties
                        .iter()
                        .find(|(key, _)| *key == symbol)
                        .map(|(_, value)| *value)
                });
                match stored {
                    None | Some(Stored::Null) => Operand::Undefined,
                    Some(Stored::Boolean(boolean)) => Operand::Boolean(boolean),
                    Some(Stored::Integer(integer)) => Operand::Number(integer as f64),
                    Some(Stored::Real(real)) => Operand::Number(real),
                    Some(Stored::Text(text)) => Operand::Text(Cow::Borrowed(self.text(text))),
                    Some(stored @ Stored::Json(_)) => Operand::from_json(&self.unpack(stored)),
                }
            }
        }
    }

    /// The value of an expression for an event.
    pub(super) fn value<'p>(&'p self, expression: &'p Expression, event: &'p Event) -> Operand<'p> {
        expression.value(&Occurrence {
            project: self,
            event,
        })
    }

    /// An event in the form in which it is exported.
    pub(super) fn exported<'p>(&'p self, event: &'p Event, time_in_ms: bool) -> Exported<'p> {
        Exported {
            project: self,
            event,
            time_in_ms,
        }
    }
}

/// An event as what an expression looks at.
struct Occurrence<'p> {
    project: &'p Project,
    event: &'p Event,
}

impl<'p> Subject<'p> for Occurrence<'p> {
    fn property(&self, source: Source, name: &str) -> Operand<'p> {
        match source {
            Source::Event => self.project.property(self.event, name),
            Source::User => {
                let user = self.project.text(self.event.user);
                match self.project.profiles().get(user) {
                    Some(profile) => profiles::property(user, profile, name),
                    None => Operand::Undefined,
                }
            }
        }
    }
}

/// An event in the form of the raw export.
pub(super) struct Exported<'p> {
    project: &'p Project,
    event: &'p Event,
    time_in_ms: bool,
}

impl Serialize for Exported<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("event", self.project.text(self.event.name))?;
        map.serialize_entry("properties", &ExportedProperties(self))?;
        map.end()
    }
}

struct ExportedProperties<'p>(&'p Exported<'p>);

impl Serialize for ExportedProperties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Exported {
            project,
            event,
            time_in_ms,
        } = self.0;
        let mut map = serializer.serialize_map(None)?;
        let time = if *time_in_ms {
            event.time_ms
        } else {
            event.time_ms.div_euclid(SECOND_MS)
        };
        map.serialize_entry("time", &time)?;
        map.serialize_entry("distinct_id", project.text(event.user))?;
        map.serialize_entry("$insert_id", &event.insert_id)?;
        map.serialize_entry("mp_processing_time_ms", &event.received_ms)?;
        for (name, value) in &event.properties {
            map.serialize_entry(project.text(*name), &project.unpack(*value))?;
        }
        map.end()
    }
}
