//! What is true of every tool.

use std::collections::{BTreeMap, BTreeSet};

use mixpanel_mcp_server::mcp::shape::Shape;
use mixpanel_mcp_server::tools::{self, Offer};
use serde_json::{Value, json};

use crate::support::{TestServer, definition, schema};

/// The names of the default set, in their order: clients and documents know them by heart.
const NAMES: [&str; 22] = [
    "mixpanel_get_projects",
    "mixpanel_get_project_info",
    "mixpanel_get_quota",
    "mixpanel_list_events",
    "mixpanel_list_event_properties",
    "mixpanel_list_property_values",
    "mixpanel_get_event_count",
    "mixpanel_get_top_events",
    "mixpanel_get_todays_top_events",
    "mixpanel_query_events",
    "mixpanel_query_segmentation",
    "mixpanel_query_retention",
    "mixpanel_query_frequency",
    "mixpanel_list_saved_funnels",
    "mixpanel_query_funnel",
    "mixpanel_query_insights",
    "mixpanel_get_user_profile",
    "mixpanel_get_profile_event_activity",
    "mixpanel_track_event",
    "mixpanel_track_batch_events",
    "mixpanel_import_events",
    "mixpanel_set_user_profile",
];

/// A model reads about a token in four bytes of JSON.
const BYTES_A_TOKEN: usize = 4;

#[test]
fn the_default_tools_have_their_names_and_their_order() {
    let names: Vec<&str> = Offer::default().tools().map(|tool| tool.name).collect();
    assert_eq!(names, NAMES);
    let listed = TestServer::shared().rpc("tools/list", json!({}));
    let listed: Vec<&str> = listed["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(listed, NAMES);
}

#[test]
fn a_name_says_mixpanel_a_verb_and_a_noun() {
    let verbs = [
        "add", "analyze", "archive", "cancel", "conclude", "count", "create", "decide", "delete",
        "evaluate", "get", "import", "launch", "list", "merge", "query", "remove", "replace",
        "run", "set", "track", "update", "upload",
    ];
    for tool in tools::all() {
        let mut words = tool.name.split('_');
        assert_eq!(words.next(), Some("mixpanel"), "{}", tool.name);
        let verb = words.next().unwrap();
        assert!(verbs.contains(&verb), "{}: {verb} is a new verb", tool.name);
        assert!(words.next().is_some(), "{} has no noun", tool.name);
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(
            tool.name.len() <= 40 && tool.name.bytes().all(plain),
            "{}",
            tool.name
        );
    }
    assert_eq!(
        tools::all()
            .map(|tool| tool.name)
            .collect::<BTreeSet<_>>()
            .len(),
        tools::all().count()
    );
}

#[test]
fn a_tool_that_reads_is_listed_first_and_needs_no_arguments() {
    let first = tools::all().next().unwrap();
    assert!(first.effect.reads());
    assert!(first.params.iter().all(|field| !field.required));
}

#[test]
fn a_verb_that_only_reads_has_the_effect_of_reading() {
    for tool in tools::all() {
        let reads = [
            "_get_",
            "_list_",
            "_query_",
            "_count_",
            "_analyze_",
            "_run_jql",
            "_evaluate_",
        ]
        .iter()
        .any(|verb| tool.name.contains(verb));
        assert_eq!(tool.effect.reads(), reads, "{}", tool.name);
    }
}

/// What kind of value it is, without its bounds.
fn kind(shape: &Shape) -> Value {
    let mut schema = schema(shape);
    for bound in [
        "minimum",
        "maximum",
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "enum",
    ] {
        schema.as_object_mut().unwrap().remove(bound);
    }
    schema
}

#[test]
fn one_parameter_name_means_one_thing() {
    let mut meanings: BTreeMap<(&str, bool), (Value, &str)> = BTreeMap::new();
    for (tool, field) in
        tools::all().flat_map(|tool| tool.params.iter().map(move |field| (tool, field)))
    {
        // `properties` are names where a tool reads and values where it writes: both are Mixpanel's own words.
        let writes = field.name == "properties" && !tool.effect.reads();
        let meaning = meanings
            .entry((field.name, writes))
            .or_insert_with(|| (kind(&field.shape), tool.name));
        assert_eq!(
            meaning.0,
            kind(&field.shape),
            "`{}` differs between {} and {}",
            field.name,
            meaning.1,
            tool.name
        );
    }
    assert_eq!(meanings[&("project_id", false)].0["type"], "string");
}

#[test]
fn every_parameter_is_described_and_every_optional_one_has_its_default_told() {
    for (tool, field) in
        tools::all().flat_map(|tool| tool.params.iter().map(move |field| (tool, field)))
    {
        assert!(
            field.about.trim().len() > 5,
            "{}: {}",
            tool.name,
            field.name
        );
    }
}

/// Every schema below this one.
fn walk(schema: &Value, visit: &mut impl FnMut(&Value)) {
    visit(schema);
    match schema {
        Value::Object(members) => members.values().for_each(|member| walk(member, visit)),
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => (),
    }
}

#[test]
fn schemas_are_flat_so_that_every_provider_takes_them() {
    for tool in tools::all() {
        let definition = definition(tool);
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(definition[schema]["type"], "object", "{}", tool.name);
            walk(&definition[schema], &mut |part| {
                for word in ["anyOf", "oneOf", "allOf", "$ref", "$defs"] {
                    assert!(
                        part.get(word).is_none(),
                        "{}: {word} in {schema}",
                        tool.name
                    );
                }
                assert!(
                    !part.get("type").is_some_and(Value::is_array),
                    "{}: a list of types",
                    tool.name
                );
                assert_ne!(
                    *part,
                    json!({}),
                    "{}: a schema that says nothing",
                    tool.name
                );
                assert_ne!(
                    part.get("type"),
                    Some(&json!("null")),
                    "{}: null",
                    tool.name
                );
            });
        }
    }
}

#[test]
fn a_published_tool_is_small_and_all_of_them_fit_into_a_models_context() {
    for tool in tools::all() {
        let bytes = definition(tool).to_string().len();
        assert!(bytes < 16 * 1024, "{}: {bytes} bytes", tool.name);
    }
    let default = Offer::default();
    let all: usize = default
        .tools()
        .map(|tool| definition(tool).to_string().len())
        .sum();
    let tokens = all / BYTES_A_TOKEN;
    assert!(
        tokens < 8_000,
        "the default tools take about {tokens} tokens"
    );
}

#[test]
fn tools_are_listed_with_the_same_bytes_each_time() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let server = TestServer::shared();
    let first = server.post("/mcp", &[], body);
    assert_eq!(first.status, 200);
    assert_eq!(server.post("/mcp", &[], body).body, first.body);
    assert_eq!(
        TestServer::sandbox().post("/mcp", &[], body).body,
        first.body
    );
}

#[test]
fn every_tool_refuses_an_argument_that_it_does_not_know_and_names_those_that_it_does() {
    let server = TestServer::start(&["--sandbox", "--toolsets", "all"], &[]);
    for tool in tools::all() {
        let facts = server.failure(tool.name, json!({"projct_id": "1"}));
        assert_eq!(facts["kind"], "bad_arguments", "{}", tool.name);
        let fault = facts["faults"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .as_str()
            .unwrap();
        assert!(
            fault.starts_with("projct_id: unknown"),
            "{}: {fault}",
            tool.name
        );
        for field in tool.params.iter() {
            assert!(fault.contains(field.name), "{}: {fault}", tool.name);
        }
    }
}
