//! Days and the buckets of a report, all in UTC. Knows nothing of events.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::fault::Fault;

pub(super) const SECOND_MS: i64 = 1_000;
pub(super) const MINUTE_MS: i64 = 60 * SECOND_MS;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;

/// A month of minutes fits; a report with more rows than this is nobody's wish.
const BUCKETS_MAX: usize = 50_000;
const EPOCH: Date = Date::constant(1970, 1, 1);

/// The size of a report's buckets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Unit {
    Minute,
    Hour,
    Day,
    /// Begins on Monday.
    Week,
    Month,
}

impl Unit {
    /// Milliseconds in one unit. A month counts 30 days, where no calendar date is at hand.
    pub(super) fn ms(self) -> i64 {
        match self {
            Unit::Minute => MINUTE_MS,
            Unit::Hour => HOUR_MS,
            Unit::Day => DAY_MS,
            Unit::Week => 7 * DAY_MS,
            Unit::Month => 30 * DAY_MS,
        }
    }
}

/// The time now, in milliseconds since the epoch.
pub(super) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

fn civil(time_ms: i64) -> DateTime {
    Timestamp::from_millisecond(time_ms)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned(TimeZone::UTC)
        .datetime()
}

/// The day in which a moment lies.
pub(super) fn day_of(time_ms: i64) -> Date {
    civil(time_ms).date()
}

/// The first moment of a day.
pub(super) fn start_of(day: Date) -> i64 {
    i64::try_from(day.duration_since(EPOCH).as_millis()).unwrap_or(0)
}

/// `2026-01-31T10:00:00`, as profiles carry their times.
pub(super) fn moment(time_ms: i64) -> String {
    let at = civil(time_ms);
    format!(
        "{}T{:02}:{:02}:{:02}",
        at.date(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// `2026-01-31T10:00:00Z`, as the app says when something was made.
pub(super) fn instant(time_ms: i64) -> String {
    format!("{}Z", moment(time_ms))
}

/// `2026-01-31T10:00:00.123000+00:00`, as reports say when they were computed.
pub(super) fn computed_at(time_ms: i64) -> String {
    format!(
        "{}.{:03}000+00:00",
        moment(time_ms),
        time_ms.rem_euclid(SECOND_MS)
    )
}

/// Consecutive buckets over a range of time, each with the label that reports give it.
pub(super) struct Buckets {
    /// The first moment that counts; the first bucket may begin before it (a week, a month).
    pub(super) from_ms: i64,
    /// The first moment that no longer counts.
    pub(super) end_ms: i64,
    starts: Vec<i64>,
    labels: Vec<String>,
}

impl Buckets {
    /// Buckets of `every` units over whole days, both inclusive. Errors: the range is empty or too finely cut.
    pub(super) fn over(from: Date, to: Date, unit: Unit, every: u32) -> Result<Buckets, Fault> {
        if from > to {
            return Err(Fault::bad_request("from_date cannot be later than to_date"));
        }
        let from_ms = start_of(from);
        Buckets::cut(from_ms, start_of(to) + DAY_MS, unit, every)
    }

    /// The current unit and those before it, `count` in all.
    pub(super) fn last(count: u32, unit: Unit, now_ms: i64) -> Result<Buckets, Fault> {
        let back = i64::from(count.max(1)) - 1;
        let today = day_of(now_ms);
        let span = match unit {
            Unit::Minute | Unit::Hour => {
                let current = now_ms - now_ms.rem_euclid(unit.ms());
                return Buckets::cut(current - back * unit.ms(), current + unit.ms(), unit, 1);
            }
            Unit::Day => Span::new().try_days(back),
            Unit::Week => Span::new().try_weeks(back),
            Unit::Month => Span::new().try_months(back),
        };
        let from = span
            .and_then(|span| first_day(today, unit).checked_sub(span))
            .map_err(|_| Fault::bad_request("interval reaches too far into the past"))?;
        Buckets::over(from, today, unit, 1)
    }

    fn cut(from_ms: i64, end_ms: i64, unit: Unit, every: u32) -> Result<Buckets, Fault> {
        let every = every.max(1);
        let too_many = || Fault::bad_request("the date range has too many buckets for this unit");
        let mut starts = Vec::new();
        let mut labels = Vec::new();
        match unit {
            Unit::Minute | Unit::Hour => {
                let step = unit.ms() * i64::from(every);
                let mut start = from_ms;
                while start < end_ms {
                    if starts.len() == BUCKETS_MAX {
                        return Err(too_many());
                    }
                    starts.push(start);
                    labels.push(moment(start).replace('T', " "));
                    start += step;
                }
            }
            Unit::Day | Unit::Week | Unit::Month => {
                let span = match unit {
                    Unit::Month => Span::new().try_months(every),
                    Unit::Week => Span::new().try_weeks(every),
                    _ => Span::new().try_days(every),
                }
                .map_err(|_| too_many())?;
                let mut day = first_day(day_of(from_ms), unit);
                while start_of(day) < end_ms {
                    if starts.len() == BUCKETS_MAX {
                        return Err(too_many());
                    }
                    starts.push(start_of(day));
                    labels.push(day.to_string());
                    match day.checked_add(span) {
                        Ok(next) => day = next,
                        Err(_) => break,
                    }
                }
            }
        }
        Ok(Buckets {
            from_ms,
            end_ms,
            starts,
            labels,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Which bucket a moment falls into; none outside of the range.
    pub(super) fn index_of(&self, time_ms: i64) -> Option<usize> {
        if !(self.from_ms..self.end_ms).contains(&time_ms) {
            return None;
        }
        self.starts
            .partition_point(|start| *start <= time_ms)
            .checked_sub(1)
    }

    /// First moment, and first moment after, of each bucket's part inside the range.
    pub(super) fn spans(&self) -> impl Iterator<Item = (i64, i64)> {
        let ends = self.starts.iter().skip(1).copied().chain([self.end_ms]);
        self.starts
            .iter()
            .zip(ends)
            .map(|(start, end)| ((*start).max(self.from_ms), end.min(self.end_ms)))
    }
}

fn first_day(day: Date, unit: Unit) -> Date {
    match unit {
        Unit::Week => {
            let back = i64::from(day.weekday().to_monday_zero_offset());
            Span::new()
                .try_days(back)
                .and_then(|span| day.checked_sub(span))
                .unwrap_or(day)
        }
        Unit::Month => day.first_of_month(),
        Unit::Minute | Unit::Hour | Unit::Day => day,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixpanel::expression::parse_day;

    #[track_caller]
    fn check(from: &str, to: &str, unit: Unit, every: u32, expected: &[&str]) {
        let (from, to) = (parse_day(from).unwrap(), parse_day(to).unwrap());
        let buckets = Buckets::over(from, to, unit, every).unwrap();
        assert_eq!(buckets.labels(), expected);
        assert_eq!(buckets.len(), expected.len());
    }

    #[test]
    fn days_are_inclusive_at_both_ends() {
        check(
            "2026-02-27",
            "2026-03-01",
            Unit::Day,
            1,
            &["2026-02-27", "2026-02-28", "2026-03-01"],
        );
    }

    #[test]
    fn weeks_begin_on_monday_even_before_the_range() {
        check(
            "2026-11-04",
            "2026-11-10",
            Unit::Week,
            1,
            &["2026-11-02", "2026-11-09"],
        );
    }

    #[test]
    fn months_begin_on_the_first() {
        check(
            "2025-12-31",
            "2026-02-01",
            Unit::Month,
            1,
            &["2025-12-01", "2026-01-01", "2026-02-01"],
        );
    }

    #[test]
    fn several_days_make_one_bucket() {
        check(
            "2026-01-01",
            "2026-01-05",
            Unit::Day,
            2,
            &["2026-01-01", "2026-01-03", "2026-01-05"],
        );
    }

    #[test]
    fn hours_carry_the_time() {
        let day = parse_day("2026-01-01").unwrap();
        let buckets = Buckets::over(day, day, Unit::Hour, 1).unwrap();
        assert_eq!(buckets.len(), 24);
        assert_eq!(buckets.labels().last().unwrap(), "2026-01-01 23:00:00");
    }

    #[test]
    fn a_moment_falls_into_its_bucket_and_only_inside_the_range() {
        let from = parse_day("2026-11-04").unwrap();
        let to = parse_day("2026-11-10").unwrap();
        let buckets = Buckets::over(from, to, Unit::Week, 1).unwrap();
        assert_eq!(buckets.index_of(start_of(from) - 1), None);
        assert_eq!(buckets.index_of(start_of(from)), Some(0));
        assert_eq!(
            buckets.index_of(start_of(parse_day("2026-11-09").unwrap())),
            Some(1)
        );
        assert_eq!(buckets.index_of(start_of(to) + DAY_MS), None);
    }

    #[test]
    fn the_last_units_end_with_the_current_one() {
        let now = start_of(parse_day("2026-03-15").unwrap()) + 5 * HOUR_MS + 7;
        assert_eq!(
            Buckets::last(2, Unit::Month, now).unwrap().labels(),
            ["2026-02-01", "2026-03-01"]
        );
        assert_eq!(
            Buckets::last(2, Unit::Hour, now).unwrap().labels(),
            ["2026-03-15 04:00:00", "2026-03-15 05:00:00"]
        );
    }

    #[test]
    fn a_range_cut_too_finely_is_refused() {
        let from = parse_day("2020-01-01").unwrap();
        let to = parse_day("2026-01-01").unwrap();
        assert!(Buckets::over(from, to, Unit::Minute, 1).is_err());
        assert!(Buckets::over(to, from, Unit::Day, 1).is_err());
    }
}
