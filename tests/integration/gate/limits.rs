//! What each limit does when it is reached, and that others are served meanwhile.

use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use mixpanel_mcp_server::transport::gate::Limits;

use super::stand::{Client, Event, PATIENCE, Stand, TOGETHER, get, status};

const SHORT: Duration = Duration::from_millis(150);
const GET: &[u8] = b"GET /fine HTTP/1.1\r\nHost: a\r\n\r\n";
const HANG: &[u8] = b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n";

#[track_caller]
fn assert_refused(answer: &str, expected: &str) {
    assert_eq!(status(answer), expected, "{answer:?}");
    assert_eq!(
        answer.contains("\r\nRetry-After: "),
        expected == "503",
        "{answer:?}"
    );
    assert!(answer.ends_with("\"}"), "not closed cleanly: {answer:?}");
}

#[test]
fn a_head_that_does_not_end_is_408() {
    let stand = Stand::new(Limits {
        head_time: SHORT,
        ..Limits::default()
    });
    assert_refused(&stand.send(b"GET / HTTP/1.1\r\nHost"), "408");
}

#[test]
fn a_head_that_trickles_is_408_all_the_same() {
    let stand = Stand::new(Limits {
        head_time: SHORT,
        ..Limits::default()
    });
    let mut client = stand.client();
    client
        .stream
        .set_read_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    let started = Instant::now();
    let mut answer = Vec::new();
    // Each read waits a moment, so this sends some hundred bytes a second.
    while answer.is_empty() && started.elapsed() < PATIENCE {
        client.send(b"G");
        let mut piece = [0; 512];
        let count = client.stream.read(&mut piece).unwrap_or(0);
        answer.extend_from_slice(&piece[..count]);
    }
    assert_refused(&String::from_utf8(answer).unwrap(), "408");
}

#[test]
fn a_body_that_does_not_come_is_408() {
    let stand = Stand::new(Limits {
        body_time: SHORT,
        ..Limits::default()
    });
    let head = "POST / HTTP/1.1\r\nHost: a\r\n";
    assert_refused(
        &stand.send(format!("{head}Content-Length: 9\r\n\r\nab").as_bytes()),
        "408",
    );
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\nab");
    assert_refused(&stand.send(chunked.as_bytes()), "408");
    assert_eq!(stand.gate.figures().bodies_bytes, 0);
}

#[test]
fn an_idle_connection_is_closed() {
    let stand = Stand::new(Limits {
        idle_time: SHORT,
        ..Limits::default()
    });
    assert_eq!(stand.send(b""), "");
    let mut client = stand.client();
    client.send(GET);
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.rest(), "");
}

#[test]
fn a_client_past_the_connections_is_turned_away_cleanly_and_places_come_free() {
    let stand = Stand::new(Limits {
        connections: 2,
        ..Limits::default()
    });
    let mut first = stand.client();
    let mut second = stand.client();
    for client in [&mut first, &mut second] {
        client.send(GET);
        assert_eq!(client.answer().status, 200);
    }
    assert_refused(&stand.send(GET), "503");
    assert_eq!(stand.gate.figures().turned_away, 1);
    drop(first);
    stand.wait_until(|gate| gate.figures().connections == 1);
    stand.assert_serves();
}

#[test]
fn loopback_is_exempt_from_the_connections_of_one_peer() {
    let stand = Stand::new(Limits {
        connections_per_peer: 1,
        ..Limits::default()
    });
    let _first = stand.client();
    stand.assert_serves();
}

#[test]
fn a_request_too_many_waits_and_then_is_503() {
    let stand = Stand::new(Limits {
        requests: 1,
        waiting_time: SHORT,
        ..Limits::default()
    });
    let mut hanging = stand.client();
    hanging.send(HANG);
    assert_eq!(stand.next_event(), Event::Arrived);
    assert_refused(&stand.send(GET), "503");
    drop(hanging);
    assert_eq!(stand.next_event(), Event::Departed);
    stand.assert_serves();
}

#[test]
fn a_request_that_waits_goes_on_when_another_is_over() {
    let stand = Stand::new(Limits {
        requests: 1,
        ..Limits::default()
    });
    let mut hanging = stand.client();
    hanging.send(HANG);
    assert_eq!(stand.next_event(), Event::Arrived);
    let mut waiting = stand.client();
    waiting.send(GET);
    drop(hanging);
    assert_eq!(waiting.answer().status, 200);
}

#[test]
fn more_waiting_requests_than_allowed_are_503_at_once() {
    let stand = Stand::new(Limits {
        requests: 1,
        waiting: 0,
        ..Limits::default()
    });
    let mut hanging = stand.client();
    hanging.send(HANG);
    assert_eq!(stand.next_event(), Event::Arrived);
    assert_refused(&stand.send(GET), "503");
}

#[test]
fn a_hundred_hanging_calls_do_not_delay_others() {
    let stand = Stand::new(Limits::default());
    let clients: Vec<Client> = (0..100)
        .map(|_| {
            let mut client = stand.client();
            client.send(HANG);
            client
        })
        .collect();
    for _ in &clients {
        assert_eq!(stand.next_event(), Event::Arrived);
    }
    stand.assert_serves();
    drop(clients);
    for _ in 0..100 {
        assert_eq!(stand.next_event(), Event::Departed);
    }
    stand.wait_until(|gate| gate.figures().requests == 0);
}

#[test]
fn requests_are_behind_the_gate_at_once() {
    let stand = Stand::new(Limits {
        requests: TOGETHER,
        waiting: 0,
        ..Limits::default()
    });
    for _ in 0..3 {
        let mut clients: Vec<Client> = (0..TOGETHER).map(|_| stand.client()).collect();
        for client in &mut clients {
            client.send(&get("/together"));
        }
        for client in &mut clients {
            assert_eq!(client.answer().body, "together");
        }
        stand.wait_until(|gate| gate.figures().requests == 0);
    }
}

#[test]
fn bodies_are_counted_as_they_arrive_and_small_ones_still_pass() {
    let limits = Limits {
        bodies_bytes: 8 * 1024 * 1024,
        ..Limits::default()
    };
    let stand = Stand::new(limits.clone());
    let mut part = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n".to_vec();
    // What is declared is not held.
    let declared: Vec<Client> = (0..20)
        .map(|_| {
            let mut client = stand.client();
            client.send(&part);
            client
        })
        .collect();
    stand.assert_serves();
    assert_eq!(stand.gate.figures().bodies_bytes, 0);
    drop(declared);

    part.resize(4 * 1024 * 1024, b'x');
    let mut hoarders: Vec<Client> = (0..20).map(|_| stand.client()).collect();
    let mut refused = 0;
    for client in &mut hoarders {
        client.send(&part);
    }
    for client in &mut hoarders {
        client.stream.set_read_timeout(Some(SHORT)).unwrap();
        let mut status = [0; 12];
        refused +=
            usize::from(client.stream.read_exact(&mut status).is_ok() && status.ends_with(b"503"));
    }
    assert!(refused >= 18, "{refused}");
    assert!(stand.gate.figures().bodies_bytes <= limits.bodies_bytes);
    let mut small = stand.client();
    small.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n");
    small.send(&[b'x'; 50_000]);
    assert_eq!(small.answer().status, 200);
    drop(hoarders);
    stand.wait_until(|gate| gate.figures().bodies_bytes == 0);
}

#[test]
fn the_largest_body_allowed_goes_through() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n");
    client.send(&vec![b'x'; 4_194_304]);
    let answer = client.answer();
    assert_eq!((answer.status, answer.body.len()), (200, 4_194_304 + 16));
    assert_eq!(stand.gate.figures().bodies_bytes, 0);
}

#[test]
fn a_body_counts_for_as_long_as_the_server_keeps_it() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    client.send(b"POST /keep HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    client.send(&[b'x'; 100_000]);
    assert_eq!(client.answer().body, "kept");
    // Its answer is there and the connection serves another, but not its memory.
    client.send(GET);
    assert_eq!(client.answer().status, 200);
    assert!(stand.gate.figures().bodies_bytes >= 100_000);
    stand.release();
    stand.wait_until(|gate| gate.figures().bodies_bytes == 0);
}

#[test]
fn a_large_answer_that_nobody_reads_frees_its_writer_and_is_cut() {
    let stand = Stand::new(Limits {
        write_stall: 2 * SHORT,
        ..Limits::default()
    });
    let mut client = stand.client();
    client.send(&get("/large?8000000"));
    // The gate holds the answer for the slow client, so the call behind it is through.
    assert_eq!(stand.next_event(), Event::WriterFreed);
    stand.wait_until(|gate| gate.figures().connections == 0);
    assert_eq!(stand.gate.figures().answers_bytes, 0);
    stand.assert_serves();
    assert!(client.rest().len() < 8_000_000);
}

#[test]
fn a_reader_that_is_slow_does_not_keep_others_waiting() {
    let stand = Stand::new(Limits {
        requests: 1,
        ..Limits::default()
    });
    let mut client = stand.client();
    client.send(&get("/large?8000000"));
    assert_eq!(stand.next_event(), Event::WriterFreed);
    stand.assert_serves();
    assert_eq!(client.answer().body.len(), 8_000_000);
}

#[test]
fn a_large_answer_arrives_whole() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    client.send(&get("/large?20000000"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.body.len()), (200, 20_000_000));
    assert_eq!(stand.next_event(), Event::WriterFreed);
}

#[test]
fn unread_answers_stay_within_their_allowance() {
    let allowance = 4 * 1024 * 1024;
    let stand = Stand::new(Limits {
        answers_bytes: allowance,
        ..Limits::default()
    });
    let clients: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = stand.client();
            client.send(&get("/large?4000000"));
            client
        })
        .collect();
    stand.wait_until(|gate| gate.figures().answers_bytes > 0);
    for _ in &clients {
        assert!(stand.gate.figures().answers_bytes <= allowance);
        // Those that do not fit are cut after a second, so no writer waits longer.
        assert_eq!(stand.next_event(), Event::WriterFreed);
    }
    stand.assert_serves();
    drop(clients);
    stand.wait_until(|gate| gate.figures().answers_bytes == 0);
}

#[test]
fn a_reader_that_trickles_is_cut_at_the_delivery_time() {
    let stand = Stand::new(Limits {
        delivery_time: 2 * SHORT,
        ..Limits::default()
    });
    let mut client = stand.client();
    client.send(&get("/large?50000000"));
    let started = Instant::now();
    let mut piece = [0; 1000];
    let mut total = 0;
    while started.elapsed() < PATIENCE {
        match client.stream.read(&mut piece) {
            Ok(count) if count > 0 => total += count,
            _ => break,
        }
        let until = Instant::now() + Duration::from_millis(1);
        while Instant::now() < until {
            std::thread::yield_now();
        }
    }
    assert!(total < 50_000_000, "{total}");
    stand.wait_until(|gate| gate.figures().connections == 0);
}

#[test]
fn an_answer_that_does_not_come_is_504_and_the_call_is_told() {
    let stand = Stand::new(Limits {
        answer_time: SHORT,
        ..Limits::default()
    });
    assert_refused(&stand.send(HANG), "504");
    assert_eq!(stand.next_event(), Event::Arrived);
    assert_eq!(stand.next_event(), Event::Departed);
    stand.assert_serves();
}

#[test]
fn a_stream_outlasts_answer_and_delivery_time_and_ends_with_its_client() {
    let limits = Limits {
        answer_time: SHORT,
        delivery_time: SHORT,
        ..Limits::default()
    };
    let stand = Stand::new(limits);
    let mut client = stand.client();
    client.send(&get("/stream"));
    client.read_to("data: \n\n");
    assert_eq!(stand.next_event(), Event::Arrived);
    assert!(stand.events.recv_timeout(3 * SHORT).is_err());
    drop(client);
    assert_eq!(stand.next_event(), Event::Departed);
}

#[test]
fn a_stream_that_nobody_reads_holds_its_writer_and_is_cut() {
    let stand = Stand::new(Limits {
        write_stall: 2 * SHORT,
        ..Limits::default()
    });
    let mut client = stand.client();
    client.send(&get("/stream?1000"));
    assert_eq!(stand.next_event(), Event::Arrived);
    stand.assert_cut();
    assert!(client.rest().len() < 8 * 1024 * 1024);
}

#[test]
fn a_stream_whose_client_has_caught_up_holds_nothing_of_the_allowance() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    client.send(&get("/burst?4000000"));
    assert_eq!(stand.next_event(), Event::Arrived);
    stand.wait_until(|gate| gate.figures().answers_bytes > 0);
    client.read_to("x\n\n");
    assert_eq!(stand.next_event(), Event::WriterFreed);
    stand.wait_until(|gate| gate.figures().answers_bytes == 0);
    // The stream is still open.
    assert_eq!(stand.gate.figures().connections, 1);
    assert!(stand.events.try_recv().is_err());
}

#[test]
fn a_client_that_closes_or_resets_while_it_waits_has_departed() {
    let stand = Stand::new(Limits {
        half_close_time: SHORT,
        ..Limits::default()
    });
    let mut closes = stand.client();
    closes.send(HANG);
    assert_eq!(stand.next_event(), Event::Arrived);
    drop(closes);
    assert_eq!(stand.next_event(), Event::Departed);

    let mut resets = stand.client();
    resets.send(GET);
    resets.send(HANG);
    assert_eq!(stand.next_event(), Event::Arrived);
    // The first answer is unread, so this is a reset.
    drop(resets);
    assert_eq!(stand.next_event(), Event::Departed);
    stand.wait_until(|gate| gate.figures().connections == 0);
}

#[test]
fn a_client_that_closes_its_sending_side_still_gets_a_prompt_answer() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    client.send(GET);
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(status(&client.rest()), "200");
}

#[test]
fn a_body_that_the_server_does_not_read_does_not_confuse_the_next_request() {
    let stand = Stand::new(Limits::default());
    for _ in 0..2 {
        let mut client = stand.client();
        client.send(b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
        client.send(&vec![b'x'; 1_000_000]);
        assert_eq!(client.answer().body, "not read");
        client.send(GET);
        assert_eq!(client.answer().body, "GET /fine [host=a] ");
    }
}

#[test]
fn answers_that_cannot_be_relayed_or_do_not_come_are_502() {
    let stand = Stand::new(Limits::default());
    for path in ["/nonsense", "/endless", "/panic"] {
        assert_refused(&stand.send(&get(path)), "502");
    }
    let old = b"GET /panic HTTP/1.0\r\n\r\n";
    assert_refused(&stand.send(old), "502");
    stand.assert_serves();
    assert_eq!(stand.gate.figures().requests, 0);
}

#[test]
fn bytes_behind_an_answer_never_reach_a_client() {
    let stand = Stand::new(Limits::default());
    for path in ["/twice", "/late"] {
        let mut client = stand.client();
        client.send(&get(path));
        assert_eq!(client.answer().body, "a");
        if path == "/late" {
            assert_eq!(stand.next_event(), Event::WriterFreed);
        }
        client.send(GET);
        assert_eq!(client.answer().body, "GET /fine [host=a] ");
    }
}

#[test]
fn a_body_that_answers_head_does_not_reach_the_next_request() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    client.send(b"HEAD /large?3 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.read_to("Content-Length: 3\r\n\r\n");
    client.send(GET);
    assert_eq!(client.answer().body, "GET /fine [host=a] ");
}

#[test]
fn a_burst_of_connections_strands_none() {
    let stand = Stand::new(Limits::default());
    let address = stand.address();
    let clients: Vec<_> = (0..200)
        .map(|_| {
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                std::io::Write::write_all(&mut stream, GET).unwrap();
                let mut answer = [0; 12];
                stream.read_exact(&mut answer).unwrap();
                answer
            })
        })
        .collect();
    for client in clients {
        assert_eq!(&client.join().unwrap(), b"HTTP/1.1 200");
    }
}

#[test]
fn clients_that_come_and_go_leave_nothing_behind() {
    let stand = Stand::new(Limits::default());
    for number in 0..500 {
        let mut client = stand.client();
        match number % 4 {
            0 => client.send(b"GET / HT"),
            1 => client.send(GET),
            2 => client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nxxx"),
            _ => {}
        }
    }
    stand.assert_serves();
    stand.wait_until(|gate| gate.figures().connections == 0);
    let figures = stand.gate.figures();
    assert_eq!((figures.bodies_bytes, figures.answers_bytes), (0, 0));
}

#[test]
fn closing_lets_a_running_answer_end_and_idle_clients_go() {
    let stand = Stand::new(Limits::default());
    let mut idle = stand.client();
    idle.send(GET);
    assert_eq!(idle.answer().status, 200);
    let mut reading = stand.client();
    reading.send(&get("/large?30000000"));
    reading.read_to("\r\n\r\n");
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| stand.gate.close(PATIENCE));
        assert_eq!(idle.rest(), "");
        assert!(reading.rest().ends_with('x'));
        closing.join().unwrap();
    });
    assert_eq!(stand.gate.figures().connections, 0);
    assert!(TcpStream::connect(stand.address()).is_err());
}

#[test]
fn closing_without_patience_cuts_streams_and_tells_their_calls() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    client.send(&get("/stream"));
    client.read_to("data: \n\n");
    assert_eq!(stand.next_event(), Event::Arrived);
    stand.gate.close(Duration::ZERO);
    assert_eq!(stand.next_event(), Event::Departed);
    client.rest();
}
