//! What the query API answers: typed where Mixpanel documents a shape, tolerant of members that it adds.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::told::{Members, Told};

/// Numbers over time: by event, or by segment if one was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The dates, as Mixpanel lists them.
    pub series: Vec<String>,
    /// Event or segment, then date, then number. A date with nothing may be left out.
    #[serde(deserialize_with = "numbers")]
    pub values: BTreeMap<String, BTreeMap<String, f64>>,
}

/// One of today's top events, as it stands in the answer's body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopEvent<'a> {
    /// Its name.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// How many.
    pub amount: f64,
    /// Against yesterday, as a fraction: 0.5 is half as many again.
    pub percent_change: Option<f64>,
}

/// How many events carry a property.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PropertyCount {
    /// The property.
    pub name: String,
    /// How many events.
    pub count: u64,
}

/// The users of one day, week or month, and how many of them came back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cohort {
    /// How many users began.
    pub first: u64,
    /// How many came back in each step; the 0th is the step in which they began.
    pub counts: Vec<u64>,
}

/// A retention report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Retention {
    /// By date.
    Whole(BTreeMap<String, Cohort>),
    /// As it comes when segments were asked for: two keys deep, date and segment.
    Segmented(BTreeMap<String, BTreeMap<String, Cohort>>),
}

/// A frequency report: the n-th number counts users who were active in at least n+1 hours or days of the period.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Frequency {
    /// By date.
    Whole(BTreeMap<String, Vec<u64>>),
    /// As it comes when segments were asked for: two keys deep, date and segment.
    Segmented(BTreeMap<String, BTreeMap<String, Vec<u64>>>),
}

/// A funnel's report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Funnel {
    /// What the report covers.
    pub meta: FunnelMeta,
    /// By date.
    pub data: BTreeMap<String, FunnelDay>,
}

/// What a funnel's report covers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FunnelMeta {
    /// The dates, as Mixpanel lists them.
    pub dates: Vec<String>,
}

/// A funnel on one date.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum FunnelDay {
    /// All users together.
    Whole {
        /// The steps in order.
        steps: Vec<FunnelStep>,
    },
    /// By segment; `$overall` is all users together.
    Segmented(BTreeMap<String, Vec<FunnelStep>>),
}

/// One step of a funnel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunnelStep {
    /// How many users came here.
    pub count: u64,
    /// The event; a custom one has an id for a name.
    pub event: Option<String>,
    /// What the step is called, where it is not the event's name.
    pub step_label: Option<String>,
    /// The part of the step before, 0 to 1.
    pub step_conv_ratio: Option<f64>,
    /// The part of the first step, 0 to 1.
    pub overall_conv_ratio: Option<f64>,
    /// Seconds since the step before, on average; none at the first.
    pub avg_time: Option<f64>,
    /// Seconds since the first step, on average.
    pub avg_time_from_start: Option<f64>,
}

/// A saved funnel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SavedFunnel {
    /// What to ask its report by.
    pub funnel_id: u64,
    /// Its name.
    pub name: String,
    /// Its steps. Not documented, so in whatever shape they come.
    pub steps: Option<Value>,
    /// Who made it. Not documented either.
    pub creator: Option<Value>,
}

/// A saved report of Insights.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Insights {
    /// When it was computed.
    pub computed_at: Option<String>,
    /// Its days: `from_date` and `to_date`.
    pub date_range: Value,
    /// What the keys in `series` mean, from the outside in.
    pub headers: Vec<String>,
    /// The numbers; how deep they are nested depends on the report.
    pub series: Value,
}

/// One page of profiles.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProfilePage {
    /// Its number, from 0.
    pub page: u32,
    /// How many profiles a full page has. Fewer results mean that this is the last.
    pub page_size: u32,
    /// How many profiles there are in all; only on page 0.
    pub total: Option<u64>,
    /// What the next page is asked by; none on the last.
    pub session_id: Option<String>,
    /// The profiles.
    pub results: Vec<Profile>,
}

/// The profile of a user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// Who. Mixpanel sends some ids as numbers.
    #[serde(rename = "$distinct_id")]
    pub distinct_id: String,
    /// What is known of the user.
    #[serde(rename = "$properties")]
    pub properties: Map<String, Value>,
}

/// One event of a user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActivityEvent {
    /// Its name.
    pub event: String,
    /// Its properties; `time` is in seconds since 1970.
    pub properties: Map<String, Value>,
}

/// A saved cohort.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SavedCohort {
    /// What its users are asked by.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// How many users it had when it was last counted.
    pub count: Option<u64>,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made, as in `2019-03-19 23:49:51`.
    pub created: Option<String>,
    /// 0 if it is hidden.
    pub is_visible: Option<u8>,
}

impl Told for Cohort {
    fn told(value: Value) -> Option<Cohort> {
        let mut members = Members::of(value)?;
        Some(Cohort {
            first: members.take("first")?,
            counts: members.take("counts")?,
        })
    }
}

impl Told for Retention {
    fn told(value: Value) -> Option<Retention> {
        // A segment that is called `first` is an object.
        let is_cohort = |date: &Value| date.get("first").is_some_and(Value::is_number);
        let dates = value.as_object()?;
        if dates.values().all(is_cohort) {
            Told::told(value).map(Retention::Whole)
        } else {
            Told::told(value).map(Retention::Segmented)
        }
    }
}

impl Told for Frequency {
    fn told(value: Value) -> Option<Frequency> {
        let dates = value.as_object()?;
        if dates.values().all(Value::is_array) {
            Told::told(value).map(Frequency::Whole)
        } else {
            Told::told(value).map(Frequency::Segmented)
        }
    }
}

impl Told for Funnel {
    fn told(value: Value) -> Option<Funnel> {
        let mut members = Members::of(value)?;
        Some(Funnel {
            meta: members.or_default("meta")?,
            data: members.take("data")?,
        })
    }
}

impl Told for FunnelMeta {
    fn told(value: Value) -> Option<FunnelMeta> {
        let mut members = Members::of(value)?;
        Some(FunnelMeta {
            dates: members.or_default("dates")?,
        })
    }
}

impl Told for FunnelDay {
    fn told(value: Value) -> Option<FunnelDay> {
        if value.get("steps").is_none() {
            return Told::told(value).map(FunnelDay::Segmented);
        }
        Some(FunnelDay::Whole {
            steps: Members::of(value)?.take("steps")?,
        })
    }
}

impl Told for FunnelStep {
    fn told(value: Value) -> Option<FunnelStep> {
        let mut members = Members::of(value)?;
        Some(FunnelStep {
            count: members.take("count")?,
            event: members.maybe("event")?,
            step_label: members.maybe("step_label")?,
            step_conv_ratio: members.maybe("step_conv_ratio")?,
            overall_conv_ratio: members.maybe("overall_conv_ratio")?,
            avg_time: members.maybe("avg_time")?,
            avg_time_from_start: members.maybe("avg_time_from_start")?,
        })
    }
}

impl Told for SavedFunnel {
    fn told(value: Value) -> Option<SavedFunnel> {
        let mut members = Members::of(value)?;
        Some(SavedFunnel {
            funnel_id: members.take("funnel_id")?,
            name: members.take("name")?,
            steps: members.maybe("steps")?,
            creator: members.maybe("creator")?,
        })
    }
}

impl Told for Insights {
    fn told(value: Value) -> Option<Insights> {
        let mut members = Members::of(value)?;
        Some(Insights {
            computed_at: members.maybe("computed_at")?,
            date_range: members.or_default("date_range")?,
            headers: members.or_default("headers")?,
            series: members.take("series")?,
        })
    }
}

impl Told for ProfilePage {
    fn told(value: Value) -> Option<ProfilePage> {
        let mut members = Members::of(value)?;
        Some(ProfilePage {
            page: members.or_default("page")?,
            page_size: members.or_default("page_size")?,
            total: members.maybe("total")?,
            session_id: members.maybe("session_id")?,
            results: members.take("results")?,
        })
    }
}

impl Told for Profile {
    fn told(value: Value) -> Option<Profile> {
        let mut members = Members::of(value)?;
        Some(Profile {
            distinct_id: members.take("$distinct_id").map(text_of)?,
            properties: members.or_default("$properties")?,
        })
    }
}

impl Told for ActivityEvent {
    fn told(value: Value) -> Option<ActivityEvent> {
        let mut members = Members::of(value)?;
        Some(ActivityEvent {
            event: members.take("event")?,
            properties: members.or_default("properties")?,
        })
    }
}

impl Told for SavedCohort {
    fn told(value: Value) -> Option<SavedCohort> {
        let mut members = Members::of(value)?;
        Some(SavedCohort {
            id: members.take("id")?,
            name: members.take("name")?,
            count: members.maybe("count")?,
            description: members.maybe("description")?,
            created: members.maybe("created")?,
            is_visible: members.maybe("is_visible")?,
        })
    }
}

type Numbers = BTreeMap<String, BTreeMap<String, f64>>;

/// A date without a number, such as an average of nothing, comes as null and is left out.
fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Numbers, D::Error> {
    let values = BTreeMap::<String, BTreeMap<String, Option<f64>>>::deserialize(deserializer)?;
    Ok(values
        .into_iter()
        .map(|(name, dates)| (name, without_nulls(dates)))
        .collect())
}

pub(super) fn without_nulls(dates: BTreeMap<String, Option<f64>>) -> BTreeMap<String, f64> {
    dates
        .into_iter()
        .filter_map(|(date, number)| Some((date, number?)))
        .collect()
}

/// A text, also when it comes as a number or a truth value.
pub(super) fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
