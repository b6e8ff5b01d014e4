//! The calls that run now, so that a client can cancel its own. Ids repeat between clients (everyone starts
//! at 0 or 1), so a call is known by its scope and its id, never by its id alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::call::Cancellation;

/// Within what a request id means one request: a session of Streamable HTTP, a stream of HTTP+SSE, a process on stdio.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// By its session id.
    Session(String),
    /// By its number.
    Dialog(u64),
}

/// A call: its scope, and its id as JSON text.
type Key = (Scope, String);

/// The calls that run now. A client may use an id twice at once; then both are meant.
#[derive(Clone, Default)]
pub struct Running(Arc<Mutex<HashMap<Key, Vec<Cancellation>>>>);

/// Keeps one call known; forgotten when dropped.
pub struct Entry {
    running: Running,
    key: Key,
    cancellation: Cancellation,
}

impl Running {
    /// Makes a call known.
    pub fn enter(&self, scope: Scope, id: &Value, cancellation: Cancellation) -> Entry {
        let key = (scope, id.to_string());
        self.lock()
            .entry(key.clone())
            .or_default()
            .push(cancellation.clone());
        Entry {
            running: self.clone(),
            key,
            cancellation,
        }
    }

    /// Cancels the call of this id. Unknown and finished ones are ignored.
    pub fn cancel(&self, scope: &Scope, id: &Value) {
        let found = self.lock().get(&(scope.clone(), id.to_string())).cloned();
        found
            .into_iter()
            .flatten()
            .for_each(|cancellation| cancellation.cancel());
    }

    /// Cancels every call of a scope.
    pub fn cancel_all_of(&self, scope: &Scope) {
        let found: Vec<Cancellation> = {
            let running = self.lock();
            let of_scope = running.iter().filter(|((of, _), _)| of == scope);
            of_scope
                .flat_map(|(_, cancellations)| cancellations.clone())
                .collect()
        };
        found.iter().for_each(Cancellation::cancel);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Vec<Cancellation>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        if let Some(cancellations) = running.get_mut(&self.key) {
            cancellations.retain(|cancellation| !cancellation.is(&self.cancellation));
            if cancellations.is_empty() {
                running.remove(&self.key);
            }
        }
    }
}
