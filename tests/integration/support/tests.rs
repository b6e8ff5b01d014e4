//! Proves the upstreams themselves: a test that stands on them should fail for its own reasons only.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use serde_json::json;
use ureq::Agent;

use super::{Answer, Ending, Pace, RecordedAnswer, RecordedRequest, Recorder, Upstream};

fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None);
    config.build().new_agent()
}

/// Sends `request` as it is; all that comes back, and the error that ends it, if one does.
fn exchange(url: &str, request: &str) -> (Vec<u8>, Option<io::ErrorKind>) {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let error = stream.read_to_end(&mut answer).err();
    (answer, error.map(|error| error.kind()))
}

const GET: &str = "GET / HTTP/1.1\r\nHost: mixpanel\r\n\r\n";

/// What `answer` looks like on the wire, the end of its head first.
fn on_the_wire(answer: Answer) -> (String, Option<io::ErrorKind>) {
    let upstream = Upstream::answering(move |_, _| answer.clone());
    let (bytes, error) = exchange(&upstream.url(), GET);
    (String::from_utf8_lossy(&bytes).into_owned(), error)
}

/// What is said of a malformed request when the upstream is dropped.
fn complaint(request: &str) -> String {
    let upstream = Upstream::answering(|_, _| Answer::empty(200));
    exchange(&upstream.url(), request);
    let panic = catch_unwind(AssertUnwindSafe(|| drop(upstream))).unwrap_err();
    panic.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_recorder_notes_a_request_as_sent_and_decoded() {
    let upstream = Upstream::answering(|_, _| Answer::json(200, &json!({"code": 200})));
    let recorder = Recorder::before(&format!("{}/eu", upstream.url()));
    let zipped = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"[{\"event\": \"Buy\"}]").unwrap();
        encoder.finish().unwrap()
    };

    let answer = agent()
        .post(format!(
            "{}/import?strict=1&name=a%2Fb+c&name",
            recorder.url()
        ))
        .header("Content-Encoding", "gzip")
        .header("Authorization", "Basic dXNlcjpzZWNyZXQ=")
        .send(&zipped)
        .unwrap();

    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.into_body().read_to_string().unwrap(),
        r#"{"code":200}"#
    );
    let requests = recorder.take();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].method, "POST");
    assert_eq!(requests[0].path, "/import");
    let pairs = [("strict", "1"), ("name", "a/b c"), ("name", "")];
    assert_eq!(
        requests[0].query,
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert_eq!(requests[0].param("strict"), Some("1"));
    assert_eq!(
        requests[0].header("AUTHORIZATION"),
        Some("Basic dXNlcjpzZWNyZXQ=")
    );
    assert_eq!(requests[0].raw_body, zipped);
    assert_eq!(requests[0].json(), json!([{"event": "Buy"}]));
    assert_eq!(recorder.take().len(), 0);

    let passed_on = upstream.requests();
    assert_eq!(passed_on[0].target, "/eu/import?strict=1&name=a%2Fb+c&name");
    assert_eq!(passed_on[0].raw_body, zipped);
    assert_eq!(
        passed_on[0].header("authorization"),
        Some("Basic dXNlcjpzZWNyZXQ=")
    );
}

#[test]
fn a_recorder_passes_on_a_body_with_delete_and_a_get_without_one() {
    let upstream = Upstream::answering(|_, _| Answer::empty(204));
    let recorder = Recorder::before(&upstream.url());

    let request = ureq::http::Request::delete(format!("{}/imports/1", recorder.url()))
        .body("{}")
        .unwrap();
    let config = Agent::config_builder()
        .allow_non_standard_methods(true)
        .proxy(None)
        .build();
    assert_eq!(config.new_agent().run(request).unwrap().status(), 204);
    assert_eq!(
        agent()
            .get(format!("{}/me", recorder.url()))
            .call()
            .unwrap()
            .status(),
        204
    );

    let passed_on = upstream.requests();
    assert_eq!(
        (passed_on[0].method.as_str(), passed_on[0].body.as_slice()),
        ("DELETE", b"{}".as_slice())
    );
    assert_eq!(
        (passed_on[1].method.as_str(), passed_on[1].body.as_slice()),
        ("GET", b"".as_slice())
    );
}

#[test]
fn a_recorder_passes_answers_back_as_they_are() {
    let elsewhere = "http://127.0.0.1:9/elsewhere";
    let answers = [
        Answer::html(502),
        Answer::redirect(elsewhere),
        Answer::text(200, "a line\n").gzip(),
        Answer::text(200, "a line\n").chunked(2),
        Answer::text(200, "a line\n").declaring(99),
        Answer::text(200, "a line\n")
            .chunked(3)
            .stopping_after(4, Ending::Closed),
        Answer::garbage(),
        Answer::raw(""),
    ];
    for answer in answers {
        let upstream = Upstream::answering(move |_, _| answer.clone());
        let recorder = Recorder::before(&upstream.url());
        let lines = |(answer, error): (Vec<u8>, _)| {
            assert_eq!(error, None);
            let mut lines: Vec<Vec<u8>> =
                answer.split(|byte| *byte == b'\n').map(Vec::from).collect();
            lines.sort();
            lines
        };
        // The order of headers is all that may differ.
        assert_eq!(
            lines(exchange(&recorder.url(), GET)),
            lines(exchange(&upstream.url(), GET))
        );
        assert_eq!(recorder.take().len(), 1);
    }
}

#[test]
fn a_recorder_keeps_each_answer_beside_its_request() {
    const PATIENT: &str = "GET /slow HTTP/1.1\r\nHost: mixpanel\r\n\r\n";
    let answers = [
        Answer::text(200, "a line\n"),
        Answer::text(404, "a line\n").gzip(),
        Answer::text(503, "a line\n").chunked(2),
    ];
    for (answer, status) in answers.into_iter().zip([200, 404, 503]) {
        let upstream = Upstream::answering(move |_, _| answer.clone());
        let recorder = Recorder::before(&upstream.url());
        exchange(&recorder.url(), GET);
        exchange(&recorder.url(), PATIENT);

        let exchanges = recorder.take_exchanges();
        let paths: Vec<&str> = exchanges
            .iter()
            .map(|exchange| exchange.request.path.as_str())
            .collect();
        assert_eq!(paths, ["/", "/slow"]);
        for exchange in &exchanges {
            let expected = RecordedAnswer {
                status,
                content_type: "text/plain".into(),
                body: b"a line\n".into(),
            };
            assert_eq!(exchange.answer, expected);
        }
        assert_eq!(recorder.take_exchanges().len(), 0);
    }
}

#[test]
fn a_recorder_waits_for_the_answer_that_is_on_its_way() {
    let pace = Pace::new();
    let upstream = Upstream::answering({
        let pace = pace.clone();
        move |_, _| Answer::text(200, "a line\n").paced(&pace)
    });
    let recorder = Recorder::before(&upstream.url());
    thread::scope(|scope| {
        scope.spawn(|| exchange(&recorder.url(), GET));
        assert!(upstream.received(0));
        let taking = scope.spawn(|| recorder.take_exchanges());
        pace.finish();
        assert_eq!(taking.join().unwrap()[0].answer.body, b"a line\n");
    });
}

#[test]
fn a_recorder_tells_an_answer_that_is_not_whole() {
    for answer in [
        Answer::text(200, "a line\n").declaring(99),
        Answer::text(200, "a line\n")
            .chunked(3)
            .stopping_after(4, Ending::Closed),
        Answer::garbage(),
        Answer::raw(""),
    ] {
        let upstream = Upstream::answering(move |_, _| answer.clone());
        let recorder = Recorder::before(&upstream.url());
        exchange(&recorder.url(), GET);
        let panic = catch_unwind(AssertUnwindSafe(|| recorder.take_exchanges())).err();
        let told = panic.unwrap();
        let told = told.downcast_ref::<String>().unwrap();
        assert!(told.starts_with("the answer to GET /: "), "{told}");
    }
}

#[test]
fn a_recorder_serves_many_at_once() {
    const CLIENTS: usize = 16;
    let pace = Pace::new();
    let upstream = Upstream::answering({
        let pace = pace.clone();
        move |request, _| Answer::text(200, &request.target).paced(&pace)
    });
    let recorder = Recorder::before(&upstream.url());

    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let url = format!("{}/{client}", recorder.url());
            scope.spawn(move || {
                let body = agent()
                    .get(url)
                    .call()
                    .unwrap()
                    .into_body()
                    .read_to_string();
                assert_eq!(body.unwrap(), format!("/{client}"));
            });
        }
        // All are there before any of them gets its answer.
        assert!(upstream.received(CLIENTS - 1));
        pace.finish();
    });

    assert_eq!(recorder.take().len(), CLIENTS);
}

#[test]
fn a_recorder_breaks_off_where_its_upstream_resets_or_refuses() {
    let upstream =
        Upstream::answering(|_, _| Answer::text(200, "hello").stopping_after(4, Ending::Reset));
    let recorder = Recorder::before(&upstream.url());
    let (answer, error) = exchange(&recorder.url(), GET);
    assert!(
        answer.ends_with(b"\r\n\r\nhell"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert_eq!(error, None);

    let recorder = Recorder::before(&Upstream::refusing_url());
    assert_eq!(exchange(&recorder.url(), GET), (Vec::new(), None));
    assert_eq!(recorder.take().len(), 1);
}

#[test]
fn a_client_that_leaves_a_recorder_is_seen_by_the_upstream() {
    for answer in [Answer::hang(), Answer::endless("more\n")] {
        let upstream = Upstream::answering(move |_, _| answer.clone());
        let recorder = Recorder::before(&upstream.url());
        let mut stream = TcpStream::connect(recorder.url().trim_start_matches("http://")).unwrap();
        stream.write_all(GET.as_bytes()).unwrap();
        assert!(upstream.received(0));

        drop(stream);

        assert!(upstream.closed_by_peer(0));
    }
}

#[test]
fn a_recorder_before_an_upstream_that_hangs_can_be_dropped() {
    let upstream = Upstream::answering(|_, _| Answer::hang());
    let recorder = Recorder::before(&upstream.url());
    let mut stream = TcpStream::connect(recorder.url().trim_start_matches("http://")).unwrap();
    stream.write_all(GET.as_bytes()).unwrap();
    assert!(upstream.received(0));

    drop(recorder);

    assert!(upstream.closed_by_peer(0));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_malformed_request_is_told_by_take() {
    let recorder = Recorder::before(&Upstream::refusing_url());
    exchange(
        &recorder.url(),
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    );

    let panic = catch_unwind(AssertUnwindSafe(|| recorder.take())).unwrap_err();

    let told = panic.downcast_ref::<String>().unwrap();
    assert!(
        told.ends_with("saw: the header host occurs 2 times"),
        "{told}"
    );
}

#[test]
fn malformed_requests_are_told_apart() {
    let post = |headers: &str, body: &str| {
        format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{body}")
    };
    let cases = [
        (
            "GET / HTTP/1.0\r\nHost: a\r\n\r\n".into(),
            "the request is not HTTP/1.1",
        ),
        (
            "GET x HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            "the target x does not begin with a slash",
        ),
        (
            "GET / HTTP/1.1\r\n\r\n".into(),
            "the header host occurs 0 times",
        ),
        (
            "GET / HT\0P\r\n\r\n".into(),
            "the head is malformed: invalid HTTP version",
        ),
        (
            post("Content-Length: -1", ""),
            "the content length -1 is malformed or too large",
        ),
        (
            post("Content-Length: 1", "ab"),
            "more bytes follow the request before it was answered",
        ),
        (
            post("Content-Length: 1\r\nTransfer-Encoding: chunked", ""),
            "both a transfer encoding and a content length",
        ),
        (
            post("Transfer-Encoding: gzip", ""),
            "the transfer encoding gzip is not known",
        ),
        (
            post("Transfer-Encoding: chunked", "x\r\n"),
            "the size of a chunk is malformed",
        ),
        (
            post("Transfer-Encoding: chunked", "1\r\nab\r\n"),
            "a chunk is longer than announced, or has trailers",
        ),
        (
            post("Content-Encoding: br", ""),
            "the content encoding br is not known",
        ),
        (
            post("Content-Encoding: gzip\r\nContent-Length: 2", "ab"),
            "the body is not gzip: ",
        ),
    ];
    for (request, expected) in cases {
        let told = complaint(&request);
        assert!(told.contains(expected), "for {request:?}: {told}");
    }
}

#[test]
fn a_body_in_chunks_is_put_together() {
    let mut wire = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n4\r\n&b=2\r\n0\r\n\r\n".as_bytes();
    let request = RecordedRequest::read(&mut wire).unwrap().unwrap();
    assert_eq!(request.body, b"a=1&b=2");
    assert_eq!(
        request.form(),
        [("a".into(), "1".into()), ("b".into(), "2".into())]
    );
}

#[test]
fn an_answer_goes_out_as_scripted() {
    let head = "HTTP/1.1 200 Scripted\r\n";
    let close = "Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n";
    let whole = format!("{head}Content-Length: 5\r\n{close}");
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n{close}");
    let text = || Answer::text(200, "hello");
    let cases = [
        (text(), format!("{whole}hello"), None),
        (
            text().chunked(3),
            format!("{chunked}3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
            None,
        ),
        (
            text().declaring(9),
            format!("{head}Content-Length: 9\r\n{close}hello"),
            None,
        ),
        (
            text().stopping_after(2, Ending::Closed),
            format!("{whole}he"),
            None,
        ),
        (
            text().stopping_after(2, Ending::Reset),
            format!("{whole}he"),
            Some(io::ErrorKind::ConnectionReset),
        ),
        (
            text().chunked(3).stopping_after(4, Ending::Closed),
            format!("{chunked}3\r\nhel\r\n2\r\nl"),
            None,
        ),
        (
            Answer::empty(204),
            "HTTP/1.1 204 Scripted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into(),
            None,
        ),
        (Answer::raw("HTTP/1.1 200"), "HTTP/1.1 200".into(), None),
    ];
    for (answer, expected, error) in cases {
        assert_eq!(on_the_wire(answer), (expected, error));
    }
}

#[test]
fn garbage_is_no_answer_and_nobody_listens_where_connections_are_refused() {
    let upstream = Upstream::answering(|_, _| Answer::garbage());
    agent().get(upstream.url()).call().unwrap_err();
    let error = agent().get(Upstream::refusing_url()).call().unwrap_err();
    assert!(
        matches!(&error, ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused),
        "{error}"
    );
}

#[test]
fn a_paced_answer_goes_byte_by_byte() {
    let pace = Pace::new();
    let upstream = Upstream::answering({
        let pace = pace.clone();
        move |_, _| Answer::raw("abcdef").paced(&pace)
    });
    let mut stream = TcpStream::connect(upstream.url().trim_start_matches("http://")).unwrap();
    stream.write_all(GET.as_bytes()).unwrap();

    let mut piece = [0; 2];
    pace.allow(2);
    stream.read_exact(&mut piece).unwrap();
    assert_eq!(&piece, b"ab");
    stream.set_nonblocking(true).unwrap();
    assert_eq!(
        stream.read(&mut piece).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    stream.set_nonblocking(false).unwrap();
    pace.finish();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();

    assert_eq!(rest, "cdef");
    assert!(!upstream.closed_by_peer(0));
}

#[test]
fn a_client_that_closes_early_is_seen_whatever_the_answer() {
    let pace = Pace::new();
    let answers = [
        Answer::hang(),
        Answer::endless("more\n"),
        Answer::text(200, "hello").paced(&pace),
        Answer::text(200, "hello").stopping_after(2, Ending::Silence),
    ];
    let count = answers.len();
    let upstream = Upstream::answering(move |_, nth| answers[nth].clone());
    for nth in 0..count {
        let mut stream = TcpStream::connect(upstream.url().trim_start_matches("http://")).unwrap();
        stream.write_all(GET.as_bytes()).unwrap();
        assert!(upstream.received(nth));
        drop(stream);
        assert!(upstream.closed_by_peer(nth), "answer {nth}");
    }
}

#[test]
fn an_upstream_that_hangs_can_be_dropped() {
    let upstream = Upstream::answering(|_, _| Answer::hang());
    let mut stream = TcpStream::connect(upstream.url().trim_start_matches("http://")).unwrap();
    stream.write_all(GET.as_bytes()).unwrap();
    assert!(upstream.received(0));

    drop(upstream);

    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_script_that_fails_fails_its_test() {
    let upstream = Upstream::answering(|request, _| panic!("{} was not expected", request.path));
    exchange(&upstream.url(), GET);

    let panic = catch_unwind(AssertUnwindSafe(|| drop(upstream))).unwrap_err();

    let told = panic.downcast_ref::<String>().unwrap();
    assert!(told.ends_with("saw: / was not expected"), "{told}");
}
