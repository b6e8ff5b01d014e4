//! What goes in, and with whose credentials.

use serde_json::{Value, json as value};

use super::loopback::{Act, Loopback, answer, json, project, status};
use crate::mixpanel::{Error, FailedRecord, ImportOutcome, Mixpanel, ProjectId, Secret, Stop};

#[test]
fn an_import_tells_what_was_stored_and_what_was_refused() {
    let body = r#"{"code": 400, "error": "some data points failed", "num_records_imported": 1, "status": "Bad Request",
        "failed_records": [{"index": 1, "$insert_id": "i", "field": "properties.time", "message": "too old"}]}"#;
    let mixpanel = Loopback::acting(vec![status(400, body)]);
    let outcome = mixpanel
        .clients(Stop::new())
        .ingestion
        .import(&project(), &[value!({}), value!({})])
        .unwrap();
    let failed = FailedRecord {
        index: 1,
        insert_id: Some("i".into()),
        field: Some("properties.time".into()),
        message: "too old".into(),
    };
    assert_eq!(
        outcome,
        ImportOutcome {
            stored: 1,
            failed: vec![failed]
        }
    );
    let request = mixpanel.request();
    assert!(
        request.starts_with("POST /import?project_id=7&strict=1 "),
        "{request}"
    );
    assert!(request.contains("content-encoding: gzip"), "{request}");
}

#[test]
fn an_import_that_was_refused_whole_is_an_error() {
    let mixpanel = Loopback::acting(vec![status(
        400,
        r#"{"code": 400, "error": "bad project", "status": "x"}"#,
    )]);
    let error = mixpanel
        .clients(Stop::new())
        .ingestion
        .import(&project(), &[value!({})])
        .unwrap_err();
    assert_eq!(
        error,
        Error::BadRequest {
            status: 400,
            words: Some("bad project".into())
        }
    );
}

#[test]
fn tracking_carries_the_token_in_the_event_and_is_not_signed() {
    let mixpanel = Loopback::acting(vec![json(r#"{"status": 1, "error": null}"#), json("1")]);
    let clients = mixpanel.clients(Stop::new());
    let token = Secret::new("t0ken");
    clients
        .ingestion
        .track(&token, &[value!({"event": "Buy"})])
        .unwrap();
    clients
        .ingestion
        .engage(&token, &[value!({"$distinct_id": "u", "$set": {}})])
        .unwrap();

    let sent = |request: String| -> Value {
        assert!(
            !request.to_lowercase().contains("authorization:"),
            "{request}"
        );
        assert!(
            !request.to_lowercase().contains("content-encoding:"),
            "{request}"
        );
        serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    assert_eq!(
        sent(mixpanel.request()),
        value!([{"event": "Buy", "properties": {"token": "t0ken"}}])
    );
    assert_eq!(
        sent(mixpanel.request()),
        value!([{"$distinct_id": "u", "$set": {}, "$token": "t0ken"}])
    );
}

#[test]
fn data_that_tracking_refuses_is_an_error_without_the_token() {
    let refused = answer(200, "", br#"{"status": 0, "error": "token t0ken is bad"}"#);
    let mixpanel = Loopback::acting(vec![refused]);
    let error = mixpanel
        .clients(Stop::new())
        .ingestion
        .track(&Secret::new("t0ken"), &[value!({})])
        .unwrap_err();
    assert_eq!(
        error,
        Error::RefusedUnder200 {
            words: Some("token [redacted] is bad".into())
        }
    );
}

#[test]
fn the_environments_token_is_only_for_its_own_callers_and_its_own_project() {
    let details = || -> Act { json(r#"{"results": {"token": "looked-up"}}"#) };
    let mixpanel = Loopback::acting(vec![details(), details()]);
    let other = ProjectId::parse("8").unwrap();

    let shared = Mixpanel::new(mixpanel.config(|_| {})).unwrap();
    let own = shared.for_caller(shared.caller(&|_| None, true).unwrap(), Stop::new());
    let header = |name: &str| (name == "x-auth-token").then_some("other:pass");
    let foreign = shared.for_caller(shared.caller(&header, true).unwrap(), Stop::new());
    assert_eq!(own.project_token(None), Ok(Secret::new("t0ken")));
    assert_eq!(
        own.project_token(Some(&project())),
        Ok(Secret::new("t0ken"))
    );
    assert_eq!(
        own.project_token(Some(&other)),
        Ok(Secret::new("looked-up"))
    );
    assert_eq!(
        foreign.project_token(Some(&project())),
        Ok(Secret::new("looked-up"))
    );
    assert_eq!(mixpanel.asked(), ["GET /projects/8", "GET /projects/7"]);
}

#[test]
fn a_caller_with_a_token_alone_can_track_but_not_read() {
    let mixpanel = Loopback::acting(vec![json("1")]);
    let clients = mixpanel.clients_with(Stop::new(), |config| config.account = None);
    let other = ProjectId::parse("8").unwrap();
    assert_eq!(
        clients.project_token(Some(&other)),
        Err(Error::NoProjectToken)
    );
    assert_eq!(
        clients.query.funnels_list(&project()),
        Err(Error::NoCredentials)
    );
    let token = clients.project_token(None).unwrap();
    assert_eq!(clients.ingestion.track(&token, &[value!({})]), Ok(()));
    assert_eq!(mixpanel.asked(), ["POST /track?ip=0&verbose=1"]);
}

#[test]
fn the_project_is_the_arguments_then_the_headers_then_the_settings() {
    let mixpanel = Loopback::acting(vec![]);
    let shared = Mixpanel::new(mixpanel.config(|_| {})).unwrap();
    let named = |value: &'static str| {
        let caller = shared
            .caller(
                &move |name| (name == "x-auth-token").then_some(value),
                false,
            )
            .unwrap();
        shared.for_caller(caller, Stop::new())
    };
    let id = |text| Ok(ProjectId::parse(text).unwrap());
    assert_eq!(named("u:s:9").project(Some("12")), id("12"));
    assert_eq!(named("u:s:9").project(None), id("9"));
    assert_eq!(named("u:s").project(None), id("7"));
    assert_eq!(
        named("u:s").project(Some("7/../me")),
        Err(Error::InvalidProject)
    );
    let none = mixpanel.clients_with(Stop::new(), |config| config.project_id = None);
    assert_eq!(none.project(None), Err(Error::NoProject));
}

#[test]
fn callers_share_connections_but_each_signs_for_itself() {
    // The server takes no second connection while the first one stands.
    let mixpanel = Loopback::acting(vec![json("[]"), json("[]"), json("[]")]);
    let shared = Mixpanel::new(mixpanel.config(|config| config.account = None)).unwrap();
    let authorization = |token: &'static str| {
        let caller = shared
            .caller(&move |name| (name == "x-auth-token").then_some(token), true)
            .unwrap();
        shared
            .for_caller(caller, Stop::new())
            .query
            .funnels_list(&project())
            .unwrap();
        let request = mixpanel.request();
        request
            .lines()
            .find_map(|line| line.strip_prefix("authorization: ").map(str::to_owned))
            .unwrap()
    };
    assert_eq!(authorization("a:1"), "Basic YTox");
    assert_eq!(authorization("b:2"), "Basic Yjoy");
    assert_eq!(authorization("a:1"), "Basic YTox");
}
