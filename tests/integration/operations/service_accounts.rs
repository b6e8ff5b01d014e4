//! Service accounts.

use mixpanel_mcp_server::mixpanel::{NewServiceAccount, ProjectId, ProjectRole};

use super::{Stand, refusal};

const ORGANIZATION: u64 = 500;

#[test]
fn an_account_is_made_with_a_secret_that_is_told_once() {
    let stand = Stand::new();
    let app = &stand.clients.app;
    let new = NewServiceAccount {
        username: "ci",
        role: Some("analyst"),
        expires: Some("2030-01-01T00:00:00Z"),
        projects: &[ProjectRole {
            project: &stand.project,
            role: "analyst",
        }],
    };
    let created = app.create_service_account(ORGANIZATION, &new).unwrap();
    let secret = created.reveal_token();
    assert!(secret.len() >= 32);
    assert!(!format!("{created:?}").contains(secret));
    assert!(created.account.username.starts_with("ci."));

    let id = created.account.id;
    let found = app.service_account(ORGANIZATION, id).unwrap();
    assert_eq!(found, created.account);
    let all = app.service_accounts(ORGANIZATION).unwrap();
    assert_eq!(all.len(), 3);
    assert!(!format!("{all:?}{found:?}").contains(secret));

    app.delete_service_account(ORGANIZATION, id).unwrap();
    assert_eq!(
        refusal(app.service_account(ORGANIZATION, id)).0,
        "not_found"
    );
    stand.asked();
}

#[test]
fn accounts_are_added_to_projects_and_removed_from_them() {
    let stand = Stand::new();
    let app = &stand.clients.app;
    let other = ProjectId::parse("67890").unwrap();
    let new = NewServiceAccount {
        username: "ci",
        role: None,
        expires: None,
        projects: &[],
    };
    let id = app
        .create_service_account(ORGANIZATION, &new)
        .unwrap()
        .account
        .id;
    let role = |project: &ProjectId| {
        let all = app.project_service_accounts(project).unwrap();
        all.into_iter()
            .find(|one| one.id == id)
            .and_then(|one| one.role)
    };
    assert_eq!(role(&other), None);
    let parts = [&stand.project, &other].map(|project| ProjectRole {
        project,
        role: "admin",
    });
    app.add_service_accounts(ORGANIZATION, &parts, &[id])
        .unwrap();
    assert_eq!(role(&other).as_deref(), Some("admin"));
    app.remove_service_accounts(ORGANIZATION, std::slice::from_ref(&other), &[id])
        .unwrap();
    assert_eq!(role(&other), None);
    assert_eq!(role(&stand.project).as_deref(), Some("admin"));
    let unknown = app.add_service_accounts(ORGANIZATION, &parts, &[999]);
    assert_eq!(refusal(unknown).0, "not_found");
    assert_eq!(refusal(app.service_accounts(501)).0, "forbidden");
    stand.asked();
}

#[test]
fn who_may_only_look_sees_no_accounts() {
    let stand = Stand::new();
    let refused = stand.viewer().app.service_accounts(ORGANIZATION);
    assert_eq!(refusal(refused).0, "forbidden");
    stand.asked();
}
