//! One event over time, split by a property: counts, sums, averages, and counts by ranges of a number.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::split::{BUCKET_DAYS_MAX, is_name, on_expression, segments_max};
use crate::mcp::args::{Arg as _, Date, Id, Int, Text, args, choice};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{
    Aggregation, Buckets, CountType, NumericQuery, ProjectId, Segmentation, Unit,
};
use crate::tools::ask::{Ask, bad_arguments, counted, quoted, span, steps_fault, whole};

/// Mixpanel's own default for the number of segments.
const SERIES_DEFAULT: usize = 60;
/// The most segments that Mixpanel gives.
const SERIES_MAX: usize = 10_000;
/// Mixpanel's name for the segment of events that do not have the property.
const UNDEFINED: &str = "undefined";
/// How many series a summary names.
const SERIES_NAMED: usize = 3;

pub(super) const QUERY: Tool<Ask> = Tool {
    name: "mixpanel_query_segmentation",
    title: "Segmentation",
    about: "Counts one event over time, filtered by where, split by the property on; or sums, averages or ranges the number on (aggregate). For plain counts use mixpanel_get_event_count. Costs 1 query of the 60 an hour, 2 for unique and average.",
    effect: Effect::Reads,
    params: QuerySegmentation::FIELDS,
    output: &[
        Field::always(
            "series",
            Shape::List {
                item: &Shape::Object(&[
                    Field::always("name", Shape::Words),
                    Field::sometimes("total", Shape::Number),
                    Field::always("values", Shape::MapOf(&Shape::Number)),
                ]),
                min: 0,
                max: SERIES_MAX,
            },
        )
        .about("Largest first. total: of the whole range, only where exact."),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| query_segmentation(ask, QuerySegmentation::read(arguments)),
};

args! {
    struct QuerySegmentation {
        /// Event name, exact.
        event: Text<255>,
        /// First day: YYYY-MM-DD, or today, 7d, last_week, this_month.
        from_date: Date,
        /// Last day, inclusive.
        to_date: Date,
        /// Step of time. Default day. All but count: hour or day.
        unit: Option<SegmentationUnit>,
        /// general: events (default). unique: users. average: events a user.
        r#type: Option<CountType>,
        /// Property to split by or sum: a name, or an expression as number(properties["price"]).
        on: Option<Text<1000>>,
        /// Filter, such as properties["plan"] == "pro".
        r#where: Option<Text<4000>>,
        /// Default count. sum, average: of the number in on; anything else counts as 0. ranges: counts by ranges of it.
        aggregate: Option<Aggregate>,
        /// Most segments. Default 60.
        limit: Option<Int<1, 10_000>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

choice! {
    enum SegmentationUnit {
        Minute = "minute",
        Hour = "hour",
        Day = "day",
        Month = "month",
    }
}

impl SegmentationUnit {
    fn unit(self) -> Unit {
        match self {
            SegmentationUnit::Minute => Unit::Minute,
            SegmentationUnit::Hour => Unit::Hour,
            SegmentationUnit::Day => Unit::Day,
            SegmentationUnit::Month => Unit::Month,
        }
    }
}

choice! {
    enum Aggregate {
        Count = "count",
        Sum = "sum",
        Average = "average",
        Ranges = "ranges",
    }
}

/// Numbers over time under one name.
struct Line {
    name: String,
    values: BTreeMap<String, f64>,
    /// The figure of the whole range, where there is an exact one.
    total: Option<f64>,
}

impl Line {
    /// `adds_up`: whether the figures of single dates may be added. A user who came on two days is one unique user.
    fn new(name: String, values: BTreeMap<String, f64>, adds_up: bool) -> Line {
        let mut numbers = values.values();
        let total = match (numbers.next(), numbers.next()) {
            (None, _) => Some(0.0),
            (Some(only), None) => Some(*only),
            _ => adds_up.then(|| values.values().sum()),
        };
        Line {
            name,
            values,
            total,
        }
    }

    /// What lines are ranked by.
    fn weight(&self) -> f64 {
        self.total.unwrap_or_else(|| self.values.values().sum())
    }

    fn json(&self) -> Value {
        let values: Map<String, Value> = self
            .values
            .iter()
            .map(|(date, number)| (date.clone(), readable(*number)))
            .collect();
        let mut json = json!({"name": self.name, "values": values});
        if let Some(total) = self.total {
            json["total"] = readable(total);
        }
        json
    }

    /// The main figure in words.
    fn figure(&self) -> String {
        let name = quoted(&self.name);
        if let Some(total) = self.total {
            return format!("{name} {}", readable(total));
        }
        let (least, most) = self.values.values().fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(least, most), number| (least.min(*number), most.max(*number)),
        );
        format!("{name} from {} to {}", readable(least), readable(most))
    }
}

/// A number in at most four digits behind the point, where it has so few digits that these could matter.
fn readable(number: f64) -> Value {
    const DIGITS: f64 = 10_000.0;
    if number.abs() < 1e11 {
        whole((number * DIGITS).round() / DIGITS)
    } else {
        whole(number)
    }
}

fn query_segmentation(ask: &Ask, args: QuerySegmentation) -> Result<Answer, Failure> {
    let unit = args.unit.unwrap_or(SegmentationUnit::Day);
    let count = args.r#type.unwrap_or(CountType::General);
    let aggregate = args.aggregate.unwrap_or(Aggregate::Count);
    let project = ask.project(args.project_id.as_ref())?;
    let range = ask.days(&project, &args.from_date, &args.to_date)?;
    let mut faults = faults(&args, unit, count, aggregate);
    faults.extend(steps_fault(range, unit.unit()));
    if !faults.is_empty() {
        return Err(bad_arguments(faults));
    }
    let on = args.on.as_ref().map(|on| on_expression(&on.0));
    let filter = args
        .r#where
        .as_ref()
        .map(|expression| expression.0.as_str());
    let limit = args.limit.map_or(SERIES_DEFAULT, |limit| limit.0 as usize);

    let (what, lines) = match (aggregate, &on) {
        (Aggregate::Count, _) | (_, None) => {
            let question = Segmentation {
                event: &args.event.0,
                range,
                buckets: Buckets::Unit(unit.unit()),
                count,
                on: on.as_deref(),
                filter,
                // One more than wanted tells whether there are more.
                limit: on.is_some().then_some((limit + 1).min(SERIES_MAX) as u32),
            };
            (
                counted_things(count).to_owned(),
                count_lines(ask, &project, &question)?,
            )
        }
        (Aggregate::Ranges, Some(on)) => {
            let question = NumericQuery {
                event: &args.event.0,
                on,
                range,
                unit: unit.unit(),
                count,
                filter,
            };
            let series = ask
                .mixpanel()?
                .query
                .segmentation_numeric(&project, &question)?;
            let adds_up = count == CountType::General;
            let lines = series.values.into_iter();
            let lines = lines.map(|(name, values)| Line::new(name, values, adds_up));
            (counted_things(count).to_owned(), lines.collect())
        }
        (_, Some(on)) => {
            let question = Aggregation {
                event: &args.event.0,
                range,
                unit: unit.unit(),
                on,
                filter,
            };
            let query = &ask.mixpanel()?.query;
            let is_sum = aggregate == Aggregate::Sum;
            let values = if is_sum {
                query.segmentation_sum(&project, &question)?
            } else {
                query.segmentation_average(&project, &question)?
            };
            let line = Line::new(args.event.0.clone(), values, is_sum);
            (format!("{} of {on}", aggregate.word()), vec![line])
        }
    };
    let split = match (&on, aggregate) {
        (Some(on), Aggregate::Count) => format!(" by {on}"),
        (Some(on), Aggregate::Ranges) => format!(" by ranges of {on}"),
        _ => String::new(),
    };
    let filtered = filter.map_or_else(String::new, |filter| format!(" where {filter}"));
    let asked = format!(
        "{}{split}{filtered}, {what} by {}, {}",
        quoted(&args.event.0),
        unit.word(),
        span(&project, range)
    );
    let event = &args.event.0;
    answer(ask, &asked, on.as_deref(), lines, limit, || {
        match &args.on {
            // What is added up is a property of the event.
            Some(on) if aggregate != Aggregate::Count && is_name(&on.0) => {
                ask.about_property(&project, event, &on.0)
            }
            _ => ask.about_events(&project, &[event]),
        }
    })
}

/// A line for each segment. Where figures of single dates do not add up, the figures of the whole range are asked for.
fn count_lines(
    ask: &Ask,
    project: &ProjectId,
    question: &Segmentation<'_>,
) -> Result<Vec<Line>, Failure> {
    let query = &ask.mixpanel()?.query;
    let adds_up = question.count == CountType::General;
    let series = query.segmentation(project, question)?;
    let mut lines: Vec<Line> = series
        .values
        .into_iter()
        .map(|(name, values)| Line::new(name, values, adds_up))
        .collect();
    let days = question.range.days();
    if lines.iter().all(|line| line.total.is_some()) || days > BUCKET_DAYS_MAX {
        return Ok(lines);
    }
    let question = Segmentation {
        buckets: Buckets::Days(days),
        ..question.clone()
    };
    let whole_range = query.segmentation(project, &question)?;
    if let [date] = whole_range.series.as_slice() {
        for line in &mut lines {
            let values = whole_range.values.get(&line.name);
            line.total = values
                .and_then(|values| values.get(date))
                .copied()
                .or(line.total);
        }
    }
    Ok(lines)
}

fn counted_things(count: CountType) -> &'static str {
    match count {
        CountType::General => "events",
        CountType::Unique => "unique users",
        CountType::Average => "events a user",
    }
}

fn faults(
    args: &QuerySegmentation,
    unit: SegmentationUnit,
    count: CountType,
    aggregate: Aggregate,
) -> Vec<String> {
    let mut faults = Vec::new();
    if aggregate == Aggregate::Count {
        return faults;
    }
    let word = aggregate.word();
    if args.on.is_none() {
        faults.push(format!(
            "on: missing, the aggregate {word} needs a numeric property"
        ));
    }
    if !matches!(unit, SegmentationUnit::Hour | SegmentationUnit::Day) {
        faults.push(format!(
            "unit: must be hour or day with the aggregate {word}, got {}",
            unit.word()
        ));
    }
    if count != CountType::General && aggregate != Aggregate::Ranges {
        faults.push(format!(
            "type: {count} goes only with the aggregates count and ranges, not with {word}"
        ));
    }
    faults
}

fn answer(
    ask: &Ask,
    asked: &str,
    on: Option<&str>,
    mut lines: Vec<Line>,
    limit: usize,
    about_nothing: impl FnOnce() -> String,
) -> Result<Answer, Failure> {
    let mut numbers = lines.iter().flat_map(|line| line.values.values());
    if numbers.all(|number| *number == 0.0) {
        let summary = format!("{asked}: nothing found; {}", about_nothing());
        return Ok(Answer {
            summary,
            data: Data::of([("series", json!([]).into()), ("truncated", false.into())]),
        });
    }
    lines.sort_by(|a, b| b.weight().total_cmp(&a.weight()));
    let found = lines.len();
    let numbers = lines.iter().map(|line| line.values.len()).max();
    lines.truncate(segments_max(limit, numbers.unwrap_or_default()));
    let kept = lines.len();
    let (fitting, fits) = ask.fitting(lines, Line::json);
    if fitting.is_empty() {
        let text = "one series alone is larger than what this client takes in one answer; ask for fewer days or a larger unit";
        return Err(Failure::new("answer_too_large", text));
    }
    let truncated = !fits || found > kept || found >= SERIES_MAX;

    let figures: Vec<String> = fitting
        .iter()
        .take(SERIES_NAMED)
        .map(Line::figure)
        .collect();
    let mut summary = format!(
        "{asked}: {}; {}",
        counted(fitting.len(), "segment"),
        figures.join(", ")
    );
    if let Some(on) = on
        && fitting.iter().any(|line| line.name == UNDEFINED)
    {
        summary.push_str(&format!(
            "; \"undefined\" are events without {on}: if these are many, check the name with mixpanel_list_event_properties"
        ));
    }
    if fitting.iter().any(|line| line.total.is_none()) {
        summary.push_str("; figures of single dates must not be added up, and there is no exact one of the whole range");
    }
    if truncated {
        summary.push_str(
            "; truncated, there are more segments: ask with a higher limit, fewer days, a longer unit, or where",
        );
    }
    let series: Vec<Value> = fitting.iter().map(Line::json).collect();
    let data = Data::of([("series", series.into()), ("truncated", truncated.into())]);
    Ok(Answer { summary, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[(&str, f64)], adds_up: bool, total: Option<f64>) {
        let values = values
            .iter()
            .map(|(date, number)| ((*date).to_owned(), *number))
            .collect();
        assert_eq!(Line::new("x".into(), values, adds_up).total, total);
    }

    #[test]
    fn counts_of_dates_add_up_and_uniques_do_not() {
        let two = [("2026-01-01", 2.0), ("2026-01-02", 3.0)];
        check(&two, true, Some(5.0));
        check(&two, false, None);
    }

    #[test]
    fn one_date_is_its_own_total() {
        check(&[("2026-01-01", 2.5)], false, Some(2.5));
        check(&[], false, Some(0.0));
    }
}
