//! Who may come in: `Origin` and `Host` on every endpoint, and the access token.

use crate::mcp::headers::Headers;

/// The rules, read from the settings.
pub struct Access {
    /// Whether the server listens on a loopback address only.
    pub loopback: bool,
    /// Origins of web pages that may connect, beside those of this machine: `https://app.example`.
    pub allowed_origins: Vec<String>,
    /// Host names that are ours, beside those of this machine: without a port.
    pub allowed_hosts: Vec<String>,
    /// The token of those who may use the environment's credentials.
    pub token: Option<String>,
    /// Header fields by which a caller brings credentials of its own.
    pub credential_fields: &'static [&'static str],
}

/// Why a request is turned away.
#[derive(Debug, PartialEq)]
pub(super) enum Denied {
    /// A web page that is not allowed: 403.
    Origin,
    /// A host name that is not ours: 403.
    Host,
    /// Neither the access token nor credentials of its own: 401.
    Token,
}

impl Access {
    /// Whether the page and the host name are allowed.
    pub(super) fn check_source(&self, headers: &Headers) -> Result<(), Denied> {
        if headers
            .all("origin")
            .any(|origin| !self.allows_origin(origin))
        {
            return Err(Denied::Origin);
        }
        let known_hosts = self.loopback || !self.allowed_hosts.is_empty();
        if known_hosts
            && headers
                .get("host")
                .is_none_or(|host| !self.allows_host(host))
        {
            return Err(Denied::Host);
        }
        Ok(())
    }

    /// Whether the caller may use the environment's credentials: `Ok(true)` if so, `Ok(false)` if it brings its own.
    pub(super) fn check_token(&self, headers: &Headers) -> Result<bool, Denied> {
        let Some(token) = &self.token else {
            return Ok(self.loopback);
        };
        let bearer = headers.get("authorization").and_then(bearer);
        if bearer.is_some_and(|given| equal_in_constant_time(given.as_bytes(), token.as_bytes())) {
            return Ok(true);
        }
        // `Bearer Basic …` is a Mixpanel credential and no token.
        let wrong_token = bearer.is_some_and(|given| !starts_with_word(given, "basic"));
        let brings_own = self
            .credential_fields
            .iter()
            .any(|field| headers.get(field).is_some());
        if brings_own && !wrong_token {
            Ok(false)
        } else {
            Err(Denied::Token)
        }
    }

    /// The origin to name in CORS fields, if the request has one that is allowed.
    pub(super) fn cors_origin<'a>(&self, headers: &'a Headers) -> Option<&'a str> {
        headers
            .get("origin")
            .filter(|origin| self.allows_origin(origin))
    }

    fn allows_origin(&self, origin: &str) -> bool {
        let host = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        host.is_some_and(is_this_machine)
            || self
                .allowed_origins
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }

    fn allows_host(&self, host: &str) -> bool {
        is_this_machine(host)
            || self
                .allowed_hosts
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(without_port(host)))
    }
}

fn bearer(value: &str) -> Option<&str> {
    starts_with_word(value, "bearer").then(|| value[6..].trim_start())
}

fn starts_with_word(value: &str, word: &str) -> bool {
    value
        .get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
        && value[word.len()..].starts_with(' ')
}

fn is_this_machine(host: &str) -> bool {
    let name = without_port(host);
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]"
}

/// A host without its port; with something else behind the colon it is no host of ours.
fn without_port(host: &str) -> &str {
    let end = if host.starts_with('[') {
        host.find(']').map_or(host.len(), |end| end + 1)
    } else {
        0
    };
    match host[end..].find(':') {
        Some(colon)
            if host[end + colon + 1..]
                .bytes()
                .all(|byte| byte.is_ascii_digit()) =>
        {
            &host[..end + colon]
        }
        _ => host,
    }
}

/// Compares every byte, so that the time tells nothing of how many are right.
fn equal_in_constant_time(given: &[u8], wanted: &[u8]) -> bool {
    let differing = given
        .iter()
        .zip(wanted)
        .fold(0, |differing, (a, b)| differing | (a ^ b));
    std::hint::black_box(differing) == 0 && given.len() == wanted.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(loopback: bool, token: Option<&str>) -> Access {
        Access {
            loopback,
            allowed_origins: vec!["https://app.example".into()],
            allowed_hosts: if loopback {
                Vec::new()
            } else {
                vec!["mcp.example".into()]
            },
            token: token.map(str::to_owned),
            credential_fields: &["x-auth-token", "authorization"],
        }
    }

    fn headers(fields: &[(&str, &str)]) -> Headers {
        Headers::new(fields.iter().copied())
    }

    #[track_caller]
    fn check_source(loopback: bool, fields: &[(&str, &str)], expected: Result<(), Denied>) {
        assert_eq!(
            access(loopback, None).check_source(&headers(fields)),
            expected,
            "{fields:?}"
        );
    }

    #[test]
    fn a_loopback_server_knows_only_the_names_of_this_machine() {
        for host in [
            "localhost",
            "LOCALHOST:5000",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:5000",
        ] {
            check_source(true, &[("host", host)], Ok(()));
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost:80.evil.example",
            "",
            "[::1",
        ] {
            check_source(true, &[("host", host)], Err(Denied::Host));
        }
        check_source(true, &[], Err(Denied::Host));
    }

    #[test]
    fn a_page_of_another_origin_is_foreign_unless_it_is_allowed() {
        for origin in [
            "http://localhost:3000",
            "https://127.0.0.1",
            "http://[::1]:8",
            "https://app.example",
        ] {
            check_source(true, &[("host", "localhost"), ("origin", origin)], Ok(()));
        }
        for origin in [
            "null",
            "",
            "https://evil.example",
            "http://localhost.evil.example",
            "file://",
            "localhost",
        ] {
            check_source(
                true,
                &[("host", "localhost"), ("origin", origin)],
                Err(Denied::Origin),
            );
        }
    }

    #[test]
    fn allowed_hosts_bind_a_public_server_too() {
        check_source(false, &[("host", "mcp.example:443")], Ok(()));
        check_source(false, &[("host", "other.example")], Err(Denied::Host));
    }

    #[track_caller]
    fn check_token(
        loopback: bool,
        token: Option<&str>,
        fields: &[(&str, &str)],
        expected: Result<bool, Denied>,
    ) {
        assert_eq!(
            access(loopback, token).check_token(&headers(fields)),
            expected,
            "{fields:?}"
        );
    }

    #[test]
    fn without_a_token_only_this_machine_is_trusted() {
        check_token(true, None, &[], Ok(true));
        check_token(false, None, &[], Ok(false));
    }

    #[test]
    fn with_a_token_a_caller_brings_it_or_credentials_of_its_own() {
        for loopback in [true, false] {
            let token = Some("open sesame");
            check_token(
                loopback,
                token,
                &[("authorization", "Bearer open sesame")],
                Ok(true),
            );
            check_token(
                loopback,
                token,
                &[("authorization", "bearer  open sesame")],
                Ok(true),
            );
            check_token(loopback, token, &[("x-auth-token", "a:b")], Ok(false));
            check_token(
                loopback,
                token,
                &[("authorization", "Basic YTpi")],
                Ok(false),
            );
            check_token(
                loopback,
                token,
                &[("authorization", "Bearer Basic YTpi")],
                Ok(false),
            );
            check_token(loopback, token, &[], Err(Denied::Token));
            check_token(
                loopback,
                token,
                &[("authorization", "Bearer open")],
                Err(Denied::Token),
            );
            check_token(
                loopback,
                token,
                &[("authorization", "Bearer open sesame!")],
                Err(Denied::Token),
            );
            let both = [("authorization", "Bearer wrong"), ("x-auth-token", "a:b")];
            check_token(loopback, token, &both, Err(Denied::Token));
        }
    }
}
