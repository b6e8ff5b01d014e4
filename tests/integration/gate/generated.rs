//! Generated streams of requests, good and bad, against a plain reading of RFC 9112: the gate lets through exactly the requests
//! that the reading finds, hands them over as they are, and the first fault is answered and ends the connection.

use std::net::Shutdown;

use mixpanel_mcp_server::transport::gate::Limits;

use super::stand::{Client, Stand};

const STREAMS: u64 = 4000;
const MEAN_BYTES: &[u8] = b"\r\n\0 \t:;,/0a\"\x7f\xff";

/// xorshift64*; the seeds are fixed, so a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    /// Mostly one of `good`, now and then one of `bad`.
    fn pick<'t>(&mut self, good: &[&'t str], bad: &[&'t str]) -> &'t str {
        let from = if !bad.is_empty() && self.below(24) == 0 {
            bad
        } else {
            good
        };
        from[self.below(from.len())]
    }
}

fn request(random: &mut Random) -> Vec<u8> {
    let method = random.pick(
        &["GET", "POST", "POST", "DELETE", "OPTIONS", "HEAD"],
        &["get", "BREW", "G(T", "", "CONNECT"],
    );
    let target = random.pick(
        &[
            "/q",
            "/q?a=b&c",
            "/q/%20~",
            "http://h.example/q",
            "http://[::1]:1?q",
        ],
        &["q", "*", "/q#", "/q q", "ftp://a/", "http://u@a/", ""],
    );
    let version = random.pick(
        &["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"],
        &["HTTP/2.0", "HTTP/1.2", "HTTP/11", "http/1.1", ""],
    );
    let mut head = format!("{method} {target} {version}\r\n");
    for _ in 0..random.below(3) {
        head.push_str(random.pick(
            &[
                "X-A: b\r\n",
                "x-c:d e \r\n",
                "X-Empty:\r\n",
                "Connection: keep-alive\r\n",
                "TE: x\r\n",
                "Proxy-Connection: x\r\n",
                "Expect: 100-continue\r\n",
            ],
            &[
                "X : y\r\n",
                " folded\r\n",
                ": y\r\n",
                "X\r\n",
                "X: y\n",
                "X: \u{e4}\r\n",
                "Expect: x\r\n",
                "Connection: close\r\n",
            ],
        ));
    }
    head.push_str(random.pick(
        &[
            "Host: a.example:80\r\n",
            "host:\ta\t\r\n",
            "HOST: [::1]\r\n",
        ],
        &["", "Host: a\r\nHost: b\r\n", "Host: a b\r\n", "Host:\r\n"],
    ));
    let body = match random.below(3) {
        0 => String::new(),
        1 => {
            let body = random.pick(
                &["", "a", "hello", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
                &[],
            );
            let length = match random.below(16) {
                0 => random
                    .pick(
                        &[
                            "-5",
                            "+5",
                            "5, 5",
                            "",
                            "0x5",
                            "99999999",
                            "99999999999999999999999",
                        ],
                        &[],
                    )
                    .to_owned(),
                _ => format!("{:0>1$}", body.len(), 1 + random.below(2)),
            };
            head.push_str(&format!("Content-Length: {length}\r\n"));
            if random.below(32) == 0 {
                head.push_str(random.pick(
                    &["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"],
                    &[],
                ));
            }
            body.to_owned()
        }
        _ => {
            head.push_str(random.pick(
                &[
                    "Transfer-Encoding: chunked\r\n",
                    "transfer-encoding:CHUNKED\r\n",
                ],
                &[
                    "Transfer-Encoding: identity\r\n",
                    "Transfer-Encoding: gzip, chunked\r\n",
                    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                    "Transfer-Encoding: xchunked\r\n",
                ],
            ));
            let mut body = String::new();
            for _ in 0..random.below(3) {
                body.push_str(random.pick(
                    &[
                        "1\r\na\r\n",
                        "05;x\r\nhello\r\n",
                        "3 ;x=\"y;\\\"\"\t; z = t\r\n0\r\n\r\n",
                        "a\r\n0123456789\r\n",
                    ],
                    &[
                        "1\na\r\n",
                        "\r\n",
                        "1\r\nab\r\n",
                        "1 \r\na\r\n",
                        "1;\r\na\r\n",
                        "0x1\r\na\r\n",
                        "g\r\n",
                        "1\r\na\n",
                    ],
                ));
            }
            body.push_str(random.pick(
                &["0\r\n\r\n", "00;x=y\r\nX: y\r\nHost: b\r\n\r\n"],
                &["0\r\n", "0\r\nX\r\n\r\n", "0\n\n"],
            ));
            body
        }
    };
    head.push_str("\r\n");
    head.push_str(&body);
    let mut bytes = head.into_bytes();
    if random.below(4) == 0 {
        let at = random.below(bytes.len());
        let byte = MEAN_BYTES[random.below(MEAN_BYTES.len())];
        match random.below(3) {
            0 => bytes.insert(at, byte),
            1 => bytes[at] = byte,
            _ => drop(bytes.remove(at)),
        }
    }
    bytes
}

/// What a stream of bytes is: requests as the echoing server shows them, then perhaps a fault.
#[derive(Default)]
struct Reading {
    /// The method is HEAD, and the text of the answer.
    requests: Vec<(bool, String)>,
    /// The statuses of all faults that the last request has; any of them may be told.
    faults: Vec<u16>,
}

/// The plain reading: whole lines and whole bodies, cut out one after the other.
fn read(mut bytes: &[u8]) -> Reading {
    let mut reading = Reading::default();
    loop {
        while let Some(rest) = bytes.strip_prefix(b"\r\n") {
            bytes = rest;
        }
        if bytes.is_empty() {
            return reading;
        }
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            // Too short, and perhaps with a fault that shows before its end.
            reading.faults = vec![400, 505];
            return reading;
        };
        let head = read_head(&bytes[..end]);
        bytes = &bytes[end + 4..];
        let body = match (&head.faults[..], head.length) {
            ([], Length::Bytes(length)) if length > 4 * 1024 * 1024 => Err(413),
            ([], Length::Bytes(length)) => match bytes.split_at_checked(length as usize) {
                Some((body, rest)) => {
                    bytes = rest;
                    Ok(body.to_vec())
                }
                None => Err(400),
            },
            ([], Length::Chunked) => read_chunks(&mut bytes),
            _ => {
                reading.faults = head.faults;
                return reading;
            }
        };
        let body = match body {
            Ok(body) => body,
            Err(fault) => {
                reading.faults.push(fault);
                return reading;
            }
        };
        let body = String::from_utf8_lossy(&body);
        let text = format!(
            "{} {} [{}] {body}",
            head.method,
            head.target,
            head.fields.join("; ")
        );
        reading.requests.push((head.method == "HEAD", text));
        if !head.keep {
            return reading;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Bytes(u64),
    Chunked,
}

struct Head {
    method: String,
    target: String,
    fields: Vec<String>,
    length: Length,
    keep: bool,
    faults: Vec<u16>,
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.rfind(':') {
        Some(at) if !text.ends_with(']') => (&text[..at], &text[at + 1..]),
        _ => (text, ""),
    };
    let is_name = |host: &str| {
        host.chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=%".contains(c))
    };
    let is_address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    !host.is_empty() && (is_name(host) || is_address) && port.chars().all(|c| c.is_ascii_digit())
}

fn read_head(bytes: &[u8]) -> Head {
    // Latin-1, so that each byte is a character.
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let mut faults = Vec::new();
    if text
        .replace("\r\n", "")
        .contains(|c: char| c.is_ascii_control() && c != '\t')
    {
        faults.push(400);
    }
    let mut lines = text.split("\r\n");
    let words: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let (method, target, version) = match words[..] {
        [method, target, version] => (method, target, version),
        _ => {
            faults.extend([400, 505]);
            ("", "/", "HTTP/1.1")
        }
    };
    if !is_token(method) {
        faults.push(400);
    }
    if ![
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE",
    ]
    .contains(&method)
    {
        faults.push(501);
    }
    let old = version == "HTTP/1.0";
    if !old && version != "HTTP/1.1" {
        let digits: Vec<char> = version
            .strip_prefix("HTTP/")
            .unwrap_or("")
            .chars()
            .collect();
        let known = matches!(digits[..], [major, '.', minor] if major.is_ascii_digit() && minor.is_ascii_digit());
        faults.push(if known { 505 } else { 400 });
    }
    let mut of_target = None;
    let mut path = target.to_owned();
    if !target.chars().all(|c| c.is_ascii_graphic() && c != '#') {
        faults.push(400);
    } else if !(target.starts_with('/') || target == "*" && method == "OPTIONS") {
        match target.split_once("://") {
            Some((scheme, rest))
                if ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) =>
            {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                if !is_host(&rest[..end]) {
                    faults.push(400);
                }
                of_target = Some(rest[..end].to_owned());
                path = match &rest[end..] {
                    "" if method == "OPTIONS" => "*".to_owned(),
                    path if path.starts_with('/') => path.to_owned(),
                    query => format!("/{query}"),
                };
            }
            _ => faults.push(400),
        }
    }

    let mut hosts = Vec::new();
    let mut lengths = Vec::new();
    let mut codings = Vec::new();
    let mut fields = Vec::new();
    let (mut close, mut keep_alive) = (false, false);
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or(("", ""));
        let value = value.trim_matches([' ', '\t']);
        if !is_token(name) || !value.is_ascii() {
            faults.push(400);
        }
        match name.to_ascii_lowercase().as_str() {
            "host" => hosts.push(value),
            "content-length" => lengths.push(value),
            "transfer-encoding" => codings.push(value),
            "connection" => {
                let options: Vec<String> = value
                    .split(',')
                    .map(|option| option.trim().to_ascii_lowercase())
                    .collect();
                close |= options.iter().any(|option| option == "close");
                keep_alive |= options.iter().any(|option| option == "keep-alive");
            }
            "expect" if !value.eq_ignore_ascii_case("100-continue") => faults.push(417),
            "expect" | "te" | "keep-alive" | "proxy-connection" | "trailer" | "upgrade"
            | "http2-settings" => {}
            name => fields.push(format!("{name}={value}")),
        }
    }
    if hosts.len() > 1 || (hosts.is_empty() && !old) || !hosts.iter().all(|host| is_host(host)) {
        faults.push(400);
    }
    if let Some(host) = of_target.as_deref().or(hosts.first().copied()) {
        fields.insert(0, format!("host={host}"));
    }
    let length = match (&lengths[..], &codings[..]) {
        ([], []) => Length::Bytes(0),
        ([digits], []) if !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()) => {
            Length::Bytes(digits.parse().unwrap_or(u64::MAX))
        }
        ([], [coding]) if !old && coding.eq_ignore_ascii_case("chunked") => Length::Chunked,
        ([], [coding])
            if !old && coding.to_ascii_lowercase().ends_with("chunked") && coding.contains(',') =>
        {
            faults.extend([400, 501]);
            Length::Chunked
        }
        _ => {
            faults.push(400);
            Length::Bytes(0)
        }
    };
    if length == Length::Bytes(u64::MAX) {
        faults.push(413);
    }
    let keep = !close && (!old || keep_alive);
    Head {
        method: method.to_owned(),
        target: path,
        fields,
        length,
        keep,
        faults,
    }
}

fn read_chunks(bytes: &mut &[u8]) -> Result<Vec<u8>, u16> {
    let mut body = Vec::new();
    loop {
        let line = read_line(bytes).ok_or(400_u16)?;
        let digits = line
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(line.len());
        let (size, extensions) = line.split_at(digits);
        if size.is_empty() || size.len() > 16 || !are_extensions(extensions) {
            return Err(400);
        }
        let size = u64::from_str_radix(size, 16).map_err(|_| 400_u16)?;
        if size > 4 * 1024 * 1024 {
            return Err(413);
        }
        if size == 0 {
            break;
        }
        let (data, rest) = bytes.split_at_checked(size as usize).ok_or(400_u16)?;
        body.extend_from_slice(data);
        *bytes = rest.strip_prefix(b"\r\n").ok_or(400_u16)?;
    }
    loop {
        let line = read_line(bytes).ok_or(400_u16)?;
        if line.is_empty() {
            return Ok(body);
        }
        let (name, _) = line.split_once(':').ok_or(400_u16)?;
        if !is_token(name) {
            return Err(400);
        }
    }
}

/// A line that ends in CR LF and has neither of them, nor another control character, within.
fn read_line(bytes: &mut &[u8]) -> Option<String> {
    let end = bytes.windows(2).position(|window| window == b"\r\n")?;
    let line: String = bytes[..end].iter().map(|byte| char::from(*byte)).collect();
    *bytes = &bytes[end + 2..];
    (!line.contains(|c: char| c.is_ascii_control() && c != '\t')).then_some(line)
}

/// `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`, by cutting pieces off its front.
fn are_extensions(text: &str) -> bool {
    let blank = [' ', '\t'];
    let cut_token = |text: &str| {
        text.find(|c: char| !is_token(&c.to_string()))
            .unwrap_or(text.len())
    };
    let mut rest = text;
    while !rest.is_empty() {
        let Some(after) = rest.trim_start_matches(blank).strip_prefix(';') else {
            return false;
        };
        let name = after.trim_start_matches(blank);
        let end = cut_token(name);
        if end == 0 {
            return false;
        }
        rest = &name[end..];
        if let Some(value) = rest.trim_start_matches(blank).strip_prefix('=') {
            let value = value.trim_start_matches(blank);
            let end = match value.strip_prefix('"') {
                None => cut_token(value),
                Some(quoted) => {
                    let mut escaped = false;
                    let closing = quoted.find(|c| {
                        let closes = c == '"' && !escaped;
                        escaped = c == '\\' && !escaped;
                        closes
                    });
                    closing.map_or(0, |at| at + 2)
                }
            };
            if end == 0 {
                return false;
            }
            rest = &value[end..];
        }
    }
    true
}

/// The answers that a client reads until the gate closes: those of the server, and the status of a refusal at the end.
fn answers(client: &mut Client, expected: &Reading) -> (Vec<String>, Option<u16>) {
    let text = client.rest();
    let mut rest = text.as_str();
    let mut bodies = Vec::new();
    while let Some((head, after)) = rest.split_once("\r\n\r\n") {
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        if status == 100 {
            rest = after;
            continue;
        }
        if status != 200 {
            return (bodies, Some(status));
        }
        let length: usize = head
            .split("Content-Length: ")
            .nth(1)
            .unwrap()
            .split("\r\n")
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let bodiless = expected
            .requests
            .get(bodies.len())
            .is_some_and(|(bodiless, _)| *bodiless);
        let (body, after) = after.split_at(if bodiless { 0 } else { length });
        bodies.push(body.to_owned());
        rest = after;
    }
    assert!(rest.is_empty(), "{text:?}");
    (bodies, None)
}

#[test]
fn generated_streams_are_read_as_rfc_9112_has_it() {
    let stand = Stand::new(Limits::default());
    let (mut requests, mut refusals) = (0, 0);
    for seed in 1..=STREAMS {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut stream = Vec::new();
        for _ in 0..1 + random.below(3) {
            stream.extend(request(&mut random));
        }
        let expected = read(&stream);

        let mut client = stand.client();
        let mut left = stream.as_slice();
        while !left.is_empty() {
            let (piece, rest) = left.split_at(1 + random.below(left.len()));
            client.send(piece);
            left = rest;
        }
        let _ = client.stream.shutdown(Shutdown::Write);
        let (bodies, refusal) = answers(&mut client, &expected);

        let shown = String::from_utf8_lossy(&stream);
        let texts: Vec<&str> = expected
            .requests
            .iter()
            .map(|(bodiless, text)| if *bodiless { "" } else { text.as_str() })
            .collect();
        assert_eq!(bodies, texts, "seed {seed}: {shown:?}");
        match refusal {
            Some(status) => assert!(
                expected.faults.contains(&status),
                "seed {seed}: {status} and not {:?} for {shown:?}",
                expected.faults
            ),
            None => assert!(
                expected.faults.is_empty(),
                "seed {seed}: not {:?} for {shown:?}",
                expected.faults
            ),
        }
        requests += bodies.len();
        refusals += usize::from(refusal.is_some());
    }
    // Both sides are met often, or the test would say little.
    assert!(
        requests > 2000 && refusals > 1000,
        "{requests} requests, {refusals} refusals"
    );
    stand.wait_until(|gate| gate.figures().connections == 0);
}
