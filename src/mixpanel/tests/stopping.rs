//! A stop ends upstream work at once, and only that of its own call.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use super::loopback::{Act, Loopback, PATIENCE, answer, january, json, project, status};
use crate::mixpanel::{Error, ExportQuery, Mixpanel, Stop};

#[test]
fn a_stop_breaks_off_a_request_that_waits_for_its_answer() {
    let mixpanel = Loopback::acting(vec![Act::Hang(vec![])]);
    let stop = Stop::new();
    let clients = mixpanel.clients(stop.clone());
    let (done, ended) = channel();
    thread::spawn(move || done.send(clients.query.funnels_list(&project())));

    mixpanel.request();
    let before = Instant::now();
    stop.stop();

    assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), Err(Error::Cancelled));
    assert!(
        before.elapsed().as_secs() < 5,
        "took {:?}",
        before.elapsed()
    );
    mixpanel.saw_the_close();
}

#[test]
fn a_stop_breaks_off_an_answer_that_has_no_length() {
    let mixpanel = Loopback::acting(vec![Act::Hang(b"HTTP/1.1 200 X\r\n\r\n[".to_vec())]);
    let stop = Stop::new();
    let clients = mixpanel.clients(stop.clone());
    let (done, ended) = channel();
    thread::spawn(move || done.send(clients.query.funnels_list(&project())));

    mixpanel.request();
    stop.stop();

    assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), Err(Error::Cancelled));
    mixpanel.saw_the_close();
}

#[test]
fn a_stop_breaks_off_a_running_export() {
    let head = b"HTTP/1.1 200 X\r\n\r\n{\"event\":\"a\"}\n{\"ev";
    let mixpanel = Loopback::acting(vec![Act::Hang(head.to_vec())]);
    let stop = Stop::new();
    let clients = mixpanel.clients(stop.clone());
    let query = ExportQuery {
        range: january(),
        events: &[],
        filter: None,
        limit: None,
        time_in_ms: false,
    };
    let mut lines = clients.export.export(&project(), &query).unwrap();
    assert_eq!(
        lines.next_line().unwrap(),
        Some(b"{\"event\":\"a\"}".as_slice())
    );

    let (done, ended) = channel();
    thread::spawn(move || done.send(lines.next_line().map(|_| ())));
    stop.stop();

    assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), Err(Error::Cancelled));
    mixpanel.saw_the_close();
}

#[test]
fn a_stop_ends_the_wait_before_a_retry() {
    let late = answer(429, "retry-after: 5\r\n", b"");
    let mixpanel = Loopback::acting(vec![late, json("[]")]);
    let stop = Stop::new();
    let clients = mixpanel.clients(stop.clone());
    let (done, ended) = channel();
    thread::spawn(move || done.send(clients.query.funnels_list(&project())));

    mixpanel.request();
    let before = Instant::now();
    stop.stop();

    assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), Err(Error::Cancelled));
    assert!(
        before.elapsed().as_secs() < 4,
        "took {:?}",
        before.elapsed()
    );
    assert_eq!(mixpanel.asked(), [""; 0]);
}

#[test]
fn after_a_stop_nothing_is_asked() {
    let mixpanel = Loopback::acting(vec![json("[]")]);
    let stop = Stop::new();
    let clients = mixpanel.clients(stop.clone());
    stop.stop();

    assert_eq!(
        clients.query.funnels_list(&project()),
        Err(Error::Cancelled)
    );
    assert_eq!(clients.app.me().unwrap_err(), Error::Cancelled);
    assert_eq!(mixpanel.asked(), [""; 0]);
    assert!(stop.is_stopped());
}

#[test]
fn a_stop_leaves_a_connection_alone_that_another_call_has_taken_over() {
    let (tell, told) = channel();
    let Act::Answer(answer) = json("[]") else {
        unreachable!()
    };
    // The server takes no second connection while the first one stands, so the second call must take it over.
    let mixpanel = Loopback::acting(vec![json("[]"), Act::AnswerWhenTold(answer, told)]);
    let first = Stop::new();
    let shared = Mixpanel::new(mixpanel.config(|_| {})).unwrap();
    let caller = shared.caller(&|_| None, true).unwrap();
    let clients = shared.for_caller(caller.clone(), first.clone());
    clients.query.funnels_list(&project()).unwrap();
    mixpanel.request();

    let others = shared.for_caller(caller, Stop::new());
    let (done, ended) = channel();
    thread::spawn(move || done.send(others.query.funnels_list(&project())));
    mixpanel.request();
    first.stop();
    tell.send(()).unwrap();

    assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), Ok(vec![]));
    assert_eq!(mixpanel.asked(), [""; 0]);
}

#[test]
fn a_request_that_failed_is_told_as_it_failed_when_no_stop_came() {
    let mixpanel = Loopback::acting(vec![status(404, "")]);
    let clients = mixpanel.clients(Stop::new());
    assert_eq!(
        clients.query.funnels_list(&project()),
        Err(Error::NotFound { words: None })
    );
}
