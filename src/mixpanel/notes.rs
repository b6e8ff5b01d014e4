//! What one call wants of all its requests, and what they noted for it: one set of notes a call, shared by its
//! clients. What is made of them is left to the caller.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::api::Api;
use super::credentials::ProjectId;
use super::error::Error;
use super::rehearsal::Rehearsal;

/// No call asks about more projects; of more, nothing is noted.
const PROJECTS_MAX: usize = 16;

#[derive(Default)]
pub(super) struct Notes {
    fresh: AtomicBool,
    pub(super) rehearsal: Arc<Rehearsal>,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    oldest: Option<Duration>,
    failed: Option<(&'static str, String)>,
    asked: Vec<(Api, ProjectId)>,
}

impl Notes {
    /// Notes of their own for what is done beside the call; a dry run stays one.
    pub(super) fn aside(&self) -> Notes {
        Notes {
            rehearsal: Arc::clone(&self.rehearsal),
            ..Notes::default()
        }
    }

    /// Wants every answer anew.
    pub(super) fn want_fresh(&self) {
        self.fresh.store(true, Ordering::Relaxed);
    }

    pub(super) fn wants_fresh(&self) -> bool {
        self.fresh.load(Ordering::Relaxed)
    }

    /// An answer that was kept, and is so old.
    pub(super) fn kept(&self, age: Duration) {
        let mut noted = self.lock();
        noted.oldest = noted.oldest.max(Some(age));
    }

    /// The age of the oldest kept answer.
    pub(super) fn oldest(&self) -> Option<Duration> {
        self.lock().oldest
    }

    /// A request that failed. Not that the call was stopped: that is no fault to look into.
    pub(super) fn failed(&self, error: &Error, try_of_it: &super::noted::Noted) {
        if *error != Error::Cancelled {
            self.failed_as(error, try_of_it.id());
        }
    }

    /// The same of another call's request, on which this one waited.
    pub(super) fn failed_as(&self, error: &Error, request_id: String) {
        if *error != Error::Cancelled {
            self.lock().failed = Some((error.kind(), request_id));
        }
    }

    /// The last request that failed with this kind of error.
    pub(super) fn failed_request(&self, kind: &str) -> Option<String> {
        let noted = self.lock();
        let (known, request_id) = noted.failed.as_ref()?;
        (*known == kind).then(|| request_id.clone())
    }

    /// That a project's quota was, or could have been, drawn on.
    pub(super) fn asked(&self, api: Api, project: &ProjectId) {
        let mut noted = self.lock();
        let known = noted
            .asked
            .iter()
            .any(|(known, of)| *known == api && of == project);
        if !known && noted.asked.len() < PROJECTS_MAX {
            noted.asked.push((api, project.clone()));
        }
    }

    /// What there is to say of each quota that was drawn on.
    pub(super) fn of_asked<T>(&self, say: impl Fn(Api, &ProjectId) -> Option<T>) -> Vec<T> {
        let noted = self.lock();
        let asked = noted.asked.iter();
        asked
            .filter_map(|(api, project)| say(*api, project))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
