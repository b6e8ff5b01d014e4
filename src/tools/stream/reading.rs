//! Reading the events of some days, in one export where that is possible: a project may ask for 60 an hour.
//!
//! Where an export breaks off, what was read is kept and the rest is asked for, from the day on in which it broke;
//! events of that day that were read already are dropped. That is safe only if the days came in their order and if all
//! events of the broken day are remembered. If not, everything is read anew.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::{Value, json};

use super::event::{Event, Wanted};
use super::seen::{Seen, Verdict};
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::Failure;
use crate::mixpanel::{
    DateRange, Error, ExportLines, ExportQuery, MixpanelExportClient, Phase, ProjectId,
};
use crate::tools::ask::{Ask, counted};

/// How often a broken export is asked for again.
const AGAIN_MAX: u32 = 3;
/// How many analyses may run at once in this process; each may hold some 100 MB.
const AT_ONCE_MAX: usize = 4;
/// How long one waits for its turn, and how often it looks whether it is still wanted.
const TURN_MAX: Duration = Duration::from_secs(30);
const TURN_LOOK: Duration = Duration::from_millis(200);
/// After so many lines the client is told how far the reading is, and its cancellation is looked for.
const LINES_A_LOOK: u64 = 2_048;
const DAY_MS: i64 = 86_400_000;

/// What is read.
pub(in crate::tools) struct Plan {
    /// The days that were asked for.
    pub(in crate::tools) asked: DateRange,
    /// The days that are read: those and what an analysis needs before and after them.
    pub(in crate::tools) days: DateRange,
    /// Names of events; none means all.
    pub(in crate::tools) names: Vec<String>,
    /// The filter that Mixpanel applies.
    pub(in crate::tools) filter: Option<String>,
    /// What is taken out of each event.
    pub(in crate::tools) wanted: Wanted,
}

impl Plan {
    /// A plan over days, and so many more before and after them, but none after today.
    pub(in crate::tools) fn over(asked: DateRange, days_before: i64, days_after: i64) -> Plan {
        let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
        let from = asked
            .from
            .checked_sub(days_before.days())
            .unwrap_or(asked.from);
        let to = asked.to.checked_add(days_after.days()).unwrap_or(asked.to);
        Plan {
            asked,
            days: DateRange {
                from,
                to: to.min(today).max(asked.to),
            },
            names: Vec::new(),
            filter: None,
            wanted: Wanted::default(),
        }
    }

    /// The first moment of the asked days, and the first after them.
    pub(in crate::tools) fn asked_ms(&self) -> (i64, i64) {
        (start_ms(self.asked.from), start_ms(self.asked.to) + DAY_MS)
    }
}

/// The first moment of a day.
pub(in crate::tools) fn start_ms(day: Date) -> i64 {
    i64::try_from(day.duration_since(Date::constant(1970, 1, 1)).as_millis()).unwrap_or(0)
}

/// What was read.
#[derive(Debug, Default)]
pub(in crate::tools) struct Reading {
    /// Events that were given on.
    pub(in crate::tools) events: u64,
    /// Copies that were not.
    copies: u64,
    unreadable: u64,
    exports: u32,
    /// More events on a day than are remembered: copies that are far apart count.
    copies_may_count: bool,
}

impl Reading {
    /// What [`Reading::json`] gives.
    pub(in crate::tools) const FIELD: Field = Field::always(
        "read",
        Shape::Object(&[
            Field::always("events", Shape::Count),
            Field::always("copies_dropped", Shape::Count),
            Field::always("unreadable_lines", Shape::Count),
            Field::always("exports", Shape::Count).about("Of the 60 an hour."),
        ]),
    );

    /// The same as facts.
    pub(in crate::tools) fn json(&self) -> Value {
        json!({
            "events": self.events,
            "copies_dropped": self.copies,
            "unreadable_lines": self.unreadable,
            "exports": self.exports,
        })
    }

    /// What a summary has to say of it beside the figures: empty when all went well.
    pub(in crate::tools) fn notes(&self) -> String {
        let mut notes = String::new();
        if self.exports > 1 {
            let again = self.exports - 1;
            notes += &format!(
                "; the export broke off, so it took {} (no event is lost or counted twice)",
                counted(again, "more export")
            );
        }
        if self.unreadable > 0 {
            let lines = counted(self.unreadable, "line");
            notes += &format!("; {lines} of the export could not be read");
        }
        if self.copies_may_count {
            notes += "; on a day with over 1.8 million events, copies that are far apart may count";
        }
        notes
    }
}

/// The project and the days, as the summaries of analyses tell them.
pub(in crate::tools) fn place(project: &ProjectId, range: DateRange) -> String {
    let DateRange { from, to } = range;
    format!(
        "project {project}, {from} to {to} (days in UTC, or in the project's zone for projects from before 2023)"
    )
}

/// Reads all events of the plan into what `fresh` makes, by `take`. Says what was read beside it.
///
/// What `take` sees is in the order of the export, that is hardly any within a day. Memory: one line, and the hashes
/// of one day's events.
///
/// # Errors
///
/// Those of an export, when it breaks too often; `busy` when too many are running; what is no export at all.
pub(in crate::tools) fn read<S>(
    ask: &Ask,
    project: &ProjectId,
    plan: &mut Plan,
    fresh: impl Fn() -> S,
    mut take: impl FnMut(&mut S, &Event<'_>),
) -> Result<(S, Reading), Failure> {
    let export = &ask.mixpanel()?.export;
    let _place = Place::taken(ask)?;
    let mut pass = Pass::new();
    let mut exports = 0;
    let mut into = fresh();
    let mut from = plan.days.from;
    loop {
        exports += 1;
        let error = match open(export, project, plan, from).and_then(|mut lines| {
            pass.run(ask, &mut lines, &plan.wanted, |event| {
                take(&mut into, event)
            })
        }) {
            Ok(()) => break,
            Err(error) => error,
        };
        if exports > AGAIN_MAX || !is_passing(&error) {
            return Err(error.into());
        }
        log::info!(
            "an export broke off ({}), asking for the rest",
            error.kind()
        );
        match pass.day_to_go_on_with(plan.days) {
            Some(day) => {
                from = day;
                pass.seen.begin_again();
                pass.goes_on = true;
            }
            None => {
                pass = Pass {
                    lines: pass.lines,
                    ..Pass::new()
                };
                into = fresh();
                from = plan.days.from;
            }
        }
    }
    let mut reading = pass.reading;
    reading.exports = exports;
    if reading.events == 0 && reading.unreadable > 0 {
        return Err(Error::WrongShape {
            expected: "events, one a line",
        }
        .into());
    }
    Ok((into, reading))
}

/// Begins an export. Days that only the plan added may not have begun yet where the project is: then one is left out.
fn open(
    export: &MixpanelExportClient,
    project: &ProjectId,
    plan: &mut Plan,
    from: Date,
) -> Result<ExportLines, Error> {
    let query = |to| ExportQuery {
        range: DateRange { from, to },
        events: &plan.names,
        filter: plan.filter.as_deref(),
        limit: None,
        time_in_ms: true,
    };
    match export.export(project, &query(plan.days.to)) {
        Err(error) if is_tomorrow(&error) && plan.days.to > plan.asked.to.max(from) => {
            let to = plan.days.to.yesterday().unwrap_or(plan.asked.to);
            let lines = export.export(project, &query(to))?;
            plan.days.to = to;
            Ok(lines)
        }
        result => result,
    }
}

fn is_tomorrow(error: &Error) -> bool {
    matches!(error, Error::BadRequest { .. })
        && error
            .mixpanel_message()
            .is_some_and(|words| words.contains("later than today"))
}

/// Whether an export broke in a way that may not happen again.
pub(in crate::tools) fn is_passing(error: &Error) -> bool {
    matches!(
        error,
        Error::BrokenOff
            | Error::IncompleteExport
            | Error::TimedOut {
                phase: Phase::Stall
            }
            | Error::ServerFault {
                status: 502..=504,
                ..
            }
    )
}

/// The way through one or more exports that together give each event once.
struct Pass {
    seen: Seen,
    reading: Reading,
    /// The latest day so far, in days since the epoch.
    day: Option<i64>,
    /// Whether no event came after one of a later day.
    is_in_order: bool,
    /// Whether a part was taken from an export that broke off.
    goes_on: bool,
    /// All lines so far, for progress, which must not go back.
    lines: u64,
}

impl Pass {
    fn new() -> Pass {
        Pass {
            seen: Seen::new(),
            reading: Reading::default(),
            day: None,
            is_in_order: true,
            goes_on: false,
            lines: 0,
        }
    }

    fn run(
        &mut self,
        ask: &Ask,
        lines: &mut ExportLines,
        wanted: &Wanted,
        mut take: impl FnMut(&Event<'_>),
    ) -> Result<(), Error> {
        while let Some(line) = lines.next_line()? {
            self.lines += 1;
            if self.lines.is_multiple_of(LINES_A_LOOK) {
                if ask.call().cancellation().is_cancelled() {
                    return Err(Error::Cancelled);
                }
                ask.call().progress(self.lines as f64, None, "events read");
            }
            let Some(event) = Event::read(line, wanted) else {
                self.reading.unreadable += 1;
                continue;
            };
            self.note_day(event.time_ms.div_euclid(DAY_MS))?;
            match self.seen.judge(&event, line) {
                Verdict::New => {
                    self.reading.events += 1;
                    take(&event);
                }
                Verdict::Copy => self.reading.copies += 1,
                Verdict::ComesAgain => (),
            }
        }
        self.reading.copies_may_count |= !self.seen.is_whole();
        Ok(())
    }

    /// Fails when the order of days, on which going on relied, proves to be none: then all is to be read anew.
    fn note_day(&mut self, day: i64) -> Result<(), Error> {
        match self.day {
            Some(known) if day < known => {
                self.is_in_order = false;
                if self.goes_on {
                    return Err(Error::BrokenOff);
                }
            }
            Some(known) if day == known => (),
            _ => {
                if self.is_in_order {
                    self.reading.copies_may_count |= !self.seen.is_whole();
                    self.seen.next_day();
                }
                self.day = Some(day);
            }
        }
        Ok(())
    }

    /// The day in which the export broke, if all before it is read and what was read of it is known.
    fn day_to_go_on_with(&self, days: DateRange) -> Option<Date> {
        if !self.is_in_order || !self.seen.is_whole() {
            return None;
        }
        let Some(day) = self.day else {
            return Some(days.from);
        };
        let at = Timestamp::from_millisecond(day.checked_mul(DAY_MS)?).ok()?;
        let date = TimeZone::UTC.to_datetime(at).date();
        (days.from..=days.to).contains(&date).then_some(date)
    }
}

/// A place among those that may run at once; free again when dropped.
struct Place;

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

impl Place {
    /// Waits its turn, but not for ever.
    fn taken(ask: &Ask) -> Result<Place, Failure> {
        let until = Instant::now() + TURN_MAX;
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken >= AT_ONCE_MAX {
            if ask.call().cancellation().is_cancelled() {
                return Err(Error::Cancelled.into());
            }
            if Instant::now() >= until {
                let text = format!(
                    "{AT_ONCE_MAX} analyses are running on this server already; ask again in a minute"
                );
                return Err(Failure::new("busy", text));
            }
            taken = FREED
                .wait_timeout(taken, TURN_LOOK)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *taken += 1;
        Ok(Place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREED.notify_one();
    }
}
