//! What several messages of one peer have in common on a transport that keeps a peer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::call::Level;
use super::handshake::Handshake;
use super::running::{Running, Scope};

/// A peer on a stream of HTTP+SSE, or on standard input and output.
pub struct Dialog {
    pub(super) scope: Scope,
    running: Running,
    state: Mutex<DialogState>,
}

#[derive(Default)]
pub(super) struct DialogState {
    pub(super) handshake: Option<Handshake>,
    pub(super) level: Option<Level>,
}

impl Dialog {
    /// One of this number, whose calls are among these.
    pub(super) fn new(number: u64, running: Running) -> Dialog {
        Dialog {
            scope: Scope::Dialog(number),
            running,
            state: Mutex::default(),
        }
    }

    /// Cancels all its calls: the peer has gone.
    pub fn end(&self) {
        self.running.cancel_all_of(&self.scope);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, DialogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
