//! What the query API answers: typed where Mixpanel documents a shape, tolerant of members that it adds.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cohort {
    /// How many users began.
    pub first: u64,
    /// How many came back in each step; the 0th is the step in which they began.
    pub counts: Vec<u64>,
}

/// A retention report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Retention {
    /// By date.
    Whole(BTreeMap<String, Cohort>),
    /// As it comes when segments were asked for: two keys deep, date and segment.
    Segmented(BTreeMap<String, BTreeMap<String, Cohort>>),
}

/// A frequency report: the n-th number counts users who were active in at least n+1 hours or days of the period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Frequency {
    /// By date.
    Whole(BTreeMap<String, Vec<u64>>),
    /// As it comes when segments were asked for: two keys deep, date and segment.
    Segmented(BTreeMap<String, BTreeMap<String, Vec<u64>>>),
}

/// A funnel's report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Funnel {
    /// What the report covers.
    #[serde(default)]
    pub meta: FunnelMeta,
    /// By date.
    pub data: BTreeMap<String, FunnelDay>,
}

/// What a funnel's report covers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FunnelMeta {
    /// The dates, as Mixpanel lists them.
    #[serde(default)]
    pub dates: Vec<String>,
}

/// A funnel on one date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Insights {
    /// When it was computed.
    pub computed_at: Option<String>,
    /// Its days: `from_date` and `to_date`.
    #[serde(default)]
    pub date_range: Value,
    /// What the keys in `series` mean, from the outside in.
    #[serde(default)]
    pub headers: Vec<String>,
    /// The numbers; how deep they are nested depends on the report.
    pub series: Value,
}

/// One page of profiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfilePage {
    /// Its number, from 0.
    #[serde(default)]
    pub page: u32,
    /// How many profiles a full page has. Fewer results mean that this is the last.
    #[serde(default)]
    pub page_size: u32,
    /// How many profiles there are in all; only on page 0.
    pub total: Option<u64>,
    /// What the next page is asked by; none on the last.
    pub session_id: Option<String>,
    /// The profiles.
    pub results: Vec<Profile>,
}

/// The profile of a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Who. Mixpanel sends some ids as numbers.
    #[serde(rename = "$distinct_id", deserialize_with = "text")]
    pub distinct_id: String,
    /// What is known of the user.
    #[serde(rename = "$properties", default)]
    pub properties: Map<String, Value>,
}

/// One event of a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityEvent {
    /// Its name.
    pub event: String,
    /// Its properties; `time` is in seconds since 1970.
    #[serde(default)]
    pub properties: Map<String, Value>,
}

/// A saved cohort.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(text_of(Value::deserialize(deserializer)?))
}

pub(super) fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
