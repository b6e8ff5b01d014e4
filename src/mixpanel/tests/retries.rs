//! What is asked again, how often, and what never is.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json as value;

use super::loopback::{Act, Loopback, answer, json, project, status};
use crate::mixpanel::{Api, Error, Limit, Secret, Stop};

#[track_caller]
fn check(acts: Vec<Act>, expected: Result<usize, Error>, asked: usize) {
    let mixpanel = Loopback::acting(acts);
    let clients = mixpanel.clients(Stop::new());
    assert_eq!(
        clients
            .query
            .funnels_list(&project())
            .map(|funnels| funnels.len()),
        expected
    );
    assert_eq!(
        mixpanel.asked(),
        vec!["GET /funnels/list?project_id=7"; asked]
    );
}

#[test]
fn a_read_is_asked_again_after_a_passing_fault() {
    check(vec![status(503, "busy"), json("[]")], Ok(0), 2);
    check(vec![status(502, ""), status(504, ""), json("[]")], Ok(0), 3);
    check(vec![Act::Break(vec![]), json("[]")], Ok(0), 2);
    check(
        vec![
            Act::Break(b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\n[".to_vec()),
            json("[]"),
        ],
        Ok(0),
        2,
    );
    check(
        vec![answer(429, "retry-after: 0\r\n", b""), json("[]")],
        Ok(0),
        2,
    );
}

#[test]
fn the_third_fault_is_told() {
    let fault = Error::ServerFault {
        status: 503,
        words: Some("busy".into()),
    };
    check(
        vec![
            status(503, "busy"),
            status(503, "busy"),
            status(503, "busy"),
            json("[]"),
        ],
        Err(fault),
        3,
    );
}

#[test]
fn what_will_not_pass_is_told_at_once() {
    let limited = |retry_after_s| Error::RateLimited {
        api: Api::Query,
        limit: Limit::Hour,
        retry_after_s,
        asked: true,
        words: None,
    };
    check(vec![status(429, ""), json("[]")], Err(limited(None)), 1);
    check(
        vec![answer(429, "retry-after: 1800\r\n", b""), json("[]")],
        Err(limited(Some(1800))),
        1,
    );
    check(
        vec![status(500, ""), json("[]")],
        Err(Error::ServerFault {
            status: 500,
            words: None,
        }),
        1,
    );
    check(
        vec![status(401, ""), json("[]")],
        Err(Error::Unauthorized {
            oauth: false,
            words: None,
        }),
        1,
    );
}

#[test]
fn a_read_by_post_is_asked_again() {
    let mixpanel = Loopback::acting(vec![
        status(503, ""),
        json("[]"),
        status(503, ""),
        json(r#"{"results": []}"#),
    ]);
    let clients = mixpanel.clients(Stop::new());
    assert_eq!(clients.query.cohorts_list(&project()), Ok(vec![]));
    clients
        .query
        .engage(&project(), &Default::default())
        .unwrap();
    let expected = [
        ["POST /cohorts/list?project_id=7"; 2],
        ["POST /engage?project_id=7"; 2],
    ]
    .concat();
    assert_eq!(mixpanel.asked(), expected);
}

#[test]
fn an_import_is_sent_again_and_tracking_is_not() {
    let token = Secret::new("t0ken");
    let stored = json(r#"{"code": 200, "num_records_imported": 1, "status": "OK"}"#);
    let mixpanel = Loopback::acting(vec![
        Act::Break(vec![]),
        stored,
        Act::Break(vec![]),
        Act::Break(vec![]),
    ]);
    let clients = mixpanel.clients(Stop::new());

    assert_eq!(
        clients
            .ingestion
            .import(&project(), &[value!({})])
            .unwrap()
            .stored,
        1
    );
    assert_eq!(
        clients.ingestion.track(&token, &[value!({})]),
        Err(Error::BrokenOff)
    );
    assert_eq!(
        clients.ingestion.engage(&token, &[value!({})]),
        Err(Error::BrokenOff)
    );

    assert_eq!(
        mixpanel.asked(),
        [
            "POST /import?project_id=7&strict=1",
            "POST /import?project_id=7&strict=1",
            "POST /track?ip=0&verbose=1",
            "POST /engage?ip=0&verbose=1",
        ]
    );
}

#[test]
fn tracking_is_not_sent_again_after_a_server_fault() {
    let mixpanel = Loopback::acting(vec![status(503, ""), json("1")]);
    let clients = mixpanel.clients(Stop::new());
    let error = clients
        .ingestion
        .track(&Secret::new("t0ken"), &[value!({})])
        .unwrap_err();
    assert_eq!(
        error,
        Error::ServerFault {
            status: 503,
            words: None
        }
    );
    assert_eq!(mixpanel.asked().len(), 1);
}

#[test]
fn a_refused_connection_is_tried_three_times_also_by_a_write() {
    let mixpanel = Loopback::acting(vec![]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let clients = mixpanel.clients_with(Stop::new(), |config| config.urls.ingestion = Some(url));

    let before = Instant::now();
    let error = clients
        .ingestion
        .track(&Secret::new("t0ken"), &[value!({})])
        .unwrap_err();

    assert_eq!(error.kind(), "cannot_connect");
    assert!(
        before.elapsed() >= Duration::from_millis(1200),
        "{:?}",
        before.elapsed()
    );
}

#[test]
fn tries_never_pass_the_total_limit() {
    let mixpanel = Loopback::acting(vec![status(503, ""), Act::Hang(vec![])]);
    let clients = mixpanel.clients_with(Stop::new(), |config| {
        config.timeouts.query_total = Duration::from_millis(600);
    });

    let before = Instant::now();
    let error = clients.query.funnels_list(&project()).unwrap_err();

    assert_eq!(
        error,
        Error::TimedOut {
            phase: crate::mixpanel::Phase::Total
        }
    );
    assert!(
        before.elapsed() < Duration::from_millis(3000),
        "{:?}",
        before.elapsed()
    );
    mixpanel.saw_the_close();
}

#[test]
fn a_date_to_come_back_at_is_told_in_seconds() {
    let mixpanel = Loopback::acting(vec![answer(
        429,
        "retry-after: Fri, 31 Dec 2100 23:59:59 GMT\r\n",
        b"",
    )]);
    let error = mixpanel
        .clients(Stop::new())
        .query
        .funnels_list(&project())
        .unwrap_err();
    assert!(error.retry_after_s() > Some(1_000_000), "{error:?}");
    assert_eq!(mixpanel.asked().len(), 1);

    let past = answer(429, "retry-after: Wed, 01 Jan 2020 00:00:00 GMT\r\n", b"");
    check(vec![past, json("[]")], Ok(0), 2);
}
