//! Whole answers that go the short way.

use std::net::Shutdown;
use std::time::Duration;

use mixpanel_mcp_server::transport::gate::Limits;

use super::stand::{Client, Event, PATIENCE, Stand, get};

/// More than the system holds for a client that does not read.
const LARGE: usize = 20_000_000;

#[track_caller]
fn check_answer(client: &mut Client, length: usize) {
    let answer = client.answer();
    assert_eq!((answer.status, answer.body.len()), (200, length));
    assert!(answer.body.bytes().all(|byte| byte == b'x'));
}

#[test]
fn a_client_that_has_its_answer_keeps_no_other_waiting() {
    let stand = Stand::new(Limits {
        requests: 1,
        ..Limits::default()
    });
    let mut clients: Vec<Client> = (0..8).map(|_| stand.client()).collect();
    for round in 1..4 {
        for client in &mut clients {
            client.send(&get(&format!("/short?{round}")));
            check_answer(client, round);
            assert_eq!(stand.next_event(), Event::WriterFreed);
        }
    }
    assert_eq!(stand.gate.figures().requests, 0);
    assert_eq!(stand.gate.figures().connections, clients.len());
}

#[test]
fn what_a_client_does_not_take_at_once_makes_the_detour() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    for length in [LARGE, 1, LARGE] {
        client.send(&get(&format!("/short?{length}")));
        check_answer(&mut client, length);
        assert_eq!(stand.next_event(), Event::WriterFreed);
    }
    assert_eq!(stand.gate.figures().requests, 0);
}

#[test]
fn a_client_that_takes_only_a_part_is_cut() {
    let stand = Stand::new(Limits {
        write_stall: Duration::from_millis(300),
        ..Limits::default()
    });
    let mut client = stand.client();
    client.send(&get(&format!("/short?{LARGE}")));
    assert_eq!(stand.next_event(), Event::WriterFreed);
    stand.wait_until(|gate| gate.figures().connections == 0);
    assert!(client.rest().len() < LARGE);
    stand.assert_serves();
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    let lengths = [3, 1, 70_000, 2];
    let requests: Vec<Vec<u8>> = lengths
        .iter()
        .map(|length| get(&format!("/short?{length}")))
        .collect();
    client.send(&requests.concat());
    for length in lengths {
        check_answer(&mut client, length);
    }
}

#[test]
fn a_request_that_comes_before_the_answer_waits_for_it() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    client.send(&get("/held"));
    assert_eq!(stand.next_event(), Event::Arrived);
    client.send(&get("/short?5"));
    stand.release();
    assert_eq!(client.answer().body, "held");
    check_answer(&mut client, 5);
}

#[test]
fn a_client_that_ends_its_side_is_answered_all_the_same() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    client.send(&get("/short?4"));
    client.stream.shutdown(Shutdown::Write).unwrap();
    check_answer(&mut client, 4);
    assert_eq!(client.rest(), "");
    stand.wait_until(|gate| gate.figures().connections == 0);
}

#[test]
fn an_answer_for_an_old_client_says_what_becomes_of_the_connection() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    client.send(b"GET /short?3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.answer();
    assert!(
        answer.head.contains("Connection: keep-alive"),
        "{}",
        answer.head
    );
    client.send(b"GET /short?3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = client.answer();
    assert!(answer.head.contains("Connection: close"), "{}", answer.head);
    assert_eq!(client.rest(), "");
}

#[test]
fn a_client_is_idle_from_its_answer_on() {
    let stand = Stand::new(Limits {
        idle_time: Duration::from_millis(300),
        ..Limits::default()
    });
    let mut client = stand.client();
    client.send(&get("/short?3"));
    check_answer(&mut client, 3);
    assert_eq!(client.rest(), "");
    assert_eq!(stand.gate.figures().connections, 0);
}

#[test]
fn closing_lets_go_a_client_that_has_its_answer_and_tells_one_that_still_waits() {
    let stand = Stand::new(Limits::default());
    let mut idle = stand.client();
    idle.send(&get("/short?3"));
    check_answer(&mut idle, 3);
    assert_eq!(stand.next_event(), Event::WriterFreed);
    let mut waiting = stand.client();
    waiting.send(&get("/held"));
    assert_eq!(stand.next_event(), Event::Arrived);
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| stand.gate.close(PATIENCE));
        assert_eq!(idle.rest(), "");
        stand.release();
        let answer = waiting.answer();
        assert!(answer.head.contains("Connection: close"), "{}", answer.head);
        assert_eq!(waiting.rest(), "");
        closing.join().unwrap();
    });
}
