//! The reports, on events whose figures were reckoned by hand.

use serde_json::{Value, json};

use crate::support::{Answer, Seeded, TestServer, Upstream};

const SEGMENTATION: &str = "mixpanel_query_segmentation";
const RETENTION: &str = "mixpanel_query_retention";
const FREQUENCY: &str = "mixpanel_query_frequency";
const FUNNELS: &str = "mixpanel_list_saved_funnels";
const FUNNEL: &str = "mixpanel_query_funnel";
const INSIGHTS: &str = "mixpanel_query_insights";

/// A server whose Mixpanel gives this answer to everything.
fn canned(answer: Value) -> (Upstream, TestServer) {
    let upstream = Upstream::answering(move |_, _| Answer::json(200, &answer));
    let server = TestServer::before(&upstream.url());
    (upstream, server)
}

fn summary(data: &Value) -> &str {
    data["summary"].as_str().unwrap()
}

/// The arguments of a question about the first days of March 2024.
fn march(last_day: u8, more: Value) -> Value {
    let mut arguments = json!({
        "from_date": "2024-03-01",
        "to_date": format!("2024-03-{last_day:02}"),
    });
    for (name, value) in more.as_object().unwrap() {
        arguments[name] = value.clone();
    }
    arguments
}

/// An event and a property in whose names everything must be escaped.
const ODD: &str = "Büy \"now\" \\ 100% & more=?";
const ODD_PROPERTY: &str = "plan \"x\\y\" (ü)";

/// On the first day Ann and Bob, on the second Ann twice and Cid, on the third nobody.
fn shop() -> Seeded {
    let seeded = Seeded::start();
    let buy = |user, time, plan: &str, price: Value| {
        (
            ODD,
            user,
            time,
            json!({ODD_PROPERTY: plan, "plan": plan, "price": price}),
        )
    };
    seeded.import(&[
        buy("ann", "2024-03-01T10:00:00", "pro", json!(10)),
        buy("bob", "2024-03-01T11:00:00", "free", json!(2.5)),
        buy("ann", "2024-03-02T10:00:00", "pro", json!(20)),
        buy("ann", "2024-03-02T10:30:00", "pro", json!(30)),
        buy("cid", "2024-03-02T12:00:00", "fr\"ee", json!("n/a")),
    ]);
    seeded
}

fn values(series: &Value) -> Vec<(&str, Option<f64>, Vec<f64>)> {
    let series = series.as_array().unwrap();
    series
        .iter()
        .map(|line| {
            let numbers = line["values"].as_object().unwrap().values();
            (
                line["name"].as_str().unwrap(),
                line["total"].as_f64(),
                numbers.map(|number| number.as_f64().unwrap()).collect(),
            )
        })
        .collect()
}

#[test]
fn segmentation_counts_an_event_by_day_whatever_is_in_its_name() {
    let seeded = shop();
    let data = seeded
        .server
        .data(SEGMENTATION, march(3, json!({"event": ODD})));

    assert_eq!(
        data,
        json!({
            "summary": format!("{}, events by day, project 12345, 2024-03-01 to 2024-03-03 (days in the project's time zone): 1 segment; {} 5", json!(ODD), json!(ODD)),
            "from_date": "2024-03-01",
            "to_date": "2024-03-03",
            "timezone": "UTC",
            "series": [{
                "name": ODD,
                "total": 5,
                "values": {"2024-03-01": 2, "2024-03-02": 3, "2024-03-03": 0},
            }],
            "truncated": false,
        })
    );
    assert_eq!(seeded.requests().len(), 1);
}

#[test]
fn segmentation_splits_by_a_plain_name_and_by_an_expression_alike() {
    let seeded = shop();
    let ask = |on: &str| {
        let arguments = march(2, json!({"event": ODD, "on": on}));
        seeded.server.data(SEGMENTATION, arguments)["series"].clone()
    };
    let plain = ask(ODD_PROPERTY);

    assert_eq!(
        values(&plain),
        [
            ("pro", Some(3.0), vec![1.0, 2.0]),
            ("fr\"ee", Some(1.0), vec![0.0, 1.0]),
            ("free", Some(1.0), vec![1.0, 0.0]),
        ]
    );
    assert_eq!(
        seeded.requests()[0].param("on"),
        Some(r#"properties["plan \"x\\y\" (ü)"]"#)
    );
    assert_eq!(ask(r#"properties["plan"]"#), plain);
    assert_eq!(ask("plan"), plain);
}

#[test]
fn segmentation_filters_by_an_expression_that_is_passed_on_as_it_is() {
    let seeded = shop();
    let filter = r#"properties["plan"] == "pro" and properties["price"] > 10"#;
    let arguments = march(2, json!({"event": ODD, "where": filter}));
    let data = seeded.server.data(SEGMENTATION, arguments);

    assert_eq!(values(&data["series"]), [(ODD, Some(2.0), vec![0.0, 2.0])]);
    assert_eq!(seeded.requests()[0].param("where"), Some(filter));
    assert!(summary(&data).contains(filter), "{data}");
}

#[test]
fn unique_users_of_a_range_are_those_of_the_range_and_not_the_sum_of_its_days() {
    let seeded = shop();
    let arguments = march(3, json!({"event": ODD, "type": "unique"}));
    let data = seeded.server.data(SEGMENTATION, arguments);

    // Ann came on both days: two and two, but three people.
    assert_eq!(
        values(&data["series"]),
        [(ODD, Some(3.0), vec![2.0, 2.0, 0.0])]
    );
    assert_eq!(seeded.requests().len(), 2);
}

#[test]
fn unique_users_by_segment_are_exact_too() {
    let seeded = shop();
    let arguments = march(3, json!({"event": ODD, "type": "unique", "on": "plan"}));
    let data = seeded.server.data(SEGMENTATION, arguments);

    let totals: Vec<(&str, Option<f64>)> = values(&data["series"])
        .into_iter()
        .map(|(name, total, _)| (name, total))
        .collect();
    assert_eq!(
        totals,
        [
            ("fr\"ee", Some(1.0)),
            ("free", Some(1.0)),
            ("pro", Some(1.0))
        ]
    );
}

#[test]
fn where_no_figure_of_the_range_is_exact_there_is_no_total() {
    // Two buckets come where one was asked for.
    let (upstream, server) = canned(json!({"legend_size": 1, "data": {
        "series": ["2024-03-01", "2024-03-02"],
        "values": {"Buy": {"2024-03-01": 2, "2024-03-02": 3}},
    }}));
    let data = server.data(
        SEGMENTATION,
        march(2, json!({"event": "Buy", "type": "unique"})),
    );

    assert_eq!(values(&data["series"]), [("Buy", None, vec![2.0, 3.0])]);
    assert!(
        summary(&data)
            .contains(r#""Buy" from 2 to 3; figures of single dates must not be added up"#),
        "{data}"
    );
    assert_eq!(upstream.questions().len(), 2);
}

#[test]
fn a_numeric_property_is_summed_and_averaged() {
    let seeded = shop();
    let ask = |aggregate: &str| {
        let arguments = march(
            2,
            json!({"event": ODD, "on": "price", "aggregate": aggregate}),
        );
        seeded.server.data(SEGMENTATION, arguments)
    };

    let sum = ask("sum");
    assert_eq!(
        values(&sum["series"]),
        [(ODD, Some(62.5), vec![12.5, 50.0])]
    );
    assert!(
        summary(&sum).contains(r#"sum of properties["price"] by day"#),
        "{sum}"
    );
    // What is no number counts as 0; averages of days do not add up to one of the range.
    let average = ask("average");
    assert_eq!(
        values(&average["series"]),
        [(ODD, None, vec![6.25, 16.6667])]
    );
    assert!(
        summary(&average).contains("from 6.25 to 16.6667"),
        "{average}"
    );
}

#[test]
fn events_are_counted_by_ranges_of_a_number() {
    let seeded = shop();
    let arguments = march(
        2,
        json!({"event": ODD, "on": "price", "aggregate": "ranges"}),
    );
    let data = seeded.server.data(SEGMENTATION, arguments);
    assert!(
        summary(&data).contains(r#"by ranges of properties["price"], events by day"#),
        "{data}"
    );
    let ranges: Vec<&str> = data["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["name"].as_str().unwrap())
        .collect();
    assert_eq!(ranges, ["0 - 5", "10 - 15", "20 - 25", "30 - 35"]);
    assert_eq!(
        data["series"][2],
        json!({"name": "20 - 25", "total": 1, "values": {"2024-03-01": 0, "2024-03-02": 1}})
    );
    let asked = seeded.requests();
    assert_eq!(asked[0].path, "/api/query/segmentation/numeric");
}

#[test]
fn a_date_without_an_average_is_left_out() {
    let (_upstream, server) = canned(json!({
        "status": "ok", "results": {"2024-03-01": null, "2024-03-02": 4.5},
    }));
    let arguments = march(
        2,
        json!({"event": "Buy", "on": "price", "aggregate": "average"}),
    );
    let data = server.data(SEGMENTATION, arguments);

    assert_eq!(
        data["series"],
        json!([{"name": "Buy", "total": 4.5, "values": {"2024-03-02": 4.5}}])
    );
}

#[test]
fn arguments_that_do_not_go_together_are_all_told_at_once_and_nothing_is_asked() {
    let seeded = Seeded::start();
    let arguments = march(
        2,
        json!({
            "event": "Buy", "aggregate": "average", "unit": "month", "type": "unique",
        }),
    );
    let facts = seeded.server.failure(SEGMENTATION, arguments);

    assert_eq!(facts["kind"], "bad_arguments");
    assert_eq!(
        facts["faults"],
        json!([
            "on: missing, the aggregate average needs a numeric property",
            "unit: must be hour or day with the aggregate average, got month",
            "type: unique goes only with the aggregates count and ranges, not with average",
        ])
    );
    assert!(seeded.requests().is_empty());
}

#[test]
fn arguments_that_do_not_fit_are_all_told_at_once() {
    let facts = TestServer::shared().failure(
        SEGMENTATION,
        json!({"event": "", "from_date": "someday", "unit": "week", "limit": 10_001, "wher": "x"}),
    );
    let faults = facts["faults"].as_array().unwrap();
    let names: Vec<&str> = faults
        .iter()
        .map(|fault| fault.as_str().unwrap().split(':').next().unwrap())
        .collect();
    assert_eq!(
        names,
        ["event", "from_date", "to_date", "unit", "limit", "wher"]
    );
}

#[test]
fn days_in_the_wrong_order_are_a_failure_of_every_report() {
    let server = TestServer::shared();
    for (tool, more) in [
        (SEGMENTATION, json!({"event": "Buy"})),
        (RETENTION, json!({"born_event": "Buy"})),
        (FREQUENCY, json!({"event": "Buy"})),
        (FUNNEL, json!({"funnel_id": "7509"})),
    ] {
        let mut arguments = march(1, more);
        arguments["from_date"] = "2024-03-02".into();
        let facts = server.failure(tool, arguments);
        assert_eq!(facts["kind"], "bad_arguments", "{tool}");
        assert_eq!(
            facts["error"],
            "from_date 2024-03-02 is after to_date 2024-03-01; exchange them"
        );
    }
}

#[test]
fn names_are_case_sensitive_and_nothing_found_says_so() {
    let seeded = shop();
    let lower = ODD.to_lowercase();
    for (tool, more, list) in [
        (SEGMENTATION, json!({"event": lower}), "series"),
        (RETENTION, json!({"born_event": lower}), "cohorts"),
        (FREQUENCY, json!({"event": lower}), "periods"),
    ] {
        let data = seeded.server.data(tool, march(3, more));
        assert_eq!(data[list], json!([]), "{tool}");
        assert!(
            summary(&data).contains("names are case-sensitive"),
            "{tool}: {data}"
        );
        assert!(
            summary(&data).contains("mixpanel_list_events"),
            "{tool}: {data}"
        );
        assert!(
            summary(&data).contains("2024-03-01 to 2024-03-03"),
            "{tool}: {data}"
        );
    }
}

#[test]
fn a_limit_keeps_the_largest_segments_and_says_that_there_are_more() {
    let seeded = shop();
    let ask = |limit: u32| {
        let arguments = march(2, json!({"event": ODD, "on": "plan", "limit": limit}));
        seeded.server.data(SEGMENTATION, arguments)
    };

    let cut = ask(1);
    assert_eq!(values(&cut["series"]), [("pro", Some(3.0), vec![1.0, 2.0])]);
    assert_eq!(cut["truncated"], true);
    assert!(
        summary(&cut).contains("truncated, there are more segments"),
        "{cut}"
    );
    let whole = ask(3);
    assert_eq!(whole["series"].as_array().unwrap().len(), 3);
    assert_eq!(whole["truncated"], false);
}

#[test]
fn events_without_the_property_are_told_as_such() {
    let seeded = shop();
    let arguments = march(2, json!({"event": ODD, "on": "Plan"}));
    let data = seeded.server.data(SEGMENTATION, arguments);

    assert_eq!(
        values(&data["series"]),
        [("undefined", Some(5.0), vec![2.0, 3.0])]
    );
    assert!(
        summary(&data).contains(r#""undefined" are events without properties["Plan"]"#),
        "{data}"
    );
}

#[test]
fn more_steps_of_time_than_can_be_read_are_refused_before_anything_is_asked() {
    let seeded = Seeded::start();
    for (tool, more) in [
        (SEGMENTATION, json!({"event": "Buy"})),
        (RETENTION, json!({"born_event": "Buy"})),
        (FREQUENCY, json!({"event": "Buy"})),
        (FUNNEL, json!({"funnel_id": "7509", "unit": "day"})),
    ] {
        let mut arguments = march(1, more);
        arguments["from_date"] = "2014-03-01".into();
        let facts = seeded.server.failure(tool, arguments);
        assert_eq!(
            facts["faults"],
            json!([
                "unit: 3654 days are 3654 steps of a day, at most 1500 are counted; take a longer unit or fewer days"
            ]),
            "{tool}"
        );
    }
    assert!(seeded.requests().is_empty());
}

#[test]
fn many_segments_of_many_dates_are_cut_to_what_can_be_read() {
    let dates: Vec<String> = (0..1_000).map(|day| format!("date {day}")).collect();
    let numbers: serde_json::Map<String, Value> =
        dates.iter().map(|date| (date.clone(), json!(1))).collect();
    let segments: serde_json::Map<String, Value> = (0..30)
        .map(|number| (format!("s{number}"), numbers.clone().into()))
        .collect();
    let (_upstream, server) =
        canned(json!({"data": {"series": dates, "values": segments}, "legend_size": 30}));
    let data = server.data(
        SEGMENTATION,
        march(2, json!({"event": "Buy", "on": "plan"})),
    );

    assert_eq!(data["series"].as_array().unwrap().len(), 20);
    assert_eq!(data["truncated"], true);
}

#[test]
fn mixpanels_words_about_a_broken_expression_come_through() {
    let arguments = march(
        2,
        json!({"event": "Buy", "where": r#"properties["plan" == "#}),
    );
    let facts = TestServer::shared().failure(SEGMENTATION, arguments);

    assert_eq!(facts["status"], 400, "{facts}");
    let words = facts["mixpanel_message"].as_str().unwrap();
    assert!(facts["error"].as_str().unwrap().contains(words), "{facts}");
}

/// Ann, Bob and Cid sign up on the first day, Dan on the second. Ann comes back after 1 and 2 days, Bob after 1,
/// Dan within the first day and after 1; somebody else only visits.
fn visits() -> Seeded {
    let seeded = Seeded::start();
    let sign = |user, time, plan: &str| ("R Sign", user, time, json!({"plan": plan}));
    let open = |user, time, os: &str| ("R Open", user, time, json!({"os": os}));
    seeded.import(&[
        sign("ann", "2024-03-01T10:00:00", "pro"),
        sign("bob", "2024-03-01T11:00:00", "free"),
        sign("cid", "2024-03-01T12:00:00", "free"),
        sign("dan", "2024-03-02T10:00:00", "pro"),
        open("ann", "2024-03-02T11:00:00", "iOS"),
        open("ann", "2024-03-03T11:00:00", "iOS"),
        open("bob", "2024-03-02T12:00:00", "Linux"),
        open("dan", "2024-03-02T11:00:00", "iOS"),
        open("dan", "2024-03-03T11:00:00", "iOS"),
        open("eve", "2024-03-01T11:00:00", "iOS"),
    ]);
    seeded
}

fn signed_up(more: Value) -> Value {
    let mut arguments = march(
        2,
        json!({"born_event": "R Sign", "event": "R Open", "interval_count": 2}),
    );
    for (name, value) in more.as_object().unwrap() {
        arguments[name] = value.clone();
    }
    arguments
}

#[test]
fn retention_tells_who_came_back_by_cohort_and_over_all_cohorts() {
    let data = visits().server.data(RETENTION, signed_up(json!({})));

    assert_eq!(
        data["cohorts"],
        json!([
            {"date": "2024-03-01", "users": 3, "counts": [0, 2, 1], "rates": [0.0, 0.6667, 0.3333]},
            {"date": "2024-03-02", "users": 1, "counts": [1, 1, 0], "rates": [1.0, 1.0, 0.0]},
        ])
    );
    assert_eq!(data["overall"], json!([{"rates": [0.25, 0.75, 0.25]}]));
    assert_eq!(data["truncated"], false);
    assert_eq!(
        data["summary"],
        "retention from \"R Sign\" to \"R Open\", 2 days after the 0th, project 12345, 2024-03-01 to 2024-03-02 (days in the project's time zone): 4 users; day 0 25.0%, day 1 75.0%, day 2 25.0% (over cohorts whose interval is over)"
    );
}

#[test]
fn retention_filters_both_events_and_splits_by_the_returning_one() {
    let seeded = visits();
    let born = r#"properties["plan"] == "free""#;
    let data = seeded
        .server
        .data(RETENTION, signed_up(json!({"born_where": born})));
    assert_eq!(data["cohorts"][0]["counts"], json!([0, 1, 0]));
    assert_eq!(data["cohorts"][0]["users"], 2);

    let filter = r#"properties["os"] == "Linux""#;
    let data = seeded
        .server
        .data(RETENTION, signed_up(json!({"where": filter})));
    assert_eq!(data["cohorts"][0]["counts"], json!([0, 1, 0]));
    assert_eq!(data["cohorts"][0]["users"], 3);

    let data = seeded
        .server
        .data(RETENTION, signed_up(json!({"on": "os"})));
    let cohorts = data["cohorts"].as_array().unwrap();
    assert!(
        cohorts.contains(&json!({
            "date": "2024-03-01", "segment": "Linux", "users": 3, "counts": [0, 1, 0], "rates": [0.0, 0.3333, 0.0],
        })),
        "{data}"
    );
    assert_eq!(
        data["overall"][0],
        json!({"segment": "iOS", "rates": [0.25, 0.5, 0.25]})
    );
    assert!(
        summary(&data).contains(r#"2 segments; "iOS": day 0 25.0%"#),
        "{data}"
    );
}

#[test]
fn without_an_event_any_counts_and_a_week_of_intervals_is_asked_for() {
    let seeded = visits();
    let data = seeded
        .server
        .data(RETENTION, march(1, json!({"born_event": "R Sign"})));

    assert_eq!(data["cohorts"][0]["counts"].as_array().unwrap().len(), 8);
    assert!(
        summary(&data).contains("to any event, 7 days after the 0th"),
        "{data}"
    );
    let requests = seeded.requests();
    assert_eq!(requests[0].param("event"), None);
    assert_eq!(requests[0].param("interval_count"), Some("7"));
}

#[test]
fn compounded_retention_says_that_the_first_event_is_not_looked_at() {
    let seeded = visits();
    let arguments = signed_up(json!({"retention_type": "compounded"}));
    let data = seeded.server.data(RETENTION, arguments);

    assert!(
        summary(&data)
            .starts_with(r#"retention from each "R Open" to the next (born_event is ignored)"#),
        "{data}"
    );
    // Eve alone opened on the first day.
    assert_eq!(data["cohorts"][0]["users"], 1);
    assert_eq!(
        seeded.requests()[0].param("retention_type"),
        Some("compounded")
    );
}

#[test]
fn an_interval_that_still_runs_is_not_in_the_overall_rates() {
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let (_upstream, server) = canned(json!({
        "2024-03-01": {"first": 10, "counts": [10, 5]},
        today.to_string(): {"first": 90, "counts": [90, 0]},
    }));
    let data = server.data(RETENTION, march(2, json!({"born_event": "A"})));

    assert_eq!(data["overall"], json!([{"rates": [1.0, 0.5]}]));
    assert_eq!(data["cohorts"].as_array().unwrap().len(), 2);
}

#[test]
fn frequency_tells_in_how_many_hours_users_were_active() {
    let seeded = Seeded::start();
    let play = |user, time| {
        (
            "F Play",
            user,
            time,
            json!({"os": if user == "ann" { "iOS" } else { "Linux" }}),
        )
    };
    seeded.import(&[
        play("ann", "2024-03-01T10:00:00"),
        play("ann", "2024-03-01T10:30:00"),
        play("ann", "2024-03-01T11:00:00"),
        play("ann", "2024-03-01T15:00:00"),
        play("bob", "2024-03-01T10:00:00"),
        play("bob", "2024-03-02T10:00:00"),
    ]);
    let ask = |more: Value| {
        let mut arguments = march(2, json!({"event": "F Play"}));
        for (name, value) in more.as_object().unwrap() {
            arguments[name] = value.clone();
        }
        seeded.server.data(FREQUENCY, arguments)
    };

    let data = ask(json!({}));
    assert_eq!(
        data["periods"],
        json!([
            {"date": "2024-03-01", "users": 2, "at_least": [2, 1, 1]},
            {"date": "2024-03-02", "users": 1, "at_least": [1]},
        ])
    );
    assert!(
        summary(&data).contains("was so in 1.67 hours of a day on average"),
        "{data}"
    );
    assert_eq!(seeded.requests()[0].path, "/api/query/retention/addiction");

    let data = ask(json!({"unit": "month", "addiction_unit": "day"}));
    assert_eq!(data["periods"][0]["at_least"], json!([2, 1]));

    let data = ask(json!({"on": "os", "where": r#"properties["os"] == "Linux""#}));
    assert_eq!(
        data["periods"],
        json!([
            {"date": "2024-03-01", "segment": "Linux", "users": 1, "at_least": [1]},
            {"date": "2024-03-02", "segment": "Linux", "users": 1, "at_least": [1]},
        ])
    );
}

#[test]
fn a_frequency_without_its_wrapper_is_read_too() {
    let (_upstream, server) = canned(json!({"2024-03-01": [305, 107, 60, 0]}));
    let data = server.data(FREQUENCY, march(1, json!({"event": "Play"})));

    assert_eq!(
        data["periods"],
        json!([{"date": "2024-03-01", "users": 305, "at_least": [305, 107, 60]}])
    );
}

#[test]
fn a_split_without_a_limit_of_its_own_keeps_sixty_segments_and_says_so() {
    let segments: serde_json::Map<String, Value> = (0..61)
        .map(|number| (format!("s{number}"), json!([number + 1])))
        .collect();
    let (upstream, server) = canned(json!({"data": {"2024-03-01": segments}}));
    let data = server.data(FREQUENCY, march(1, json!({"event": "Play", "on": "x"})));

    let periods = data["periods"].as_array().unwrap();
    assert_eq!(periods.len(), 60);
    assert!(
        periods.iter().all(|period| period["segment"] != "s0"),
        "the smallest goes"
    );
    assert_eq!(data["truncated"], true);
    assert!(
        summary(&data).contains("cut, only the largest segments"),
        "{data}"
    );
    assert_eq!(upstream.requests()[0].param("limit"), Some("61"));
}

#[test]
fn saved_funnels_are_listed_and_searched_in_any_case() {
    let server = TestServer::shared();
    let data = server.data(FUNNELS, json!({}));
    assert_eq!(
        data,
        json!({
            "summary": "saved funnels, project 12345: 3 funnels",
            "funnels": [
                {"funnel_id": "7509", "name": "Purchase funnel"},
                {"funnel_id": "7510", "name": "First purchase"},
                {"funnel_id": "7511", "name": "Search to cart"},
            ],
            "truncated": false,
        })
    );

    let data = server.data(FUNNELS, json!({"search": "PURCHASE", "limit": 1}));
    assert_eq!(
        data["funnels"],
        json!([{"funnel_id": "7509", "name": "Purchase funnel"}])
    );
    assert_eq!(data["truncated"], true);
    assert!(
        summary(&data).contains("2 funnels; truncated, 1 of them"),
        "{data}"
    );

    let data = server.data(FUNNELS, json!({"search": "\"nothing\""}));
    assert_eq!(data["funnels"], json!([]));
    assert!(
        summary(&data).contains("none of 3; ask without search"),
        "{data}"
    );
}

#[test]
fn a_project_without_funnels_is_told_where_they_are_made() {
    let (_upstream, server) = canned(json!([]));
    let data = server.data(FUNNELS, json!({"project_id": 67890}));
    assert_eq!(
        data["summary"],
        "saved funnels, project 67890: none; funnels are saved in Mixpanel's own interface"
    );
}

#[test]
fn steps_and_creator_are_passed_on_only_if_they_come() {
    let (_upstream, server) = canned(json!([
        {"funnel_id": 1, "name": "a", "steps": [{"event": "A"}], "creator": "ann"},
        {"funnel_id": 2, "name": "b"},
    ]));
    let data = server.data(FUNNELS, json!({}));
    assert_eq!(
        data["funnels"],
        json!([
            {"funnel_id": "1", "name": "a", "steps": r#"[{"event":"A"}]"#, "creator": "ann"},
            {"funnel_id": "2", "name": "b"},
        ])
    );
}

/// Ann goes all the way, on two days; Bob to the second step, an hour later; Cid signs up only.
fn buyers() -> Seeded {
    let seeded = Seeded::start();
    let step = |event, user: &'static str, time| {
        let plan = if user == "ann" { "pro" } else { "free" };
        (event, user, time, json!({"plan": plan}))
    };
    seeded.import(&[
        step("Sign Up", "ann", "2024-03-01T10:00:00"),
        step("Product Viewed", "ann", "2024-03-01T10:01:00"),
        step("Purchase Completed", "ann", "2024-03-01T10:03:00"),
        step("Sign Up", "ann", "2024-03-02T10:00:00"),
        step("Sign Up", "bob", "2024-03-01T10:00:00"),
        step("Product Viewed", "bob", "2024-03-01T11:01:00"),
        step("Sign Up", "cid", "2024-03-02T10:00:00"),
    ]);
    seeded
}

fn first_purchase(more: Value) -> Value {
    let mut arguments = march(2, json!({"funnel_id": "7510"}));
    for (name, value) in more.as_object().unwrap() {
        arguments[name] = value.clone();
    }
    arguments
}

fn counts(steps: &Value) -> Vec<u64> {
    let steps = steps.as_array().unwrap();
    steps
        .iter()
        .map(|step| step["count"].as_u64().unwrap())
        .collect()
}

#[test]
fn a_funnel_counts_each_user_once_over_the_whole_range() {
    let seeded = buyers();
    let data = seeded.server.data(FUNNEL, first_purchase(json!({})));

    assert_eq!(
        data,
        json!({
            "summary": "funnel 7510, project 12345, 2024-03-01 to 2024-03-02 (days in the project's time zone): \"Sign Up\" 3 → \"Product Viewed\" 2 (66.7%) → \"Purchase Completed\" 1 (50.0%), overall 33.3%",
            "from_date": "2024-03-01",
            "to_date": "2024-03-02",
            "timezone": "UTC",
            "steps": [
                {"event": "Sign Up", "count": 3, "conversion_from_previous": 1.0, "conversion_overall": 1.0},
                {"event": "Product Viewed", "count": 2, "conversion_from_previous": 0.6667, "conversion_overall": 0.6667,
                    "seconds_from_previous": 1860, "seconds_from_start": 1860},
                {"event": "Purchase Completed", "count": 1, "conversion_from_previous": 0.5, "conversion_overall": 0.3333,
                    "seconds_from_previous": 120, "seconds_from_start": 180},
            ],
            "truncated": false,
        })
    );
    let requests = seeded.requests();
    assert_eq!(
        (requests[0].param("interval"), requests[0].param("unit")),
        (Some("2"), None)
    );
}

#[test]
fn a_funnel_by_day_says_that_who_began_twice_counts_twice() {
    let data = buyers()
        .server
        .data(FUNNEL, first_purchase(json!({"unit": "day"})));

    // Ann began again on the second day, and went no further.
    assert_eq!(
        data["breakdown"],
        json!([
            {"date": "2024-03-01", "counts": [2, 2, 1], "conversion": 0.5},
            {"date": "2024-03-02", "counts": [2, 0, 0], "conversion": 0.0},
        ])
    );
    assert_eq!(counts(&data["steps"]), [4, 2, 1]);
    assert!(
        summary(&data).contains(
            "the figures of 2 dates are added up, so a user who began in several counts in each"
        ),
        "{data}"
    );
}

#[test]
fn a_funnel_is_split_by_a_property_and_keeps_the_overall_steps() {
    let seeded = buyers();
    let data = seeded
        .server
        .data(FUNNEL, first_purchase(json!({"on": "plan"})));

    assert_eq!(counts(&data["steps"]), [3, 2, 1]);
    assert_eq!(
        data["breakdown"],
        json!([
            {"date": "2024-03-01", "segment": "free", "counts": [2, 1, 0], "conversion": 0.0},
            {"date": "2024-03-01", "segment": "pro", "counts": [1, 1, 1], "conversion": 1.0},
        ])
    );
    assert_eq!(
        seeded.requests()[0].param("on"),
        Some(r#"properties["plan"]"#)
    );
}

#[test]
fn a_funnels_window_and_filter_are_as_asked() {
    let seeded = buyers();
    let ask = |more: Value| counts(&seeded.server.data(FUNNEL, first_purchase(more))["steps"]);

    // Bob took 61 minutes to the second step.
    assert_eq!(ask(json!({"length": 1, "length_unit": "hour"})), [3, 1, 1]);
    assert_eq!(ask(json!({"length": 1})), [3, 2, 1]);
    let days = &seeded.requests()[1];
    assert_eq!(
        (days.param("length"), days.param("length_unit")),
        (Some("1"), Some("day"))
    );
    assert_eq!(
        ask(json!({"where": r#"properties["plan"] == "pro""#})),
        [1, 1, 1]
    );
}

#[test]
fn a_window_of_more_than_ninety_days_or_without_a_length_is_refused() {
    let server = TestServer::shared();
    for (more, fault) in [
        (
            json!({"length": 91}),
            "length: must be at most 90 days, got 91 days",
        ),
        (
            json!({"length": 2161, "length_unit": "hour"}),
            "length: must be at most 90 days, got 2161 hours",
        ),
        (
            json!({"length_unit": "hour"}),
            "length_unit: needs a length",
        ),
    ] {
        let facts = server.failure(FUNNEL, first_purchase(more));
        assert_eq!(facts["faults"], json!([fault]));
    }
}

#[test]
fn an_unknown_funnel_is_a_failure_and_an_empty_one_is_not() {
    let server = TestServer::shared();
    let facts = server.failure(FUNNEL, first_purchase(json!({"funnel_id": 1})));
    assert!(
        facts["status"]
            .as_u64()
            .is_some_and(|status| (400..500).contains(&status)),
        "{facts}"
    );

    // The shop has only the last month.
    let data = server.data(FUNNEL, first_purchase(json!({})));
    assert_eq!(data["steps"], json!([]));
    assert!(
        summary(&data).contains("nobody did the first step"),
        "{data}"
    );
}

#[test]
fn a_custom_event_is_told_by_its_name_and_the_first_step_has_no_time() {
    let (_upstream, server) = canned(
        json!({"meta": {"dates": ["2024-03-01"]}, "data": {"2024-03-01": {
            "steps": [
                {"count": 40, "avg_time": null, "avg_time_from_start": 5, "step_conv_ratio": 1, "goal": "App Open",
                    "overall_conv_ratio": 1, "event": "App Open"},
                {"count": 10, "avg_time": 133, "avg_time_from_start": 133, "step_conv_ratio": 0.25, "goal": "$custom_event:1",
                    "step_label": "Game Played", "custom_event": true, "custom_event_id": 1, "overall_conv_ratio": 0.25,
                    "event": "$custom_event:1"},
            ],
            "analysis": {"completion": 10, "starting_amount": 40, "steps": 2, "worst": 1},
        }}}),
    );
    let data = server.data(FUNNEL, first_purchase(json!({})));

    assert_eq!(
        data["steps"],
        json!([
            {"event": "App Open", "count": 40, "conversion_from_previous": 1.0, "conversion_overall": 1.0},
            {"event": "Game Played", "count": 10, "conversion_from_previous": 0.25, "conversion_overall": 0.25,
                "seconds_from_previous": 133, "seconds_from_start": 133},
        ])
    );
}

#[test]
fn a_saved_report_has_the_figures_that_segmentation_has() {
    let server = TestServer::shared();
    let report = server.data(INSIGHTS, json!({"bookmark_id": 8801}));
    let day = |name: &str| report[name].as_str().unwrap()[..10].to_owned();
    assert_eq!(report["headers"], json!(["$event"]));
    assert_eq!(report["truncated"], false);

    for event in ["App Open", "Purchase Completed"] {
        let arguments = json!({
            "event": event, "from_date": day("from_date"), "to_date": day("to_date"),
        });
        let counted = server.data(SEGMENTATION, arguments);
        let by_day: serde_json::Map<String, Value> = report["series"][event]
            .as_object()
            .unwrap()
            .iter()
            .map(|(date, number)| (date[..10].to_owned(), number.clone()))
            .collect();
        assert_eq!(
            counted["series"][0]["values"],
            Value::Object(by_day),
            "{event}"
        );
        assert!(counted["series"][0]["total"].as_u64().unwrap() > 0);
    }
    assert!(
        summary(&report).starts_with("Insights report 8801, project 12345, "),
        "{report}"
    );
    assert!(
        summary(&report).contains("(the report's own days): 2 series, at last \"App Open\" "),
        "{report}"
    );
}

#[test]
fn a_split_report_tells_its_overall_figure() {
    let report = TestServer::shared().data(INSIGHTS, json!({"bookmark_id": "8802"}));

    assert_eq!(report["headers"], json!(["$event", "plan"]));
    let overall = report["series"]["Purchase Completed"]["$overall"]
        .as_object()
        .unwrap();
    let (date, number) = overall.iter().next_back().unwrap();
    let figure = format!("1 series, at last \"Purchase Completed\" {number} ({date})");
    assert!(
        summary(&report).ends_with(&figure.replace(".0 ", " ")),
        "{figure}: {report}"
    );
}

#[test]
fn an_unknown_report_is_a_failure_in_mixpanels_words() {
    let facts = TestServer::shared().failure(INSIGHTS, json!({"bookmark_id": 1}));
    assert_eq!(facts["status"], 400);
    assert!(
        facts["mixpanel_message"]
            .as_str()
            .unwrap()
            .contains("bookmark_id"),
        "{facts}"
    );
}

#[test]
fn an_error_under_200_is_a_failure_of_every_report() {
    let (_upstream, server) = canned(json!({"status": "error", "error": "try again"}));
    for (tool, arguments) in [
        (SEGMENTATION, march(1, json!({"event": "Buy"}))),
        (RETENTION, march(1, json!({"born_event": "Buy"}))),
        (FREQUENCY, march(1, json!({"event": "Buy"}))),
        (FUNNEL, march(1, json!({"funnel_id": "7509"}))),
        (FUNNELS, json!({})),
        (INSIGHTS, json!({"bookmark_id": 1})),
    ] {
        let facts = server.failure(tool, arguments);
        assert_eq!(facts["mixpanel_message"], "try again", "{tool}: {facts}");
    }
}
