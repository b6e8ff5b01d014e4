//! The time zones of projects, kept for a while: each dated question needs one, and looking it up is a request.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use super::almanac;
use super::cache::Fingerprint;
use super::credentials::ProjectId;
use super::region::Region;

/// How long a zone is kept. It hardly ever changes.
const KEPT: Duration = Duration::from_secs(600);
/// How long it is kept that a zone could not be learnt.
const MISSED: Duration = Duration::from_secs(60);
/// When so many are kept, those that are over are dropped, and all if none is.
const ZONES_MAX: usize = 1024;

/// Whose zone: only who may see a project is told its zone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct ZoneKey {
    pub(super) who: Fingerprint,
    pub(super) region: Region,
    pub(super) project: ProjectId,
}

#[derive(Default)]
pub(super) struct Zones(Mutex<HashMap<ZoneKey, Kept>>);

struct Kept {
    zone: Option<TimeZone>,
    until: Instant,
}

impl Zones {
    /// The zone, if it was looked up of late; the inner nothing is a zone that could not be learnt.
    pub(super) fn find(&self, key: &ZoneKey) -> Option<Option<TimeZone>> {
        let zones = self.lock();
        let kept = zones.get(key)?;
        (kept.until > Instant::now()).then(|| kept.zone.clone())
    }

    /// Keeps the zone of this name, and gives it. A name that nobody knows is a zone that could not be learnt.
    pub(super) fn keep(&self, key: ZoneKey, name: Option<&str>) -> Option<TimeZone> {
        let zone = name.and_then(|name| self.named(name).or_else(|| almanac::zone(name)));
        let now = Instant::now();
        let mut zones = self.lock();
        if zones.len() >= ZONES_MAX {
            zones.retain(|_, kept| kept.until > now);
        }
        if zones.len() >= ZONES_MAX {
            zones.clear();
        }
        let time = if zone.is_some() { KEPT } else { MISSED };
        let kept = Kept {
            zone: zone.clone(),
            until: now + time,
        };
        zones.insert(key, kept);
        zone
    }

    /// The zone, if any project has it: many projects share one.
    fn named(&self, name: &str) -> Option<TimeZone> {
        let zones = self.lock();
        let mut known = zones.values().filter_map(|kept| kept.zone.as_ref());
        known.find(|zone| zone.iana_name() == Some(name)).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ZoneKey, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
