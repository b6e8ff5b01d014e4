//! What several reports share: how they are split by a property, by days, weeks and months, and how a split is cut.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value;

use crate::mcp::args::choice;
use crate::mixpanel::Unit;
use crate::mixpanel::expression::property;
use crate::tools::ask::object;

/// The longest range that Mixpanel is asked to count in one bucket; more is not known to be taken.
pub(super) const BUCKET_DAYS_MAX: i32 = 366;
/// The most segments of a report whose tool takes no `limit`.
pub(super) const SEGMENTS_MAX: usize = 60;
/// The most numbers in one answer of several segments.
const NUMBERS_MAX: usize = 20_000;
/// How many Mixpanel is asked for: one more tells whether there are more.
pub(super) const SEGMENTS_ASKED: u32 = SEGMENTS_MAX as u32 + 1;

choice! {
    pub(super) enum CalendarUnit {
        Day = "day",
        Week = "week",
        Month = "month",
    }
}

impl CalendarUnit {
    pub(super) fn unit(self) -> Unit {
        match self {
            CalendarUnit::Day => Unit::Day,
            CalendarUnit::Week => Unit::Week,
            CalendarUnit::Month => Unit::Month,
        }
    }
}

/// What `on` means as an expression: it is one if it reads a property; else it is a property's plain name, whatever
/// characters are in it (an expression that reads no property would split nothing).
pub(super) fn on_expression(on: &str) -> String {
    if is_name(on) {
        property(on)
    } else {
        on.to_owned()
    }
}

/// Whether it is a property's plain name, not an expression.
pub(super) fn is_name(on: &str) -> bool {
    const READS: [&str; 3] = ["properties[", "user[", "event["];
    !READS.iter().any(|reads| on.contains(reads))
}

/// How many of `wanted` segments one answer can have, if each has so many numbers. At least one.
pub(super) fn segments_max(wanted: usize, numbers_each: usize) -> usize {
    let readable = NUMBERS_MAX / numbers_each.max(1);
    wanted.min(readable).max(1)
}

/// The names of the heaviest `max` segments, and whether these are all.
pub(super) fn heaviest<'a>(
    weights: impl IntoIterator<Item = (&'a str, u64)>,
    max: usize,
) -> (HashSet<&'a str>, bool) {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, weight) in weights {
        let sum = sums.entry(name).or_default();
        *sum = sum.saturating_add(weight);
    }
    let whole = sums.len() <= max;
    let mut ranked: Vec<(&str, u64)> = sums.into_iter().collect();
    ranked.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
    let kept = ranked.into_iter().take(max).map(|(name, _)| name);
    (kept.collect(), whole)
}

/// How a summary says that segments are missing.
pub(super) fn cut_note(whole: bool) -> &'static str {
    if whole {
        ""
    } else {
        "; cut, only the largest segments are here: narrow with where, or split by a property with fewer values"
    }
}

/// One line of a report: a date, a segment if it was split, and what was found.
pub(super) struct Row<T> {
    pub(super) date: String,
    pub(super) segment: Option<String>,
    pub(super) found: T,
}

impl<T> Row<T> {
    fn segment_name(&self) -> &str {
        self.segment.as_deref().unwrap_or_default()
    }

    /// What goes out: these members, the date and the segment.
    pub(super) fn json<const N: usize>(&self, members: [(&str, Value); N]) -> Value {
        let mut json = object(members);
        json.insert("date".into(), self.date.as_str().into());
        if let Some(segment) = &self.segment {
            json.insert("segment".into(), segment.as_str().into());
        }
        json.into()
    }
}

/// The rows of a report that was not split.
pub(super) fn unsplit<T>(by_date: BTreeMap<String, T>) -> Vec<Row<T>> {
    let rows = by_date.into_iter().map(|(date, found)| Row {
        date,
        segment: None,
        found,
    });
    rows.collect()
}

/// The rows of a report that was split.
pub(super) fn by_segment<T>(by_date: BTreeMap<String, BTreeMap<String, T>>) -> Vec<Row<T>> {
    let rows = by_date.into_iter().flat_map(|(date, by_segment)| {
        by_segment.into_iter().map(move |(segment, found)| Row {
            date: date.clone(),
            segment: Some(segment),
            found,
        })
    });
    rows.collect()
}

/// The names of the segments in these rows.
pub(super) fn segments<T>(rows: &[Row<T>]) -> BTreeSet<&str> {
    rows.iter().map(Row::segment_name).collect()
}

/// Keeps the rows of the heaviest segments, as many as one answer can have. True if these are all.
pub(super) fn keep_heaviest<T>(
    rows: &mut Vec<Row<T>>,
    weight: impl Fn(&T) -> u64,
    numbers: impl Fn(&T) -> usize,
) -> bool {
    let all: usize = rows.iter().map(|row| numbers(&row.found)).sum();
    let max = segments_max(SEGMENTS_MAX, all / segments(rows).len().max(1));
    let weights = rows
        .iter()
        .map(|row| (row.segment_name(), weight(&row.found)));
    let (kept, whole) = heaviest(weights, max);
    let keep: Vec<bool> = rows
        .iter()
        .map(|row| kept.contains(row.segment_name()))
        .collect();
    let mut keep = keep.into_iter();
    rows.retain(|_| keep.next().unwrap_or_default());
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(on: &str, expected: &str) {
        assert_eq!(on_expression(on), expected);
    }

    #[test]
    fn a_plain_name_becomes_an_expression_whatever_is_in_it() {
        check("plan", r#"properties["plan"]"#);
        check("$browser", r#"properties["$browser"]"#);
        check("sign-up source (1)", r#"properties["sign-up source (1)"]"#);
        check(r#"a"b\c"#, r#"properties["a\"b\\c"]"#);
        check("Größe", r#"properties["Größe"]"#);
    }

    #[test]
    fn an_expression_stays_as_it_is() {
        for on in [
            r#"properties["plan"]"#,
            r#"user["plan"]"#,
            r#"number(properties["a"]) * 2"#,
        ] {
            check(on, on);
        }
    }

    #[test]
    fn the_heaviest_segments_stay() {
        let weights = [("a", 1), ("b", 5), ("c", 2), ("a", 3)];
        assert_eq!(heaviest(weights, 2), (HashSet::from(["a", "b"]), false));
        assert_eq!(heaviest(weights, 3), (HashSet::from(["a", "b", "c"]), true));
    }
}
