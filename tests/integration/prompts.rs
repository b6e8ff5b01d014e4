//! Prompts: what they list, what they ask for, and that the calls that they spell out can be made.

use serde_json::{Deserializer, Map, Value, json};

use crate::support::TestServer;

/// Values that every argument of every prompt takes in the sandbox.
fn filled() -> Map<String, Value> {
    let members = [
        ("event", "Purchase Completed"),
        ("property", "plan"),
        ("funnel", "Purchase funnel"),
        ("distinct_id", "nobody \"at\" all"),
        ("question", "why?"),
        ("project_id", "12345"),
    ];
    members
        .map(|(name, value)| (name.to_owned(), value.into()))
        .into_iter()
        .collect()
}

fn listed() -> Vec<Value> {
    let answer = TestServer::shared().rpc("prompts/list", json!({}));
    answer["result"]["prompts"].as_array().unwrap().clone()
}

/// The message of a prompt, which is one text from the user.
#[track_caller]
fn text(name: &str, arguments: &Map<String, Value>) -> String {
    let params = json!({"name": name, "arguments": arguments});
    let answer = TestServer::shared().rpc("prompts/get", params);
    let result = &answer["result"];
    assert!(result["description"].is_string(), "{answer}");
    let messages = result["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["role"], "user");
    assert_eq!(messages[0]["content"]["type"], "text");
    messages[0]["content"]["text"].as_str().unwrap().to_owned()
}

#[track_caller]
fn refusal(name: &str, arguments: Value) -> String {
    let params = json!({"name": name, "arguments": arguments});
    let answer = TestServer::shared().rpc("prompts/get", params);
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    answer["error"]["message"].as_str().unwrap().to_owned()
}

/// The calls that a text spells out: a tool and its arguments.
fn calls(text: &str) -> Vec<(String, Value)> {
    let mut calls = Vec::new();
    for (start, _) in text.match_indices("mixpanel_") {
        let rest = &text[start..];
        let end = rest
            .find(|letter: char| !letter.is_ascii_lowercase() && letter != '_')
            .unwrap();
        let (tool, rest) = rest.split_at(end);
        if rest.starts_with(" {") {
            let arguments = Deserializer::from_str(rest).into_iter().next().unwrap();
            calls.push((tool.to_owned(), arguments.unwrap()));
        }
    }
    calls
}

/// The arguments with a value for each word that stands for what a model finds on its way.
fn found(arguments: &Value) -> Value {
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let ago = |days: i64| {
        today
            .saturating_sub(jiff::Span::new().days(days))
            .to_string()
    };
    let mut text = arguments.to_string();
    for (word, value) in [
        ("EARLIER_FROM", ago(14)),
        ("EARLIER_TO", ago(8)),
        ("BEFORE_FROM", ago(14)),
        ("BEFORE_TO", ago(8)),
        ("AFTER_FROM", ago(7)),
        ("AFTER_TO", ago(1)),
        ("FROM", ago(7)),
        ("TO", ago(1)),
        ("DAY", ago(5)),
        ("FUNNEL_ID", "7509".into()),
        ("EVENT", "App Open".into()),
        ("MOVER", "App Open".into()),
        ("PROPERTY", "plan".into()),
        ("SEGMENT", "pro".into()),
    ] {
        text = text.replace(word, &value);
    }
    serde_json::from_str(&text).unwrap()
}

#[test]
fn each_prompt_says_what_it_is_for_and_what_it_takes() {
    let prompts = listed();
    let names: Vec<&str> = prompts
        .iter()
        .map(|prompt| prompt["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "weekly_report",
            "explain_change",
            "find_drop_off",
            "describe_user",
            "check_tracking",
        ]
    );
    for prompt in &prompts {
        assert!(prompt["title"].is_string() && prompt["description"].is_string());
        for argument in prompt["arguments"].as_array().unwrap() {
            assert!(argument["description"].is_string(), "{argument}");
            assert!(argument["required"].is_boolean(), "{argument}");
        }
    }
}

#[test]
fn every_call_that_a_prompt_spells_out_can_be_made() {
    let server = TestServer::sandbox();
    for prompt in listed() {
        let name = prompt["name"].as_str().unwrap();
        let text = text(name, &filled());
        let calls = calls(&text);
        assert!(calls.len() >= 3, "{name}: {text}");
        for (tool, arguments) in calls {
            assert_eq!(arguments["project_id"], "12345", "{name}: {tool}");
            server.data(&tool, found(&arguments));
        }
    }
}

#[test]
fn every_tool_that_a_prompt_names_exists() {
    for prompt in listed() {
        let name = prompt["name"].as_str().unwrap();
        for arguments in [filled(), required_of(&prompt)] {
            let text = text(name, &arguments);
            for (start, _) in text.match_indices("mixpanel_") {
                let rest = &text[start..];
                let end = rest.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
                let tool = rest.split_at(end.unwrap()).0;
                let known = mixpanel_mcp_server::tools::all().any(|known| known.name == tool);
                assert!(known, "{name} names {tool}");
            }
        }
    }
}

/// Only what must be given.
fn required_of(prompt: &Value) -> Map<String, Value> {
    let mut all = filled();
    let required: Vec<&str> = prompt["arguments"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|argument| argument["required"] == true)
        .map(|argument| argument["name"].as_str().unwrap())
        .collect();
    all.retain(|name, _| required.contains(&name.as_str()));
    all
}

#[test]
fn what_is_left_out_or_empty_leaves_no_trace() {
    for prompt in listed() {
        let name = prompt["name"].as_str().unwrap();
        let short = text(name, &required_of(&prompt));
        assert!(!short.contains(":null"), "{name}: {short}");
        assert!(!short.contains("12345"), "{name}: {short}");
        let mut with_blanks = required_of(&prompt);
        for argument in prompt["arguments"].as_array().unwrap() {
            let argument = argument["name"].as_str().unwrap().to_owned();
            with_blanks.entry(argument).or_insert("".into());
        }
        assert_eq!(text(name, &with_blanks), short, "{name}");
    }
}

#[test]
fn a_filled_argument_is_in_the_text_and_the_calls_escaped() {
    let text = text("describe_user", &filled());
    assert!(
        text.contains(r#"the Mixpanel user "nobody \"at\" all""#),
        "{text}"
    );
    assert!(text.contains(r#"The question is: "why?""#), "{text}");
    let asked = calls(&text);
    assert_eq!(
        asked[0],
        (
            "mixpanel_get_user_profile".into(),
            json!({"distinct_id": "nobody \"at\" all", "project_id": "12345"})
        )
    );
}

#[test]
fn what_is_missing_or_too_long_is_refused_by_name() {
    let missing = "event: missing. Event whose count changed; exact name.";
    assert_eq!(refusal("explain_change", json!({})), missing);
    assert_eq!(refusal("explain_change", json!({"event": " "})), missing);
    assert_eq!(
        refusal("describe_user", json!({"project_id": "1"})),
        "distinct_id: missing. The user's id in Mixpanel, exactly."
    );
    assert_eq!(
        refusal("weekly_report", json!({"event": "x".repeat(256)})),
        "event: longer than 255 characters"
    );
    assert!(refusal("weekly_report", json!({"event": 1})).contains("strings"));
    assert!(refusal("none", json!({})).contains("there is no prompt"));
}
