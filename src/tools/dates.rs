//! Which days a call means: words such as `yesterday` are resolved where the project's days are counted, and what cannot
//! be asked is refused before anybody is.

use jiff::civil;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use crate::mcp::args::Date;
use crate::mcp::data::Data;
use crate::mcp::day::Day;
use crate::mcp::tool::Failure;
use crate::mixpanel::{DateRange, ProjectId};

use super::ask::Ask;

/// The longest range, ten years: longer than Mixpanel keeps events.
const RANGE_DAYS_MAX: i32 = 3_660;
/// The first zone is 14 hours before UTC, the last 12 hours behind.
const FIRST_ZONE_HOURS: i64 = 14;
const LAST_ZONE_HOURS: i64 = -12;

/// The days of a call, for its answer to tell.
#[derive(Clone)]
pub(super) struct Dated {
    project: ProjectId,
    range: DateRange,
    /// Whether a word was resolved.
    by_word: bool,
    is_export: bool,
}

impl Ask {
    /// The days from `from` to `to`, both inclusive, in the project's time zone. The answer tells them.
    pub(super) fn days(
        &self,
        project: &ProjectId,
        from: &Date,
        to: &Date,
    ) -> Result<DateRange, Failure> {
        self.resolve(project, Some(from.0), to.0, 1, false)
    }

    /// The same where both may be left out: up to today, and so many days.
    pub(super) fn days_or(
        &self,
        project: &ProjectId,
        from: Option<&Date>,
        to: Option<&Date>,
        days: i32,
    ) -> Result<DateRange, Failure> {
        let to = to.map_or(Day::Last(1), |to| to.0);
        self.resolve(project, from.map(|from| from.0), to, days, false)
    }

    /// The same for an export, which counts days in UTC for newer projects.
    pub(super) fn export_days(
        &self,
        project: &ProjectId,
        from: &Date,
        to: &Date,
    ) -> Result<DateRange, Failure> {
        self.resolve(project, Some(from.0), to.0, 1, true)
    }

    /// The day that it is in the project's time zone; in UTC if that is not known.
    pub(super) fn today(&self, project: &ProjectId) -> civil::Date {
        match self.zone(project) {
            Some((_, zone)) => Timestamp::now().to_zoned(zone).date(),
            None => today_at(0),
        }
    }

    fn zone(&self, project: &ProjectId) -> Option<(String, TimeZone)> {
        let zone = self.mixpanel().ok()?.timezone(project)?;
        Some((zone.iana_name()?.to_owned(), zone))
    }

    fn resolve(
        &self,
        project: &ProjectId,
        from: Option<Day>,
        to: Day,
        days: i32,
        is_export: bool,
    ) -> Result<DateRange, Failure> {
        let by_word = !matches!((from, to), (None | Some(Day::On(_)), Day::On(_)));
        let latest = today_at(FIRST_ZONE_HOURS);
        let is_near =
            matches!(to, Day::On(to) if (today_at(LAST_ZONE_HOURS)..=latest).contains(&to));
        // Only these need to know what day it is there; of the others the look-up can wait, or be spared.
        let zone = if by_word || is_near {
            self.zone(project)
        } else {
            None
        };
        let (today, where_) = match &zone {
            Some((name, zone)) => (
                Timestamp::now().to_zoned(zone.clone()).date(),
                name.as_str(),
            ),
            None => (today_at(0), "UTC"),
        };
        let before = || Failure::new("bad_arguments", "the days lie before the calendar begins");
        let (_, to) = to.resolved(today).ok_or_else(before)?;
        let from = match from {
            Some(from) => from.resolved(today).ok_or_else(before)?.0,
            None => to.checked_sub((days - 1).days()).map_err(|_| before())?,
        };
        let range = DateRange { from, to };
        let last = if zone.is_some() { today } else { latest };
        let fault = if from > to {
            format!("from_date {from} is after to_date {to}; exchange them")
        } else if to > last {
            format!("to_date {to} is after today, {today} in {where_}; take today")
        } else if range.days() > RANGE_DAYS_MAX {
            format!(
                "{from} to {to} are {} days, at most {RANGE_DAYS_MAX} are asked for at once; take a later from_date",
                range.days()
            )
        } else {
            self.note_days(Dated {
                project: project.clone(),
                range,
                by_word,
                is_export,
            });
            return Ok(range);
        };
        Err(Failure::new("bad_arguments", fault)
            .with("today", today.to_string())
            .with("timezone", where_))
    }
}

impl Dated {
    /// `from_date`, `to_date`, `timezone`, and in `dates_note` where the days are not those of the project's zone.
    pub(super) fn tell(&self, ask: &Ask, data: &mut Data) {
        let mut tell = |name: &'static str, value: String| {
            if !data.has(name) {
                data.insert(name, value);
            }
        };
        tell("from_date", self.range.from.to_string());
        tell("to_date", self.range.to.to_string());
        let zone = ask.zone(&self.project).map(|(name, _)| name);
        let note = match (&zone, self.is_export) {
            (None, _) if self.by_word => Some(
                "the project's time zone could not be learnt, so words such as today were taken in UTC".to_owned(),
            ),
            (Some(zone), true) if zone != "UTC" => Some(format!(
                "raw events are exported by days in UTC for projects made since 2023, so their days differ from those of reports, which are in {zone}"
            )),
            _ => None,
        };
        tell(
            "timezone",
            zone.unwrap_or_else(|| "the project's time zone".into()),
        );
        if let Some(note) = note {
            tell("dates_note", note);
        }
    }
}

/// The day that it is where the clocks are so many hours before UTC.
fn today_at(hours: i64) -> civil::Date {
    let now = Timestamp::now();
    let there = now
        .checked_add(SignedDuration::from_hours(hours))
        .unwrap_or(now);
    there.to_zoned(TimeZone::UTC).date()
}
