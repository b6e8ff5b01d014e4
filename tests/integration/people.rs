//! The people toolset: profiles by the batch and of groups, and which ids are one person.

use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use crate::support::{Recorder, TestServer, server};

const USERS: &str = "mixpanel_update_user_profiles";
const GROUP: &str = "mixpanel_set_group_profile";
const GROUPS: &str = "mixpanel_update_group_profiles";
const MERGE: &str = "mixpanel_merge_identities";
const ANONYMOUS: &str = "8f14e45f-ceea-467f-a6b5-0d2d4f5e8c11";

/// Sample calls of every tool, with each operation of groups.
pub(crate) fn samples_people() -> Vec<(&'static str, Value)> {
    let mut samples: Vec<(&'static str, Value)> = [
        ("$set", json!({"size": 7, "a \"b\"": [1]})),
        ("$set_once", json!({"size": 8})),
        ("$union", json!({"tags": ["new"]})),
        ("$remove", json!({"tags": "new"})),
        ("$unset", json!({"size": 0})),
        ("$delete", json!({})),
    ]
    .into_iter()
    .map(|(operation, properties)| {
        let mut arguments =
            json!({"group_key": "company", "group_id": "calls \"&\"", "operation": operation});
        if operation != "$delete" {
            arguments["properties"] = properties;
        }
        if ["$unset", "$delete"].contains(&operation) {
            arguments["confirm"] = "calls \"&\"".into();
        }
        (GROUP, arguments)
    })
    .collect();
    samples.extend([
        (
            USERS,
            json!({"user_changes": [
                {"distinct_id": "calls-5", "properties": {"n": 1}},
                {"distinct_id": "calls-5", "properties": {"n": 2}, "operation": "$add"},
                {"distinct_id": "calls-6", "operation": "$delete"},
            ], "confirm": "calls-6"}),
        ),
        (
            GROUPS,
            json!({"group_key": "company", "group_changes": [
                {"group_id": "calls-7", "properties": {"n": 1}},
                {"group_id": "calls-7", "properties": {"n": 0}, "operation": "$unset"},
            ], "confirm": "calls-7"}),
        ),
        (
            "mixpanel_create_identity",
            json!({"distinct_id": "calls-8", "anonymous_id": ANONYMOUS}),
        ),
        (
            "mixpanel_create_alias",
            json!({"distinct_id": "calls-8", "alias": "calls-8 \"&\""}),
        ),
        (
            MERGE,
            json!({"distinct_id": "calls-8", "merged_id": "calls-9", "confirm": "calls-9"}),
        ),
    ]);
    samples
}

/// A server before a recorder before a sandbox.
struct Stand {
    _sandbox: mixpanel_mcp_server::sandbox::Sandbox,
    recorder: Recorder,
    server: TestServer,
}

impl Stand {
    fn new() -> Stand {
        let sandbox = server::sandbox();
        let recorder = Recorder::before(&sandbox.url());
        let variables = [
            ("MIXPANEL_TOOLSETS", "default,people,explore"),
            ("MIXPANEL_PROJECT_TOKEN", "sandbox"),
        ];
        Stand {
            server: TestServer::before_with(&recorder.url(), &variables),
            _sandbox: sandbox,
            recorder,
        }
    }

    #[track_caller]
    fn profile(&self, id: &str) -> Value {
        let data = self.server.data(
            "mixpanel_get_user_profile",
            json!({"distinct_id": id, "fresh": true}),
        );
        data["properties"].clone()
    }

    /// The groups of a kind, by id.
    #[track_caller]
    fn groups(&self, key: &str) -> Vec<(String, Value)> {
        let arguments = json!({"data_group_id": key, "fresh": true});
        let data = self.server.data("mixpanel_query_profiles", arguments);
        let profiles = data["profiles"].as_array().unwrap().iter();
        let group = |profile: &Value| {
            let id = profile["distinct_id"].as_str().unwrap().to_owned();
            (id, profile["properties"].clone())
        };
        profiles.map(group).collect()
    }
}

#[test]
fn changes_of_many_users_go_in_one_request_and_in_their_order() {
    let stand = Stand::new();
    let data = stand.server.data(
        USERS,
        json!({"user_changes": [
            {"distinct_id": "ann", "properties": {"plan": "pro", "n": 1}},
            {"distinct_id": "bob", "properties": {"plan": "free"}},
            {"distinct_id": "ann", "properties": {"n": 2}, "operation": "$add"},
        ]}),
    );
    assert_eq!(data["accepted"], 3);
    let requests = stand.recorder.take();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].path, "/engage");
    assert_eq!(requests[0].json().as_array().unwrap().len(), 3);
    let ann = stand.profile("ann");
    assert_eq!((&ann["plan"], &ann["n"]), (&json!("pro"), &json!(3)));
    assert_eq!(stand.profile("bob")["plan"], "free");
}

#[test]
fn a_batch_with_one_bad_change_is_refused_whole_and_each_fault_names_its_place() {
    let stand = Stand::new();
    let facts = stand.server.failure(
        USERS,
        json!({"user_changes": [
            {"distinct_id": "ann", "properties": {"n": 1}},
            {"distinct_id": "null", "properties": {"n": "x"}, "operation": "$add"},
            {"distinct_id": "bob"},
        ]}),
    );
    assert_eq!(facts["kind"], "bad_arguments");
    assert_eq!(
        facts["faults"],
        json!([
            "user_changes[1].distinct_id: \"null\" stands for nobody, Mixpanel refuses it; give the user's own id",
            "user_changes[1].properties.n: must be a number for $add",
            "user_changes[2].properties: missing. $set needs at least one property",
        ])
    );
    assert!(stand.recorder.take().is_empty());
}

#[test]
fn a_batch_that_drops_asks_first_and_is_named_by_what_it_drops() {
    let stand = Stand::new();
    let mut arguments = json!({"user_changes": [
        {"distinct_id": "ann", "properties": {"n": 1}},
        {"distinct_id": "bob", "operation": "$delete"},
        {"distinct_id": "cat", "properties": {"plan": ""}, "operation": "$unset"},
    ]});
    let facts = stand.server.failure(USERS, arguments.clone());
    assert_eq!(facts["kind"], "not_confirmed");
    assert_eq!(facts["confirm"], "2 profiles");
    assert!(stand.recorder.take().is_empty());

    let told = stand.server.call(USERS, arguments.clone()).text;
    for part in [
        r#"delete the whole profile of the user "bob" for good"#,
        r#"drop "plan" from the profile of the user "cat" for good"#,
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert!(!told.contains("ann"), "{told}");

    arguments["confirm"] = "2 profiles".into();
    assert_eq!(stand.server.data(USERS, arguments)["accepted"], 3);
    assert_eq!(stand.recorder.take().len(), 1);
}

#[test]
fn groups_are_changed_read_and_deleted() {
    let stand = Stand::new();
    let of = |id: &str, operation: &str, properties: Value| json!({"group_key": "team", "group_id": id, "operation": operation, "properties": properties});
    let data = stand
        .server
        .data(GROUP, of("red", "$set", json!({"size": 7})));
    assert_eq!(data["group_id"], "red");
    let summary = data["summary"].as_str().unwrap();
    assert!(
        summary.contains(r#"the group "red" of "team""#),
        "{summary}"
    );
    stand
        .server
        .data(GROUP, of("red", "$set_once", json!({"size": 8})));
    let changes = json!({"group_key": "team", "group_changes": [
        {"group_id": "blue", "properties": {"size": 3}},
        {"group_id": "red", "properties": {"tags": ["new"]}, "operation": "$union"},
    ]});
    assert_eq!(stand.server.data(GROUPS, changes)["accepted"], 2);
    let mut groups = stand.groups("team");
    groups.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        groups,
        [
            ("blue".to_owned(), json!({"size": 3})),
            ("red".to_owned(), json!({"size": 7, "tags": ["new"]})),
        ]
    );
    stand.recorder.take();

    let mut deletion = json!({"group_key": "team", "group_id": "red", "operation": "$delete"});
    let facts = stand.server.failure(GROUP, deletion.clone());
    assert_eq!(
        (&facts["kind"], &facts["confirm"]),
        (&json!("not_confirmed"), &json!("red"))
    );
    assert!(stand.recorder.take().is_empty());
    deletion["confirm"] = "red".into();
    stand.server.data(GROUP, deletion);
    let ids: Vec<String> = stand.groups("team").into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["blue"]);
}

#[test]
fn a_group_takes_no_operation_that_mixpanel_does_not_document_for_groups() {
    let stand = Stand::new();
    let arguments = json!({"group_key": "team", "group_id": "red", "operation": "$append", "properties": {"a": 1}});
    let facts = stand.server.failure(GROUP, arguments);
    assert_eq!(facts["kind"], "bad_arguments");
    assert!(stand.recorder.take().is_empty());
}

#[test]
fn ids_are_joined_and_what_was_done_under_each_is_one_users() {
    let stand = Stand::new();
    for (id, event) in [
        (ANONYMOUS, "Looked"),
        ("zoe-2", "Bought"),
        ("zoe-3", "Left"),
    ] {
        let arguments = json!({"event": event, "distinct_id": id});
        stand.server.data("mixpanel_track_event", arguments);
    }
    let data = stand.server.data(
        "mixpanel_create_identity",
        json!({"distinct_id": "zoe", "anonymous_id": ANONYMOUS}),
    );
    assert_eq!(data["joined"], json!(["zoe", ANONYMOUS]));
    stand.server.data(
        "mixpanel_create_alias",
        json!({"distinct_id": "zoe", "alias": "zoe-2"}),
    );
    stand.recorder.take();

    let mut merge = json!({"distinct_id": "zoe", "merged_id": "zoe-3"});
    let answer = stand.server.call(MERGE, merge.clone());
    assert!(
        answer.is_error && answer.text.contains("they cannot be told apart again"),
        "{}",
        answer.text
    );
    assert!(stand.recorder.take().is_empty());
    merge["confirm"] = "zoe-3".into();
    stand.server.data(MERGE, merge);

    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let activity = stand.server.data(
        "mixpanel_get_profile_event_activity",
        json!({"distinct_id": "zoe-3", "fresh": true, "from_date": (today - 1.day()).to_string(), "to_date": today.to_string()}),
    );
    let mut names: Vec<&str> = activity["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["Bought", "Left", "Looked"]);
}

#[test]
fn ids_that_cannot_be_one_person_are_refused_before_anything_is_sent() {
    let stand = Stand::new();
    for (tool, arguments, fault) in [
        (
            "mixpanel_create_identity",
            json!({"distinct_id": "zoe", "anonymous_id": "8f14e45f-ceea-167f-a6b5-0d2d4f5e8c11"}),
            "anonymous_id: must be a UUID of version 4, as 8f14e45f-ceea-467f-a6b5-0d2d4f5e8c11, got \"8f14e45f-ceea-167f-a6b5-0d2d4f5e8c11\"",
        ),
        (
            "mixpanel_create_alias",
            json!({"distinct_id": "zoe", "alias": "zoe"}),
            "alias: is the same as distinct_id",
        ),
        (
            MERGE,
            json!({"distinct_id": "undefined", "merged_id": "zoe", "confirm": "zoe"}),
            "distinct_id: \"undefined\" stands for nobody, Mixpanel refuses it; give the user's own id",
        ),
    ] {
        let facts = stand.server.failure(tool, arguments);
        assert_eq!(facts["kind"], "bad_arguments", "{tool}");
        assert_eq!(facts["faults"], json!([fault]), "{tool}");
    }
    assert!(stand.recorder.take().is_empty());
}
