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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::parameters::Measure;
    use crate::sandbox::sample;
    use crate::sandbox::saved::Saved;

    const REPORTS: &[Report] = &[
        Report {
            bookmark_id: 1,
            events: &["Buy", "Open"],
            measure: Measure::General,
            days: 2,
            breakdown: None,
        },
        Report {
            bookmark_id: 2,
            events: &["Buy"],
            measure: Measure::Unique,
            days: 2,
            breakdown: Some("plan"),
        },
    ];

    fn ask(bookmark_id: &str) -> Result<Response, Fault> {
        let mut project = sample::project(&[
            ("Buy", "ann", "2026-01-10T10:00:00", json!({"plan": "pro"})),
            ("Buy", "ann", "2026-01-10T10:30:00", json!({"plan": "pro"})),
            ("Buy", "bob", "2026-01-09T10:00:00", json!({"plan": "free"})),
            ("Buy", "bob", "2026-01-08T10:00:00", json!({"plan": "free"})),
        ]);
        project.saved = Saved {
            reports: REPORTS,
            ..Saved::default()
        };
        insights(&project, &sample::request(&[("bookmark_id", bookmark_id)]))
    }

    fn dates(first: u64, second: u64) -> Value {
        json!({"2026-01-09T00:00:00+00:00": first, "2026-01-10T00:00:00+00:00": second})
    }

    #[test]
    fn a_saved_report_has_a_series_for_each_event() {
        let expected = json!({
            "computed_at": "2026-01-10T12:00:00.000000+00:00",
            "date_range": {
                "from_date": "2026-01-09T00:00:00+00:00",
                "to_date": "2026-01-10T23:59:59.999000+00:00",
            },
            "headers": ["$event"],
            "series": {"Buy": dates(1, 2), "Open": dates(0, 0)},
        });
        assert_eq!(sample::json(ask("1")), expected);
    }

    #[test]
    fn a_breakdown_nests_one_level_more() {
        let answer = sample::json(ask("2"));
        assert_eq!(answer["headers"], json!(["$event", "plan"]));
        let buy = json!({"$overall": dates(1, 1), "free": dates(1, 0), "pro": dates(0, 1)});
        assert_eq!(answer["series"], json!({"Buy": buy}));
    }

    #[test]
    fn only_saved_reports_can_be_asked_for() {
        assert_eq!(
            ask("3").err(),
            Some(Fault::bad_request("bookmark_id does not exist"))
        );
    }
}
