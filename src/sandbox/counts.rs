//! Reports that count events: `/events` and what lies below it.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::event::Event;
use super::fault::Fault;
use super::http::{Request, Response};
use super::packed::Symbol;
use super::parameters::{self, MEASURES, Measure, UNITS};
use super::store::{Filter, Project};
use super::time::{Buckets, DAY_MS, Unit, day_of, start_of};

/// The days that `/events/names` looks back.
const NAMES_DAYS: i64 = 31;
const LIMIT_MAX: u32 = 10_000;

/// Larger answers are refused: a series for each user by the minute is nobody's wish.
const CELLS_MAX: usize = 500_000;

/// Numbers a series and a bucket.
pub(super) struct Table {
    measure: Measure,
    rows: HashMap<String, Row>,
}

/// One series. Buckets in which nothing happened take no room.
#[derive(Default)]
pub(super) struct Row {
    cells: HashMap<usize, Cell>,
}

#[derive(Default)]
struct Cell {
    count: u64,
    users: HashSet<Symbol>,
}

impl Cell {
    fn value(&self, measure: Measure) -> f64 {
        let (count, users) = (self.count as f64, self.users.len() as f64);
        match measure {
            Measure::General => count,
            Measure::Unique => users,
            Measure::Average if users == 0.0 => 0.0,
            Measure::Average => count / users,
        }
    }
}

impl Row {
    fn value(&self, measure: Measure, at: usize) -> Value {
        let value = self.cells.get(&at).map_or(0.0, |cell| cell.value(measure));
        number(measure, value)
    }

    fn total(&self, measure: Measure) -> f64 {
        self.cells.values().map(|cell| cell.value(measure)).sum()
    }
}

/// Counts are whole numbers, averages are not.
fn number(measure: Measure, value: f64) -> Value {
    match measure {
        Measure::General | Measure::Unique => json!(value as u64),
        Measure::Average => json!(value),
    }
}

impl Table {
    pub(super) fn new(measure: Measure) -> Table {
        Table {
            measure,
            rows: HashMap::new(),
        }
    }

    /// A series that is there even if nothing is counted for it.
    pub(super) fn touch(&mut self, series: &str) -> &mut Row {
        self.rows.entry(series.to_owned()).or_default()
    }

    /// Counts one occurrence. An event without a user counts, but is nobody's.
    pub(super) fn add(&mut self, project: &Project, series: &str, at: usize, event: &Event) {
        let is_wanted = self.measure != Measure::General && !project.text(event.user).is_empty();
        let cell = self.touch(series).cells.entry(at).or_default();
        cell.count += 1;
        if is_wanted {
            cell.users.insert(event.user);
        }
    }

    /// The series with the largest totals, the largest first.
    pub(super) fn top(&self, limit: usize) -> Vec<&str> {
        let mut ranked: Vec<(&str, f64)> = self
            .rows
            .iter()
            .map(|(name, row)| (name.as_str(), row.total(self.measure)))
            .collect();
        ranked.sort_by(|(a_name, a), (b_name, b)| b.total_cmp(a).then_with(|| a_name.cmp(b_name)));
        ranked
            .into_iter()
            .take(limit)
            .map(|(name, _)| name)
            .collect()
    }

    /// One series: numbers by the labels of their buckets.
    pub(super) fn series(&self, name: &str, labels: &[String]) -> Value {
        let Some(row) = self.rows.get(name) else {
            return json!({});
        };
        let values = labels
            .iter()
            .enumerate()
            .map(|(at, label)| (label.clone(), row.value(self.measure, at)));
        Value::Object(values.collect())
    }

    /// The form that most reports share; CSV if that was asked for.
    pub(super) fn answer(
        &self,
        request: &Request,
        buckets: &Buckets,
        limit: usize,
    ) -> Result<Response, Fault> {
        let names = self.top(limit);
        if names.len() * buckets.len() > CELLS_MAX {
            return Err(Fault::bad_request(
                "the result is too large: ask for fewer segments or a larger unit",
            ));
        }
        if parameters::choice(request, "format", &[("json", false), ("csv", true)])? == Some(true) {
            return Ok(self.csv(&names, buckets.labels()));
        }
        let values: Map<String, Value> = names
            .iter()
            .map(|name| ((*name).to_owned(), self.series(name, buckets.labels())))
            .collect();
        let answer = json!({
            "legend_size": values.len(),
            "data": {"series": buckets.labels(), "values": values},
        });
        Ok(Response::json(200, &answer))
    }

    fn csv(&self, names: &[&str], labels: &[String]) -> Response {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut lines = vec![
            std::iter::once("date".to_owned())
                .chain(names.iter().map(|name| quoted(name)))
                .collect::<Vec<_>>()
                .join(","),
        ];
        for (at, label) in labels.iter().enumerate() {
            let mut cells = vec![label.clone()];
            for name in names {
                let value = self.rows.get(*name).map(|row| row.value(self.measure, at));
                cells.push(value.unwrap_or_default().to_string());
            }
            lines.push(cells.join(","));
        }
        lines.push(String::new());
        let mut response = Response::text(200, lines.join("\r\n"));
        response.content_type = "text/csv; charset=utf-8";
        response
    }
}

/// `type` and `unit`, which exclude one pair: there are no uniques by the hour.
fn measure_and_unit(request: &Request) -> Result<(Measure, Unit), Fault> {
    let measure = parameters::required_choice(request, "type", MEASURES)?;
    let unit = parameters::required_choice(request, "unit", UNITS)?;
    if measure == Measure::Unique && matches!(unit, Unit::Minute | Unit::Hour) {
        return Err(Fault::bad_request("cannot get hourly uniques"));
    }
    Ok((measure, unit))
}

/// `GET /events`
pub(super) fn events(project: &Project, request: &Request) -> Result<Response, Fault> {
    parameters::required(request, "event")?;
    let names = parameters::list(request, "event")?.unwrap_or_default();
    let (measure, unit) = measure_and_unit(request)?;
    let buckets = parameters::recent_buckets(request, unit)?;
    let filter = Filter::over(&buckets, None).named(project, names.iter().map(String::as_str));

    let mut table = Table::new(measure);
    for name in &names {
        // Events that the project has never seen are left out.
        if project.symbol(name).is_some() {
            table.touch(name);
        }
    }
    for event in project.select(&filter) {
        if let Some(at) = buckets.index_of(event.time_ms) {
            table.add(project, project.text(event.name), at, event);
        }
    }
    table.answer(request, &buckets, usize::MAX)
}

/// Events by name between two moments, the most first.
fn ranking(project: &Project, measure: Measure, range_ms: (i64, i64)) -> Vec<(String, f64)> {
    let filter = Filter {
        range_ms: Some(range_ms),
        ..Filter::default()
    };
    let mut table = Table::new(measure);
    for event in project.select(&filter) {
        table.add(project, project.text(event.name), 0, event);
    }
    table
        .top(usize::MAX)
        .into_iter()
        .map(|name| {
            let total = table.rows.get(name).map_or(0.0, |row| row.total(measure));
            (name.to_owned(), total)
        })
        .collect()
}

/// `GET /events/names`: the most frequent names first.
pub(super) fn names(project: &Project, request: &Request) -> Result<Response, Fault> {
    let measure = parameters::required_choice(request, "type", MEASURES)?;
    let limit = parameters::limit(request, 255, LIMIT_MAX)?;
    let end = start_of(day_of(request.received_ms)) + DAY_MS;
    let ranking = ranking(project, measure, (end - NAMES_DAYS * DAY_MS, end));
    let names: Vec<String> = ranking
        .into_iter()
        .take(limit)
        .map(|(name, _)| name)
        .collect();
    Ok(Response::json(200, &json!(names)))
}

/// `GET /events/top`: today, and how it compares with yesterday.
pub(super) fn top(project: &Project, request: &Request) -> Result<Response, Fault> {
    let measure = parameters::required_choice(request, "type", MEASURES)?;
    let limit = parameters::limit(request, 100, LIMIT_MAX)?;
    let today = start_of(day_of(request.received_ms));
    let yesterday: HashMap<String, f64> = ranking(project, measure, (today - DAY_MS, today))
        .into_iter()
        .collect();
    let events: Vec<Value> = ranking(project, measure, (today, today + DAY_MS))
        .into_iter()
        .take(limit)
        .map(|(name, amount)| {
            // A fraction, in spite of its name; what is new has grown by the whole.
            let change = match yesterday.get(&name) {
                Some(before) if *before > 0.0 => (amount - before) / before,
                _ => 1.0,
            };
            json!({"amount": number(measure, amount), "event": name, "percent_change": change})
        })
        .collect();
    let word = MEASURES
        .iter()
        .find(|(_, other)| *other == measure)
        .map_or("", |(word, _)| word);
    Ok(Response::json(
        200,
        &json!({"events": events, "type": word}),
    ))
}

/// `GET /events/properties`: how often each value of a property came.
pub(super) fn properties(project: &Project, request: &Request) -> Result<Response, Fault> {
    let name = parameters::required(request, "event")?;
    let property = parameters::required(request, "name")?;
    let wanted: Option<HashSet<String>> =
        parameters::list(request, "values")?.map(|values| values.into_iter().collect());
    let (measure, unit) = measure_and_unit(request)?;
    let limit = parameters::limit(request, 255, LIMIT_MAX)?;
    let buckets = parameters::recent_buckets(request, unit)?;
    let filter = Filter::over(&buckets, None).named(project, [name]);

    let mut table = Table::new(measure);
    for event in project.select(&filter) {
        let label = project.property(event, property).label();
        let is_wanted = wanted.as_ref().is_none_or(|wanted| wanted.contains(&label));
        if let Some(at) = buckets.index_of(event.time_ms).filter(|_| is_wanted) {
            table.add(project, &label, at, event);
        }
    }
    table.answer(request, &buckets, limit)
}

/// `GET /events/properties/top`: which properties an event has, and how often.
pub(super) fn top_properties(project: &Project, request: &Request) -> Result<Response, Fault> {
    let name = parameters::required(request, "event")?;
    let limit = parameters::limit(request, 10, LIMIT_MAX)?;
    let filter = Filter::default().named(project, [name]);
    let mut counts: BTreeMap<Symbol, u64> = BTreeMap::new();
    for event in project.select(&filter) {
        for (property, _) in &event.properties {
            *counts.entry(*property).or_default() += 1;
        }
    }
    let mut ranked: Vec<(&str, u64)> = counts
        .iter()
        .map(|(property, count)| (project.text(*property), *count))
        .collect();
    ranked.sort_by(|(a_name, a), (b_name, b)| b.cmp(a).then_with(|| a_name.cmp(b_name)));
    let answer: Map<String, Value> = ranked
        .into_iter()
        .take(limit)
        .map(|(property, count)| (property.to_owned(), json!({"count": count})))
        .collect();
    Ok(Response::json(200, &Value::Object(answer)))
}

/// `GET /events/properties/values`: the values of a property, the most frequent first.
pub(super) fn property_values(project: &Project, request: &Request) -> Result<Response, Fault> {
    let name = parameters::required(request, "event")?;
    let property = parameters::required(request, "name")?;
    let limit = parameters::limit(request, 255, LIMIT_MAX)?;
    let filter = Filter::default().named(project, [name]);
    let mut table = Table::new(Measure::General);
    for event in project.select(&filter) {
        let value = project.property(event, property);
        if value != crate::mixpanel::expression::Operand::Undefined {
            table.add(project, &value.label(), 0, event);
        }
    }
    Ok(Response::json(200, &json!(table.top(limit))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::sample;

    fn shop() -> Project {
        sample::project(&[
            ("Buy", "ann", "2026-01-01T10:00:00", json!({"plan": "pro"})),
            ("Buy", "ann", "2026-01-01T10:30:00", json!({"plan": "pro"})),
            ("Buy", "bob", "2026-01-01T11:00:00", json!({"plan": "free"})),
            ("Buy", "", "2026-01-02T11:00:00", json!({})),
            (
                "Open",
                "ann",
                "2026-01-09T23:59:59",
                json!({"plan": "pro", "n": 1}),
            ),
            ("Open", "ann", "2026-01-10T00:00:00", json!({"plan": "pro"})),
            ("Open", "bob", "2026-01-10T01:00:00", json!({})),
        ])
    }

    const DATES: [(&str, &str); 2] = [("from_date", "2026-01-01"), ("to_date", "2026-01-02")];

    #[track_caller]
    fn check_events(measure: &str, expected: Value) {
        let mut parameters = vec![
            ("event", r#"["Buy", "Nothing"]"#),
            ("unit", "day"),
            ("type", measure),
        ];
        parameters.extend(DATES);
        let answer = sample::json(events(&shop(), &sample::request(&parameters)));
        let series = json!(["2026-01-01", "2026-01-02"]);
        let values = json!({"Buy": {"2026-01-01": expected[0], "2026-01-02": expected[1]}});
        assert_eq!(
            answer,
            json!({"legend_size": 1, "data": {"series": series, "values": values}})
        );
    }

    #[test]
    fn events_users_and_events_per_user_are_counted() {
        check_events("general", json!([3, 1]));
        check_events("unique", json!([2, 0]));
        check_events("average", json!([1.5, 0.0]));
    }

    #[test]
    fn there_are_no_hourly_uniques() {
        let parameters = [
            ("event", "[\"Buy\"]"),
            ("unit", "hour"),
            ("type", "unique"),
            ("interval", "2"),
        ];
        let fault = events(&shop(), &sample::request(&parameters)).err();
        assert_eq!(fault, Some(Fault::bad_request("cannot get hourly uniques")));
    }

    #[test]
    fn an_interval_counts_back_from_now() {
        let parameters = [
            ("event", "[\"Open\"]"),
            ("unit", "day"),
            ("type", "general"),
            ("interval", "2"),
        ];
        let answer = sample::json(events(&shop(), &sample::request(&parameters)));
        let expected = json!({"Open": {"2026-01-09": 1, "2026-01-10": 2}});
        assert_eq!(answer["data"]["values"], expected);
    }

    #[test]
    fn one_name_is_not_a_list() {
        let parameters = [
            ("event", "Buy"),
            ("unit", "day"),
            ("type", "general"),
            ("interval", "2"),
        ];
        let fault = events(&shop(), &sample::request(&parameters)).err();
        assert_eq!(
            fault,
            Some(Fault::bad_request(
                "invalid event: must be a JSON array of strings"
            ))
        );
    }

    #[test]
    fn the_top_is_today_compared_with_yesterday() {
        let answer = sample::json(top(&shop(), &sample::request(&[("type", "general")])));
        let expected = json!([{"amount": 2, "event": "Open", "percent_change": 1.0}]);
        assert_eq!(answer, json!({"events": expected, "type": "general"}));
    }

    #[test]
    fn names_come_by_frequency() {
        let answer = sample::json(names(&shop(), &sample::request(&[("type", "general")])));
        assert_eq!(answer, json!(["Buy", "Open"]));
        let parameters = [("type", "general"), ("limit", "1")];
        assert_eq!(
            sample::json(names(&shop(), &sample::request(&parameters))),
            json!(["Buy"])
        );
    }

    #[test]
    fn properties_and_their_values_are_counted() {
        let parameters = [("event", "Buy"), ("name", "plan")];
        let answer = sample::json(property_values(&shop(), &sample::request(&parameters)));
        assert_eq!(answer, json!(["pro", "free"]));
        let answer = sample::json(top_properties(
            &shop(),
            &sample::request(&[("event", "Open")]),
        ));
        assert_eq!(answer, json!({"plan": {"count": 2}, "n": {"count": 1}}));

        let mut parameters = vec![
            ("event", "Buy"),
            ("name", "plan"),
            ("type", "general"),
            ("unit", "day"),
        ];
        parameters.extend(DATES);
        let answer = sample::json(properties(&shop(), &sample::request(&parameters)));
        let values = json!({
            "pro": {"2026-01-01": 2, "2026-01-02": 0},
            "free": {"2026-01-01": 1, "2026-01-02": 0},
            "undefined": {"2026-01-01": 0, "2026-01-02": 1},
        });
        assert_eq!(answer["data"]["values"], values);

        parameters.push(("values", r#"["free"]"#));
        parameters.push(("format", "csv"));
        let answer = sample::text(properties(&shop(), &sample::request(&parameters)));
        assert_eq!(answer, "date,\"free\"\r\n2026-01-01,1\r\n2026-01-02,0\r\n");
    }
}
