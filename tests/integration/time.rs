//! Days as words, resolved where the project's days are counted; what cannot be asked is refused before.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use crate::support::{Answer, TestServer, Upstream};

const COUNT: &str = "mixpanel_get_event_count";

/// A Mixpanel whose project has this zone; without one it does not tell.
fn in_zone(zone: Option<&'static str>) -> Upstream {
    Upstream::answering(move |request, _| match (request.path.as_str(), zone) {
        ("/api/app/me", Some(zone)) => {
            let project = json!({"name": "Shop", "timezone": zone});
            Answer::json(200, &json!({"results": {"projects": {"12345": project}}}))
        }
        ("/api/app/me", None) => Answer::json(403, &json!({"error": "no"})),
        ("/api/2.0/export", _) => Answer::text(200, "{\"event\":\"Buy\",\"properties\":{}}\n"),
        _ => {
            let values = json!({"Buy": {"2026-01-01": 1}});
            Answer::json(
                200,
                &json!({"data": {"series": ["2026-01-01"], "values": values}}),
            )
        }
    })
}

fn today_in(zone: &str) -> Date {
    let zone = TimeZone::get(zone).unwrap();
    Timestamp::now().to_zoned(zone).date()
}

fn days(from: &str, to: &str) -> Value {
    json!({"event": "Buy", "from_date": from, "to_date": to})
}

#[test]
fn a_word_is_resolved_in_the_projects_zone_asked_so_and_told() {
    // It is never the same day in both.
    for zone in ["Pacific/Kiritimati", "Pacific/Pago_Pago", "US/Pacific"] {
        let mixpanel = in_zone(Some(zone));
        let server = TestServer::before(&mixpanel.url());
        let today = today_in(zone);

        let data = server.data(COUNT, days("7d", "yesterday"));

        if today_in(zone) != today {
            // Midnight came between: what is right can no longer be said.
            continue;
        }
        let (from, to) = (today - 6.days(), today - 1.day());
        assert_eq!(
            [&data["from_date"], &data["to_date"], &data["timezone"]],
            [
                &json!(from.to_string()),
                &json!(to.to_string()),
                &json!(zone)
            ]
        );
        assert_eq!(data.get("dates_note"), None);
        let requests = mixpanel.requests();
        let query = requests
            .iter()
            .find(|request| request.path == "/api/query/events")
            .unwrap();
        assert_eq!(query.param("from_date"), Some(from.to_string().as_str()));
        assert_eq!(query.param("to_date"), Some(to.to_string().as_str()));
    }
}

#[test]
fn a_zone_is_looked_up_once_for_many_questions() {
    let mixpanel = in_zone(Some("Europe/Berlin"));
    let server = TestServer::before(&mixpanel.url());
    for (from, to) in [
        ("7d", "today"),
        ("last_month", "last_month"),
        ("2026-01-01", "2026-01-31"),
    ] {
        assert_eq!(
            server.data(COUNT, days(from, to))["timezone"],
            "Europe/Berlin"
        );
    }
    let look_ups = mixpanel
        .requests()
        .iter()
        .filter(|request| request.path == "/api/app/me")
        .count();
    assert_eq!(look_ups, 1);
}

#[test]
fn where_the_zone_cannot_be_learnt_words_are_taken_in_utc_and_that_is_said() {
    let mixpanel = in_zone(None);
    let server = TestServer::before(&mixpanel.url());
    let today = today_in("UTC");
    let data = server.data(COUNT, days("today", "today"));
    if today_in("UTC") == today {
        assert_eq!(data["from_date"], today.to_string());
    }
    assert_eq!(data["timezone"], "the project's time zone");
    assert!(
        data["dates_note"].as_str().unwrap().contains("in UTC"),
        "{data}"
    );
    // A date needs no zone, so nothing is to be said of it.
    let data = server.data(COUNT, days("2026-01-01", "2026-01-02"));
    assert_eq!(
        (&data["from_date"], data.get("dates_note")),
        (&json!("2026-01-01"), None)
    );
}

#[test]
fn raw_events_say_that_their_days_may_be_those_of_utc() {
    let note = |zone: &'static str| {
        let mixpanel = in_zone(Some(zone));
        let arguments = json!({"from_date": "2026-01-01", "to_date": "2026-01-02"});
        let data = TestServer::before(&mixpanel.url()).data("mixpanel_query_events", arguments);
        assert_eq!(data["timezone"], zone);
        data["dates_note"].clone()
    };
    let told = note("Europe/Berlin");
    assert!(
        told.as_str().unwrap().contains("UTC") && told.as_str().unwrap().contains("Europe/Berlin"),
        "{told}"
    );
    assert_eq!(note("UTC"), Value::Null);
}

#[test]
fn what_cannot_be_asked_is_refused_with_what_would_be_taken_and_nothing_is_asked() {
    let mixpanel = in_zone(Some("Europe/Berlin"));
    let server = TestServer::before(&mixpanel.url());
    for (from, to, words) in [
        ("2026-02-01", "2026-01-01", "exchange them"),
        ("2026-01-01", "2999-01-01", "take today"),
        ("2999-01-01", "2999-01-02", "take today"),
        ("2001-01-01", "2026-01-01", "at most 3660"),
        ("tomorrow", "2026-01-01", "one of today, yesterday, 7d"),
        ("2026-02-30", "2026-03-01", "must be a date like 2026-01-31"),
    ] {
        for tool in [
            COUNT,
            "mixpanel_query_segmentation",
            "mixpanel_query_frequency",
            "mixpanel_query_events",
        ] {
            let facts = server.failure(tool, days(from, to));
            assert_eq!(facts["kind"], "bad_arguments", "{tool} {from} {to}");
            let text = facts["error"].as_str().unwrap();
            assert!(text.contains(words), "{tool} {from} {to}: {text}");
        }
    }
    assert_eq!(mixpanel.requests().len(), 0);
}

#[test]
fn tomorrow_in_the_projects_zone_is_refused_though_it_is_today_elsewhere() {
    let mixpanel = in_zone(Some("Pacific/Pago_Pago"));
    let server = TestServer::before(&mixpanel.url());
    let today = today_in("Pacific/Pago_Pago");
    let tomorrow = (today + 1.day()).to_string();
    let facts = server.failure(COUNT, days("2026-01-01", &tomorrow));
    if today_in("Pacific/Pago_Pago") == today {
        assert_eq!(
            (&facts["today"], &facts["timezone"]),
            (&json!(today.to_string()), &json!("Pacific/Pago_Pago"))
        );
        assert!(facts["error"].as_str().unwrap().contains("is after today"));
    }
}

#[test]
fn every_dated_tool_takes_words_and_tells_the_days() {
    let server = TestServer::shared();
    for (tool, mut arguments) in [
        (COUNT, json!({"event": "App Open"})),
        ("mixpanel_get_top_events", json!({})),
        ("mixpanel_query_segmentation", json!({"event": "App Open"})),
        (
            "mixpanel_query_retention",
            json!({"born_event": "App Open"}),
        ),
        ("mixpanel_query_frequency", json!({"event": "App Open"})),
        (
            "mixpanel_query_events",
            json!({"event": "App Open", "limit": 1}),
        ),
        (
            "mixpanel_get_profile_event_activity",
            json!({"distinct_id": "nobody"}),
        ),
    ] {
        arguments["from_date"] = "7d".into();
        arguments["to_date"] = "today".into();
        let data = server.data(tool, arguments);
        let day = |name: &str| data[name].as_str().unwrap().parse::<Date>().unwrap();
        assert_eq!((day("to_date") - day("from_date")).get_days(), 6, "{tool}");
        assert_eq!(data["timezone"], "UTC", "{tool}");
    }
}
