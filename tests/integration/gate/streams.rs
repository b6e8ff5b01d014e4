//! Event streams that go the short way.

use std::io::Write as _;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use mixpanel_mcp_server::transport::gate::Limits;

use super::stand::{Client, Event, PATIENCE, Stand, get};

const SHORT: Duration = Duration::from_millis(300);

/// A client that has the first event of a stream: of `/events`, which ends when it is released, or `/lasting`, which does not.
#[track_caller]
fn listener(stand: &Stand, path: &str) -> Client {
    let mut client = stand.client();
    client.send(&get(path));
    assert_eq!(stand.next_event(), Event::Arrived);
    client.read_to("data: \n\n\r\n");
    client
}

/// The stream ends, and nothing but its last chunk comes.
#[track_caller]
fn end(stand: &Stand, client: &mut Client) {
    stand.release();
    client.read_exactly("0\r\n\r\n");
}

#[test]
fn open_streams_keep_no_request_waiting() {
    let stand = Stand::new(Limits {
        requests: 1,
        ..Limits::default()
    });
    let clients: Vec<Client> = (0..8).map(|_| listener(&stand, "/lasting")).collect();
    stand.assert_serves();
    assert_eq!(stand.gate.figures().requests, 0);
    for client in clients {
        drop(client);
        assert_eq!(stand.next_event(), Event::Departed);
    }
    stand.wait_until(|gate| gate.figures().connections == 0);
}

#[test]
fn a_stream_outlasts_every_time_and_its_end_leaves_the_connection_to_the_next_request() {
    let stand = Stand::new(Limits {
        answer_time: SHORT,
        delivery_time: SHORT,
        write_stall: SHORT,
        idle_time: SHORT,
        ..Limits::default()
    });
    let mut client = listener(&stand, "/events");
    assert!(stand.events.recv_timeout(4 * SHORT).is_err());
    end(&stand, &mut client);
    client.send(&get("/short?3"));
    assert_eq!(client.answer().body, "xxx");
    assert_eq!(stand.next_event(), Event::WriterFreed);
    assert_eq!(client.rest(), "");
}

#[test]
fn a_client_is_idle_from_the_end_of_its_stream_on() {
    let stand = Stand::new(Limits {
        idle_time: SHORT,
        ..Limits::default()
    });
    let mut client = listener(&stand, "/events");
    end(&stand, &mut client);
    let ended = Instant::now();
    assert_eq!(client.rest(), "");
    assert!(ended.elapsed() < PATIENCE / 2, "{:?}", ended.elapsed());
    stand.wait_until(|gate| gate.figures().connections == 0);
    assert!(stand.events.try_recv().is_err());
}

#[test]
fn a_request_within_a_stream_is_answered_after_its_end() {
    let stand = Stand::new(Limits::default());
    let mut client = listener(&stand, "/events");
    client.send(&get("/short?5"));
    // Longer than the gate waits before it looks at such a client again.
    assert!(
        stand
            .events
            .recv_timeout(Duration::from_millis(1500))
            .is_err()
    );
    stand.release();
    client.read_exactly("0\r\n\r\n");
    assert_eq!(client.answer().body, "xxxxx");
}

#[test]
fn a_client_that_has_sent_more_and_leaves_has_departed() {
    let stand = Stand::new(Limits {
        half_close_time: SHORT,
        ..Limits::default()
    });
    let mut client = listener(&stand, "/events");
    client.stream.write_all(b"G").unwrap();
    drop(client);
    assert_eq!(stand.next_event(), Event::Departed);
    stand.wait_until(|gate| gate.figures().connections == 0);
}

#[test]
fn a_client_that_ends_its_side_hears_what_comes_soon() {
    let stand = Stand::new(Limits {
        half_close_time: PATIENCE,
        ..Limits::default()
    });
    let mut client = listener(&stand, "/events");
    client.stream.shutdown(Shutdown::Write).unwrap();
    stand.release();
    assert_eq!(client.rest(), "0\r\n\r\n");
    assert!(stand.events.try_recv().is_err());
}

#[test]
fn a_stream_that_nobody_reads_holds_its_writer_and_no_allowance_and_is_cut() {
    let stand = Stand::new(Limits {
        write_stall: 2 * SHORT,
        ..Limits::default()
    });
    let mut client = stand.client();
    client.send(&get("/events?100000"));
    assert_eq!(stand.next_event(), Event::Arrived);
    stand.assert_cut();
    assert_eq!(stand.gate.figures().answers_bytes, 0);
    stand.wait_until(|gate| gate.figures().connections == 0);
    assert!(client.rest().len() < 8 * 1024 * 1024);
}

#[test]
fn a_client_that_takes_no_comments_is_cut_by_and_by() {
    let stand = Stand::new(Limits {
        write_stall: 2 * SHORT,
        ..Limits::default()
    });
    let mut client = stand.client();
    client.send(&get("/comments?1000"));
    assert_eq!(stand.next_event(), Event::Arrived);
    stand.assert_cut();
    assert!(client.rest().len() < 8 * 1024 * 1024);
}

#[test]
fn a_client_that_leaves_frees_its_writer() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    client.send(&get("/events?100000"));
    assert_eq!(stand.next_event(), Event::Arrived);
    client.read_to("data: x");
    drop(client);
    stand.assert_cut();
}

#[test]
fn closing_lets_a_stream_end_and_its_client_go() {
    let stand = Stand::new(Limits::default());
    let mut client = listener(&stand, "/events");
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| stand.gate.close(PATIENCE));
        stand.release();
        assert_eq!(client.rest(), "0\r\n\r\n");
        closing.join().unwrap();
    });
    assert_eq!(stand.gate.figures().connections, 0);
    assert!(stand.events.try_recv().is_err());
}

#[test]
fn closing_without_patience_cuts_streams_and_tells_their_calls() {
    let stand = Stand::new(Limits::default());
    let mut client = listener(&stand, "/events");
    stand.gate.close(Duration::ZERO);
    assert_eq!(stand.next_event(), Event::Departed);
    assert_eq!(client.rest(), "");
    // Its writer learns it, too.
    stand.release();
}

#[test]
fn a_stream_for_an_old_client_makes_the_detour_and_has_no_chunks() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    client.send(b"GET /events HTTP/1.0\r\n\r\n");
    assert_eq!(stand.next_event(), Event::Arrived);
    stand.release();
    let answer = client.rest();
    assert!(answer.contains("Connection: close"), "{answer}");
    assert!(answer.ends_with("\r\n\r\ndata: \n\n"), "{answer}");
}
