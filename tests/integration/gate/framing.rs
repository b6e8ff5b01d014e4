//! Which bytes are a request, what goes on of it, and what is refused.

use mixpanel_mcp_server::transport::gate::Limits;

use super::stand::{Stand, status};

/// The gate passes `request` on as `expected`: method, target, fields, body.
#[track_caller]
fn passes(request: &str, expected: &str) {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    client.send(request.as_bytes());
    let answer = client.answer();
    assert_eq!((answer.status, answer.body.as_str()), (200, expected));
}

/// The gate answers each request with `expected` and a reason, closes, and nothing of it reaches the server: the next answer
/// on a new connection is the next client's.
#[track_caller]
fn refuses(expected: &str, requests: &[&[u8]]) {
    let stand = Stand::new(Limits::default());
    for request in requests {
        let answer = stand.send(request);
        let shown = String::from_utf8_lossy(request);
        assert_eq!(status(&answer), expected, "{shown:?} got {answer:?}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{shown:?} got {answer:?}"
        );
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            body.starts_with("{\"error\":\"") && body.ends_with("\"}"),
            "{answer}"
        );
        stand.assert_serves();
    }
    stand.wait_until(|gate| gate.figures().connections == 0);
    assert_eq!(stand.gate.figures().requests, 0);
}

#[test]
fn requests_of_a_connection_are_answered_in_turn() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    for number in 0..3 {
        client.send(
            format!(
                "POST /a?{number} HTTP/1.1\r\nHost: b:1\r\nX-Y: z\r\nContent-Length: 2\r\n\r\n{{}}"
            )
            .as_bytes(),
        );
        let answer = client.answer();
        assert_eq!(answer.head, "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n");
        assert_eq!(
            answer.body,
            format!("POST /a?{number} [host=b:1; x-y=z] {{}}")
        );
    }
    assert_eq!(stand.gate.figures().requests, 0);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    let requests: String = (0..100)
        .map(|number| match number % 2 {
            0 => format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"),
            _ => format!("POST /{number} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n", number % 10),
        })
        .collect();
    client.send(requests.as_bytes());
    for number in 0..100 {
        let body = client.answer().body;
        let expected = match number % 2 {
            0 => format!("GET /{number} [host=a] "),
            _ => format!("POST /{number} [host=a] {}", number % 10),
        };
        assert_eq!(body, expected);
    }
}

#[test]
fn a_chunked_body_goes_on_with_its_length_and_without_extensions_and_trailers() {
    passes(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n\
         3;x;y=z ; q=\"\\\"\"\r\nabc\r\n00a\r\n0123456789\r\n0;last\r\nX: y\r\nHost: b\r\n\r\n",
        "POST / [host=a] abc0123456789",
    );
}

#[test]
fn an_absolute_target_gives_path_and_host() {
    passes(
        "GET http://b.example:8080/c?d HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /c?d [host=b.example:8080] ",
    );
}

#[test]
fn the_asterisk_of_options_goes_through() {
    passes(
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * [host=a] ",
    );
}

#[test]
fn fields_between_client_and_gate_do_not_go_on() {
    passes(
        "GET / HTTP/1.1\r\nhost: a\r\nConnection: keep-alive, x\r\nTE: trailers\r\n\
         Upgrade: h2c\r\nKeep-Alive: 1\r\nExpect: 100-continue\r\nAuthorization: z\r\n\r\n",
        "GET / [host=a; authorization=z] ",
    );
}

#[test]
fn nothing_that_a_client_sends_goes_through_tiny_http() {
    passes(
        "POST /check?q HTTP/1.1\r\nHost: a\r\nX: y\r\nContent-Length: 1\r\n\r\nb",
        "GET /token/visit [] None",
    );
}

#[test]
fn empty_lines_before_a_request_are_skipped() {
    passes(
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / [host=a] ",
    );
}

#[test]
fn the_server_learns_the_clients_address() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    client.send(b"GET /peer HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(
        client.answer().body,
        client.stream.local_addr().unwrap().to_string()
    );
}

#[test]
fn a_request_in_single_bytes_is_the_same_request() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    let request =
        "POST /a HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\nc\r\n0\r\n\r\n";
    for byte in request.as_bytes() {
        client.send(&[*byte]);
    }
    assert_eq!(client.answer().body, "POST /a [host=b] c");
}

#[test]
fn http_1_0_closes_unless_it_asks_to_stay() {
    let stand = Stand::new(Limits::default());
    let answer = stand.send(b"GET /a HTTP/1.0\r\n\r\n");
    assert_eq!(
        answer,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\nGET /a [] "
    );

    let mut client = stand.client();
    for _ in 0..2 {
        client.send(b"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
        assert!(
            client
                .answer()
                .head
                .contains("\r\nConnection: keep-alive\r\n")
        );
    }
}

#[test]
fn http_1_0_gets_a_chunked_answer_without_chunks() {
    let stand = Stand::new(Limits::default());
    let answer = stand.send(b"GET /end-stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(
        answer,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\nabcde"
    );
}

#[test]
fn connection_close_closes_after_the_answer() {
    let stand = Stand::new(Limits::default());
    let answer = stand.send(
        b"GET /a HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\nGET /c HTTP/1.1\r\nHost: b\r\n\r\n",
    );
    assert_eq!(
        answer,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 16\r\n\r\nGET /a [host=b] "
    );
}

#[test]
fn head_is_answered_without_a_body_and_the_connection_stays_in_step() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    client.send(b"HEAD /a HTTP/1.1\r\nHost: b\r\n\r\nGET /c HTTP/1.1\r\nHost: b\r\n\r\n");
    let expected = "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\nGET /c [host=b] ";
    client.read_to(expected);
}

#[test]
fn a_client_that_waits_for_100_gets_it_before_its_answer() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    let go_on = client.answer();
    assert_eq!(go_on.head, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send(b"b");
    assert_eq!(client.answer().body, "POST / [host=a] b");
}

#[test]
fn a_client_whose_body_is_too_large_is_refused_in_place_of_100() {
    refuses(
        "413",
        &[b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"],
    );
}

#[test]
fn another_expectation_is_417() {
    refuses(
        "417",
        &[b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 200-ok\r\n\r\nb"],
    );
}

#[test]
fn lengths_past_the_limit_are_413_however_large() {
    refuses(
        "413",
        &[
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4194305\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n400001\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        ],
    );
}

#[test]
fn a_content_length_that_is_not_one_number_is_400() {
    refuses(
        "400",
        &[
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\nhello",
        ],
    );
}

#[test]
fn a_body_whose_end_is_not_certain_is_400() {
    refuses(
        "400",
        &[
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ],
    );
}

#[test]
fn another_coding_under_chunked_is_501() {
    refuses(
        "501",
        &[b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
    );
}

#[test]
fn a_malformed_chunk_is_400() {
    let chunks: &[&[u8]] = &[
        b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b";x\r\n\r\n",
        b"1\na\r\n0\r\n\r\n",
        b"1\r\na\n0\r\n\r\n",
        b"1\r\nab\r\n0\r\n\r\n",
        b"1 \r\na\r\n0\r\n\r\n",
        b" 1\r\na\r\n0\r\n\r\n",
        b"0x1\r\na\r\n0\r\n\r\n",
        b"+1\r\na\r\n0\r\n\r\n",
        b"-1\r\na\r\n0\r\n\r\n",
        b"00000000000000001\r\na\r\n0\r\n\r\n",
        b"1;x\na\r\n0\r\n\r\n",
        b"1;\r\na\r\n0\r\n\r\n",
        b"1;x=\r\na\r\n0\r\n\r\n",
        b"1;x=\"a\r\n",
        b"1;\0\r\na\r\n0\r\n\r\n",
        b"0\r\nX y: z\r\n\r\n",
        b"0\r\n: z\r\n\r\n",
        b"0\r\nX: y\n\r\n",
        b"0\r\n\rX",
        b"0\r\n\n",
    ];
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let requests: Vec<Vec<u8>> = chunks
        .iter()
        .map(|chunks| [head, *chunks].concat())
        .collect();
    let requests: Vec<&[u8]> = requests.iter().map(Vec::as_slice).collect();
    refuses("400", &requests);
}

#[test]
fn lines_that_do_not_end_in_cr_lf_and_control_characters_are_400() {
    refuses(
        "400",
        &[
            b"GET / HTTP/1.1\nHost: a\n\n",
            b"GET / HTTP/1.1\r\nHost: a\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n",
            b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\n",
            b"\r\n\n",
            b"\r\r\n",
        ],
    );
}

#[test]
fn malformed_fields_are_400() {
    refuses(
        "400",
        &[
            b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
            b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX(y): z\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa4\r\n\r\n",
        ],
    );
}

#[test]
fn a_host_that_is_missing_doubled_or_malformed_is_400() {
    refuses(
        "400",
        &[
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET http://a/ HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        ],
    );
}

#[test]
fn a_malformed_request_line_is_400() {
    refuses(
        "400",
        &[
            b"GET /\r\n",
            b"GET\r\n\r\n",
            b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
            b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /#b HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET / http/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.10\r\nHost: a\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ],
    );
}

#[test]
fn other_versions_are_505() {
    refuses(
        "505",
        &[
            b"GET / HTTP/2.0\r\n\r\n",
            b"GET / HTTP/0.9\r\n\r\n",
            b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ],
    );
}

#[test]
fn methods_that_nobody_knows_are_501() {
    refuses(
        "501",
        &[
            b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        ],
    );
}

#[test]
fn heads_past_the_limits_are_414_and_431() {
    let line = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(16 * 1024));
    refuses("414", &[line.as_bytes()]);
    let field = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(16 * 1024)
    );
    let fields = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(64));
    let empty = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}",
        "X: y\r\n".repeat(100_000)
    );
    refuses(
        "431",
        &[field.as_bytes(), fields.as_bytes(), empty.as_bytes()],
    );
    let fields = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(63));
    passes(&fields, &format!("GET / [host=a{}] ", "; x=y".repeat(63)));
}

#[test]
fn a_refused_client_that_goes_on_sending_still_gets_its_answer() {
    let stand = Stand::new(Limits::default());
    let mut request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n".to_vec();
    request.resize(5_000_000, b'x');
    let answer = stand.send(&request);
    assert_eq!(status(&answer), "413");
    assert!(
        answer.ends_with("\"}"),
        "the connection was reset: {answer}"
    );
}
