//! What people have saved in a project's web interface: funnels, Insights reports, cohorts. Fixed for now.

use super::parameters::Measure;

/// What one project has saved.
#[derive(Default)]
pub(super) struct Saved {
    pub(super) funnels: &'static [Funnel],
    pub(super) reports: &'static [Report],
    pub(super) cohorts: &'static [Cohort],
}

/// A funnel: steps that users take one after the other.
pub(super) struct Funnel {
    pub(super) id: u32,
    pub(super) name: &'static str,
    /// Event names.
    pub(super) steps: &'static [&'static str],
    /// How long a user has for all steps, in days, unless the query says otherwise.
    pub(super) length_days: u32,
}

/// An Insights report over the last days, by day.
pub(super) struct Report {
    pub(super) bookmark_id: u32,
    pub(super) events: &'static [&'static str],
    pub(super) measure: Measure,
    pub(super) days: u32,
    /// A property by which each series is split further.
    pub(super) breakdown: Option<&'static str>,
}

/// A group of users with something in common.
pub(super) struct Cohort {
    pub(super) id: u32,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) created: &'static str,
    pub(super) is_visible: bool,
    /// An expression over profiles.
    pub(super) condition: &'static str,
}
