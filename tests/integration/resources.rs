//! Resources, and what completes their variables.

use serde_json::{Value, json};

use crate::support::{Answer, TestServer, Upstream};

const NOBODY: &[(&str, &str)] = &[];

#[track_caller]
fn listed(server: &TestServer) -> Vec<Value> {
    let answer = server.rpc("resources/list", json!({}));
    answer["result"]["resources"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"))
        .clone()
}

/// The one content at a URI, as JSON.
#[track_caller]
fn read(server: &TestServer, uri: &str) -> Value {
    let answer = server.rpc("resources/read", json!({"uri": uri}));
    let contents = answer["result"]["contents"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(contents.len(), 1);
    assert_eq!(contents[0]["uri"], uri);
    assert_eq!(contents[0]["mimeType"], "application/json");
    serde_json::from_str(contents[0]["text"].as_str().unwrap()).unwrap()
}

#[track_caller]
fn complete(server: &TestServer, reference: Value, argument: &str, typed: &str) -> Vec<String> {
    complete_with(server, reference, argument, typed, json!({}))
}

#[track_caller]
fn complete_with(
    server: &TestServer,
    reference: Value,
    argument: &str,
    typed: &str,
    context: Value,
) -> Vec<String> {
    let params = json!({
        "ref": reference,
        "argument": {"name": argument, "value": typed},
        "context": {"arguments": context},
    });
    let answer = server.rpc("completion/complete", params);
    let completion = &answer["result"]["completion"];
    assert_eq!(completion["hasMore"], false, "{answer}");
    serde_json::from_value(completion["values"].clone()).unwrap()
}

fn template(uri: &str) -> Value {
    json!({"type": "ref/resource", "uri": uri})
}

fn prompt(name: &str) -> Value {
    json!({"type": "ref/prompt", "name": name})
}

#[test]
fn each_project_is_listed_with_its_events_the_default_one_first() {
    let resources = listed(TestServer::shared());
    let uris: Vec<&str> = resources
        .iter()
        .map(|resource| resource["uri"].as_str().unwrap())
        .collect();
    assert_eq!(
        uris[..2],
        [
            "mixpanel://project/12345",
            "mixpanel://project/12345/events"
        ]
    );
    for resource in &resources {
        for member in ["name", "title", "description"] {
            assert!(resource[member].is_string(), "{resource}");
        }
        assert_eq!(resource["mimeType"], "application/json");
    }
    let projects = TestServer::shared().data("mixpanel_get_projects", json!({}));
    let number = projects["projects"].as_array().unwrap().len();
    assert_eq!(resources.len(), 2 * number);
}

#[test]
fn every_listed_resource_can_be_read() {
    let server = TestServer::shared();
    for resource in listed(server) {
        read(server, resource["uri"].as_str().unwrap());
    }
}

#[test]
fn a_resource_says_what_the_tool_says() {
    let server = TestServer::shared();
    for (uri, tool, arguments) in [
        (
            "mixpanel://project/12345",
            "mixpanel_get_project_info",
            json!({"project_id": "12345"}),
        ),
        (
            "mixpanel://project/12345/events/Purchase%20Completed/properties",
            "mixpanel_list_event_properties",
            json!({"project_id": "12345", "event": "Purchase Completed"}),
        ),
    ] {
        let mut told = server.data(tool, arguments);
        let mut content = read(server, uri);
        // How old an answer is may differ between two.
        for one in [&mut told, &mut content] {
            let one = one.as_object_mut().unwrap();
            one.retain(|name, _| !name.starts_with("cached"));
        }
        assert_eq!(content, told, "{uri}");
    }
    let names = read(server, "mixpanel://project/12345/events");
    let names = names["events"].as_array().unwrap();
    assert!(names.contains(&"Purchase Completed".into()), "{names:?}");
}

#[test]
fn an_event_of_any_name_is_found_by_its_encoded_name() {
    let server = TestServer::sandbox();
    let event = "Größe/Ändern? 100% \"neu\" #1";
    let events = json!([{"event": event, "properties": {"distinct_id": "ann", "colour": "red"}}]);
    server.data(
        "mixpanel_import_events",
        json!({"project_id": "12345", "events": events}),
    );
    let encoded: String = event.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let uri = format!("mixpanel://project/12345/events/{encoded}/properties");
    let content = read(&server, &uri);
    let properties = content["properties"].as_array().unwrap();
    assert!(
        properties.contains(&json!({"name": "colour", "count": 1})),
        "{content}"
    );
}

#[test]
fn what_is_not_there_is_not_found() {
    let server = TestServer::shared();
    for uri in [
        "file:///etc/passwd",
        "mixpanel://project/",
        "mixpanel://project/shop",
        "mixpanel://project/999999",
        "mixpanel://project/12345/funnels",
        "mixpanel://project/12345/events//properties",
    ] {
        let answer = server.rpc("resources/read", json!({"uri": uri}));
        assert_eq!(answer["error"]["code"], -32002, "{answer}");
        assert_eq!(answer["error"]["data"], json!({"uri": uri}));
    }
}

#[test]
fn templates_name_all_three_kinds() {
    let answer = TestServer::shared().rpc("resources/templates/list", json!({}));
    let templates = answer["result"]["resourceTemplates"].as_array().unwrap();
    let uris: Vec<&str> = templates
        .iter()
        .map(|template| template["uriTemplate"].as_str().unwrap())
        .collect();
    assert_eq!(
        uris,
        [
            "mixpanel://project/{id}",
            "mixpanel://project/{id}/events",
            "mixpanel://project/{id}/events/{event}/properties",
        ]
    );
    for template in templates {
        for member in ["name", "title", "description"] {
            assert!(template[member].is_string(), "{template}");
        }
        assert_eq!(template["mimeType"], "application/json");
    }
}

#[test]
fn without_credentials_there_is_nothing_to_list_and_nothing_to_complete() {
    let server = TestServer::start(&[], NOBODY);
    assert_eq!(listed(&server), Vec::<Value>::new());
    let project = "mixpanel://project/{id}";
    assert_eq!(
        complete(&server, template(project), "id", ""),
        Vec::<String>::new()
    );
    let events = prompt("explain_change");
    assert_eq!(
        complete(&server, events, "event", "a"),
        Vec::<String>::new()
    );
    let answer = server.rpc("resources/read", json!({"uri": "mixpanel://project/1"}));
    assert_eq!(answer["error"]["data"]["kind"], "no_credentials");
}

#[test]
fn a_failing_mixpanel_is_told_in_a_sentence_without_secrets() {
    let upstream = Upstream::answering(|_, _| {
        Answer::json(401, &json!({"error": "unknown account canary-secret"}))
    });
    let secret = ("MIXPANEL_SERVICE_ACCOUNT_SECRET", "canary-secret");
    let server = TestServer::before_with(&upstream.url(), &[secret]);
    for (method, params) in [
        ("resources/list", json!({})),
        ("resources/read", json!({"uri": "mixpanel://project/12345"})),
        (
            "resources/read",
            json!({"uri": "mixpanel://project/12345/events"}),
        ),
    ] {
        let answer = server.rpc(method, params);
        let error = &answer["error"];
        assert_eq!(error["code"], -32603, "{answer}");
        assert_eq!(error["data"]["kind"], "unauthorized");
        assert_eq!(error["data"]["status"], 401);
        assert!(error["message"].as_str().unwrap().len() > 20, "{answer}");
        assert!(!answer.to_string().contains("canary"), "{answer}");
    }
    let reference = template("mixpanel://project/{id}");
    assert_eq!(complete(&server, reference, "id", ""), Vec::<String>::new());
}

#[test]
fn variables_of_templates_are_completed() {
    let server = TestServer::shared();
    let properties = || template("mixpanel://project/{id}/events/{event}/properties");
    for reference in [properties(), template("mixpanel://project/{id}")] {
        assert_eq!(complete(server, reference, "id", "1234"), ["12345"]);
    }
    let context = json!({"id": "12345"});
    assert_eq!(
        complete_with(server, properties(), "event", "purchase c", context),
        ["Purchase Completed"]
    );
    // A project that has no events has no names.
    let context = json!({"id": "999999"});
    assert_eq!(
        complete_with(server, properties(), "event", "purchase", context),
        Vec::<String>::new()
    );
}

#[test]
fn arguments_of_prompts_are_completed_prefixes_first() {
    let server = TestServer::shared();
    let change = || prompt("explain_change");
    assert_eq!(complete(server, change(), "project_id", "12"), ["12345"]);
    let events = complete(server, change(), "event", "c");
    let first_within = events
        .iter()
        .position(|event| !event.to_lowercase().starts_with('c'))
        .unwrap();
    assert!(first_within > 0, "{events:?}");
    for (nth, event) in events.iter().enumerate() {
        let event = event.to_lowercase();
        assert!(event.contains('c'), "{event}");
        assert_eq!(event.starts_with('c'), nth < first_within, "{events:?}");
    }

    let context = json!({"event": "Purchase Completed"});
    let properties = complete_with(server, change(), "property", "PLA", context);
    assert_eq!(properties, ["plan"]);
    // Of no event there are no properties.
    assert_eq!(
        complete(server, change(), "property", ""),
        Vec::<String>::new()
    );
    let funnels = complete(server, prompt("find_drop_off"), "funnel", "purchase");
    assert_eq!(funnels, ["Purchase funnel", "First purchase"]);
}

#[test]
fn unknown_references_and_arguments_have_no_completions() {
    let server = TestServer::shared();
    for (reference, argument) in [
        (prompt("none"), "event"),
        (prompt("explain_change"), "none"),
        (prompt("explain_change"), "day"),
        (template("mixpanel://none/{id}"), "id"),
        (template("mixpanel://project/{id}"), "event"),
    ] {
        assert_eq!(
            complete(server, reference, argument, ""),
            Vec::<String>::new()
        );
    }
}
