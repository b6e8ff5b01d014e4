//! Analyses over one export: their figures against the sandbox's own reports and against a plain count of the same
//! export, and what becomes of them when the export breaks.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use mixpanel_mcp_server::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::support::{Answer, RecordedRequest, TestServer, Upstream, server};

const DAY_MS: i64 = 86_400_000;

/// So many days before today, in UTC.
fn day(before: i64) -> Date {
    let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
    today.checked_sub(before.days()).unwrap()
}

/// A sandbox, and a server that asks it.
fn shop() -> (Sandbox, TestServer) {
    let sandbox = server::sandbox();
    let server = before(&sandbox.url());
    (sandbox, server)
}

/// A server that offers the analyses and asks this upstream.
fn before(upstream: &str) -> TestServer {
    TestServer::before_with(upstream, &[("MIXPANEL_TOOLSETS", "analysis")])
}

/// An upstream that answers each export, numbered from 0, and knows of nothing else.
fn exporting<Script>(script: Script) -> Upstream
where
    Script: Fn(&RecordedRequest, usize) -> Answer + Send + Sync + 'static,
{
    let number = AtomicUsize::new(0);
    Upstream::answering(move |request, _| {
        if request.path == "/api/2.0/export" {
            script(request, number.fetch_add(1, Ordering::SeqCst))
        } else {
            Answer::json(404, &json!({"error": "not here"}))
        }
    })
}

/// The exports that were asked for.
fn exports(upstream: &Upstream) -> Vec<RecordedRequest> {
    let mut requests = upstream.requests();
    requests.retain(|request| request.path == "/api/2.0/export");
    requests
}

/// What the sandbox itself answers.
#[track_caller]
fn get(sandbox: &Sandbox, path: &str, pairs: &[(&str, &str)]) -> String {
    let url = format!("{}{path}", sandbox.url());
    let pairs = [&[("project_id", "12345")], pairs].concat();
    let mut response = ureq::get(&url)
        .query_pairs(pairs)
        .header("authorization", "Basic c2FuZGJveDpzYW5kYm94")
        .call()
        .unwrap();
    response
        .body_mut()
        .with_config()
        .limit(1 << 30)
        .read_to_string()
        .unwrap()
}

#[track_caller]
fn report(sandbox: &Sandbox, path: &str, pairs: &[(&str, &str)]) -> Value {
    serde_json::from_str(&get(sandbox, path, pairs)).unwrap()
}

/// All events from a day to a day, as they are exported.
fn exported(sandbox: &Sandbox, from: Date, to: Date) -> Vec<Value> {
    let (from, to) = (from.to_string(), to.to_string());
    let pairs = [
        ("from_date", from.as_str()),
        ("to_date", &to),
        ("time_in_ms", "true"),
    ];
    get(sandbox, "/api/2.0/export", &pairs)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn numbers(list: &Value) -> Vec<u64> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_u64().unwrap())
        .collect()
}

/// The users of each step.
fn users(steps: &Value) -> Vec<u64> {
    steps
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["users"].as_u64().unwrap())
        .collect()
}

const SAVED: [(&str, i64, &[&str]); 3] = [
    (
        "7509",
        7,
        &[
            "Product Viewed",
            "Add to Cart",
            "Checkout Started",
            "Purchase Completed",
        ],
    ),
    (
        "7510",
        14,
        &["Sign Up", "Product Viewed", "Purchase Completed"],
    ),
    ("7511", 1, &["Search", "Product Viewed", "Add to Cart"]),
];

#[test]
fn a_funnel_counts_what_the_saved_funnel_of_the_same_steps_counts() {
    let (sandbox, server) = shop();
    for (from, to) in [(25, 11), (30, 0), (6, 6)] {
        let (from_date, to_date) = (day(from).to_string(), day(to).to_string());
        let days = (from - to + 1).to_string();
        for (id, length, events) in SAVED {
            let steps: Vec<Value> = events.iter().map(|event| json!({"event": event})).collect();
            let data = server.data(
                "mixpanel_analyze_funnel",
                json!({"from_date": from_date, "to_date": to_date, "steps": steps, "length": length, "length_unit": "day", "by": ["plan"]}),
            );
            // One bucket over all days, as a user counts once in each.
            let asked = [
                ("funnel_id", id),
                ("from_date", &from_date),
                ("to_date", &to_date),
                ("interval", &days),
                ("on", r#"properties["plan"]"#),
            ];
            let saved = report(&sandbox, "/api/query/funnels", &asked);
            let saved = &saved["data"][&from_date];
            let counts = |segment: &str| -> Vec<u64> {
                let steps = saved[segment].as_array().unwrap();
                steps
                    .iter()
                    .map(|step| step["count"].as_u64().unwrap())
                    .collect()
            };
            assert_eq!(
                users(&data["steps"]),
                counts("$overall"),
                "{id} {from} {to}"
            );
            assert!(users(&data["steps"])[0] > 0, "{data}");
            let groups = data["groups"].as_array().unwrap();
            assert!((2..=3).contains(&groups.len()), "{data}");
            for group in groups {
                let plan = group["by"]["plan"].as_str().unwrap();
                assert_eq!(users(&group["steps"]), counts(plan), "{id} {plan}");
            }
            assert_eq!(data["sampled_1_in"], 1);
            assert_eq!(data["read"]["exports"], 1);
        }
    }
}

#[test]
fn a_step_has_a_filter_of_its_own() {
    let (sandbox, server) = shop();
    let (from, to) = (day(20), day(12));
    let data = server.data(
        "mixpanel_analyze_funnel",
        json!({
            "from_date": from.to_string(), "to_date": to.to_string(), "length": 1, "length_unit": "hour",
            "where": r#"user["plan"] != "nothing""#,
            "steps": [
                {"event": "Product Viewed", "where": r#"properties["plan"] == "free""#},
                {"event": "Product Viewed", "where": r#"properties["plan"] != "free""#},
                {"event": "Product Viewed"},
            ],
        }),
    );
    let all = exported(&sandbox, from, to);
    let free: HashSet<&str> = all
        .iter()
        .filter(|event| event["event"] == "Product Viewed" && event["properties"]["plan"] == "free")
        .map(|event| event["properties"]["distinct_id"].as_str().unwrap())
        .collect();
    // Nobody changes the plan, so nobody comes to the second step.
    assert_eq!(users(&data["steps"]), [free.len() as u64, 0, 0]);
    assert_eq!(data["steps"][0]["percent_of_first"], 100);
    assert!(data["steps"][1].get("median_s").is_none());
}

#[test]
fn medians_and_shares_are_those_of_the_users_who_came_there() {
    let lines = [
        line("View", "ann", 0, "1"),
        line("Buy", "ann", 60_000, "2"),
        line("View", "bob", 0, "3"),
        line("Buy", "bob", 180_500, "4"),
        line("View", "cid", 0, "5"),
        line("Buy", "dan", 0, "6"),
    ];
    let upstream = exporting(move |_, _| Answer::text(200, &lines.concat()));
    let data = before(&upstream.url()).data(
        "mixpanel_analyze_funnel",
        json!({"from_date": "2026-01-01", "to_date": "2026-01-03", "steps": [{"event": "View"}, {"event": "Buy"}]}),
    );
    assert_eq!(
        data["steps"],
        json!([
            {"event": "View", "users": 3, "percent_of_first": 100, "percent_of_previous": 100},
            {"event": "Buy", "users": 2, "percent_of_first": 66.67, "percent_of_previous": 66.67, "median_s": 120.25},
        ])
    );
    let summary = data["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("2 of 3 users (66.67 %) went through all 2 steps in project 12345"),
        "{summary}"
    );
    assert!(
        summary.contains("later steps were looked for until 2026-01-17"),
        "{summary}"
    );
}

#[test]
fn retention_is_that_of_the_query_api() {
    let (sandbox, server) = shop();
    for (unit, from, to, count) in [
        ("day", 25, 14, 7),
        ("week", 30, 9, 3),
        ("month", 30, 20, 1),
        ("day", 9, 0, 4),
    ] {
        for event in [Some("App Open"), None] {
            let (from_date, to_date) = (day(from).to_string(), day(to).to_string());
            let mut asked = json!({"from_date": from_date, "to_date": to_date, "born_event": "Sign Up", "unit": unit, "interval_count": count});
            let count = count.to_string();
            let mut pairs = vec![
                ("from_date", from_date.as_str()),
                ("to_date", &to_date),
                ("retention_type", "birth"),
                ("born_event", "Sign Up"),
                ("unit", unit),
                ("interval_count", &count),
            ];
            if let Some(event) = event {
                asked["event"] = event.into();
                pairs.push(("event", event));
            }
            let data = server.data("mixpanel_analyze_retention", asked);
            let found: BTreeMap<String, (u64, Vec<u64>)> = data["cohorts"]
                .as_array()
                .unwrap()
                .iter()
                .map(|cohort| {
                    let date = cohort["date"].as_str().unwrap().to_owned();
                    (
                        date,
                        (
                            cohort["users"].as_u64().unwrap(),
                            numbers(&cohort["returned"]),
                        ),
                    )
                })
                .collect();
            let expected: BTreeMap<String, (u64, Vec<u64>)> =
                report(&sandbox, "/api/query/retention", &pairs)
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(|(date, cohort)| {
                        (
                            date.clone(),
                            (
                                cohort["first"].as_u64().unwrap(),
                                numbers(&cohort["counts"]),
                            ),
                        )
                    })
                    .collect();
            assert_eq!(found, expected, "{unit} {event:?}");
            let born: u64 = expected.values().map(|(users, _)| users).sum();
            assert_eq!(data["overall"]["users"], born);
            assert!(born > 0);
        }
    }
}

#[test]
fn shares_of_intervals_that_are_not_over_are_not_told() {
    let (_sandbox, server) = shop();
    let data = server.data(
        "mixpanel_analyze_retention",
        json!({
            "from_date": day(3).to_string(), "to_date": day(0).to_string(), "born_event": "App Open", "interval_count": 5,
            "born_where": r#"properties["plan"] == "free""#, "where": r#"properties["plan"] != "pro""#,
        }),
    );
    let told: Vec<usize> = data["cohorts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cohort| cohort["percent"].as_array().unwrap().len())
        .collect();
    // Who began on the day before yesterday has had one day for certain.
    assert_eq!(told, [2, 1, 0, 0]);
    assert_eq!(data["overall"]["percent"].as_array().unwrap().len(), 2);
}

/// Three values, and how many events and which users have them.
type GroupOfUsers<'a> = (&'a (String, String, String), &'a (u64, BTreeSet<String>));

#[test]
fn counts_by_properties_are_those_of_a_plain_count_and_of_segmentation() {
    let (sandbox, server) = shop();
    let (from, to) = (day(22), day(5));
    let (from_date, to_date) = (from.to_string(), to.to_string());
    let names = ["Purchase Completed", "Search"];
    let data = server.data(
        "mixpanel_count_events_by",
        json!({
            "from_date": from_date, "to_date": to_date, "event_names": names, "by": ["plan", "$browser"], "by_event": true,
            "where": r#"properties["mp_country_code"] != "US""#, "limit": 4,
        }),
    );
    let mut plain: BTreeMap<(String, String, String), (u64, BTreeSet<String>)> = BTreeMap::new();
    for event in exported(&sandbox, from, to) {
        let text = |name: &str| {
            event["properties"][name]
                .as_str()
                .unwrap_or("undefined")
                .to_owned()
        };
        let name = event["event"].as_str().unwrap().to_owned();
        if names.contains(&name.as_str()) && text("mp_country_code") != "US" {
            let group = plain
                .entry((name, text("plan"), text("$browser")))
                .or_default();
            group.0 += 1;
            group.1.insert(text("distinct_id"));
        }
    }
    let mut ranked: Vec<_> = plain.iter().collect();
    ranked.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let expected: Vec<Value> = ranked
        .iter()
        .take(4)
        .map(|((event, plan, browser), (count, people))| {
            json!({"event": event, "by": {"plan": plan, "$browser": browser}, "events": count, "unique_users": people.len()})
        })
        .collect();
    assert_eq!(data["groups"], json!(expected));
    let people = |groups: &[GroupOfUsers<'_>]| {
        groups
            .iter()
            .flat_map(|(_, (_, people))| people)
            .collect::<BTreeSet<_>>()
            .len()
    };
    let rest: u64 = ranked[4..].iter().map(|(_, (count, _))| count).sum();
    assert_eq!(
        data["rest"],
        json!({"groups": ranked.len() - 4, "events": rest, "unique_users": people(&ranked[4..])})
    );
    assert_eq!(data["unique_users"], people(&ranked));
    assert_eq!(data["unique_users_exact"], true);

    let data = server.data(
        "mixpanel_count_events_by",
        json!({"from_date": from_date, "to_date": to_date, "event_names": ["App Open"], "by": ["plan"]}),
    );
    let asked = [
        ("event", "App Open"),
        ("from_date", from_date.as_str()),
        ("to_date", &to_date),
        ("on", r#"properties["plan"]"#),
    ];
    let segments = report(&sandbox, "/api/query/segmentation", &asked);
    for group in data["groups"].as_array().unwrap() {
        let by_day = segments["data"]["values"][group["by"]["plan"].as_str().unwrap()]
            .as_object()
            .unwrap();
        let count: u64 = by_day.values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(group["events"], count);
    }
    assert_eq!(data["groups"].as_array().unwrap().len(), 3);
    assert!(data.get("rest").is_none());
}

/// What each user did after their first `event`, within a day: said plainly.
fn ways(all: &[Value], event: &str, span_ms: (i64, i64), depth: usize) -> Vec<Vec<String>> {
    let mut by_user: BTreeMap<&str, Vec<(i64, &str)>> = BTreeMap::new();
    for one in all {
        let properties = &one["properties"];
        let moment = (
            properties["time"].as_i64().unwrap(),
            one["event"].as_str().unwrap(),
        );
        by_user
            .entry(properties["distinct_id"].as_str().unwrap())
            .or_default()
            .push(moment);
    }
    let mut ways = Vec::new();
    for events in by_user.values_mut() {
        events.sort_unstable();
        let first = events
            .iter()
            .position(|(time, name)| *name == event && (span_ms.0..span_ms.1).contains(time));
        if let Some(first) = first {
            let until = events[first].0 + DAY_MS;
            let mut way: Vec<&str> = events[first..]
                .iter()
                .filter(|(time, _)| *time <= until)
                .map(|(_, name)| *name)
                .collect();
            way.dedup();
            ways.push(
                way.into_iter()
                    .skip(1)
                    .take(depth)
                    .map(str::to_owned)
                    .collect(),
            );
        }
    }
    ways
}

#[test]
fn paths_are_those_of_a_plain_walk_over_the_export() {
    let (sandbox, server) = shop();
    let (from, to) = (day(20), day(10));
    let data = server.data(
        "mixpanel_analyze_paths",
        json!({"from_date": from.to_string(), "to_date": to.to_string(), "event": "Add to Cart", "depth": 3, "limit": 50}),
    );
    let midnight = |day: Date| {
        day.to_zoned(TimeZone::UTC)
            .unwrap()
            .timestamp()
            .as_millisecond()
    };
    let span_ms = (midnight(from), midnight(to) + DAY_MS);
    let ways = ways(&exported(&sandbox, from, day(9)), "Add to Cart", span_ms, 3);
    assert_eq!(data["users"], ways.len());
    for at in 0..3 {
        let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
        for event in ways.iter().filter_map(|way| way.get(at)) {
            *expected.entry(event).or_default() += 1;
        }
        let step = &data["steps"][at];
        let found: BTreeMap<&str, u64> = step["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| {
                (
                    event["event"].as_str().unwrap(),
                    event["users"].as_u64().unwrap(),
                )
            })
            .collect();
        assert_eq!(found, expected);
        assert!(!found.is_empty());
        let without = ways.iter().filter(|way| way.len() <= at).count();
        assert_eq!(
            (step["users_without"].as_u64(), step["other_users"].as_u64()),
            (Some(without as u64), Some(0))
        );
    }
    let most = &data["paths"][0];
    let same = ways
        .iter()
        .filter(|way| json!(way) == most["events"])
        .count();
    assert_eq!(most["users"], same);

    let before = server.data(
        "mixpanel_analyze_paths",
        json!({
            "from_date": from.to_string(), "to_date": to.to_string(), "event": "Purchase Completed", "direction": "before",
            "event_names": ["Checkout Started"], "depth": 1, "length": 2, "length_unit": "hour",
            "collapse_repeats": false, "limit": 1, "where": r#"defined(user["plan"])"#,
        }),
    );
    // In this shop nobody buys without having gone to the checkout.
    assert_eq!(
        before["steps"][0]["events"],
        json!([{"event": "Checkout Started", "users": before["users"], "percent": 100}])
    );
}

#[test]
fn arguments_that_cannot_be_followed_are_told_all_at_once_and_nothing_is_asked() {
    let upstream = exporting(|_, _| Answer::empty(500));
    let server = before(&upstream.url());
    let facts = server.failure(
        "mixpanel_analyze_funnel",
        json!({
            "from_date": "2026-01-01", "to_date": "2026-01-02", "length": 100,
            "steps": [{"event": "A", "where": "x ="}, {"event": "B", "where": r#"user["plan"]"#}],
        }),
    );
    assert_eq!(
        facts["faults"],
        json!([
            "steps[0].where: syntax error at position 0: expected a property, a literal or a function",
            "steps[1].where: user[..] is not in an export; take properties of the event",
            "length: must be at most 90 days, in the unit of length_unit",
        ])
    );
    assert_eq!(exports(&upstream).len(), 0);
}

/// A line of an export. The time is in milliseconds since 2026-01-01.
fn line(event: &str, user: &str, after_ms: i64, id: &str) -> String {
    let time = 1_767_225_600_000 + after_ms;
    json!({"event": event, "properties": {"time": time, "distinct_id": user, "$insert_id": id, "id": id}}).to_string() + "\n"
}

/// The lines of the asked days.
fn asked(lines: &[(i64, String)], request: &RecordedRequest) -> Vec<String> {
    let number = |name: &str| -> i64 {
        let date: Date = request.param(name).unwrap().parse().unwrap();
        i64::from((date - Date::constant(2026, 1, 1)).get_days())
    };
    let (from, to) = (number("from_date"), number("to_date"));
    lines
        .iter()
        .filter(|(day, _)| (from..=to).contains(day))
        .map(|(_, line)| line.clone())
        .collect()
}

fn count(server: &TestServer) -> Value {
    server.data(
        "mixpanel_count_events_by",
        json!({"from_date": "2026-01-01", "to_date": "2026-01-04", "limit": 1000, "by": ["id"]}),
    )
}

/// Four days of events, one day after the other; some sent twice.
fn four_days(seed: u64) -> Vec<(i64, String)> {
    let mut lines = Vec::new();
    let mut number = seed;
    for day in 0..4 {
        for nth in 0..40 {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let after_ms = day * DAY_MS + (number >> 33) as i64 % DAY_MS;
            let one = line(
                "A",
                &format!("user-{}", nth % 7),
                after_ms,
                &format!("{day}-{nth}"),
            );
            if nth % 5 == 0 {
                lines.push((day, one.clone()));
            }
            lines.push((day, one));
        }
        // Two that are alike and have no id: both count.
        let twin = json!({"event": "A", "properties": {"time": (1_767_225_600_000 + day * DAY_MS), "distinct_id": "twin", "id": format!("twin-{day}")}});
        lines.push((day, format!("{twin}\n")));
        lines.push((day, format!("{twin}\n")));
    }
    lines
}

/// Every event is there as often as it happened.
#[track_caller]
fn check_whole(data: &Value) {
    assert_eq!(data["events"], 4 * 42, "{data}");
    let groups = data["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 4 * 41);
    for group in groups {
        let expected = if group["by"]["id"].as_str().unwrap().starts_with("twin") {
            2
        } else {
            1
        };
        assert_eq!(group["events"], expected, "{group}");
    }
    assert_eq!(data["unique_users"], 8);
}

#[test]
fn a_broken_export_is_gone_on_with_from_its_day_and_no_event_is_lost_or_doubled() {
    // Each break is somewhere else, also within a line and at the ends of days.
    for seed in 0..60 {
        let lines = four_days(seed);
        let breaks = seed as usize % 4;
        let upstream = exporting(move |request, nth| {
            let text = asked(&lines, request).concat();
            if nth >= breaks {
                return Answer::text(200, &text);
            }
            let mut at = (seed as usize * 7_919 + nth * 104_729) % text.len();
            if seed % 3 == 0 {
                // At the end of a line, with Mixpanel's own words.
                at = text[..at].rfind('\n').map_or(0, |at| at + 1);
                return Answer::text(200, &format!("{}terminated early\n", &text[..at]));
            }
            Answer::text(200, &text[..at]).declaring(text.len())
        });
        let server = before(&upstream.url());
        let data = count(&server);
        check_whole(&data);
        let requests = exports(&upstream);
        assert_eq!(requests.len(), breaks + 1, "{seed}");
        assert_eq!(data["read"]["exports"], breaks + 1);
        assert_eq!(
            data["summary"]
                .as_str()
                .unwrap()
                .contains("the export broke off"),
            breaks > 0
        );
        // It never goes back.
        let from: Vec<&str> = requests
            .iter()
            .map(|request| request.param("from_date").unwrap())
            .collect();
        assert!(from.is_sorted(), "{from:?}");
        assert!(
            requests
                .iter()
                .all(|request| request.param("to_date") == Some("2026-01-04"))
        );
        if breaks == 0 {
            assert_eq!(data["read"]["copies_dropped"], 4 * 8);
        }
    }
}

#[test]
fn a_broken_export_whose_days_are_mixed_is_read_anew() {
    let mut lines = four_days(3);
    lines.reverse();
    let upstream = exporting(move |request, nth| {
        let text = asked(&lines, request).concat();
        match nth {
            0 => Answer::text(200, &text[..text.len() / 2]).declaring(text.len()),
            _ => Answer::text(200, &text),
        }
    });
    let data = count(&before(&upstream.url()));
    check_whole(&data);
    let requests = exports(&upstream);
    assert_eq!(requests.len(), 2);
    assert!(
        requests
            .iter()
            .all(|request| request.param("from_date") == Some("2026-01-01"))
    );
}

#[test]
fn days_that_prove_to_be_mixed_after_a_break_are_read_anew() {
    // In order up to the break; what comes then shows that events of earlier days were still to come.
    let lines = four_days(4);
    let upstream = exporting(move |request, nth| {
        let mut all = asked(&lines, request);
        if nth == 0 {
            let text = all.concat();
            return Answer::text(200, &text[..text.len() / 2]).declaring(text.len());
        }
        all.reverse();
        Answer::text(200, &all.concat())
    });
    let data = count(&before(&upstream.url()));
    check_whole(&data);
    let from: Vec<String> = exports(&upstream)
        .iter()
        .map(|request| request.param("from_date").unwrap().to_owned())
        .collect();
    assert_eq!(from, ["2026-01-01", "2026-01-02", "2026-01-01"]);
}

#[test]
fn an_export_that_breaks_each_time_is_given_up() {
    let lines = four_days(5);
    let upstream = exporting(move |request, _| {
        let text = asked(&lines, request).concat();
        Answer::text(200, &text[..100]).declaring(text.len())
    });
    let server = before(&upstream.url());
    let facts = server.failure(
        "mixpanel_count_events_by",
        json!({"from_date": "2026-01-01", "to_date": "2026-01-04"}),
    );
    assert_eq!(facts["kind"], "broken_off");
    assert_eq!(exports(&upstream).len(), 4);
}

#[test]
fn a_refusal_is_not_asked_again() {
    let upstream = exporting(|_, _| Answer::json(429, &json!({"error": "quota"})));
    let server = before(&upstream.url());
    let facts = server.failure(
        "mixpanel_count_events_by",
        json!({"from_date": "2026-01-01", "to_date": "2026-01-04"}),
    );
    assert_eq!(
        (facts["kind"].as_str(), exports(&upstream).len()),
        (Some("quota_used_up"), 1)
    );
}

#[test]
fn a_page_instead_of_events_is_no_empty_answer() {
    for (answer, kind) in [
        (Answer::html(200), "not_json"),
        (Answer::text(200, "{\"error\": \"no\"}\n"), "wrong_shape"),
    ] {
        let upstream = exporting(move |_, _| answer.clone());
        let server = before(&upstream.url());
        let facts = server.failure(
            "mixpanel_count_events_by",
            json!({"from_date": "2026-01-01", "to_date": "2026-01-04"}),
        );
        assert_eq!(facts["kind"], kind);
    }
}

#[test]
fn a_day_that_has_not_begun_where_the_project_is_is_left_out() {
    let (yesterday, today) = (day(1).to_string(), day(0).to_string());
    let last = today.clone();
    let upstream = exporting(move |request, _| {
        if request.param("to_date") == Some(&last) {
            return Answer::text(400, " to_date cannot be later than today");
        }
        Answer::text(200, &line("Sign Up", "ann", 0, "1"))
    });
    let server = before(&upstream.url());
    let asked = json!({"from_date": "2026-01-01", "to_date": yesterday, "born_event": "Sign Up", "unit": "month"});
    let data = server.data("mixpanel_analyze_retention", asked);
    assert_eq!(data["overall"]["users"], 1);
    let to: Vec<String> = exports(&upstream)
        .iter()
        .map(|request| request.param("to_date").unwrap().to_owned())
        .collect();
    assert_eq!(to, [today, yesterday]);
}

#[test]
fn a_caller_that_leaves_ends_the_export() {
    use std::io::Write as _;

    let upstream = exporting(|_, _| Answer::endless(&line("A", "ann", 0, "1")));
    let server = before(&upstream.url());
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "mixpanel_count_events_by",
        "arguments": {"from_date": "2026-01-01", "to_date": "2026-01-04"},
    }})
    .to_string();
    let address = server.url().trim_start_matches("http://").to_owned();
    let mut client = std::net::TcpStream::connect(&address).unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client
        .write_all(format!("{head}{body}").as_bytes())
        .unwrap();
    assert!(upstream.received(0));
    drop(client);
    assert!(upstream.closed_by_peer(0));
}

/// About 700 bytes an event, as they are; three days, one after the other, of 20,000 users.
#[cfg(target_os = "linux")]
fn synthetic(bytes: usize) -> (String, u64) {
    use std::fmt::Write as _;

    let mut more = String::new();
    for nth in 0..20 {
        write!(more, r#","property number {nth}":"value {nth} of it""#).unwrap();
    }
    let mut text = String::with_capacity(bytes + 1_024);
    let mut events = 0_u64;
    while text.len() < bytes {
        let name = ["View", "Cart", "Buy"][(events % 3) as usize];
        let day = text.len() * 3 / bytes;
        let time = 1_767_225_600_000 + day as u64 * 86_400_000 + events % 86_400_000;
        writeln!(
            text,
            r#"{{"event":"{name}","properties":{{"time":{time},"distinct_id":"user-{}","$insert_id":"{events:016x}"{more},"plan":"pro"}}}}"#,
            events / 3 % 20_000
        )
        .unwrap();
        events += 1;
    }
    (text, events)
}

/// The most memory that a process has had, in KiB.
#[cfg(target_os = "linux")]
fn most_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

/// The server as it is started by people, ended when dropped.
#[cfg(target_os = "linux")]
struct Started(std::process::Child);

#[cfg(target_os = "linux")]
impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_grows_with_the_users_of_an_export_and_not_with_its_events() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    const BYTES: usize = 200 * 1024 * 1024;
    let (text, events) = synthetic(BYTES);
    // Too much to be made for each call anew, or to be held once more.
    let answer = Answer::text(200, &text).chunked(256 * 1024);
    drop(text);
    let answer = std::sync::Mutex::new(Some(answer));
    let upstream = exporting(move |_, _| answer.lock().unwrap().take().unwrap());
    let mut process = Command::new(env!("CARGO_BIN_EXE_mixpanel-mcp-server"))
        .args(["--port", "0"])
        .env_clear()
        .env("MIXPANEL_EXPORT_URL", format!("{}/api/2.0", upstream.url()))
        .env("MIXPANEL_APP_URL", upstream.url())
        .env("MIXPANEL_QUERY_URL", upstream.url())
        .env("MIXPANEL_INGESTION_URL", upstream.url())
        .env("MIXPANEL_SERVICE_ACCOUNT_USERNAME", "sandbox")
        .env("MIXPANEL_SERVICE_ACCOUNT_SECRET", "sandbox")
        .env("MIXPANEL_PROJECT_ID", "12345")
        .env("MIXPANEL_TOOLSETS", "analysis")
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map(Started)
        .unwrap();
    let log = BufReader::new(process.0.stderr.take().unwrap());
    let mut log = log.lines().map_while(Result::ok);
    let url = log
        .find_map(|line| Some(line.split_once(" on ")?.1.split_once(',')?.0.to_owned()))
        .unwrap();
    // Nobody writes to a full pipe.
    std::thread::spawn(move || log.for_each(drop));
    let call = |tool: &str, arguments: Value| -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let mut response = ureq::post(format!("{url}/mcp"))
            .header("content-type", "application/json")
            .header("mcp-protocol-version", "2025-11-25")
            .send(body.to_string())
            .unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        let message: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        message["result"]["structuredContent"].clone()
    };
    // A call that asks nothing: what a server at work has anyway.
    call("mixpanel_analyze_funnel", json!({}));
    let idle = most_kib(process.0.id());
    let data = call(
        "mixpanel_analyze_funnel",
        json!({"from_date": "2026-01-01", "to_date": "2026-01-03", "steps": [{"event": "View"}, {"event": "Cart"}, {"event": "Buy"}], "by": ["plan"]}),
    );
    assert_eq!(data["read"]["events"], events, "{data}");
    assert_eq!(users(&data["steps"]), [20_000; 3]);
    let grown = most_kib(process.0.id()) - idle;
    // 20,000 users, the keys of one day's events, and those that wait: a small part of the export.
    assert!(grown < 16 * 1024, "{grown} KiB above the idle {idle}");
}
