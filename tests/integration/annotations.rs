//! The annotations toolset: what is written is found, changed and, once confirmed, deleted.

use serde_json::{Value, json};

use crate::support::TestServer;

/// The ids that the sandbox gives out first: a tag, an annotation with it, and what the samples make.
const TAG: u64 = 12_345_001;
const ANNOTATION: u64 = 12_345_002;

/// Sample calls of every tool, in an order in which they work.
pub(crate) fn samples_annotations() -> Vec<(&'static str, Value)> {
    vec![
        (
            "mixpanel_list_annotations",
            json!({"from_date": "30d", "to_date": "today", "limit": 5}),
        ),
        (
            "mixpanel_get_annotation",
            json!({"annotation_id": ANNOTATION.to_string()}),
        ),
        (
            "mixpanel_create_annotation",
            json!({"date": "2026-01-15 12:00:00", "description": "calls: a \"note\" ü", "tag_ids": [TAG.to_string()]}),
        ),
        (
            "mixpanel_update_annotation",
            json!({"annotation_id": ANNOTATION, "tag_ids": [TAG.to_string()]}),
        ),
        (
            "mixpanel_update_annotation",
            json!({"annotation_id": ANNOTATION, "description": "calls: changed", "tag_ids": []}),
        ),
        (
            "mixpanel_delete_annotation",
            json!({"annotation_id": ANNOTATION, "confirm": "calls: changed"}),
        ),
        ("mixpanel_list_annotation_tags", json!({"limit": 5})),
        (
            "mixpanel_create_annotation_tag",
            json!({"tag_name": "calls: tag"}),
        ),
    ]
}

fn server() -> TestServer {
    TestServer::start(&["--sandbox", "--toolsets", "annotations"], &[])
}

#[track_caller]
fn create(server: &TestServer, arguments: Value) -> Value {
    server.data("mixpanel_create_annotation", arguments)["annotation"].clone()
}

/// The notes of these days, as listed.
#[track_caller]
fn listed(server: &TestServer, arguments: Value) -> Vec<String> {
    let data = server.data("mixpanel_list_annotations", arguments);
    let notes = data["annotations"].as_array().unwrap();
    notes
        .iter()
        .map(|note| note["description"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_annotation_is_created_listed_by_day_changed_and_deleted() {
    let server = server();
    let tag = server.data(
        "mixpanel_create_annotation_tag",
        json!({"tag_name": "Release"}),
    )["tag"]
        .clone();
    assert_eq!(tag["name"], "Release");
    let tags = server.data("mixpanel_list_annotation_tags", json!({}));
    assert_eq!(tags["tags"][1], tag);

    let arguments =
        json!({"date": "2020-02-03", "description": "v2 \"is\" out", "tag_ids": [tag["tag_id"]]});
    let made = create(&server, arguments);
    let id = made["annotation_id"].clone();
    assert_eq!(
        made,
        json!({"annotation_id": id, "date": "2020-02-03 00:00:00", "description": "v2 \"is\" out", "tags": [tag], "author": "sandbox"})
    );
    let day = |from: &str, to: &str| listed(&server, json!({"from_date": from, "to_date": to}));
    assert_eq!(day("2020-02-03", "2020-02-03"), ["v2 \"is\" out"]);
    assert_eq!(day("2020-02-04", "2020-02-28"), Vec::<String>::new());

    let change = json!({"annotation_id": id, "description": "v2.1 is out"});
    let changed = server.data("mixpanel_update_annotation", change)["annotation"].clone();
    assert_eq!(
        (&changed["description"], &changed["tags"]),
        (&json!("v2.1 is out"), &json!([tag]))
    );
    let change = json!({"annotation_id": id, "tag_ids": []});
    let changed = server.data("mixpanel_update_annotation", change)["annotation"].clone();
    assert_eq!(
        (&changed["description"], &changed["tags"]),
        (&json!("v2.1 is out"), &json!([]))
    );
    let one = json!({"annotation_id": id});
    let read = server.data("mixpanel_get_annotation", one.clone());
    assert_eq!(read["annotation"], changed);

    let facts = server.failure("mixpanel_delete_annotation", one.clone());
    assert_eq!(
        (&facts["kind"], &facts["confirm"]),
        (&json!("not_confirmed"), &json!("v2.1 is out"))
    );
    let told = facts["error"].as_str().unwrap();
    assert!(told.contains("at 2020-02-03 00:00:00, for good"), "{told}");
    assert_eq!(day("2020-02-03", "2020-02-03"), ["v2.1 is out"]);
    let confirmed = json!({"annotation_id": id, "confirm": "v2.1 is out"});
    let gone = server.data("mixpanel_delete_annotation", confirmed.clone());
    assert_eq!(gone["annotation_id"], id);
    assert_eq!(day("2020-02-03", "2020-02-03"), Vec::<String>::new());
    for (tool, arguments) in [
        ("mixpanel_get_annotation", one),
        ("mixpanel_delete_annotation", confirmed),
    ] {
        assert_eq!(
            server.failure(tool, arguments)["kind"],
            "not_found",
            "{tool}"
        );
    }
}

#[test]
fn the_newest_come_first_and_a_limit_says_that_there_are_more() {
    let server = server();
    for day in ["2020-01-02", "2020-01-04", "2020-01-03"] {
        create(&server, json!({"date": day, "description": day}));
    }
    let days = json!({"to_date": "2020-12-31"});
    assert_eq!(
        listed(&server, days),
        ["2020-01-04", "2020-01-03", "2020-01-02"]
    );
    let data = server.data(
        "mixpanel_list_annotations",
        json!({"to_date": "2020-12-31", "limit": 2}),
    );
    assert_eq!(data["annotations"].as_array().unwrap().len(), 2);
    assert_eq!(data["truncated"], true);
    assert_eq!(
        data["summary"],
        "3 annotations in project 12345 up to 2020-12-31; the newest is \"2020-01-04\" at 2020-01-04 00:00:00; the newest 2 are here: raise limit (at most 1000), or ask for fewer days"
    );
    // What the shop begins with is a week old.
    assert_eq!(listed(&server, json!({"from_date": "30d"})).len(), 1);
    // A release that is planned can be looked for.
    create(
        &server,
        json!({"date": "2999-01-01", "description": "to come"}),
    );
    assert_eq!(
        listed(&server, json!({"from_date": "2999-01-01"})),
        ["to come"]
    );
}

#[test]
fn what_cannot_be_is_told_before_mixpanel_is_asked() {
    let server = server();
    for (tool, arguments, expected) in [
        (
            "mixpanel_create_annotation",
            json!({"date": "yesterday", "description": "x"}),
            "date: must be like 2026-01-31 12:00:00 or 2026-01-31, got \"yesterday\"",
        ),
        (
            "mixpanel_update_annotation",
            json!({"annotation_id": "1"}),
            "description, tag_ids: give at least one, else nothing changes",
        ),
        (
            "mixpanel_list_annotations",
            json!({"from_date": "2026-02-01", "to_date": "2026-01-01"}),
            "from_date: 2026-02-01 is after to_date 2026-01-01; exchange them",
        ),
    ] {
        let facts = server.failure(tool, arguments);
        assert_eq!(facts["kind"], "bad_arguments", "{tool}");
        assert_eq!(facts["faults"], json!([expected]), "{tool}");
    }
    let unknown = json!({"date": "2026-01-01", "description": "x", "tag_ids": ["1"]});
    let facts = server.failure("mixpanel_create_annotation", unknown);
    assert_eq!(
        facts["mixpanel_message"],
        "there is no annotation tag with id 1"
    );
}
