//! Failures told apart: each with its kind, a next step, and facts that a program can read.

use std::collections::BTreeMap;

use mixpanel_mcp_server::mixpanel::{BaseUrls, Region, RegionUrls};
use serde_json::{Value, json};

use crate::support::{Answer, Ending, TestServer, Upstream};

const EXPORT: &str = "mixpanel_query_events";

fn arguments(tool: &str) -> Value {
    match tool {
        EXPORT => json!({"from_date": "2026-01-01", "to_date": "2026-01-02"}),
        _ => json!({}),
    }
}

/// Every answer of a tool's upstream is this one; the facts must hold these, and the text these words.
#[track_caller]
fn check(tool: &str, answer: Answer, expected: Value, words: &[&str]) {
    let mixpanel = Upstream::answering(move |_, _| answer.clone());
    let facts = TestServer::before(&mixpanel.url()).failure(tool, arguments(tool));
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&facts[name], value, "{name} of {facts}");
    }
    let text = facts["error"].as_str().unwrap();
    for words in words {
        assert!(text.contains(words), "{words:?} is not in {text:?}");
    }
    let id = facts["request_id"].as_str().unwrap_or_default();
    assert!(id.len() > 5 && id.contains('-'), "{facts}");
}

const NAMES: &str = "mixpanel_list_events";

#[test]
fn each_refusal_has_a_kind_its_status_mixpanels_words_and_a_next_step() {
    let said = |status: u16, words: &str| Answer::json(status, &json!({"error": words}));
    let facts = |kind: &str, status: u16, words: &str| json!({"kind": kind, "status": status, "mixpanel_message": words});
    check(
        NAMES,
        said(401, "who?"),
        facts("unauthorized", 401, "who?"),
        &["service account"],
    );
    check(
        NAMES,
        said(402, "Your plan does not allow API calls"),
        facts(
            "payment_required",
            402,
            "Your plan does not allow API calls",
        ),
        &["another plan"],
    );
    check(
        NAMES,
        said(404, "gone"),
        facts("not_found", 404, "gone"),
        &["list what exists"],
    );
    check(
        NAMES,
        said(400, "bad limit"),
        facts("bad_request", 400, "bad limit"),
        &["bad limit", "correct the arguments"],
    );
    check(
        NAMES,
        said(413, "large"),
        facts("too_large", 413, "large"),
        &["smaller parts"],
    );
    check(
        NAMES,
        said(500, "oops"),
        facts("server_fault", 500, "oops"),
        &["ask again in a minute"],
    );
    check(
        NAMES,
        said(503, "busy"),
        facts("server_fault", 503, "busy"),
        &["busy"],
    );
    check(
        NAMES,
        Answer::json(200, &json!({"status": 0, "error": "no data"})),
        facts("refused_under_200", 200, "no data"),
        &["no data"],
    );
}

#[test]
fn a_403_says_whether_it_is_the_role_the_plan_or_the_dates() {
    for (words, reason, next) in [
        ("You do not have permission to do this", "role", "role"),
        ("Upgrade your plan to use this", "plan", "another plan"),
        (
            "Date range exceeds 90 days into the past",
            "date_range",
            "later days",
        ),
        ("no", "unknown", "check the service account's role"),
    ] {
        let expected = json!({"kind": "forbidden", "status": 403, "reason": reason, "mixpanel_message": words});
        check(
            NAMES,
            Answer::json(403, &json!({"error": words})),
            expected,
            &[next],
        );
    }
}

#[test]
fn what_is_no_answer_of_mixpanels_is_told_for_what_it_is() {
    check(
        NAMES,
        Answer::html(200),
        json!({"kind": "not_json", "html": true}),
        &["proxy"],
    );
    check(
        NAMES,
        Answer::text(200, "hello"),
        json!({"kind": "not_json", "html": false}),
        &["not JSON"],
    );
    check(
        NAMES,
        Answer::json(200, &json!({"a": 1})),
        json!({"kind": "wrong_shape", "expected": "a list of event names"}),
        &["update"],
    );
    check(
        NAMES,
        Answer::redirect("http://127.0.0.1:9/login"),
        json!({"kind": "redirected", "status": 302}),
        &["redirect"],
    );
    check(
        NAMES,
        Answer::garbage(),
        json!({"kind": "broken_off"}),
        &["read again"],
    );
    let cut = Answer::json(200, &json!(["a", "b"])).stopping_after(4, Ending::Closed);
    check(NAMES, cut, json!({"kind": "broken_off"}), &[]);
    let reset = Answer::json(200, &json!(["a", "b"])).stopping_after(4, Ending::Reset);
    check(NAMES, reset, json!({"kind": "broken_off"}), &[]);
}

#[test]
fn an_export_that_ends_early_is_incomplete_and_one_that_breaks_is_broken_off() {
    let line = "{\"event\":\"Buy\",\"properties\":{}}\n";
    for end in ["terminated early", "terminated early\n", "{\"event\":\"Bu"] {
        let answer = Answer::text(200, &format!("{line}{end}"));
        check(
            EXPORT,
            answer,
            json!({"kind": "incomplete_export"}),
            &["fewer days"],
        );
    }
    let answer = Answer::text(200, &line.repeat(3)).stopping_after(line.len() + 5, Ending::Closed);
    check(EXPORT, answer, json!({"kind": "broken_off"}), &[]);
}

#[test]
fn nobody_there_is_told_with_the_host() {
    let url = Upstream::refusing_url();
    let facts = TestServer::before(&url).failure(NAMES, json!({}));
    assert_eq!(facts["kind"], "cannot_connect");
    assert_eq!(facts["host"], url.trim_start_matches("http://"));
    assert!(facts["request_id"].is_string());
    let unknown = [("MIXPANEL_QUERY_URL", "http://nobody.invalid")];
    let facts = TestServer::before_with(&url, &unknown).failure(NAMES, json!({}));
    assert_eq!(
        (&facts["kind"], &facts["host"]),
        (&json!("dns"), &json!("nobody.invalid"))
    );
}

#[test]
fn a_time_limit_says_what_was_waited_for() {
    let mixpanel = Upstream::answering(|_, _| Answer::hang());
    let url = mixpanel.url();
    let query = format!("{url}/api/query");
    let variables = [
        ("MIXPANEL_QUERY_URL", query.as_str()),
        ("MIXPANEL_EXPORT_URL", url.as_str()),
        ("MIXPANEL_SERVICE_ACCOUNT_USERNAME", "a"),
        ("MIXPANEL_SERVICE_ACCOUNT_SECRET", "b"),
        ("MIXPANEL_PROJECT_ID", "1"),
    ];
    let server = TestServer::start_with(&[], &variables, |settings| {
        let timeouts = &mut settings.mixpanel.timeouts;
        timeouts.query_total = std::time::Duration::from_millis(200);
        timeouts.export_first_byte = std::time::Duration::from_millis(200);
    });
    for (tool, phase) in [(NAMES, "total"), (EXPORT, "first_byte")] {
        let facts = server.failure(tool, arguments(tool));
        assert_eq!(
            (&facts["kind"], &facts["phase"]),
            (&json!("timed_out"), &json!(phase))
        );
    }
}

/// A Mixpanel of one region: it knows project 7, or says that it is elsewhere.
fn region(has_it: bool) -> Upstream {
    Upstream::answering(move |request, _| match (request.path.as_str(), has_it) {
        ("/app/me", true) => Answer::json(
            200,
            &json!({"results": {"projects": {"7": {"name": "Shop"}}}}),
        ),
        ("/app/me", false) => Answer::json(200, &json!({"results": {"projects": {}}})),
        _ => Answer::json(400, &json!({"error": "Invalid project id for cluster"})),
    })
}

/// What a server says whose regions are these three.
#[track_caller]
fn asked_in_us(us: &Upstream, eu: &Upstream, india: &Upstream) -> Value {
    let variables = [
        ("MIXPANEL_SERVICE_ACCOUNT_USERNAME", "a"),
        ("MIXPANEL_SERVICE_ACCOUNT_SECRET", "b"),
        ("MIXPANEL_PROJECT_ID", "7"),
    ];
    let urls = |upstream: &Upstream| BaseUrls {
        query: Some(format!("{}/query", upstream.url())),
        app: Some(format!("{}/app", upstream.url())),
        ..BaseUrls::default()
    };
    let places = [(Region::Us, us), (Region::Eu, eu), (Region::In, india)];
    let places: BTreeMap<Region, BaseUrls> = places
        .map(|(region, upstream)| (region, urls(upstream)))
        .into();
    let server = TestServer::start_with(&[], &variables, |settings| {
        settings.mixpanel.region_urls = RegionUrls(places);
    });
    server.failure(NAMES, json!({}))
}

#[test]
fn a_project_of_another_region_is_looked_for_and_its_region_is_told() {
    let facts = asked_in_us(&region(false), &region(false), &region(true));
    assert_eq!(
        (&facts["kind"], &facts["region"], &facts["found_region"]),
        (&json!("wrong_cluster"), &json!("us"), &json!("in"))
    );
    let text = facts["error"].as_str().unwrap();
    assert!(text.contains("x-mixpanel-region: in"), "{text}");
}

#[test]
fn a_project_that_no_region_knows_is_told_without_a_guess() {
    let (us, eu, india) = (region(false), region(false), region(false));
    let facts = asked_in_us(&us, &eu, &india);
    assert_eq!(
        (&facts["kind"], facts.get("found_region")),
        (&json!("wrong_cluster"), None)
    );
    assert_eq!(
        [&us, &eu, &india].map(|region| region.requests().len()),
        [2, 1, 1]
    );
}

#[test]
fn for_a_misspelt_event_the_nearest_names_are_offered() {
    let server = TestServer::shared();
    let days = json!({"event": "purchase_completd", "from_date": "7d", "to_date": "today"});
    for (tool, name) in [
        ("mixpanel_get_event_count", "event"),
        ("mixpanel_query_segmentation", "event"),
        ("mixpanel_query_frequency", "event"),
        ("mixpanel_query_events", "event"),
        ("mixpanel_query_retention", "born_event"),
    ] {
        let mut arguments = days.clone();
        let event = arguments.as_object_mut().unwrap().remove("event").unwrap();
        arguments[name] = event;
        let data = server.data(tool, arguments);
        assert_eq!(
            data["nearest_names"][0], "Purchase Completed",
            "{tool}: {data}"
        );
        assert!(
            data["summary"]
                .as_str()
                .unwrap()
                .contains("the nearest are \"Purchase Completed\""),
            "{tool}: {data}"
        );
    }
    let data = server.data(
        "mixpanel_list_event_properties",
        json!({"event": "purchase completed"}),
    );
    assert_eq!(data["nearest_names"][0], "Purchase Completed", "{data}");
    let data = server.data(
        "mixpanel_list_property_values",
        json!({"event": "Purchase Completed", "property": "Plan"}),
    );
    assert_eq!(data["nearest_names"][0], "plan", "{data}");
}

#[test]
fn names_are_looked_up_once_for_many_misses_and_a_right_name_is_not_questioned() {
    let mixpanel = Upstream::answering(|request, _| match request.path.as_str() {
        "/api/query/events/names" => Answer::json(200, &json!(["Buy", "Sell"])),
        "/api/query/events" => Answer::json(200, &json!({"data": {"series": [], "values": {}}})),
        _ => Answer::json(403, &json!({"error": "no"})),
    });
    let server = TestServer::before_with(&mixpanel.url(), &[("MIXPANEL_CACHE_SECONDS", "60")]);
    let count = |event: &str| {
        server.data(
            "mixpanel_get_event_count",
            json!({"event": event, "from_date": "2026-01-01", "to_date": "2026-01-02"}),
        )
    };
    assert_eq!(count("buy")["nearest_names"], json!(["Buy"]));
    assert_eq!(count("sel")["nearest_names"], json!(["Sell"]));
    let right = count("Buy");
    assert_eq!(right.get("nearest_names"), None);
    assert!(
        right["summary"]
            .as_str()
            .unwrap()
            .contains("the name is right"),
        "{right}"
    );
    let look_ups = mixpanel
        .requests()
        .iter()
        .filter(|request| request.path.ends_with("/names"))
        .count();
    assert_eq!(look_ups, 1);
}
