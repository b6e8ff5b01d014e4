//! The lexicon toolset: schemas are uploaded, read, replaced and deleted, and nothing is lost unasked.

use serde_json::{Value, json};

use crate::support::TestServer;

/// Sample calls of every tool, in an order in which they work.
pub(crate) fn samples_lexicon() -> Vec<(&'static str, Value)> {
    let purchase = json!({"entity_type": "event", "entity_name": "Purchase Completed"});
    let schema = json!({"description": "calls", "properties": {"a": {"type": "string"}}});
    vec![
        ("mixpanel_list_schemas", json!({})),
        (
            "mixpanel_list_schemas",
            json!({"entity_type": "event", "search": "purchase", "limit": 5}),
        ),
        ("mixpanel_get_schema", purchase),
        (
            "mixpanel_upload_schema",
            json!({"entity_type": "event", "entity_name": "Purchase Completed", "schema": schema, "confirm": "Purchase Completed"}),
        ),
        (
            "mixpanel_upload_schemas",
            json!({"entries": [{"entity_type": "event", "entity_name": "calls", "schema": schema}], "truncate": true, "confirm": "12345"}),
        ),
        (
            "mixpanel_delete_schemas",
            json!({"entity_type": "event", "entity_name": "calls", "confirm": "calls"}),
        ),
        (
            "mixpanel_delete_schemas",
            json!({"entity_type": "profile", "confirm": "profile"}),
        ),
        ("mixpanel_delete_schemas", json!({"confirm": "12345"})),
    ]
}

fn server() -> TestServer {
    TestServer::start(&["--sandbox", "--toolsets", "lexicon"], &[])
}

fn schema(description: &str) -> Value {
    json!({"description": description, "properties": {"a": {"type": "string"}, "b": {"type": "number"}}})
}

fn entry(kind: &str, name: &str) -> Value {
    json!({"entity_type": kind, "entity_name": name, "schema": schema(name)})
}

/// The names of all schemas.
#[track_caller]
fn listed(server: &TestServer, arguments: Value) -> Vec<String> {
    let data = server.data("mixpanel_list_schemas", arguments);
    let schemas = data["schemas"].as_array().unwrap();
    schemas
        .iter()
        .map(|schema| schema["entity_name"].as_str().unwrap().to_owned())
        .collect()
}

/// What is to be confirmed, and the question.
#[track_caller]
fn asked(server: &TestServer, tool: &str, arguments: Value) -> (String, String) {
    let facts = server.failure(tool, arguments);
    assert_eq!(facts["kind"], "not_confirmed", "{facts}");
    let text = |name: &str| facts[name].as_str().unwrap().to_owned();
    (text("confirm"), text("error"))
}

#[test]
fn schemas_are_uploaded_together_listed_by_type_and_read_whole() {
    let server = server();
    let entries = json!([entry("event", "Buy / \"Sell\""), entry("profile", "$user")]);
    let upload = server.data("mixpanel_upload_schemas", json!({"entries": entries}));
    assert_eq!(
        (&upload["added"], &upload["deleted"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(
        listed(&server, json!({})),
        ["Buy / \"Sell\"", "Purchase Completed", "$user"]
    );
    assert_eq!(
        listed(&server, json!({"entity_type": "profile"})),
        ["$user"]
    );
    assert_eq!(
        listed(&server, json!({"search": "sell"})),
        ["Buy / \"Sell\""]
    );
    let first = server.data("mixpanel_list_schemas", json!({"limit": 1}));
    assert_eq!(
        first["schemas"],
        json!([{"entity_type": "event", "entity_name": "Buy / \"Sell\"", "description": "Buy / \"Sell\"", "properties": ["a", "b"]}])
    );
    assert_eq!(first["truncated"], true);
    let one = json!({"entity_type": "event", "entity_name": "Buy / \"Sell\""});
    let data = server.data("mixpanel_get_schema", one);
    assert_eq!(data["schema"], schema("Buy / \"Sell\""));
    let none = json!({"entity_type": "profile", "entity_name": "Buy / \"Sell\""});
    assert_eq!(
        server.failure("mixpanel_get_schema", none)["kind"],
        "not_found"
    );
}

#[test]
fn a_schema_that_there_is_is_replaced_only_once_confirmed() {
    let server = server();
    let upload = |description: &str, confirm: Option<&str>| {
        let mut arguments =
            json!({"entity_type": "event", "entity_name": "Buy", "schema": schema(description)});
        if let Some(confirm) = confirm {
            arguments["confirm"] = confirm.into();
        }
        arguments
    };
    let tool = "mixpanel_upload_schema";
    // The first is no loss, and neither is the same again.
    server.data(tool, upload("one", None));
    server.data(tool, upload("one", None));
    let (name, question) = asked(&server, tool, upload("two", None));
    assert_eq!(name, "Buy");
    assert!(
        question.contains("replace the Lexicon schema of the event \"Buy\" in project 12345 (\"one\", 2 properties) for good"),
        "{question}"
    );
    let read = || {
        let one = json!({"entity_type": "event", "entity_name": "Buy"});
        server.data("mixpanel_get_schema", one)["schema"]["description"].clone()
    };
    assert_eq!(read(), "one");
    server.data(tool, upload("two", Some("Buy")));
    assert_eq!(read(), "two");

    let again = json!({"entries": [entry("event", "Buy")]});
    let (name, question) = asked(&server, "mixpanel_upload_schemas", again);
    assert_eq!(name, "12345");
    assert!(
        question.contains("1 Lexicon schema of project 12345 for good: event \"Buy\""),
        "{question}"
    );
    assert_eq!(read(), "two");
}

#[test]
fn what_truncating_and_deleting_would_lose_is_told_first() {
    let server = server();
    let truncating = json!({"entries": [entry("event", "Buy")], "truncate": true});
    let (name, question) = asked(&server, "mixpanel_upload_schemas", truncating.clone());
    assert_eq!(name, "12345");
    assert!(
        question.contains("event \"Purchase Completed\""),
        "{question}"
    );
    let mut confirmed = truncating;
    confirmed["confirm"] = "12345".into();
    let upload = server.data("mixpanel_upload_schemas", confirmed);
    assert_eq!(
        (&upload["added"], &upload["deleted"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(listed(&server, json!({})), ["Buy"]);

    let tool = "mixpanel_delete_schemas";
    server.data(
        "mixpanel_upload_schemas",
        json!({"entries": [entry("event", "Sell"), entry("profile", "$user")]}),
    );
    for (arguments, expected, left) in [
        (
            json!({"entity_type": "event", "entity_name": "Buy"}),
            "Buy",
            vec!["Sell", "$user"],
        ),
        (json!({"entity_type": "event"}), "event", vec!["$user"]),
        (json!({}), "12345", vec![]),
    ] {
        let before = listed(&server, json!({}));
        let (name, question) = asked(&server, tool, arguments.clone());
        assert_eq!(name, expected);
        assert!(
            question.contains("delete 1 Lexicon schema for good"),
            "{question}"
        );
        assert_eq!(listed(&server, json!({})), before);
        let mut confirmed = arguments;
        confirmed["confirm"] = expected.into();
        assert_eq!(server.data(tool, confirmed)["deleted"], 1);
        assert_eq!(listed(&server, json!({})), left);
    }
    // Where nothing would be lost nothing is asked.
    assert_eq!(server.data(tool, json!({}))["deleted"], 0);
}

#[test]
fn a_name_without_its_type_deletes_nothing_and_a_wrong_schema_uploads_nothing() {
    let server = server();
    let arguments = json!({"entity_name": "Purchase Completed", "confirm": "12345"});
    let facts = server.failure("mixpanel_delete_schemas", arguments);
    assert_eq!(facts["kind"], "bad_arguments");
    let mut wrong = entry("event", "Wrong");
    wrong["schema"]["properties"]["a"]["type"] = "text".into();
    let entries = json!({"entries": [entry("event", "Good"), wrong]});
    let facts = server.failure("mixpanel_upload_schemas", entries);
    assert_eq!(facts["kind"], "bad_request");
    let twice = json!({"entries": [entry("event", "Good"), entry("event", "Good")]});
    let facts = server.failure("mixpanel_upload_schemas", twice);
    assert_eq!(
        facts["faults"],
        json!(["entries[1]: event \"Good\" stands twice, the last would win"])
    );
    assert_eq!(listed(&server, json!({})), ["Purchase Completed"]);
}
