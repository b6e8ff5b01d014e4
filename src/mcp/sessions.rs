//! Sessions of Streamable HTTP, without a table: the id itself says what its handshake settled and proves that it is ours.
//!
//! A session exists only so that a client can cancel its own calls, answer what it is asked and set its own log level.
//! It is no credential: the tag keeps ids of an earlier process from being taken for living ones, nothing more.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use super::call::Level;
use super::handshake::Handshake;

/// The header that carries the id.
pub const SESSION_HEADER: &str = "mcp-session-id";

/// The most sessions whose log level is remembered; the first one over it forgets them all, which costs log lines only.
const LEVELS_MAX: usize = 1_024;

/// Random bytes in an id: 128 bits.
const RANDOM_BYTES: usize = 16;
/// As [`Handshake::digits`] has them.
const HANDSHAKE_DIGITS: usize = 2;

/// Makes and knows session ids: 32 hex digits of chance, two of the handshake, 16 of a keyed hash over both.
#[derive(Default)]
pub(super) struct Sessions {
    key: RandomState,
    levels: Mutex<HashMap<String, Level>>,
}

impl Sessions {
    /// A new id; none where the system has no random bytes, and then there is no session.
    pub(super) fn begin(&self, handshake: Handshake) -> Option<String> {
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random).ok()?;
        let mut id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        id.push_str(&handshake.digits());
        let tag = self.tag(&id);
        id.push_str(&tag);
        Some(id)
    }

    /// The handshake that a session began with; none if the id is not ours.
    pub(super) fn handshake(&self, id: &str) -> Option<Handshake> {
        let (said, tag) = id.split_at_checked(RANDOM_BYTES * 2 + HANDSHAKE_DIGITS)?;
        if tag != self.tag(said) {
            return None;
        }
        Handshake::from_digits(said.get(RANDOM_BYTES * 2..)?)
    }

    /// The least grave log message that a session wants.
    pub(super) fn level(&self, id: &str) -> Option<Level> {
        self.levels
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .copied()
    }

    /// Sets it, for a session of ours.
    pub(super) fn set_level(&self, id: &str, level: Level) {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        if levels.len() >= LEVELS_MAX && !levels.contains_key(id) {
            levels.clear();
        }
        levels.insert(id.to_owned(), level);
    }

    fn tag(&self, said: &str) -> String {
        format!("{:016x}", self.key.hash_one(said))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::revision::Revision;
    use super::*;

    #[test]
    fn an_id_says_its_handshake_to_the_one_who_made_it_and_to_nobody_else() {
        let sessions = Sessions::default();
        for revision in Revision::ALL {
            let handshake = Handshake::of(revision, Some(&json!({"elicitation": {}, "roots": {}})));
            let id = sessions.begin(handshake).unwrap();
            assert_eq!(sessions.handshake(&id), Some(handshake));
            assert_eq!(Sessions::default().handshake(&id), None);
            assert!(id.bytes().all(|byte| (0x21..=0x7e).contains(&byte)), "{id}");
        }
    }

    #[test]
    fn a_changed_id_is_no_id() {
        let sessions = Sessions::default();
        let handshake = Handshake::of(Revision::V2025_06_18, None);
        let id = sessions.begin(handshake).unwrap();
        for place in 0..id.len() {
            let mut changed = id.clone().into_bytes();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            assert_eq!(
                sessions.handshake(std::str::from_utf8(&changed).unwrap()),
                None
            );
        }
        for odd in ["", "x", "é", &"é".repeat(40)] {
            assert_eq!(sessions.handshake(odd), None);
        }
    }
}
