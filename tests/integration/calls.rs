//! One sample call of every tool, and what must be true of all of them: each request that it sends keeps Mixpanel's
//! contract, its result keeps the tool's own output schema and carries no secret, and it is listed here.

use std::collections::{BTreeMap, BTreeSet};

use mixpanel_mcp_server::sandbox::OAUTH_TOKEN;
use mixpanel_mcp_server::tools;
use serde_json::{Value, json};

use crate::operations::coverage;
use crate::support::server::ToolAnswer;
use crate::support::{Exchange, Recorder, TestServer, server};
use crate::{annotations, experiments, explore, feature_flags, lexicon, lookup_tables};
use crate::{contract, people, pipelines, privacy, service_accounts, warehouse};

/// Calls that together use every optional argument at least once, in the order in which they are made. A text such as
/// `of:mixpanel_create_data_deletion/tracking_id` stands for what that tool answered last.
fn samples() -> Vec<(&'static str, Value)> {
    let mut samples = samples_default();
    samples.extend(samples_of_operators());
    samples.extend(people::samples_people());
    samples.extend(annotations::samples_annotations());
    samples.extend(lexicon::samples_lexicon());
    samples.extend(lookup_tables::samples_lookup_tables());
    samples.extend(explore::samples_explore());
    samples.extend(feature_flags::samples_feature_flags());
    samples.extend(experiments::samples_experiments());
    samples.extend(privacy::samples_privacy());
    samples.extend(service_accounts::samples_service_accounts());
    samples.extend(warehouse::samples_warehouse());
    samples.extend(pipelines::samples_pipelines());
    samples
}

/// Those of the toolsets that are on where nothing is said.
fn samples_default() -> Vec<(&'static str, Value)> {
    // There is something on these days: an empty answer shows little of its form.
    let (from, to) = ("7d", "today");
    let filter = r#"properties["plan"] == "pro" and not defined(properties["$brand"])"#;
    vec![
        ("mixpanel_get_projects", json!({})),
        ("mixpanel_get_project_info", json!({"project_id": "12345"})),
        (
            "mixpanel_list_events",
            json!({"project_id": "12345", "search": "app", "limit": 3}),
        ),
        (
            "mixpanel_list_event_properties",
            json!({"event": "Purchase Completed", "search": "a", "limit": 5}),
        ),
        (
            "mixpanel_list_property_values",
            json!({"event": "Purchase Completed", "property": "$browser", "limit": 5}),
        ),
        (
            "mixpanel_get_event_count",
            json!({"from_date": from, "to_date": to}),
        ),
        (
            "mixpanel_get_event_count",
            json!({"from_date": from, "to_date": to, "event": "a \"b\" \\ ü", "unit": "day", "type": "unique"}),
        ),
        (
            "mixpanel_get_top_events",
            json!({"from_date": from, "to_date": to, "limit": 5, "type": "unique"}),
        ),
        (
            "mixpanel_get_todays_top_events",
            json!({"limit": 3, "type": "general"}),
        ),
        (
            "mixpanel_query_events",
            json!({"from_date": from, "to_date": to, "event": "Search", "where": filter, "limit": 2, "properties": ["plan"]}),
        ),
        (
            "mixpanel_query_segmentation",
            json!({"event": "Search", "from_date": from, "to_date": to, "unit": "day", "type": "unique", "on": "$browser", "where": filter, "limit": 3}),
        ),
        (
            "mixpanel_query_segmentation",
            json!({"event": "Search", "from_date": from, "to_date": to, "on": "number(properties[\"amount\"])", "aggregate": "sum"}),
        ),
        (
            "mixpanel_query_segmentation",
            json!({"event": "Search", "from_date": from, "to_date": to, "on": "number(properties[\"amount\"])", "aggregate": "average", "where": filter}),
        ),
        (
            "mixpanel_query_segmentation",
            json!({"event": "Purchase Completed", "from_date": from, "to_date": to, "type": "unique", "on": "number(properties[\"amount\"])", "aggregate": "ranges", "where": filter}),
        ),
        (
            "mixpanel_query_retention",
            json!({"from_date": from, "to_date": to, "born_event": "Sign Up", "event": "App Open", "born_where": filter, "where": filter, "retention_type": "birth", "unit": "day", "interval_count": 3, "on": "plan"}),
        ),
        (
            "mixpanel_query_retention",
            json!({"from_date": from, "to_date": to, "born_event": "Sign Up"}),
        ),
        (
            "mixpanel_query_frequency",
            json!({"event": "App Open", "from_date": from, "to_date": to, "unit": "week", "addiction_unit": "day", "where": filter, "on": "plan"}),
        ),
        (
            "mixpanel_query_frequency",
            json!({"event": "App Open", "from_date": from, "to_date": to}),
        ),
        (
            "mixpanel_list_saved_funnels",
            json!({"search": "a", "limit": 2}),
        ),
        (
            "mixpanel_query_funnel",
            json!({"funnel_id": "7509", "from_date": from, "to_date": to, "length": 2, "length_unit": "day", "unit": "day", "on": "plan", "where": filter}),
        ),
        (
            "mixpanel_query_funnel",
            json!({"funnel_id": "7509", "from_date": from, "to_date": to}),
        ),
        ("mixpanel_query_insights", json!({"bookmark_id": "8801"})),
        (
            "mixpanel_count_events_by",
            json!({"from_date": from, "to_date": to, "event_names": ["Search", "a \"b\""], "by": ["plan"], "by_event": true, "where": filter, "limit": 2}),
        ),
        (
            "mixpanel_analyze_funnel",
            json!({"from_date": from, "to_date": to, "steps": [{"event": "Search", "where": filter}, {"event": "App Open", "where": "properties[\"n\"] > 1"}], "length": 2, "length_unit": "hour", "where": filter, "by": ["plan"], "limit": 2}),
        ),
        (
            "mixpanel_analyze_retention",
            json!({"from_date": from, "to_date": to, "born_event": "Sign Up", "born_where": filter, "event": "App Open", "where": filter, "unit": "week", "interval_count": 2}),
        ),
        (
            "mixpanel_analyze_paths",
            json!({"from_date": from, "to_date": to, "event": "Search", "direction": "before", "depth": 2, "event_names": ["App Open"], "where": filter, "length": 1, "length_unit": "day", "collapse_repeats": false, "limit": 2}),
        ),
        (
            "mixpanel_get_user_profile",
            json!({"distinct_id": "no \"such\" user"}),
        ),
        (
            "mixpanel_get_profile_event_activity",
            json!({"distinct_id": "x", "from_date": from, "to_date": to, "limit": 3}),
        ),
        ("mixpanel_get_quota", json!({"project_id": "12345"})),
        (
            "mixpanel_track_event",
            json!({"event": "calls: tracked", "properties": {"a": [1, "b"]}, "distinct_id": "calls-1"}),
        ),
        (
            "mixpanel_track_batch_events",
            json!({"events": [{"event": "calls: one", "properties": {"distinct_id": "calls-2"}}, {"event": "calls: two", "distinct_id": "calls-2"}]}),
        ),
        (
            "mixpanel_get_profile_event_activity",
            json!({"distinct_id": "calls-2", "from_date": from, "to_date": to}),
        ),
        (
            "mixpanel_import_events",
            json!({"project_id": "12345", "events": [{"event": "calls: imported", "distinct_id": "calls-3", "properties": {"time": 1_767_600_000}}]}),
        ),
        (
            "mixpanel_set_user_profile",
            json!({"distinct_id": "calls-1", "properties": {"plan": "pro"}}),
        ),
        (
            "mixpanel_set_user_profile",
            json!({"distinct_id": "calls-1", "properties": {"n": 2}, "operation": "$add"}),
        ),
        (
            "mixpanel_set_user_profile",
            json!({"distinct_id": "calls-1", "operation": "$delete", "confirm": "calls-1"}),
        ),
    ]
}

/// One change of a profile by each operator that the others leave out: each is an operation of its own to Mixpanel.
fn samples_of_operators() -> Vec<(&'static str, Value)> {
    let changes = [
        ("$set_once", json!({"first": 1}), None),
        ("$append", json!({"seen": "a"}), None),
        ("$union", json!({"seen": ["b"]}), None),
        ("$remove", json!({"seen": "a"}), None),
        ("$unset", json!({"first": 0}), Some("calls-4")),
    ];
    changes
        .into_iter()
        .map(|(operation, properties, confirm)| {
            let mut arguments = json!({
                "distinct_id": "calls-4", "operation": operation, "properties": properties,
            });
            if let Some(name) = confirm {
                arguments["confirm"] = name.into();
            }
            ("mixpanel_set_user_profile", arguments)
        })
        .collect()
}

#[test]
fn every_tool_has_a_sample_call_and_every_argument_is_in_one() {
    let samples = samples();
    for tool in tools::all() {
        let calls: Vec<&Value> = samples
            .iter()
            .filter(|(name, _)| *name == tool.name)
            .map(|(_, arguments)| arguments)
            .collect();
        assert!(!calls.is_empty(), "{} is not called here", tool.name);
        for field in tool
            .params
            .iter()
            .filter(|field| field.name != "project_id")
        {
            let given = calls
                .iter()
                .any(|arguments| arguments.get(field.name).is_some());
            assert!(given, "{}: no sample gives {}", tool.name, field.name);
        }
    }
}

/// The value with what earlier answers told in the place of what stands for it.
fn filled(value: Value, answers: &BTreeMap<&str, Value>) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix("of:") {
            Some(told) => {
                let (tool, pointer) = told.split_at(told.find('/').unwrap());
                let found = answers[tool].pointer(pointer).cloned();
                found.unwrap_or_else(|| panic!("{tool} did not answer with {pointer}"))
            }
            None => text.into(),
        },
        Value::Array(items) => items
            .into_iter()
            .map(|item| filled(item, answers))
            .collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, member)| (name, filled(member, answers)))
            .collect(),
        other => other,
    }
}

/// What each listed tool promises about its answers, by its name.
fn promises(server: &TestServer) -> BTreeMap<String, jsonschema::Validator> {
    let listed = server.rpc("tools/list", json!({}));
    let listed = listed["result"]["tools"].as_array().unwrap();
    let promised = listed.iter().map(|tool| {
        let schema = jsonschema::draft202012::new(&tool["outputSchema"]);
        (tool["name"].as_str().unwrap().to_owned(), schema.unwrap())
    });
    promised.collect()
}

/// Makes every sample call, holds each result against what its tool promises, and shows it.
fn call_all(server: &TestServer, mut see: impl FnMut(&'static str, &ToolAnswer)) {
    let promises = promises(server);
    let mut answers = BTreeMap::new();
    for (tool, arguments) in samples() {
        let answer = server.call(tool, filled(arguments, &answers));
        let refused = tool == explore::REFUSED;
        assert_eq!(answer.is_error, refused, "{tool}: {}", answer.text);
        if !refused && let Err(fault) = promises[tool].validate(&answer.data) {
            panic!("{tool}: {}: {fault}", fault.instance_path());
        }
        see(tool, &answer);
        answers.insert(tool, answer.data);
    }
}

/// Every request that the samples send, by tool, and what the sandbox answers.
fn exchanges(variables: &[(&str, &str)]) -> Vec<(&'static str, Vec<Exchange>)> {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let all = [
        ("MIXPANEL_TOOLSETS", "all"),
        ("MIXPANEL_OAUTH_TOKEN", OAUTH_TOKEN),
    ];
    let server = TestServer::before_with(&recorder.url(), &[variables, &all].concat());
    let mut exchanges = Vec::new();
    call_all(&server, |tool, _| {
        exchanges.push((tool, recorder.take_exchanges()));
    });
    exchanges
}

/// What a run of all samples has shown of an operation.
#[derive(Default)]
struct Seen {
    faults: BTreeSet<String>,
    /// There was an answer that all went well, and one with something in each of its lists.
    is_answered: bool,
    is_answered_in_full: bool,
}

#[test]
fn every_operation_is_asked_and_answered_as_mixpanel_documents_it() {
    let mut seen: BTreeMap<(&'static str, bool), Seen> = BTreeMap::new();
    // With the environment's project token, and without one: writing takes another way.
    for variables in [&[][..], &[("MIXPANEL_PROJECT_TOKEN", "sandbox")]] {
        for (tool, exchanges) in exchanges(variables) {
            let asks_nobody = tool == "mixpanel_get_quota";
            assert_eq!(exchanges.is_empty(), asks_nobody, "{tool}");
            for exchange in exchanges {
                let verdict = contract::judge(&exchange);
                let request = &exchange.request;
                let at = format!("{tool}: {} {}", request.method, request.target);
                let operation = verdict.operation.unwrap_or("documented nowhere");
                let seen = seen.entry((operation, verdict.is_variant)).or_default();
                let asked = contract::check(request).into_iter();
                let answered = verdict.faults.into_iter();
                let told = asked
                    .map(|fault| format!("{at}: asks: {fault}"))
                    .chain(answered.map(|fault| format!("{at}: is answered: {fault}")));
                seen.faults.extend(told);
                seen.is_answered |= verdict.is_good;
                seen.is_answered_in_full |= verdict.is_full;
            }
        }
    }

    let faults: Vec<String> = seen
        .iter()
        .flat_map(|((operation, is_variant), seen)| {
            let empty = (!seen.is_answered_in_full).then(|| match seen.is_answered {
                true => "every good answer has a list with nothing in it".to_owned(),
                false => "no good answer".to_owned(),
            });
            let told = seen.faults.iter().cloned().chain(empty);
            let variant = if *is_variant { " (variant)" } else { "" };
            told.map(move |fault| format!("{operation}{variant}: {fault}"))
        })
        .collect();
    // The sandbox runs no scripts, and says so.
    let faults = faults.join("\n");
    assert!(faults == "query-jql: no good answer", "{faults}");
    let (variants, asked): (Vec<_>, Vec<_>) =
        seen.into_keys().partition(|(_, is_variant)| *is_variant);
    let names = |keys: Vec<(&'static str, bool)>| -> BTreeSet<&str> {
        keys.into_iter().map(|(operation, _)| operation).collect()
    };
    assert_eq!(names(asked), coverage::reachable());
    assert_eq!(
        names(variants),
        contract::operations_with_a_variant().collect()
    );
}

#[test]
fn no_result_carries_a_secret_of_the_project() {
    // The sandbox sends them with every project, as Mixpanel does.
    let server = TestServer::start(&["--sandbox", "--toolsets", "all"], &[]);
    call_all(&server, |tool, answer| {
        let told = format!("{} {}", answer.text, answer.data);
        for secret in ["api_secret", "api_key", "sandbox-api", OAUTH_TOKEN] {
            assert!(!told.contains(secret), "{tool}: {told}");
        }
    });
}
