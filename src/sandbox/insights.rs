//! Saved Insights reports: `/insights`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::counts::Table;
use super::fault::Fault;
use super::http::{Request, Response};
use super::parameters;
use super::saved::Report;
use super::store::{Filter, Project};
use super::time::{Buckets, SECOND_MS, Unit, computed_at, moment};

const SEGMENTS_MAX: usize = 50;
const OVERALL: &str = "$overall";

/// `GET /insights`
pub(super) fn insights(project: &Project, request: &Request) -> Result<Response, Fault> {
    parameters::required(request, "bookmark_id")?;
    let id = parameters::integer(request, "bookmark_id", 0, u32::MAX)?;
    let report = project
        .saved
        .reports
        .iter()
        .find(|report| Some(report.bookmark_id) == id)
        .ok_or_else(|| Fault::bad_request("bookmark_id does not exist"))?;
    let buckets = Buckets::last(report.days, Unit::Day, request.received_ms)?;
    let labels: Vec<String> = buckets
        .labels()
        .iter()
        .map(|day| format!("{day}T00:00:00+00:00"))
        .collect();
    let headers: Vec<&str> = std::iter::once("$event").chain(report.breakdown).collect();
    let answer = json!({
        "computed_at": computed_at(request.received_ms),
        "date_range": {
            "from_date": format!("{}+00:00", moment(buckets.from_ms)),
            "to_date": format!("{}.999000+00:00", moment(buckets.end_ms - SECOND_MS)),
        },
        "headers": headers,
        "series": series(project, report, &buckets, &labels),
    });
    Ok(Response::json(200, &answer))
}

/// Numbers by event and date; with a breakdown by event, segment and date.
fn series(project: &Project, report: &Report, buckets: &Buckets, labels: &[String]) -> Value {
    let mut series = Map::new();
    for name in report.events {
        let filter = Filter::over(buckets, None).named(project, [*name]);
        let mut all = Table::new(report.measure);
        let mut segments = Table::new(report.measure);
        all.touch(name);
        for event in project.select(&filter) {
            let Some(at) = buckets.index_of(event.time_ms) else {
                continue;
            };
            all.add(project, name, at, event);
            if let Some(property) = report.breakdown {
                segments.add(
                    project,
                    &project.property(event, property).label(),
                    at,
                    event,
                );
            }
        }
        let total = all.series(name, labels);
        let value = if report.breakdown.is_some() {
            let top: BTreeSet<&str> = segments.top(SEGMENTS_MAX).into_iter().collect();
            let mut split: Map<String, Value> = top
                .into_iter()
                .map(|segment| (segment.to_owned(), segments.series(segment, labels)))
                .collect();
            split.insert(OVERALL.into(), total);
            Value::Object(split)
        } else {
            total
        };
        series.insert((*name).to_owned(), value);
    }
    Value::Object(series)
}
