//! Each operation sends what Mixpanel documents and reads what it answers.

use serde_json::json as value;

use super::loopback::{Loopback, january, json, project};
use crate::mixpanel::{
    Aggregation, Buckets, Clients, Cohort, CountType, Error, Frequency, FrequencyQuery,
    FrequencyUnit, FunnelDay, FunnelQuery, LengthUnit, ProfileQuery, Retention, RetentionQuery,
    RetentionType, Segmentation, Stop, TopEvent, Unit,
};

const DAYS: &str = "from_date=2025-01-01&to_date=2025-01-31";

/// Asks once, and gives the result and the request line's target.
#[track_caller]
fn ask<T>(body: &str, call: impl FnOnce(&Clients) -> Result<T, Error>) -> (T, String) {
    let mixpanel = Loopback::acting(vec![json(body)]);
    let result = call(&mixpanel.clients(Stop::new())).unwrap();
    (result, mixpanel.asked().remove(0))
}

#[test]
fn event_names_are_a_bare_list() {
    let (names, asked) = ask(r#"["Buy", "Open"]"#, |clients| {
        clients
            .query
            .event_names(&project(), CountType::General, Some(5))
    });
    assert_eq!(names, ["Buy", "Open"]);
    assert_eq!(asked, "GET /events/names?project_id=7&type=general&limit=5");
}

#[test]
fn counts_of_events_are_asked_with_a_list_a_type_and_a_unit() {
    let body = r#"{"data": {"series": ["2025-01-01"], "values": {"Buy": {"2025-01-01": 4}}}, "legend_size": 1}"#;
    let names = ["Buy".to_owned(), "B&C".to_owned()];
    let (series, asked) = ask(body, |clients| {
        clients
            .query
            .events(&project(), &names, CountType::Unique, Unit::Week, january())
    });
    assert_eq!(series.series, ["2025-01-01"]);
    assert_eq!(series.values["Buy"]["2025-01-01"], 4.0);
    assert_eq!(
        asked,
        format!(
            "GET /events?project_id=7&event=%5B%22Buy%22%2C%22B%26C%22%5D&type=unique&unit=week&{DAYS}"
        )
    );
}

#[test]
fn top_events_and_properties_are_read() {
    let body = r#"{"events": [{"amount": 2, "event": "Buy \"now\"", "percent_change": -0.5}], "type": "unique"}"#;
    let (top, asked) = ask(body, |clients| {
        clients
            .query
            .top_events(&project(), CountType::Unique, None, |events| {
                let told = |event: TopEvent<'_>| {
                    (event.event.into_owned(), event.amount, event.percent_change)
                };
                events.into_iter().map(told).collect::<Vec<_>>()
            })
    });
    assert_eq!(top, [("Buy \"now\"".to_owned(), 2.0, Some(-0.5))]);
    assert_eq!(asked, "GET /events/top?project_id=7&type=unique");

    let body = r#"{"$os": {"count": 1}, "plan": {"count": 9}}"#;
    let (top, asked) = ask(body, |clients| {
        clients
            .query
            .event_properties_top(&project(), "Buy", Some(50))
    });
    assert_eq!(
        top.iter()
            .map(|one| (one.name.as_str(), one.count))
            .collect::<Vec<_>>(),
        [("plan", 9), ("$os", 1)]
    );
    assert_eq!(
        asked,
        "GET /events/properties/top?project_id=7&event=Buy&limit=50"
    );

    let (values, asked) = ask(r#"["a", 3, true]"#, |clients| {
        clients
            .query
            .property_values(&project(), "Buy", "plan", None)
    });
    assert_eq!(values, ["a", "3", "true"]);
    assert_eq!(
        asked,
        "GET /events/properties/values?project_id=7&event=Buy&name=plan"
    );
}

#[test]
fn segmentation_sends_one_plain_name() {
    let query = Segmentation {
        event: "Buy",
        range: january(),
        buckets: Buckets::Unit(Unit::Day),
        count: CountType::General,
        on: Some("properties[\"plan\"]"),
        filter: None,
        limit: Some(3),
    };
    let (series, asked) = ask(r#"{"data": {"series": [], "values": {}}}"#, |clients| {
        clients.query.segmentation(&project(), &query)
    });
    assert!(series.values.is_empty());
    assert_eq!(
        asked,
        format!(
            "GET /segmentation?project_id=7&event=Buy&{DAYS}&unit=day&type=general\
             &on=properties%5B%22plan%22%5D&limit=3"
        )
    );
}

#[test]
fn sums_and_averages_have_their_own_shape() {
    let query = Aggregation {
        event: "Buy",
        range: january(),
        unit: Unit::Hour,
        on: "number(1)",
        filter: Some("true"),
    };
    let body = r#"{"status": "ok", "results": {"2025-01-01": 8.5, "2025-01-02": null}}"#;
    for path in ["sum", "average"] {
        let (numbers, asked) = ask(body, |clients| match path {
            "sum" => clients.query.segmentation_sum(&project(), &query),
            _ => clients.query.segmentation_average(&project(), &query),
        });
        assert_eq!(
            numbers.into_iter().collect::<Vec<_>>(),
            [("2025-01-01".to_owned(), 8.5)]
        );
        let rest = format!("project_id=7&event=Buy&{DAYS}&on=number%281%29&unit=hour&where=true");
        assert_eq!(asked, format!("GET /segmentation/{path}?{rest}"));
    }
}

#[test]
fn retention_is_read_with_and_without_segments() {
    let query = RetentionQuery {
        range: january(),
        retention_type: RetentionType::Birth,
        born_event: Some("Sign up"),
        event: None,
        born_filter: None,
        filter: None,
        unit: Unit::Week,
        interval_count: Some(4),
        unbounded: false,
        on: None,
        limit: None,
    };
    let cohort = || Cohort {
        first: 2,
        counts: vec![2, 1],
    };
    let (whole, asked) = ask(
        r#"{"2025-01-01": {"counts": [2, 1], "first": 2}}"#,
        |clients| clients.query.retention(&project(), &query),
    );
    assert_eq!(
        whole,
        Retention::Whole([("2025-01-01".to_owned(), cohort())].into())
    );
    let rest = "retention_type=birth&unit=week&born_event=Sign%20up&interval_count=4";
    assert_eq!(asked, format!("GET /retention?project_id=7&{DAYS}&{rest}"));

    let (segmented, _) = ask(
        r#"{"2025-01-01": {"pro": {"counts": [2, 1], "first": 2}}}"#,
        |clients| clients.query.retention(&project(), &query),
    );
    let expected = [(
        "2025-01-01".to_owned(),
        [("pro".to_owned(), cohort())].into(),
    )];
    assert_eq!(segmented, Retention::Segmented(expected.into()));
}

#[test]
fn frequency_is_read_with_and_without_its_wrapper() {
    let query = FrequencyQuery {
        range: january(),
        unit: Unit::Week,
        addiction_unit: FrequencyUnit::Day,
        event: Some("Buy"),
        filter: None,
        on: None,
        limit: None,
    };
    let expected = Frequency::Whole([("2025-01-01".to_owned(), vec![3, 1])].into());
    for body in [
        r#"{"data": {"2025-01-01": [3, 1]}}"#,
        r#"{"2025-01-01": [3, 1]}"#,
    ] {
        let (frequency, asked) = ask(body, |clients| clients.query.frequency(&project(), &query));
        assert_eq!(frequency, expected);
        let rest = format!("project_id=7&{DAYS}&unit=week&addiction_unit=day&event=Buy");
        assert_eq!(asked, format!("GET /retention/addiction?{rest}"));
    }
}

#[test]
fn a_funnel_is_read_with_and_without_segments() {
    let (funnels, asked) = ask(
        r#"[{"funnel_id": 9, "name": "Signup", "creator": "x"}]"#,
        |clients| clients.query.funnels_list(&project()),
    );
    assert_eq!(
        (funnels[0].funnel_id, funnels[0].name.as_str()),
        (9, "Signup")
    );
    assert_eq!(asked, "GET /funnels/list?project_id=7");

    let query = FunnelQuery {
        funnel_id: 9,
        range: january(),
        length: Some((14, LengthUnit::Day)),
        buckets: Buckets::Unit(Unit::Week),
        on: None,
        filter: None,
        limit: None,
    };
    let step =
        r#"[{"count": 5, "event": "Buy", "avg_time": null, "step_conv_ratio": 1, "goal": "Buy"}]"#;
    let body = format!(
        r#"{{"meta": {{"dates": ["d"]}}, "data": {{"d": {{"steps": {step}, "analysis": {{}}}}}}}}"#
    );
    let (funnel, asked) = ask(&body, |clients| clients.query.funnel(&project(), &query));
    let FunnelDay::Whole { steps } = &funnel.data["d"] else {
        panic!("{funnel:?}")
    };
    assert_eq!(
        (steps[0].count, steps[0].avg_time, steps[0].step_conv_ratio),
        (5, None, Some(1.0))
    );
    assert_eq!(
        asked,
        format!("GET /funnels?project_id=7&funnel_id=9&{DAYS}&length=14&length_unit=day&unit=week")
    );

    let body = format!(r#"{{"data": {{"d": {{"$overall": {step}, "pro": {step}}}}}}}"#);
    let (funnel, _) = ask(&body, |clients| clients.query.funnel(&project(), &query));
    let FunnelDay::Segmented(segments) = &funnel.data["d"] else {
        panic!("{funnel:?}")
    };
    assert_eq!(segments.keys().collect::<Vec<_>>(), ["$overall", "pro"]);
}

#[test]
fn an_insights_report_keeps_its_numbers_as_they_are() {
    let body = r#"{"computed_at": "t", "date_range": {}, "headers": ["$event"], "series": {"Buy": {"d": 1}}}"#;
    let (report, asked) = ask(body, |clients| clients.query.insights(&project(), 77));
    assert_eq!(report.series, value!({"Buy": {"d": 1}}));
    assert_eq!(asked, "GET /insights?project_id=7&bookmark_id=77");
}

#[test]
fn profiles_are_asked_with_a_form_that_holds_json() {
    let body = r#"{"page": 1, "page_size": 1000, "session_id": null, "status": "ok",
                   "results": [{"$distinct_id": 4, "$properties": {"a": 1}}]}"#;
    let mixpanel = Loopback::acting(vec![json(body)]);
    let ids = ["x".to_owned()];
    let query = ProfileQuery {
        distinct_ids: Some(&ids),
        cohort_id: Some(12),
        output_properties: Some(&ids),
        page: Some((1, "s-1")),
        ..ProfileQuery::default()
    };
    let page = mixpanel
        .clients(Stop::new())
        .query
        .engage(&project(), &query)
        .unwrap();
    assert_eq!(
        (
            page.page,
            page.total,
            page.session_id,
            page.results[0].distinct_id.as_str()
        ),
        (1, None, None, "4")
    );
    let request = mixpanel.request();
    assert!(
        request.starts_with("POST /engage?project_id=7 "),
        "{request}"
    );
    assert!(
        request.contains("content-type: application/x-www-form-urlencoded"),
        "{request}"
    );
    let form = "filter_by_cohort=%7B%22id%22%3A12%7D&distinct_ids=%5B%22x%22%5D&output_properties=%5B%22x%22%5D\
                &page=1&session_id=s-1";
    assert!(request.ends_with(form), "{request}");
}

#[test]
fn activity_and_cohorts_are_read() {
    let body =
        r#"{"status": "ok", "results": {"events": [{"event": "Buy", "properties": {"time": 1}}]}}"#;
    let ids = ["x".to_owned()];
    let (events, asked) = ask(body, |clients| {
        clients.query.activity_stream(&project(), &ids, january())
    });
    assert_eq!(
        (events[0].event.as_str(), &events[0].properties["time"]),
        ("Buy", &value!(1))
    );
    assert_eq!(
        asked,
        format!("GET /stream/query?project_id=7&distinct_ids=%5B%22x%22%5D&{DAYS}")
    );

    let (cohorts, asked) = ask(
        r#"[{"id": 1, "name": "C", "count": 5, "is_visible": 1}]"#,
        |clients| clients.query.cohorts_list(&project()),
    );
    assert_eq!((cohorts[0].id, cohorts[0].count), (1, Some(5)));
    assert_eq!(asked, "POST /cohorts/list?project_id=7");
}

#[test]
fn projects_are_read_without_their_secrets() {
    let body = r#"{"status": "ok", "results": {"projects": {"7": {"name": "Shop", "timezone": "UTC", "role": {"id": 1}}},
                   "organizations": {"1": {"name": "Org"}}, "workspaces": {"3": {"name": "All", "is_global": true}}}}"#;
    let (me, asked) = ask(body, |clients| clients.app.me());
    assert_eq!(me.projects["7"].name.as_deref(), Some("Shop"));
    assert_eq!(
        (me.organizations.len(), me.workspaces["3"].is_global),
        (1, Some(true))
    );
    assert_eq!(asked, "GET /me");

    let body = r#"{"status": "ok", "results": {"id": 7, "name": "Shop", "token": "tok", "api_secret": "sec"}}"#;
    let (details, asked) = ask(body, |clients| clients.app.project(&project()));
    let shown = format!("{details:?}{}", serde_json::to_string(&details).unwrap());
    assert!(
        !shown.contains("tok\"") && !shown.contains("sec"),
        "{shown}"
    );
    assert_eq!(asked, "GET /projects/7");

    let (workspaces, asked) = ask(r#"{"results": [{"id": 3, "name": "All"}]}"#, |clients| {
        clients.app.workspaces(&project())
    });
    assert_eq!(workspaces[0].id.as_deref(), Some("3"));
    assert_eq!(asked, "GET /projects/7/workspaces/public");
}

#[test]
fn a_date_without_a_number_is_left_out() {
    let body = r#"{"data": {"series": ["d", "e"], "values": {"Buy": {"d": null, "e": 0.5}}}}"#;
    let (series, _) = ask(body, |clients| {
        clients
            .query
            .events(&project(), &[], CountType::Average, Unit::Day, january())
    });
    assert_eq!(
        series.values["Buy"].iter().collect::<Vec<_>>(),
        [(&"e".to_owned(), &0.5)]
    );
}
