//! What the projects hold: events and profiles, in memory, compactly. Knows no paths and no parameters.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::expression::{Expression, Operand, Source, Subject};
use super::shop::{self, Saved};
use super::time::{Buckets, SECOND_MS};

/// The most events that a project takes. Beyond, imports are answered with 429.
pub(super) const EVENTS_MAX: usize = 1_000_000;
/// The most bytes of JSON that a project takes as events; profiles have as much again.
const BYTES_MAX: usize = 256 * 1024 * 1024;
/// The most profiles of a project, of users and of groups each.
const PROFILES_MAX: usize = 100_000;
/// The most bytes of one profile, so that lists do not grow without end.
const PROFILE_BYTES_MAX: usize = 1024 * 1024;

/// What is known of a project and never changes.
pub(super) struct Facts {
    pub(super) id: u64,
    pub(super) name: &'static str,
    pub(super) token: &'static str,
    pub(super) timezone: &'static str,
    pub(super) workspace_id: u64,
}

/// The shop's project id.
pub const PROJECT_ID: u64 = 12345;
/// The shop's project token.
pub const PROJECT_TOKEN: &str = "sandbox";
/// A second project, empty at first.
pub const EMPTY_PROJECT_ID: u64 = 67890;

pub(super) const PROJECTS: &[Facts] = &[
    Facts {
        id: PROJECT_ID,
        name: "Sandbox Shop",
        token: PROJECT_TOKEN,
        timezone: "UTC",
        workspace_id: 1234500,
    },
    Facts {
        id: EMPTY_PROJECT_ID,
        name: "Sandbox Blog",
        token: "sandbox-blog",
        timezone: "Europe/Berlin",
        workspace_id: 6789000,
    },
];

/// The facts of a visible project.
pub(super) fn facts(id: u64) -> Option<&'static Facts> {
    PROJECTS.iter().find(|facts| facts.id == id)
}

/// The facts of the project that a token belongs to.
pub(super) fn facts_of_token(token: &str) -> Option<&'static Facts> {
    PROJECTS.iter().find(|facts| facts.token == token)
}

/// All projects. A clone is another handle on the same data.
#[derive(Clone)]
pub(super) struct Store {
    projects: Arc<Vec<(u64, RwLock<Project>)>>,
}

impl Store {
    /// A store whose shop has the month up to `now_ms`.
    pub(super) fn new(now_ms: i64) -> Store {
        let projects = PROJECTS.iter().map(|facts| {
            let mut project = Project::default();
            if facts.id == PROJECT_ID {
                shop::furnish(&mut project, now_ms);
            }
            (facts.id, RwLock::new(project))
        });
        Store {
            projects: Arc::new(projects.collect()),
        }
    }

    fn project(&self, facts: &Facts) -> Option<&RwLock<Project>> {
        self.projects
            .iter()
            .find(|(id, _)| *id == facts.id)
            .map(|(_, project)| project)
    }

    /// A look at a project. Writers wait meanwhile, so it must not outlive one answer or one chunk of it.
    pub(super) fn read(&self, facts: &Facts) -> Option<RwLockReadGuard<'_, Project>> {
        Some(
            self.project(facts)?
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub(super) fn write(&self, facts: &Facts) -> Option<RwLockWriteGuard<'_, Project>> {
        Some(
            self.project(facts)?
                .write()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

/// An interned string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Symbol(u32);

#[derive(Default)]
struct Names {
    texts: Vec<Arc<str>>,
    symbols: HashMap<Arc<str>, Symbol>,
}

impl Names {
    fn intern(&mut self, text: &str) -> Symbol {
        if let Some(symbol) = self.symbols.get(text) {
            return *symbol;
        }
        let symbol = Symbol(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.symbols.insert(text, symbol);
        symbol
    }

    fn text(&self, symbol: Symbol) -> &str {
        self.texts.get(symbol.0 as usize).map_or("", |text| text)
    }
}

/// A property's value in 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stored {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Text(Symbol),
    /// A list or an object, as its JSON text.
    Json(Symbol),
}

/// One event, as it came in.
pub(super) struct Event {
    pub(super) name: Symbol,
    pub(super) user: Symbol,
    pub(super) time_ms: i64,
    pub(super) received_ms: i64,
    pub(super) insert_id: Box<str>,
    pub(super) properties: Box<[(Symbol, Stored)]>,
}

struct Entry {
    event: Event,
    /// The same event came in again. Exports still show this one, reports do not.
    is_superseded: bool,
}

/// A profile's properties by name.
pub(super) type Profile = Map<String, Value>;

/// The data of one project.
#[derive(Default)]
pub(super) struct Project {
    names: Names,
    entries: Vec<Entry>,
    /// Where the newest event of each (event, time, user, insert id) is, by the hash of these.
    newest: HashMap<u64, usize>,
    bytes: usize,
    profiles: BTreeMap<String, Profile>,
    groups: BTreeMap<(String, String), Profile>,
    pub(super) saved: Saved,
}

/// The project has no room for more.
#[derive(Debug, PartialEq)]
pub(super) struct Full;

impl Project {
    pub(super) fn intern(&mut self, text: &str) -> Symbol {
        self.names.intern(text)
    }

    /// The symbol of a string that has been seen.
    pub(super) fn symbol(&self, text: &str) -> Option<Symbol> {
        self.names.symbols.get(text).copied()
    }

    pub(super) fn text(&self, symbol: Symbol) -> &str {
        self.names.text(symbol)
    }

    /// Packs a value.
    pub(super) fn pack(&mut self, value: &Value) -> Stored {
        match value {
            Value::Null => Stored::Null,
            Value::Bool(boolean) => Stored::Boolean(*boolean),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Stored::Integer(integer),
                None => Stored::Real(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => Stored::Text(self.intern(text)),
            Value::Array(_) | Value::Object(_) => Stored::Json(self.intern(&value.to_string())),
        }
    }

    fn unpack(&self, stored: Stored) -> Value {
        match stored {
            Stored::Null => Value::Null,
            Stored::Boolean(boolean) => Value::Bool(boolean),
            Stored::Integer(integer) => json!(integer),
            Stored::Real(real) => json!(real),
            Stored::Text(text) => json!(self.text(text)),
            Stored::Json(text) => serde_json::from_str(self.text(text)).unwrap_or_default(),
        }
    }

    /// Whether that many more events, with that many bytes of JSON, still fit.
    pub(super) fn has_room(&self, events: usize, bytes: usize) -> bool {
        self.entries.len() + events <= EVENTS_MAX && self.bytes + bytes <= BYTES_MAX
    }

    /// Adds an event; of equal ones (event, time, user, insert id) the last counts.
    pub(super) fn insert(&mut self, event: Event, bytes: usize) {
        let key = |event: &Event, salt: u64| {
            let mut hasher = DefaultHasher::new();
            (
                event.name,
                event.time_ms,
                event.user,
                &event.insert_id,
                salt,
            )
                .hash(&mut hasher);
            hasher.finish()
        };
        let mut salt = 0;
        loop {
            let hash = key(&event, salt);
            let Some(known) = self
                .newest
                .get(&hash)
                .and_then(|at| self.entries.get_mut(*at))
            else {
                self.newest.insert(hash, self.entries.len());
                break;
            };
            let other = &known.event;
            if other.name == event.name
                && other.time_ms == event.time_ms
                && other.user == event.user
                && other.insert_id == event.insert_id
            {
                known.is_superseded = true;
                self.newest.insert(hash, self.entries.len());
                break;
            }
            // Two keys with one hash: the second looks further.
            salt += 1;
        }
        self.bytes += bytes;
        self.entries.push(Entry {
            event,
            is_superseded: false,
        });
    }

    /// The events that reports count, with their duplicates left out.
    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.entries
            .iter()
            .filter(|entry| !entry.is_superseded)
            .map(|entry| &entry.event)
    }

    /// How many events came in, duplicates included. An event keeps its place.
    pub(super) fn received(&self) -> usize {
        self.entries.len()
    }

    /// The event that came in as the `at`-th, even if it came again later.
    pub(super) fn event_at(&self, at: usize) -> Option<&Event> {
        self.entries.get(at).map(|entry| &entry.event)
    }

    /// The events that pass a filter, in the order in which they came in.
    pub(super) fn select<'p>(&'p self, filter: &'p Filter) -> impl Iterator<Item = &'p Event> {
        self.events().filter(|event| filter.takes(self, event))
    }

    /// The users of a selection with their events by time, users in no particular order.
    pub(super) fn by_user<'p>(&'p self, filter: &'p Filter) -> Vec<(Symbol, Vec<&'p Event>)> {
        let mut users: HashMap<Symbol, Vec<&Event>> = HashMap::new();
        for event in self.select(filter) {
            if !self.text(event.user).is_empty() {
                users.entry(event.user).or_default().push(event);
            }
        }
        let mut users: Vec<_> = users.into_iter().collect();
        for (_, events) in &mut users {
            events.sort_by_key(|event| event.time_ms);
        }
        users
    }

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

    pub(super) fn profiles(&self) -> &BTreeMap<String, Profile> {
        &self.profiles
    }

    /// The profiles of the groups of one kind, by their ids.
    pub(super) fn groups(&self, group_key: &str) -> impl Iterator<Item = (&String, &Profile)> {
        self.groups
            .iter()
            .filter(move |((key, _), _)| key == group_key)
            .map(|((_, id), profile)| (id, profile))
    }

    /// Changes a profile, which is made if there is none; nothing is left behind of one that `change` removes.
    pub(super) fn change_profile(
        &mut self,
        owner: Owner,
        change: impl FnOnce(Option<Profile>) -> Option<Profile>,
    ) -> Result<(), Full> {
        let (old, count) = match &owner {
            Owner::User(id) => (self.profiles.get(id), self.profiles.len()),
            Owner::Group(key, id) => (
                self.groups.get(&(key.clone(), id.clone())),
                self.groups.len(),
            ),
        };
        if old.is_none() && count >= PROFILES_MAX {
            return Err(Full);
        }
        let new = change(old.cloned());
        let bytes = new
            .as_ref()
            .and_then(|new| serde_json::to_string(new).ok())
            .map(|text| text.len());
        if bytes.is_some_and(|bytes| bytes > PROFILE_BYTES_MAX) {
            return Err(Full);
        }
        match (owner, new) {
            (Owner::User(id), Some(new)) => drop(self.profiles.insert(id, new)),
            (Owner::User(id), None) => drop(self.profiles.remove(&id)),
            (Owner::Group(key, id), Some(new)) => drop(self.groups.insert((key, id), new)),
            (Owner::Group(key, id), None) => drop(self.groups.remove(&(key, id))),
        }
        Ok(())
    }
}

/// Whose profile it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Owner {
    User(String),
    /// Group key and group id.
    Group(String, String),
}

/// Which events a report looks at.
#[derive(Default)]
pub(super) struct Filter {
    /// Any of these events; all events if not given.
    pub(super) names: Option<HashSet<Symbol>>,
    /// From, and until before, in milliseconds.
    pub(super) range_ms: Option<(i64, i64)>,
    pub(super) condition: Option<Expression>,
}

impl Filter {
    /// Events in the range of a report's buckets.
    pub(super) fn over(buckets: &Buckets, condition: Option<Expression>) -> Filter {
        let range_ms = Some((buckets.from_ms, buckets.end_ms));
        Filter {
            names: None,
            range_ms,
            condition,
        }
    }

    /// Only events of these names. Names that were never seen match nothing.
    pub(super) fn named<'n>(
        mut self,
        project: &Project,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Filter {
        self.names = Some(
            names
                .into_iter()
                .filter_map(|name| project.symbol(name))
                .collect(),
        );
        self
    }

    pub(super) fn takes(&self, project: &Project, event: &Event) -> bool {
        self.names
            .as_ref()
            .is_none_or(|names| names.contains(&event.name))
            && self
                .range_ms
                .is_none_or(|(from, end)| (from..end).contains(&event.time_ms))
            && self
                .condition
                .as_ref()
                .is_none_or(|condition| project.value(condition, event).is_true())
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
                match self.project.profiles.get(user) {
                    Some(profile) => Operand::of_profile(user, profile, name),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn event(project: &mut Project, time_ms: i64, insert_id: &str, amount: i64) -> Event {
        let name = project.intern("Buy");
        let user = project.intern("ann");
        let amount = (project.intern("amount"), Stored::Integer(amount));
        let properties = [amount].into();
        Event {
            name,
            user,
            time_ms,
            received_ms: 0,
            insert_id: insert_id.into(),
            properties,
        }
    }

    #[test]
    fn of_equal_events_the_latest_counts_and_both_are_kept() {
        let mut project = Project::default();
        for amount in [1, 2] {
            let event = event(&mut project, 7, "x", amount);
            project.insert(event, 10);
        }
        let other = event(&mut project, 8, "x", 3);
        project.insert(other, 10);

        let counted: Vec<Operand<'_>> = project
            .events()
            .map(|event| project.property(event, "amount"))
            .collect();
        assert_eq!(counted, [Operand::Number(2.0), Operand::Number(3.0)]);
        assert_eq!(project.received(), 3);
    }

    #[test]
    fn a_value_takes_16_bytes() {
        assert_eq!(size_of::<Stored>(), 16);
    }

    #[test]
    fn what_is_packed_comes_out_as_it_was() {
        let mut project = Project::default();
        for value in [
            json!(null),
            json!(true),
            json!(-7),
            json!(1.5),
            json!("a"),
            json!([1, {"b": []}]),
        ] {
            let stored = project.pack(&value);
            assert_eq!(project.unpack(stored), value);
        }
    }

    #[test]
    fn there_is_room_up_to_the_limits_and_no_further() {
        let project = Project::default();
        assert!(project.has_room(EVENTS_MAX, BYTES_MAX));
        assert!(!project.has_room(EVENTS_MAX + 1, 0));
        assert!(!project.has_room(1, BYTES_MAX + 1));
    }

    #[test]
    fn a_profile_that_grew_too_large_stays_as_it_was() {
        let mut project = Project::default();
        let owner = Owner::User("ann".into());
        let with = |text: String| Some(Profile::from_iter([("note".to_owned(), json!(text))]));
        assert_eq!(
            project.change_profile(owner.clone(), |_| with("a".into())),
            Ok(())
        );
        let large = "x".repeat(PROFILE_BYTES_MAX);
        assert_eq!(project.change_profile(owner, |_| with(large)), Err(Full));
        assert_eq!(project.profiles().get("ann").unwrap()["note"], json!("a"));
    }
}
