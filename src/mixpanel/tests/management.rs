//! How what people manage is read and changed: methods, signatures, answers of either form, and nothing done twice.

use serde_json::{Map, json as value};

use super::loopback::{Act, Loopback, answer, json, project, status};
use crate::mixpanel::{
    AnnotationTag, Clients, Error, NewServiceAccount, PipelineForm, PipelineStep, SchemaScope,
    Secret, Stop, WarehouseImportKind,
};

fn oauth(mixpanel: &Loopback) -> Clients {
    mixpanel.clients_with(Stop::new(), |config| {
        config.oauth_token = Some(Secret::new("0auth"));
    })
}

#[test]
fn a_change_is_sent_once_even_where_a_read_would_be_asked_again() {
    type Change = fn(&Clients) -> Result<(), Error>;
    let changes: [(&str, Change); 5] = [
        ("DELETE /projects/7/annotations/3", |clients| {
            clients.app.delete_annotation(&project(), 3)
        }),
        ("POST /projects/7/annotations/tags", |clients| {
            let tag = clients.app.create_annotation_tag(&project(), "a");
            tag.map(drop)
        }),
        ("PUT /workspaces/8/experiments/x/launch", |clients| {
            clients.app.launch_experiment(8, "x").map(drop)
        }),
        ("PATCH /projects/7/warehouse-sources/imports/3", |clients| {
            let import = clients
                .app
                .update_warehouse_import(&project(), 3, true, 0, None);
            import.map(drop)
        }),
        ("PUT /lookup-tables/x?project_id=7", |clients| {
            let failed = clients
                .ingestion
                .replace_lookup_table(&project(), "x", "a,b\n".into());
            failed.map(drop)
        }),
    ];
    for (expected, change) in changes {
        for act in [status(503, "busy"), Act::Break(vec![])] {
            let mixpanel = Loopback::acting(vec![act, json("{}")]);
            let error = change(&mixpanel.clients(Stop::new())).unwrap_err();
            assert!(
                ["server_fault", "broken_off"].contains(&error.kind()),
                "{error}"
            );
            assert_eq!(mixpanel.asked(), [expected]);
        }
    }
}

#[test]
fn a_change_is_done_when_the_answer_is_empty_and_not_when_it_says_error() {
    let pause = |act: Act| {
        let mixpanel = Loopback::acting(vec![act]);
        let export = &mixpanel.clients(Stop::new()).export;
        export.step_pipeline(&project(), "p", PipelineStep::Pause)
    };
    assert_eq!(pause(answer(204, "", b"")), Ok(()));
    assert_eq!(pause(status(200, "")), Ok(()));
    assert_eq!(pause(status(200, "paused")), Ok(()));
    assert_eq!(pause(json(r#"{"status": "ok"}"#)), Ok(()));
    let words = Some("no such pipeline".to_owned());
    assert_eq!(
        pause(json(r#"{"status": "error", "error": "no such pipeline"}"#)),
        Err(Error::RefusedUnder200 { words })
    );
    assert_eq!(
        pause(status(200, "<html>")),
        Err(Error::NotJson { html: true })
    );
}

#[test]
fn an_answer_is_read_with_and_without_its_envelope() {
    let tag = || AnnotationTag {
        id: 3,
        name: "a".into(),
    };
    for body in [
        r#"{"status": "ok", "results": [{"id": 3, "name": "a"}]}"#,
        r#"[{"id": 3, "name": "a", "has_annotations": true}]"#,
    ] {
        let mixpanel = Loopback::acting(vec![json(body)]);
        let tags = mixpanel
            .clients(Stop::new())
            .app
            .annotation_tags(&project());
        assert_eq!(tags, Ok(vec![tag()]));
    }
    for body in [
        r#"{"status": "ok", "results": {"task_id": "t"}}"#,
        r#"{"status": "ok", "results": [{"tracking_id": "t", "status": "PENDING"}]}"#,
    ] {
        let mixpanel = Loopback::acting(vec![json(body)]);
        let users = ["u".to_owned()];
        let id = oauth(&mixpanel)
            .app
            .create_data_deletion(&Secret::new("tok"), &users, None);
        assert_eq!(id.as_deref(), Ok("t"));
    }
    for member in ["result", "results"] {
        let body = format!(r#"{{"results": {{"status": "SUCCESS", "{member}": "link"}}}}"#);
        let mixpanel = Loopback::acting(vec![json(&body)]);
        let job = oauth(&mixpanel)
            .app
            .data_retrieval(&Secret::new("tok"), "t");
        assert_eq!(job.map(|job| job.results).as_deref(), Ok("link"));
    }
}

#[test]
fn persons_data_is_asked_for_with_the_oauth_token_alone_and_neither_token_is_shown() {
    let refusal = r#"{"status": "error", "error": "token pr0ject of 0auth is not known"}"#;
    let mixpanel = Loopback::acting(vec![status(403, refusal)]);
    let error = oauth(&mixpanel)
        .app
        .cancel_data_deletion(&Secret::new("pr0ject"), "a/b")
        .unwrap_err();
    let words = Some("token [redacted] of [redacted] is not known");
    assert_eq!(error.mixpanel_message(), words);
    let request = mixpanel.request();
    assert!(
        request.starts_with("DELETE /data-deletions/v3.0/a%2Fb?token=pr0ject "),
        "{request}"
    );
    assert!(request.contains("authorization: Bearer 0auth"), "{request}");
    assert!(!request.contains("Basic"), "{request}");
}

#[test]
fn the_secrets_of_a_pipeline_stand_in_the_form_and_in_no_error() {
    let refusal = r#"{"error": "password pa55 is wrong", "status": "error"}"#;
    let mixpanel = Loopback::acting(vec![status(400, refusal)]);
    let fields = [("type".to_owned(), "snowflake".to_owned())];
    let secrets = [("snowflake_password".to_owned(), Secret::new("pa55"))];
    let form = PipelineForm {
        fields: &fields,
        secrets: &secrets,
    };
    let error = mixpanel
        .clients(Stop::new())
        .export
        .create_pipeline(&project(), &form)
        .unwrap_err();
    assert_eq!(
        error.mixpanel_message(),
        Some("password [redacted] is wrong")
    );
    let request = mixpanel.request();
    assert!(
        request.ends_with("project_id=7&type=snowflake&snowflake_password=pa55"),
        "{request}"
    );
}

#[test]
fn a_new_account_without_its_secret_is_no_answer() {
    let new = NewServiceAccount {
        username: "ci",
        role: None,
        expires: None,
        projects: &[],
    };
    let create = |body: &str| {
        let mixpanel = Loopback::acting(vec![json(body)]);
        let app = &mixpanel.clients(Stop::new()).app;
        app.create_service_account(5, &new)
    };
    let created =
        create(r#"{"status": "ok", "results": {"id": 3, "username": "ci.x", "token": "s3cr3t"}}"#);
    let created = created.unwrap();
    assert_eq!((created.account.id, created.reveal_token()), (3, "s3cr3t"));
    assert!(!format!("{created:?}").contains("s3cr3t"));
    let error =
        create(r#"{"status": "ok", "results": {"id": 3, "username": "ci.x"}}"#).unwrap_err();
    assert_eq!(error.kind(), "wrong_shape");
}

#[test]
fn scopes_and_kinds_choose_the_path() {
    let deleted = |scope: SchemaScope<'_>| {
        let mixpanel = Loopback::acting(vec![json(r#"{"results": {"delete_count": 2}}"#)]);
        let app = &mixpanel.clients(Stop::new()).app;
        assert_eq!(app.delete_schemas(&project(), scope), Ok(2));
        mixpanel.asked().remove(0)
    };
    assert_eq!(deleted(SchemaScope::Project), "DELETE /projects/7/schemas");
    assert_eq!(
        deleted(SchemaScope::EntityType("event")),
        "DELETE /projects/7/schemas/event"
    );
    assert_eq!(
        deleted(SchemaScope::Entity("event", "A/B")),
        "DELETE /projects/7/schemas/event/A%2FB"
    );

    let mixpanel = Loopback::acting(vec![json(r#"{"results": {"id": 1}}"#)]);
    let settings = Map::from_iter([("sync_mode".to_owned(), value!("one_time"))]);
    let import = mixpanel.clients(Stop::new()).app.create_warehouse_import(
        &project(),
        WarehouseImportKind::LookupTable,
        &settings,
    );
    assert_eq!(import, Ok(value!({"id": 1})));
    let request = mixpanel.request();
    let path = "POST /projects/7/warehouse-sources/imports/lookup-table ";
    assert!(request.starts_with(path), "{request}");
    assert!(
        request.contains(r#""import_type":"lookup_table""#),
        "{request}"
    );
}
