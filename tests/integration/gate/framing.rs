//! Which bytes are a request, and what goes on of it.

use mixpanel_mcp_server::transport::gate::Limits;

use super::stand::{Stand, status};

#[test]
fn a_request_goes_through_and_its_answer_comes_back() {
    let stand = Stand::new(Limits::default());
    let mut client = stand.client();
    for number in 0..3 {
        let request = format!(
            "POST /a?{number} HTTP/1.1\r\nHost: b:1\r\nX-Y: z\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        client.send(request.as_bytes());
        let answer = client.answer();
        assert_eq!(answer.head, "HTTP/1.1 200 OK\r\nContent-Length: 48\r\n\r\n");
        assert_eq!(
            answer.body,
            format!("POST /a?{number} [Host=b:1; X-Y=z; Content-Length=2] {{}}")
        );
    }
    assert_eq!(stand.gate.figures().lanes, 1);
}

/// The gate answers `request` with `expected`, closes, and serves the next client.
#[track_caller]
fn check(request: &str, expected: &str) {
    let stand = Stand::new(Limits::default());
    let answer = stand.send(request.as_bytes());
    assert_eq!(status(&answer), expected, "{answer}");
    stand.assert_serves();
}

#[test]
fn an_unknown_version_is_505() {
    check("GET / HTTP/2.0\r\n\r\n", "505");
}
