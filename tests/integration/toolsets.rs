//! Which tools are offered: by toolset, by name, only reading ones; and what destroys asks first.

use std::process::Command;

use mixpanel_mcp_server::tools::TOOLSETS;
use serde_json::json;

use crate::support::TestServer;

/// The names that are listed for these header fields.
#[track_caller]
fn listed(server: &TestServer, headers: &[(&str, &str)]) -> Vec<String> {
    let message = server.rpc_with(headers, "tools/list", json!({}));
    let tools = message["result"]["tools"]
        .as_array()
        .unwrap_or_else(|| panic!("{message}"));
    tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

fn names(toolset: &str) -> Vec<&'static str> {
    let toolset = TOOLSETS.iter().find(|known| known.name == toolset).unwrap();
    toolset.tools.iter().map(|tool| tool.name).collect()
}

#[test]
fn only_the_toolsets_that_are_named_are_offered_and_served() {
    let server = TestServer::start(&["--sandbox", "--toolsets", "profiles,projects"], &[]);
    assert_eq!(
        listed(&server, &[]),
        [names("projects"), names("profiles")].concat()
    );
    let refused = server.rpc("tools/call", json!({"name": "mixpanel_list_events"}));
    assert_eq!(refused["error"]["code"], -32602);
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("toolset events"), "{message}");
}

#[test]
fn single_tools_come_alone_or_beside_toolsets() {
    let alone = TestServer::start(&["--sandbox", "--tools", "mixpanel_list_events"], &[]);
    assert_eq!(listed(&alone, &[]), ["mixpanel_list_events"]);
    let variables = [
        ("MIXPANEL_TOOLSETS", "projects"),
        ("MIXPANEL_TOOLS", "mixpanel_list_events"),
    ];
    let beside = TestServer::start(&["--sandbox"], &variables);
    let expected = [names("projects"), vec!["mixpanel_list_events"]].concat();
    assert_eq!(listed(&beside, &[]), expected);
}

#[test]
fn only_reading_tools_are_offered_where_nothing_may_be_written() {
    for (flags, variables) in [
        (&["--sandbox", "--read-only"][..], &[][..]),
        (&["--sandbox"], &[("MIXPANEL_READ_ONLY", "true")]),
    ] {
        let server = TestServer::start(flags, variables);
        let tools = server.rpc("tools/list", json!({}));
        let tools = tools["result"]["tools"].as_array().unwrap();
        assert!(tools.len() > 10);
        assert!(
            tools
                .iter()
                .all(|tool| tool["annotations"]["readOnlyHint"] == true)
        );
        let refused = server.rpc(
            "tools/call",
            json!({"name": "mixpanel_track_event", "arguments": {"event": "x"}}),
        );
        assert!(
            refused["error"]["message"]
                .as_str()
                .unwrap()
                .contains("only reading"),
            "{refused}"
        );
    }
}

#[test]
fn a_request_may_narrow_what_is_offered_and_never_widen_it() {
    let server = TestServer::start(&["--sandbox", "--toolsets", "projects,events"], &[]);
    let all = listed(&server, &[]);
    assert_eq!(
        listed(&server, &[("x-mixpanel-toolsets", "projects")]),
        names("projects")
    );
    assert_eq!(
        listed(&server, &[("x-mixpanel-toolsets", "projects, ingest")]),
        names("projects")
    );
    assert_eq!(listed(&server, &[("x-mixpanel-toolsets", "all")]), all);
    let read_only = TestServer::start(&["--sandbox", "--read-only"], &[]);
    let reading = listed(&read_only, &[]);
    assert_eq!(
        listed(&read_only, &[("x-mixpanel-read-only", "false")]),
        reading
    );
    let writing = TestServer::shared();
    assert_eq!(
        listed(writing, &[("x-mixpanel-read-only", "true")]),
        reading
    );

    let narrowed = [("x-mixpanel-toolsets", "projects")];
    let refused = server.rpc_with(
        &narrowed,
        "tools/call",
        json!({"name": "mixpanel_list_events"}),
    );
    assert_eq!(refused["error"]["code"], -32602);
    assert_eq!(
        server.rpc("tools/call", json!({"name": "mixpanel_list_events"}))["error"],
        json!(null)
    );
}

#[test]
fn an_unknown_toolset_in_a_header_is_told_with_those_that_there_are() {
    let headers = [("x-mixpanel-toolsets", "lexikon")];
    let message = TestServer::shared().rpc_with(&headers, "tools/list", json!({}));
    assert_eq!(message["error"]["code"], -32602);
    let text = message["error"]["message"].as_str().unwrap();
    assert!(
        text.contains("lexikon") && text.contains("profiles"),
        "{text}"
    );
}

#[test]
fn the_command_tools_lists_every_tool_and_what_its_toolset_costs() {
    let output = Command::new(env!("CARGO_BIN_EXE_mixpanel-mcp-server"))
        .arg("tools")
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for toolset in TOOLSETS {
        let head = text
            .lines()
            .find(|line| line.starts_with(&format!("{} (", toolset.name)))
            .unwrap();
        assert!(head.contains(" tokens)"), "{head}");
        for tool in toolset.tools {
            assert_eq!(
                text.matches(&format!("  {} ", tool.name)).count(),
                1,
                "{}",
                tool.name
            );
        }
    }
}

#[test]
fn what_destroys_is_not_done_before_its_name_is_confirmed() {
    let server = TestServer::sandbox();
    let user = json!({"distinct_id": "toolsets-1", "properties": {"plan": "pro"}});
    server.data("mixpanel_set_user_profile", user);
    let delete = |confirm: Option<&str>| {
        let mut arguments = json!({"distinct_id": "toolsets-1", "operation": "$delete"});
        if let Some(confirm) = confirm {
            arguments["confirm"] = confirm.into();
        }
        arguments
    };
    let found = || {
        let arguments = json!({"distinct_id": "toolsets-1", "fresh": true});
        server.data("mixpanel_get_user_profile", arguments)["found"].clone()
    };
    for confirm in [None, Some("toolsets-2")] {
        let facts = server.failure("mixpanel_set_user_profile", delete(confirm));
        assert_eq!(
            (&facts["kind"], &facts["confirm"]),
            (&json!("not_confirmed"), &json!("toolsets-1"))
        );
        assert!(
            facts["error"]
                .as_str()
                .unwrap()
                .contains("delete the whole profile"),
            "{facts}"
        );
        assert_eq!(found(), true);
    }
    server.data("mixpanel_set_user_profile", delete(Some("toolsets-1")));
    assert_eq!(found(), false);
}
