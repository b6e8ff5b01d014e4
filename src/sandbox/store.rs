//! What the projects hold: events and profiles, in memory, compactly. Knows no paths and no parameters.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Map, Value};

use super::event::Event;
use super::holdings::Holdings;
use super::packed::{Names, Stored, Symbol};
use super::projects::{Facts, PROJECT_ID, PROJECTS};
use super::saved::Saved;
use super::service_accounts::Accounts;
use super::shop;
use super::time::Buckets;
use crate::mixpanel::expression::Expression;

/// The most events that a project takes. Beyond, imports are answered with 429.
pub(super) const EVENTS_MAX: usize = 1_000_000;
/// The most bytes of JSON that a project takes as events; in memory it is a few times that.
const EVENT_BYTES_MAX: usize = 128 * 1024 * 1024;
/// The most bytes of JSON that all profiles of a project have together.
const PROFILE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The most profiles of a project, of users and of groups each.
const PROFILES_MAX: usize = 100_000;
/// The most bytes of one profile, so that lists do not grow without end.
const ONE_PROFILE_BYTES_MAX: usize = 1024 * 1024;

/// The most ids that are held under another one.
const JOINED_MAX: usize = 100_000;

/// All projects. A clone is another handle on the same data.
#[derive(Clone)]
pub(super) struct Store {
    projects: Arc<Vec<(u64, RwLock<Project>)>>,
    /// Locked before a project, where both are needed.
    holdings: Arc<Vec<(u64, Mutex<Holdings>)>>,
    accounts: Arc<Mutex<Accounts>>,
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
        let holdings = PROJECTS
            .iter()
            .map(|facts| (facts.id, Mutex::new(Holdings::new(facts, now_ms))));
        Store {
            projects: Arc::new(projects.collect()),
            holdings: Arc::new(holdings.collect()),
            accounts: Arc::new(Mutex::new(Accounts::new(now_ms))),
        }
    }

    /// What is managed in a project, for one answer.
    pub(super) fn holdings(&self, facts: &Facts) -> Option<MutexGuard<'_, Holdings>> {
        let (_, holdings) = self.holdings.iter().find(|(id, _)| *id == facts.id)?;
        Some(holdings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The service accounts, for one answer.
    pub(super) fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
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

struct Entry {
    event: Event,
    /// The same event came in again. Exports still show this one, reports do not.
    is_superseded: bool,
    /// Its user's data was deleted. Nothing shows this one.
    is_erased: bool,
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
    event_bytes: usize,
    profile_bytes: usize,
    profiles: BTreeMap<String, Profile>,
    groups: BTreeMap<(String, String), Profile>,
    /// For each id of a user who is held under another one, that one.
    joined: HashMap<String, String>,
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
        self.names.symbol(text)
    }

    pub(super) fn text(&self, symbol: Symbol) -> &str {
        self.names.text(symbol)
    }

    /// Packs a value.
    pub(super) fn pack(&mut self, value: &Value) -> Stored {
        self.names.pack(value)
    }

    pub(super) fn unpack(&self, stored: Stored) -> Value {
        self.names.unpack(stored)
    }

    /// Whether that many more events, with that many bytes of JSON, still fit.
    pub(super) fn has_room(&self, events: usize, bytes: usize) -> bool {
        self.entries.len() + events <= EVENTS_MAX && self.event_bytes + bytes <= EVENT_BYTES_MAX
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
        self.event_bytes += bytes;
        self.entries.push(Entry {
            event,
            is_superseded: false,
            is_erased: false,
        });
    }

    /// The events that reports count, with their duplicates left out.
    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.entries
            .iter()
            .filter(|entry| !entry.is_superseded && !entry.is_erased)
            .map(|entry| &entry.event)
    }

    /// How many events came in, duplicates included. An event keeps its place.
    pub(super) fn received(&self) -> usize {
        self.entries.len()
    }

    /// The event that came in as the `at`-th, even if it came again later; none if it was erased.
    pub(super) fn event_at(&self, at: usize) -> Option<&Event> {
        let entry = self.entries.get(at).filter(|entry| !entry.is_erased)?;
        Some(&entry.event)
    }

    /// Deletes a user's events and profile.
    pub(super) fn erase(&mut self, user: &str) {
        let user = self.canonical(user).to_owned();
        let symbol = self.symbol(&user);
        for entry in &mut self.entries {
            entry.is_erased |= Some(entry.event.user) == symbol;
        }
        // Taking away always fits.
        let _ = self.change_profile(Owner::User(user), |_| None);
    }

    /// The id under which a user is held: another one, if two were joined.
    pub(super) fn canonical<'p>(&'p self, user: &'p str) -> &'p str {
        self.joined.get(user).map_or(user, String::as_str)
    }

    /// [`Project::intern`] of the id under which a user is held.
    pub(super) fn intern_user(&mut self, user: &str) -> Symbol {
        let user = self.canonical(user).to_owned();
        self.intern(&user)
    }

    /// Makes one user of two: what was done under the second id, and what will be, belongs to the first. Events that
    /// were equal but for their user stay two.
    pub(super) fn join(&mut self, kept: &str, gone: &str) -> Result<(), Full> {
        let (kept, gone) = (
            self.canonical(kept).to_owned(),
            self.canonical(gone).to_owned(),
        );
        if kept == gone {
            return Ok(());
        }
        if self.joined.len() >= JOINED_MAX {
            return Err(Full);
        }
        if let Some(profile) = self.profiles.get(&gone).cloned() {
            self.change_profile(Owner::User(kept.clone()), |old| {
                let mut joined = profile;
                joined.extend(old.unwrap_or_default());
                Some(joined)
            })?;
            self.change_profile(Owner::User(gone.clone()), |_| None)?;
        }
        let (old, new) = (self.intern(&gone), self.intern(&kept));
        for entry in &mut self.entries {
            if entry.event.user == old {
                entry.event.user = new;
            }
        }
        for other in self.joined.values_mut().filter(|other| **other == gone) {
            other.clone_from(&kept);
        }
        self.joined.insert(gone, kept);
        Ok(())
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
        let size = |profile: &Profile| serde_json::to_string(profile).map_or(0, |text| text.len());
        let old_bytes = old.map_or(0, size);
        let new = change(old.cloned());
        let new_bytes = new.as_ref().map_or(0, size);
        let all_bytes = self.profile_bytes - old_bytes + new_bytes;
        let is_growing = new_bytes > old_bytes;
        if is_growing && (new_bytes > ONE_PROFILE_BYTES_MAX || all_bytes > PROFILE_BYTES_MAX) {
            return Err(Full);
        }
        self.profile_bytes = all_bytes;
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mixpanel::expression::Operand;

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
    fn there_is_room_up_to_the_limits_and_no_further() {
        let project = Project::default();
        assert!(project.has_room(EVENTS_MAX, EVENT_BYTES_MAX));
        assert!(!project.has_room(EVENTS_MAX + 1, 0));
        assert!(!project.has_room(1, EVENT_BYTES_MAX + 1));
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
        let large = "x".repeat(ONE_PROFILE_BYTES_MAX);
        assert_eq!(project.change_profile(owner, |_| with(large)), Err(Full));
        assert_eq!(project.profiles().get("ann").unwrap()["note"], json!("a"));
    }

    #[test]
    fn all_profiles_together_have_a_limit_and_give_back_what_they_free() {
        let with = |text: &str| Some(Profile::from_iter([("note".to_owned(), json!(text))]));
        let owner = |id: &str| Owner::User(id.into());
        let mut project = Project::default();
        assert_eq!(
            project.change_profile(owner("ann"), |_| with("some text")),
            Ok(())
        );
        // As if others had taken up the rest.
        project.profile_bytes = PROFILE_BYTES_MAX;
        assert_eq!(
            project.change_profile(owner("bob"), |_| with("a")),
            Err(Full)
        );
        assert_eq!(
            project.change_profile(owner("ann"), |_| with("less")),
            Ok(())
        );
        assert_eq!(
            project.change_profile(owner("bob"), |_| with("a")),
            Err(Full)
        );
        assert_eq!(project.change_profile(owner("ann"), |_| None), Ok(()));
        assert_eq!(project.change_profile(owner("bob"), |_| with("a")), Ok(()));
    }
}
