//! Reports that split one event by an expression: counts, numeric buckets, sums, averages.

use serde_json::{Map, Value, json};

use super::counts::Table;
use super::event::Event;
use super::fault::Fault;
use super::http::{Request, Response};
use super::parameters::{self, MEASURES, Measure};
use super::store::{Filter, Project};
use super::time::{Buckets, Unit, computed_at};
use crate::mixpanel::expression::Expression;

const SEGMENTS_DEFAULT: u32 = 60;
const SEGMENTS_MAX: u32 = 10_000;
/// The units that `/segmentation` documents: no week.
const UNITS: &[(&str, Unit)] = &[
    ("minute", Unit::Minute),
    ("hour", Unit::Hour),
    ("day", Unit::Day),
    ("month", Unit::Month),
];
const NUMERIC_UNITS: &[(&str, Unit)] = &[("hour", Unit::Hour), ("day", Unit::Day)];
/// About as many numeric buckets are made.
const NUMERIC_BUCKETS: f64 = 10.0;

/// `GET /segmentation`
pub(super) fn segmentation(project: &Project, request: &Request) -> Result<Response, Fault> {
    let name = parameters::required(request, "event")?;
    let measure = parameters::choice(request, "type", MEASURES)?.unwrap_or(Measure::General);
    let unit = parameters::choice(request, "unit", UNITS)?;
    if measure == Measure::Unique && matches!(unit, Some(Unit::Minute | Unit::Hour)) {
        return Err(Fault::bad_request("cannot get hourly uniques"));
    }
    // `interval`, in days, stands in lieu of `unit`.
    let interval = parameters::integer(request, "interval", 1, 366)?;
    let buckets = match (unit, interval) {
        (Some(unit), _) => parameters::buckets(request, unit, 1)?,
        (None, interval) => parameters::buckets(request, Unit::Day, interval.unwrap_or(1))?,
    };
    let limit = parameters::limit(request, SEGMENTS_DEFAULT, SEGMENTS_MAX)?;
    let on = parameters::segment(request)?;
    let filter =
        Filter::over(&buckets, parameters::condition(request, "where")?).named(project, [name]);

    let mut table = Table::new(measure);
    if on.is_none() && project.symbol(name).is_some() {
        table.touch(name);
    }
    for event in project.select(&filter) {
        let Some(at) = buckets.index_of(event.time_ms) else {
            continue;
        };
        match &on {
            Some(on) => table.add(project, &project.value(on, event).label(), at, event),
            None => table.add(project, name, at, event),
        }
    }
    table.answer(request, &buckets, limit)
}

/// What the three numeric reports are asked for.
struct Numeric {
    buckets: Buckets,
    on: Expression,
    filter: Filter,
}

impl Numeric {
    fn read(project: &Project, request: &Request) -> Result<Numeric, Fault> {
        let name = parameters::required(request, "event")?;
        parameters::required(request, "on")?;
        let on = parameters::segment(request)?
            .ok_or_else(|| Fault::bad_request("missing required parameter: on"))?;
        let unit = parameters::choice(request, "unit", NUMERIC_UNITS)?.unwrap_or(Unit::Day);
        let buckets = parameters::buckets(request, unit, 1)?;
        let filter =
            Filter::over(&buckets, parameters::condition(request, "where")?).named(project, [name]);
        Ok(Numeric {
            buckets,
            on,
            filter,
        })
    }

    /// The events with their buckets and, if it is one, the number that the expression comes to.
    fn events<'n>(
        &'n self,
        project: &'n Project,
    ) -> impl Iterator<Item = (usize, Option<f64>, &'n Event)> {
        project.select(&self.filter).filter_map(move |event| {
            let at = self.buckets.index_of(event.time_ms)?;
            let number = match project.value(&self.on, event) {
                crate::mixpanel::expression::Operand::Number(number) => Some(number),
                _ => None,
            };
            Some((at, number, event))
        })
    }
}

/// `GET /segmentation/numeric`
pub(super) fn numeric(project: &Project, request: &Request) -> Result<Response, Fault> {
    let measure = parameters::choice(request, "type", MEASURES)?.unwrap_or(Measure::General);
    let numeric = Numeric::read(project, request)?;
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for (_, number, _) in numeric.events(project) {
        if let Some(number) = number {
            low = low.min(number);
            high = high.max(number);
        }
    }
    let width = bucket_width(high - low);
    let mut table = Table::new(measure);
    for (at, number, event) in numeric.events(project) {
        let Some(number) = number else { continue };
        let start = (number / width).floor() * width;
        let label = format!("{} - {}", thousands(start), thousands(start + width));
        table.add(project, &label, at, event);
    }
    table.answer(request, &numeric.buckets, SEGMENTS_MAX as usize)
}

/// 1, 2 or 5 times a power of ten, so that about ten buckets cover the spread.
fn bucket_width(spread: f64) -> f64 {
    if !spread.is_finite() || spread <= 0.0 {
        return 1.0;
    }
    let raw = spread / NUMERIC_BUCKETS;
    let power = 10f64.powf(raw.log10().floor());
    let digit = match raw / power {
        0.0..=1.0 => 1.0,
        1.0..=2.0 => 2.0,
        2.0..=5.0 => 5.0,
        _ => 10.0,
    };
    digit * power
}

/// `2,000`, as the labels of numeric buckets are written.
fn thousands(number: f64) -> String {
    // Twelve digits are enough, and hide what is left over from adding.
    let text = format!("{number:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (sign, digits) = whole
        .strip_prefix('-')
        .map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{grouped}{point}{fraction}")
}

/// Sums and counts of numbers by bucket. What is no number counts as 0.
fn sums(project: &Project, numeric: &Numeric) -> Vec<(f64, u64)> {
    let mut sums = vec![(0.0, 0); numeric.buckets.len()];
    for (at, number, _) in numeric.events(project) {
        if let Some((sum, count)) = sums.get_mut(at) {
            *sum += number.unwrap_or(0.0);
            *count += 1;
        }
    }
    sums
}

fn by_label(buckets: &Buckets, values: impl Iterator<Item = Value>) -> Value {
    let results: Map<String, Value> = buckets.labels().iter().cloned().zip(values).collect();
    Value::Object(results)
}

/// `GET /segmentation/sum`
pub(super) fn sum(project: &Project, request: &Request) -> Result<Response, Fault> {
    let numeric = Numeric::read(project, request)?;
    let sums = sums(project, &numeric);
    let results = by_label(&numeric.buckets, sums.iter().map(|(sum, _)| json!(sum)));
    let computed_at = computed_at(request.received_ms);
    let answer = json!({"status": "ok", "computed_at": computed_at, "results": results});
    Ok(Response::json(200, &answer))
}

/// `GET /segmentation/average`
pub(super) fn average(project: &Project, request: &Request) -> Result<Response, Fault> {
    let numeric = Numeric::read(project, request)?;
    let sums = sums(project, &numeric);
    let averages = sums.iter().map(|(sum, count)| {
        if *count == 0 {
            json!(0.0)
        } else {
            json!(sum / *count as f64)
        }
    });
    let results = by_label(&numeric.buckets, averages);
    Ok(Response::json(
        200,
        &json!({"status": "ok", "results": results}),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::sample;

    type Handler = fn(&Project, &Request) -> Result<Response, Fault>;

    fn shop() -> Project {
        sample::project(&[
            (
                "Buy",
                "ann",
                "2026-01-01T10:00:00",
                json!({"plan": "pro", "amount": 2010, "digits": "7"}),
            ),
            (
                "Buy",
                "ann",
                "2026-01-01T10:30:00",
                json!({"plan": "pro", "amount": 2090}),
            ),
            (
                "Buy",
                "bob",
                "2026-01-01T11:00:00",
                json!({"plan": "free", "amount": 3000.5}),
            ),
            ("Buy", "bob", "2026-01-02T11:00:00", json!({"plan": "free"})),
            (
                "Open",
                "ann",
                "2026-01-01T10:00:00",
                json!({"amount": 1_000_000}),
            ),
        ])
    }

    fn ask(handler: Handler, more: &[(&str, &str)]) -> Result<Response, Fault> {
        let mut parameters = vec![
            ("event", "Buy"),
            ("from_date", "2026-01-01"),
            ("to_date", "2026-01-02"),
        ];
        parameters.extend(more);
        handler(&shop(), &sample::request(&parameters))
    }

    #[track_caller]
    fn check(more: &[(&str, &str)], expected: Value) {
        let answer = sample::json(ask(segmentation, more));
        assert_eq!(answer["data"]["values"], expected);
        assert_eq!(
            answer["legend_size"],
            json!(expected.as_object().unwrap().len())
        );
    }

    #[test]
    fn without_on_the_event_is_the_only_segment() {
        check(&[], json!({"Buy": {"2026-01-01": 3, "2026-01-02": 1}}));
        check(
            &[("type", "unique")],
            json!({"Buy": {"2026-01-01": 2, "2026-01-02": 1}}),
        );

        check(&[("interval", "2")], json!({"Buy": {"2026-01-01": 4}}));
    }

    #[test]
    fn on_splits_and_where_filters() {
        let pro = json!({"2026-01-01": 2, "2026-01-02": 0});
        let free = json!({"2026-01-01": 1, "2026-01-02": 1});
        check(
            &[("on", r#"properties["plan"]"#)],
            json!({"pro": pro, "free": free}),
        );
        check(
            &[("on", "plan"), ("where", r#"properties["plan"] == "pro""#)],
            json!({"pro": pro}),
        );
        check(&[("on", "plan"), ("limit", "1")], json!({"free": free}));
        check(
            &[("where", r#"properties["amount"] > 2500"#)],
            json!({"Buy": {"2026-01-01": 1, "2026-01-02": 0}}),
        );
    }

    #[test]
    fn sums_and_averages_take_what_is_no_number_as_0() {
        let on = [("on", r#"properties["amount"]"#)];
        let answer = sample::json(ask(sum, &on));
        assert_eq!(
            answer["results"],
            json!({"2026-01-01": 7100.5, "2026-01-02": 0.0})
        );
        assert_eq!(answer["status"], json!("ok"));
        let answer = sample::json(ask(average, &on));
        let expected = json!({"2026-01-01": 7100.5 / 3.0, "2026-01-02": 0.0});
        assert_eq!(answer, json!({"status": "ok", "results": expected}));
        let answer = sample::json(ask(sum, &[("on", r#"number(properties["digits"])"#)]));
        assert_eq!(
            answer["results"],
            json!({"2026-01-01": 7.0, "2026-01-02": 0.0})
        );
    }

    #[test]
    fn numeric_buckets_have_round_borders() {
        let answer = sample::json(ask(numeric, &[("on", r#"properties["amount"]"#)]));
        let expected = json!({
            "2,000 - 2,100": {"2026-01-01": 2, "2026-01-02": 0},
            "3,000 - 3,100": {"2026-01-01": 1, "2026-01-02": 0},
        });
        assert_eq!(answer["data"]["values"], expected);
    }

    #[test]
    fn a_wrong_word_or_expression_is_refused() {
        let message = |more: &[(&str, &str)]| ask(segmentation, more).err().unwrap().message;
        assert_eq!(
            message(&[("unit", "week")]),
            "invalid unit: 'week' is not one of minute, hour, day, month"
        );
        assert_eq!(
            message(&[("where", "plan = 1")]),
            "invalid where: syntax error at position 0: expected a property, a literal or a function"
        );
        assert_eq!(
            message(&[("limit", "0"), ("on", "plan")]),
            "invalid limit: '0' is not an integer from 1 to 10000"
        );
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, expected) in [
            (0.0, "0"),
            (999.0, "999"),
            (1_234_567.5, "1,234,567.5"),
            (-1_000.0, "-1,000"),
        ] {
            assert_eq!(thousands(number), expected);
        }
    }
}
