//! What is asked of the query API: the parameters of its reports, typed so that a wrong word cannot be sent.

use jiff::civil::Date;

use super::request::Pairs;

/// An enum whose variants are words of Mixpanel's.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$variant_about:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_about])* $variant,)+
        }

        impl $name {
            /// Mixpanel's words for all of them.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// Reads Mixpanel's word.
            pub fn parse(word: &str) -> Option<$name> {
                match word {
                    $($word => Some($name::$variant),)+
                    _ => None,
                }
            }

            /// Mixpanel's word for it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What is counted.
    CountType {
        /// Events.
        General = "general",
        /// Users who did the event at least once in the unit of time.
        Unique = "unique",
        /// Events a user.
        Average = "average",
    }
}

words! {
    /// The length of a step of time. Not every report takes each: the methods say which.
    Unit {
        /// A minute.
        Minute = "minute",
        /// An hour.
        Hour = "hour",
        /// A day.
        Day = "day",
        /// A week.
        Week = "week",
        /// A month.
        Month = "month",
    }
}

words! {
    /// How a returning user is counted.
    RetentionType {
        /// From the first time that the user did the first event.
        Birth = "birth",
        /// From each time that the user did the event.
        Compounded = "compounded",
    }
}

words! {
    /// The grain in which a frequency report counts active hours or days.
    FrequencyUnit {
        /// Hours.
        Hour = "hour",
        /// Days.
        Day = "day",
    }
}

words! {
    /// The unit of a funnel's window.
    LengthUnit {
        /// Days.
        Day = "day",
        /// Hours.
        Hour = "hour",
        /// Minutes.
        Minute = "minute",
        /// Seconds.
        Second = "second",
    }
}

/// Days, both inclusive. In the project's time zone, but for exports of projects since 2023.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateRange {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
}

impl DateRange {
    /// How many days these are.
    pub fn days(self) -> i32 {
        (self.to - self.from).get_days() + 1
    }

    pub(super) fn onto(self, pairs: Pairs) -> Pairs {
        pairs.with("from_date", self.from).with("to_date", self.to)
    }
}

/// Counts of one event over time, maybe by segment.
#[derive(Debug, Clone)]
pub struct Segmentation<'a> {
    /// One event's name.
    pub event: &'a str,
    /// The days.
    pub range: DateRange,
    /// A minute, an hour, a day or a month in each, there is no week; or days, but not for [`CountType::General`].
    pub buckets: Buckets,
    /// What is counted.
    pub count: CountType,
    /// An expression whose values are the segments.
    pub on: Option<&'a str>,
    /// An expression that an event must fulfil.
    pub filter: Option<&'a str>,
    /// At most so many segments, up to 10,000; Mixpanel's default is 60. Only with `on`.
    pub limit: Option<u32>,
}

/// A sum or an average of a number over one event.
#[derive(Debug, Clone)]
pub struct Aggregation<'a> {
    /// One event's name.
    pub event: &'a str,
    /// The days.
    pub range: DateRange,
    /// Hour or day.
    pub unit: Unit,
    /// An expression with a number as its value; what is not a number counts as 0.
    pub on: &'a str,
    /// An expression that an event must fulfil.
    pub filter: Option<&'a str>,
}

/// Who came back, and when.
#[derive(Debug, Clone)]
pub struct RetentionQuery<'a> {
    /// The days on which users did the first event.
    pub range: DateRange,
    /// How a returning user is counted.
    pub retention_type: RetentionType,
    /// The event that begins; required with [`RetentionType::Birth`].
    pub born_event: Option<&'a str>,
    /// The event that counts as coming back; none means any.
    pub event: Option<&'a str>,
    /// An expression that the first event must fulfil.
    pub born_filter: Option<&'a str>,
    /// An expression that the returning event must fulfil.
    pub filter: Option<&'a str>,
    /// Day, week or month: the length of a step.
    pub unit: Unit,
    /// How many steps; the 0th comes on top.
    pub interval_count: Option<u32>,
    /// Whether a user who came back later counts as there in every step before.
    pub unbounded: bool,
    /// An expression whose values are the segments.
    pub on: Option<&'a str>,
    /// At most so many segments. Only with `on`.
    pub limit: Option<u32>,
}

/// In how many hours or days of each period users did something.
#[derive(Debug, Clone)]
pub struct FrequencyQuery<'a> {
    /// The days.
    pub range: DateRange,
    /// Day, week or month: the period.
    pub unit: Unit,
    /// What is counted within a period.
    pub addiction_unit: FrequencyUnit,
    /// The event; none means any.
    pub event: Option<&'a str>,
    /// An expression that an event must fulfil.
    pub filter: Option<&'a str>,
    /// An expression whose values are the segments.
    pub on: Option<&'a str>,
    /// At most so many segments. Only with `on`.
    pub limit: Option<u32>,
}

/// How an answer is divided in time: a user counts once in each bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buckets {
    /// So many days in each, from the first day on.
    Days(i32),
    /// One unit in each.
    Unit(Unit),
}

impl Buckets {
    pub(super) fn onto(self, pairs: Pairs) -> Pairs {
        match self {
            Buckets::Days(days) => pairs.with("interval", days),
            Buckets::Unit(unit) => pairs.with("unit", unit),
        }
    }
}

/// How many users went through the steps of a saved funnel.
#[derive(Debug, Clone)]
pub struct FunnelQuery<'a> {
    /// The id of a saved funnel.
    pub funnel_id: u64,
    /// The days on which users began.
    pub range: DateRange,
    /// The window for all steps, at most 90 days; none means as saved.
    pub length: Option<(u32, LengthUnit)>,
    /// Days, or a day, a week or a month in each.
    pub buckets: Buckets,
    /// An expression whose values are the segments.
    pub on: Option<&'a str>,
    /// An expression that events must fulfil.
    pub filter: Option<&'a str>,
    /// At most so many segments, up to 10,000. Only with `on`.
    pub limit: Option<u32>,
}

/// Which profiles to read.
#[derive(Debug, Clone, Default)]
pub struct ProfileQuery<'a> {
    /// One user.
    pub distinct_id: Option<&'a str>,
    /// Several users.
    pub distinct_ids: Option<&'a [String]>,
    /// An expression that a profile must fulfil.
    pub filter: Option<&'a str>,
    /// Only the users in a saved cohort.
    pub cohort_id: Option<u64>,
    /// Profiles of the groups of this kind instead of users.
    pub data_group_id: Option<&'a str>,
    /// Only these properties; none means all.
    pub output_properties: Option<&'a [String]>,
    /// The next page: its number, and the `session_id` that came with the page before.
    pub page: Option<(u32, &'a str)>,
}
