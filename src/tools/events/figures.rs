//! Figures of events over days, as Mixpanel counts them: never by reading the events.
//!
//! Counts of events add up over days and over events. Unique users and averages do not: a figure of them for a
//! whole range is asked for as such, or is told as a mean of the units of time.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::mcp::tool::Failure;
use crate::mixpanel::{CountType, DateRange, ProjectId, Series, Unit};
use crate::tools::ask::{Ask, bad_arguments, counted, quoted, steps_fault, whole};

/// How many names are asked for; the most common come first.
const NAMES_MAX: u32 = 2_000;
/// The most bytes of names, escaped, in the address of one query: many servers take no address over 8 KB.
const NAMES_BYTES_MAX: usize = 7_000;
/// The most queries over which the names are spread.
const NAMES_QUERIES_MAX: usize = 4;

/// The counts of all events that came in the last 31 days.
pub(super) struct Counts {
    /// By event, the most first. Events that did not come are not in it.
    pub(super) ranked: Vec<(String, f64)>,
    /// All events together; only a count of events may be read so.
    pub(super) by_unit: BTreeMap<String, f64>,
    /// What the figures are.
    pub(super) measure: String,
    /// How many names were asked about.
    asked: usize,
    /// How many rarer names were not.
    pub(super) left_out: usize,
}

impl Counts {
    pub(super) fn of_all(
        ask: &Ask,
        project: &ProjectId,
        count: CountType,
        unit: Unit,
        range: DateRange,
    ) -> Result<Counts, Failure> {
        let query = &ask.mixpanel()?.query;
        let names = query.event_names(project, CountType::General, Some(NAMES_MAX))?;
        let packs = packed(&names);
        let asked = packs.iter().map(|pack| pack.len()).sum();
        let mut all: Vec<(String, BTreeMap<String, f64>)> = Vec::new();
        let mut by_unit: BTreeMap<String, f64> = BTreeMap::new();
        for (index, pack) in packs.iter().enumerate() {
            ask.call().progress(
                index as f64,
                Some(packs.len() as f64),
                "counting the events",
            );
            let series = query.events(project, pack, count, unit, range)?;
            for date in &series.series {
                by_unit.entry(date.clone()).or_default();
            }
            for (event, numbers) in &series.values {
                let numbers = filled(&series, Some(numbers));
                for (date, number) in &numbers {
                    *by_unit.entry(date.clone()).or_default() += number;
                }
                all.push((event.clone(), numbers));
            }
        }
        let adds_up = count == CountType::General;
        let is_exact = adds_up || (is_one(unit, range) && by_unit.len() == 1);
        let measure = if is_exact {
            exactly(count).to_owned()
        } else {
            on_average(count, unit, by_unit.len())
        };
        let mut ranked: Vec<(String, f64)> = all
            .into_iter()
            .map(|(event, numbers)| {
                let figure = if adds_up {
                    numbers.values().sum()
                } else {
                    mean(&numbers)
                };
                (event, figure)
            })
            .filter(|(_, figure)| *figure > 0.0)
            .collect();
        ranked.sort_by(|(a_name, a), (b_name, b)| b.total_cmp(a).then_with(|| a_name.cmp(b_name)));
        Ok(Counts {
            ranked,
            by_unit,
            measure,
            asked,
            left_out: names.len() - asked,
        })
    }

    pub(super) fn sum(&self) -> f64 {
        self.ranked.iter().map(|(_, figure)| figure).sum()
    }

    pub(super) fn nothing(&self, place: &str) -> String {
        match self.asked {
            0 => format!(
                "no event came in the last 31 days, so none was counted in {place}; check the project, or name an older event"
            ),
            asked => format!(
                "none of the {} of the last 31 days came in {place}; check the dates, or name an older event",
                counted(asked, "event")
            ),
        }
    }

    pub(super) fn left_out_in_words(&self) -> String {
        match self.left_out {
            0 => String::new(),
            left_out => format!(
                "; only the {} most common events are counted, {left_out} rarer ones are not",
                self.asked
            ),
        }
    }
}

/// Says beforehand what Mixpanel would refuse, or what nobody could read.
pub(super) fn check_steps(range: DateRange, unit: Unit, count: CountType) -> Result<(), Failure> {
    let mut faults = Vec::new();
    if count == CountType::Unique && matches!(unit, Unit::Minute | Unit::Hour) {
        faults.push(format!(
            "unit: Mixpanel counts no unique users by {unit}; take day, week or month"
        ));
    }
    faults.extend(steps_fault(range, unit));
    if faults.is_empty() {
        Ok(())
    } else {
        Err(bad_arguments(faults))
    }
}

/// Whether the range is just one unit, so that what is counted in the unit is counted in the range. Weeks are left
/// out: projects differ in the day on which they begin.
pub(super) fn is_one(unit: Unit, range: DateRange) -> bool {
    let DateRange { from, to } = range;
    match unit {
        Unit::Day => from == to,
        Unit::Month => from.first_of_month() == from && from.last_of_month() == to,
        Unit::Minute | Unit::Hour | Unit::Week => false,
    }
}

/// The names in parts whose escaped JSON fits into an address. The rest is left out.
fn packed(names: &[String]) -> Vec<&[String]> {
    // Two quotation marks and a comma, three characters each.
    const AROUND_BYTES: usize = 9;
    let bytes_of = |name: &String| {
        let escaped = |byte: u8| if byte.is_ascii_alphanumeric() { 1 } else { 3 };
        let json = quoted(name);
        AROUND_BYTES + json.bytes().map(escaped).sum::<usize>()
    };
    let mut packs = Vec::new();
    let mut rest = names;
    while !rest.is_empty() && packs.len() < NAMES_QUERIES_MAX {
        let mut bytes = 0;
        let fitting = rest.iter().take_while(|name| {
            bytes += bytes_of(name);
            bytes <= NAMES_BYTES_MAX
        });
        // A single name is far smaller than the limit.
        let (pack, behind) = rest.split_at(fitting.count().max(1));
        packs.push(pack);
        rest = behind;
    }
    packs
}

/// Numbers by date, with a zero where Mixpanel left the date out.
pub(super) fn filled(
    series: &Series,
    numbers: Option<&BTreeMap<String, f64>>,
) -> BTreeMap<String, f64> {
    let mut filled: BTreeMap<String, f64> = series
        .series
        .iter()
        .map(|date| (date.clone(), 0.0))
        .collect();
    if let Some(numbers) = numbers {
        filled.extend(numbers.clone());
    }
    filled
}

pub(super) fn mean(numbers: &BTreeMap<String, f64>) -> f64 {
    numbers.values().sum::<f64>() / numbers.len().max(1) as f64
}

pub(super) fn exactly(count: CountType) -> &'static str {
    match count {
        CountType::General => "events",
        CountType::Unique => "unique users",
        CountType::Average => "events a user",
    }
}

pub(super) fn on_average(count: CountType, unit: Unit, steps: usize) -> String {
    format!(
        "{} a {unit}, as a mean of {}",
        exactly(count),
        counted(steps, unit.as_str())
    )
}

/// As JSON, to two digits behind the point.
pub(super) fn rounded(number: f64) -> Value {
    whole((number * 100.0).round() / 100.0)
}
