//! A project's quota, as a caller sees it: counted without asking, held, corrected by what Mixpanel answers.

use std::thread;

use serde_json::{Value, json};

use crate::support::{Answer, Pace, TestServer, Upstream};

fn names() -> Upstream {
    Upstream::answering(|_, _| Answer::json(200, &json!(["Buy"])))
}

fn limited(upstream: &Upstream, per_hour: &str, at_once: &str) -> TestServer {
    let variables = [
        ("MIXPANEL_QUERIES_PER_HOUR", per_hour),
        ("MIXPANEL_CONCURRENT_QUERIES", at_once),
    ];
    TestServer::before_with(&upstream.url(), &variables)
}

/// What is known of the query API.
#[track_caller]
fn quota(server: &TestServer, project: &str) -> Value {
    let data = server.data("mixpanel_get_quota", json!({"project_id": project}));
    assert_eq!(data["apis"][0]["api"], "query");
    assert_eq!(data["apis"][1]["api"], "export");
    data["apis"][0].clone()
}

#[test]
fn the_quota_is_counted_and_told_without_asking_mixpanel() {
    let mixpanel = names();
    let server = limited(&mixpanel, "10", "5");
    for _ in 0..3 {
        server.data("mixpanel_list_events", json!({}));
    }

    let query = quota(&server, "12345");

    assert_eq!(mixpanel.requests().len(), 3);
    assert_eq!(
        [
            &query["used"],
            &query["left"],
            &query["per_hour"],
            &query["at_once"],
            &query["running"]
        ],
        [3, 7, 10, 5, 0]
    );
    assert_eq!(query["next_free_in_s"], 0);
    assert_eq!(quota(&server, "67890")["used"], 0);
}

#[test]
fn a_used_up_quota_is_told_at_once_with_the_time_and_nothing_is_asked() {
    let mixpanel = names();
    let server = limited(&mixpanel, "2", "5");
    for _ in 0..2 {
        server.data("mixpanel_list_events", json!({}));
    }

    let facts = server.failure("mixpanel_list_events", json!({}));

    assert_eq!(mixpanel.requests().len(), 2);
    assert_eq!(
        (&facts["kind"], &facts["api"]),
        (&json!("quota_used_up"), &json!("query"))
    );
    let seconds = facts["retry_after_s"].as_u64().unwrap();
    assert!((3_500..=3_600).contains(&seconds), "{seconds}");
    let at: jiff::Timestamp = facts["retry_at"].as_str().unwrap().parse().unwrap();
    let ahead = at.as_second() - jiff::Timestamp::now().as_second();
    assert!((3_490..=3_600).contains(&ahead), "{ahead}");
    assert_eq!(facts.get("status"), None, "Mixpanel said nothing");
    let query = quota(&server, "12345");
    assert_eq!((&query["left"], &query["used"]), (&json!(0), &json!(2)));
    assert!(query["next_free_in_s"].as_u64().unwrap() >= 3_500);
    // The quota is the project's: another one is asked about.
    server.data("mixpanel_list_events", json!({"project_id": "67890"}));
}

#[test]
fn a_quota_belongs_to_the_project_whoever_asks() {
    let mixpanel = names();
    let server = limited(&mixpanel, "2", "5");
    for account in ["ann:1", "bob:2"] {
        let answer = server.call_with(
            &[("x-auth-token", account)],
            "mixpanel_list_events",
            json!({"project_id": "12345"}),
        );
        assert!(!answer.is_error, "{}", answer.text);
    }
    assert_eq!(
        server.failure("mixpanel_list_events", json!({}))["kind"],
        "quota_used_up"
    );
}

#[test]
fn a_result_mentions_the_quota_only_when_a_tenth_is_left() {
    let mixpanel = names();
    let server = limited(&mixpanel, "10", "5");
    let told: Vec<Value> = (0..10)
        .map(|_| server.data("mixpanel_list_events", json!({}))["quota"].clone())
        .collect();
    assert!(told[..8].iter().all(Value::is_null), "{told:?}");
    assert_eq!(
        told[8],
        "1 of 10 requests an hour to the query API are left to project 12345"
    );
    let last = told[9].as_str().unwrap();
    assert!(last.starts_with("0 of 10"), "{last}");
    assert!(last.contains("the next is free at 2"), "{last}");
}

#[test]
fn only_so_many_of_a_project_run_at_once_and_the_others_get_their_turn() {
    let pace = Pace::new();
    let mixpanel = Upstream::answering({
        let pace = pace.clone();
        move |_, _| Answer::json(200, &json!(["Buy"])).paced(&pace)
    });
    let server = limited(&mixpanel, "0", "2");
    thread::scope(|scope| {
        let ask = |number: usize| {
            let server = &server;
            move || {
                let property = format!("p{number}");
                server.data(
                    "mixpanel_list_property_values",
                    json!({"event": "Buy", "property": property}),
                )
            }
        };
        let calls: Vec<_> = (0..6).map(|number| scope.spawn(ask(number))).collect();
        assert!(mixpanel.received(1));
        // Another project is not in their way.
        let other =
            scope.spawn(|| server.data("mixpanel_list_events", json!({"project_id": "67890"})));
        assert!(mixpanel.received(2));
        let of_first = mixpanel
            .requests()
            .iter()
            .filter(|request| request.param("project_id") == Some("12345"))
            .count();
        assert_eq!(of_first, 2);
        assert_eq!(quota(&server, "12345")["running"], 2);
        pace.finish();
        for call in calls {
            assert_eq!(call.join().unwrap()["values"], json!(["Buy"]));
        }
        other.join().unwrap();
    });
    assert_eq!(mixpanel.requests().len(), 7);
    assert_eq!(quota(&server, "12345")["running"], 0);
}

#[test]
fn mixpanels_word_that_the_hour_is_used_up_counts_and_is_not_asked_for_again() {
    let mixpanel = Upstream::answering(|_, _| {
        Answer::json(429, &json!({"error": "60 queries per hour exceeded"}))
            .header("Retry-After", "1800")
    });
    let server = limited(&mixpanel, "60", "5");

    let first = server.failure("mixpanel_list_events", json!({}));
    let second = server.failure("mixpanel_list_events", json!({}));

    assert_eq!(mixpanel.requests().len(), 1);
    assert_eq!(
        (&first["kind"], &first["status"]),
        (&json!("quota_used_up"), &json!(429))
    );
    assert_eq!(first["mixpanel_message"], "60 queries per hour exceeded");
    assert_eq!(first["retry_after_s"], 1800);
    assert_eq!(second["kind"], "quota_used_up");
    assert!(second["retry_after_s"].as_u64().unwrap() > 1_700);
    assert_eq!(quota(&server, "12345")["left"], 0);
}

#[test]
fn a_short_429_costs_one_more_query_and_no_third() {
    let mixpanel = Upstream::answering(|_, _| {
        Answer::json(429, &json!({"error": "too many concurrent queries"}))
            .header("Retry-After", "0")
    });
    let server = limited(&mixpanel, "60", "5");
    let facts = server.failure("mixpanel_list_events", json!({}));
    assert_eq!(
        (&facts["kind"], &facts["status"]),
        (&json!("rate_limited"), &json!(429))
    );
    assert_eq!(mixpanel.requests().len(), 2);
}

#[test]
fn who_is_refused_at_the_door_does_not_use_up_the_projects_quota() {
    let mixpanel = Upstream::answering(|_, _| Answer::json(401, &json!({"error": "who?"})));
    let server = limited(&mixpanel, "2", "5");
    for _ in 0..3 {
        assert_eq!(
            server.failure("mixpanel_list_events", json!({}))["kind"],
            "unauthorized"
        );
    }
    assert_eq!(quota(&server, "12345")["used"], 0);
}

#[test]
fn zero_is_no_limit() {
    let mixpanel = names();
    let server = limited(&mixpanel, "0", "0");
    for _ in 0..65 {
        server.data("mixpanel_list_events", json!({}));
    }
    let query = quota(&server, "12345");
    assert_eq!(query["used"], 65);
    assert_eq!(
        (
            query.get("left"),
            query.get("per_hour"),
            query.get("at_once")
        ),
        (None, None, None)
    );
}
