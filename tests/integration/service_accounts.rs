//! The tools that manage service accounts.

use serde_json::{Value, json};

use crate::support::TestServer;

const LIST: &str = "mixpanel_list_service_accounts";
const GET: &str = "mixpanel_get_service_account";
const CREATE: &str = "mixpanel_create_service_account";
const DELETE: &str = "mixpanel_delete_service_account";
const ADD: &str = "mixpanel_add_service_accounts";
const REMOVE: &str = "mixpanel_remove_service_accounts";

/// Sample calls, for `calls.rs`.
pub(crate) fn samples_service_accounts() -> Vec<(&'static str, Value)> {
    let id = "of:mixpanel_create_service_account/service_account/service_account_id";
    let name = "of:mixpanel_create_service_account/service_account/username";
    let one = json!({"organization_id": "500", "service_account_id": id});
    let mut deletion = one.clone();
    deletion["confirm"] = name.into();
    vec![
        (LIST, json!({"organization_id": "500"})),
        (LIST, json!({"project_id": "12345"})),
        (
            CREATE,
            json!({
                "organization_id": "500", "username": "calls", "role": "analyst",
                "expires": "2030-01-01T00:00:00Z", "reveal_token": true,
                "projects": [{"project_id": "12345", "role": "consumer"}],
            }),
        ),
        (GET, one),
        (
            ADD,
            json!({
                "organization_id": "500", "service_account_ids": [id],
                "projects": [{"project_id": "67890", "role": "admin"}],
            }),
        ),
        (
            REMOVE,
            json!({
                "organization_id": "500", "service_account_ids": [id],
                "project_ids": ["67890"], "confirm": name,
            }),
        ),
        (DELETE, deletion),
    ]
}

fn server() -> TestServer {
    TestServer::start(&["--sandbox", "--toolsets", "service_accounts"], &[])
}

fn made(server: &TestServer, username: &str) -> Value {
    let arguments = json!({"organization_id": "500", "username": username, "reveal_token": true});
    server.data(CREATE, arguments)["service_account"].clone()
}

/// The usernames in a list.
fn names(server: &TestServer, arguments: Value) -> Vec<String> {
    let data = server.data(LIST, arguments);
    assert_eq!(data["truncated"], false);
    let accounts = data["service_accounts"].as_array().unwrap();
    let name = |account: &Value| account["username"].as_str().unwrap().to_owned();
    accounts.iter().map(name).collect()
}

#[test]
fn an_account_is_made_listed_told_and_deleted_once_its_name_is_confirmed() {
    let server = server();
    let account = made(&server, "ci");
    let name = account["username"].as_str().unwrap();
    assert!(name.starts_with("ci."), "{name}");
    let all = || names(&server, json!({"organization_id": "500"}));
    assert!(all().contains(&name.to_owned()));
    let one = json!({
        "organization_id": "500", "service_account_id": account["service_account_id"],
    });
    assert_eq!(server.data(GET, one.clone())["service_account"], account);

    let refused = server.failure(DELETE, one.clone());
    assert_eq!(
        (&refused["kind"], &refused["confirm"]),
        (&json!("not_confirmed"), &json!(name))
    );
    assert!(all().contains(&name.to_owned()));
    let mut confirmed = one.clone();
    confirmed["confirm"] = name.into();
    server.data(DELETE, confirmed);
    assert!(!all().contains(&name.to_owned()));
    assert_eq!(server.failure(GET, one.clone())["kind"], "not_found");
    assert_eq!(server.failure(DELETE, one)["kind"], "not_found");
}

#[test]
fn an_account_is_made_only_for_who_says_that_its_token_may_be_shown() {
    let server = server();
    let new = |reveal: Option<bool>| {
        let mut arguments = json!({"organization_id": "500", "username": "ci"});
        if let Some(reveal) = reveal {
            arguments["reveal_token"] = reveal.into();
        }
        server.call(CREATE, arguments)
    };
    let before = names(&server, json!({"organization_id": "500"}));
    for reveal in [None, Some(false)] {
        let answer = new(reveal);
        assert!(answer.is_error, "{}", answer.text);
        assert!(
            answer.text.contains("reveal_token: must be true"),
            "{}",
            answer.text
        );
    }
    let after = names(&server, json!({"organization_id": "500", "fresh": true}));
    assert_eq!(before, after);
    let told = new(Some(true)).data;
    let token = told["token"].as_str().unwrap();
    assert!(token.starts_with("sandbox-") && token.len() > 32);
    assert!(!told["summary"].as_str().unwrap().contains(token));
    let one = json!({
        "organization_id": "500",
        "service_account_id": told["service_account"]["service_account_id"],
    });
    assert!(!server.call(GET, one).text.contains(token));
}

#[test]
fn accounts_come_into_projects_and_go_out_of_them_once_confirmed() {
    let server = server();
    let account = made(&server, "ci");
    let (id, name) = (&account["service_account_id"], &account["username"]);
    let of_project = || names(&server, json!({"project_id": "67890"}));
    let is_member = || of_project().iter().any(|known| *name == json!(known));
    assert!(!is_member());
    let added = server.data(
        ADD,
        json!({
            "organization_id": "500", "service_account_ids": [id],
            "projects": [{"project_id": "67890", "role": "analyst"}],
        }),
    );
    assert_eq!(added["project_ids"], json!(["67890"]));
    assert!(is_member());

    let mut removal = json!({
        "organization_id": "500", "service_account_ids": [id], "project_ids": ["67890"],
    });
    let refused = server.failure(REMOVE, removal.clone());
    assert_eq!(
        (&refused["kind"], &refused["confirm"]),
        (&json!("not_confirmed"), name)
    );
    let text = refused["error"].as_str().unwrap();
    assert!(text.contains("out of the project 67890"), "{text}");
    assert!(is_member());
    removal["confirm"] = name.clone();
    server.data(REMOVE, removal);
    assert!(!is_member());
}

#[test]
fn several_accounts_are_confirmed_by_their_number_and_unknown_ones_are_refused() {
    let server = server();
    let ids: Vec<Value> = ["a", "b"]
        .iter()
        .map(|name| made(&server, name)["service_account_id"].clone())
        .collect();
    let removal = |ids: Value| {
        let arguments = json!({
            "organization_id": "500", "service_account_ids": ids, "project_ids": ["12345", "67890"],
        });
        server.failure(REMOVE, arguments)
    };
    let refused = removal(json!(ids));
    assert_eq!(refused["confirm"], "2 service accounts");
    let text = refused["error"].as_str().unwrap();
    assert!(text.contains("each of the projects 12345, 67890"), "{text}");
    assert_eq!(removal(json!(["999"]))["kind"], "not_found");
}

#[test]
fn what_cannot_be_is_refused_before_anybody_is_asked() {
    let server = server();
    let both = json!({"organization_id": "500", "project_id": "12345"});
    assert_eq!(server.failure(LIST, both)["kind"], "bad_arguments");
    let never = json!({"organization_id": "500", "username": "ci", "reveal_token": true, "expires": "next year"});
    let facts = server.failure(CREATE, never);
    assert_eq!(
        facts["faults"],
        json!(["expires: \"next year\" is not a moment such as 2027-01-31T00:00:00Z"])
    );
}

#[test]
fn an_organization_of_others_is_told_as_forbidden() {
    let facts = server().failure(LIST, json!({"organization_id": "501"}));
    assert_eq!(facts["kind"], "forbidden");
}
