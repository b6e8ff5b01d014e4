//! Saved Insights reports.

use serde_json::{Value, json};

use crate::mcp::args::{Arg as _, Id, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};

use crate::tools::ask::{Ask, quoted, whole};

/// How many series a summary names.
const SERIES_NAMED: usize = 5;

pub(super) const QUERY: Tool<Ask> = Tool {
    name: "mixpanel_query_insights",
    title: "Insights report",
    about: "Computes a saved Insights report over its own days. The bookmark_id is in the report's address, after `report-`. Costs 1 query of the 60 an hour.",
    effect: Effect::Reads,
    params: QueryInsights::FIELDS,
    output: &[
        Field::always("series", Shape::MapOf(&Shape::Any))
            .about("By event or metric, then as headers say, then by date."),
        Field::always("headers", Shape::list(&Shape::Words)),
        Field::sometimes("from_date", Shape::Words),
        Field::sometimes("to_date", Shape::Words),
        Field::sometimes("computed_at", Shape::Words),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| query_insights(ask, QueryInsights::read(arguments)),
};

args! {
    struct QueryInsights {
        /// Id of the saved report.
        bookmark_id: Id,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn query_insights(ask: &Ask, args: QueryInsights) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let bookmark = &args.bookmark_id.0;
    let report = ask
        .mixpanel()?
        .query
        .insights(&project, bookmark.parse().unwrap_or_default())?;
    let day = |name: &str| report.date_range.get(name).and_then(Value::as_str);
    let (from, to) = (day("from_date"), day("to_date"));

    let mut summary = format!("Insights report {bookmark}, project {project}");
    if let (Some(from), Some(to)) = (from, to) {
        summary.push_str(&format!(", {from} to {to} (the report's own days)"));
    }
    let mut series = match report.series {
        Value::Object(series) => Value::Object(series),
        // A report that is one number has no series.
        other => json!({"value": other}),
    };
    let figures: Vec<String> = series
        .as_object()
        .into_iter()
        .flatten()
        .take(SERIES_NAMED)
        .map(|(name, values)| match latest(values) {
            Some((date, number)) => format!("{} {} ({date})", quoted(name), whole(number)),
            None => quoted(name),
        })
        .collect();
    match figures.as_slice() {
        [] => summary.push_str(": the report is empty; look at its filters and days in Mixpanel"),
        some => {
            let count = series.as_object().map_or(0, serde_json::Map::len);
            summary.push_str(&format!(": {count} series, at last {}", some.join(", ")));
        }
    }
    let truncated = !cut(&mut series, &mut ask.data_bytes_max());
    let mut data = Data::of([
        ("headers", report.headers.clone().into()),
        ("series", series.into()),
        ("truncated", truncated.into()),
    ]);
    for (name, value) in [
        ("from_date", from),
        ("to_date", to),
        ("computed_at", report.computed_at.as_deref()),
    ] {
        if let Some(value) = value {
            data.insert(name, value);
        }
    }
    if truncated {
        summary.push_str("; truncated, the report is larger than one answer: narrow it in Mixpanel to fewer days or segments");
    }
    Ok(Answer { summary, data })
}

/// The last date of a series and its number, over all segments where it is split.
fn latest(values: &Value) -> Option<(&str, f64)> {
    let values = values.as_object()?;
    if let Some(overall) = values.get("$overall") {
        return latest(overall);
    }
    let (date, number) = values.iter().next_back()?;
    Some((date, number.as_f64()?))
}

/// Removes what does not fit into `left` bytes. True if all of it did. As deep as JSON is read: at most 128 levels.
fn cut(value: &mut Value, left: &mut usize) -> bool {
    match value {
        Value::Object(members) => {
            let mut whole = take(left, "{}".len());
            members.retain(|name, member| {
                if !take(
                    left,
                    Value::from(name.as_str()).to_string().len() + ":,".len(),
                ) {
                    whole = false;
                    return false;
                }
                let fits = cut(member, left);
                whole &= fits;
                // What is left of an object is worth having, half a number is not.
                fits || member.is_object()
            });
            whole
        }
        other => take(left, other.to_string().len()),
    }
}

/// Takes these bytes from those that are left; nothing is left after what is too large.
fn take(left: &mut usize, bytes: usize) -> bool {
    let rest = left.checked_sub(bytes);
    *left = rest.unwrap_or(0);
    rest.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mut series: Value, bytes: usize, expected: Value, whole: bool) {
        let mut left = bytes;
        assert_eq!(cut(&mut series, &mut left), whole);
        assert_eq!(series, expected);
        assert!(series.to_string().len() <= bytes);
    }

    #[test]
    fn a_report_that_fits_stays_whole() {
        let series = json!({"A": {"2026-01-01": 1, "2026-01-02": 2}});
        check(series.clone(), 100, series, true);
    }

    #[test]
    fn a_report_that_does_not_fit_keeps_its_beginning() {
        let series = json!({"A": {"2026-01-01": 1, "2026-01-02": 2}, "B": {"2026-01-01": 3}});
        check(series, 30, json!({"A": {"2026-01-01": 1}}), false);
    }

    #[test]
    fn the_last_of_the_split_is_the_overall_one() {
        let values =
            json!({"$overall": {"2026-01-01": 1, "2026-01-02": 7}, "x": {"2026-01-03": 9}});
        assert_eq!(latest(&values), Some(("2026-01-02", 7.0)));
        assert_eq!(latest(&json!({"x": {"y": 1}})), None);
        assert_eq!(latest(&json!(3)), None);
    }
}
