//! The request target and the authority it is for (RFC 9112, section 3.2).

use std::borrow::Cow;

use super::refusal::Refusal;

/// Splits a target into what goes on (origin form, or `*`) and, of an absolute target, the authority, which replaces `Host`.
pub(super) fn split<'t>(
    method: &str,
    target: &'t str,
) -> Result<(Cow<'t, str>, Option<&'t str>), Refusal> {
    if !target
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#')
    {
        return Err(Refusal::Malformed(
            "the request target has bytes that a URI may not have",
        ));
    }
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
        return Ok((Cow::Borrowed(target), None));
    }
    let Some((scheme, rest)) = target.split_once("://") else {
        return Err(Refusal::Malformed(
            "the request target must begin with / or http://",
        ));
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(Refusal::Malformed(
            "the request target must begin with / or http://",
        ));
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if !is_authority(authority) {
        return Err(Refusal::Malformed("the request target names no valid host"));
    }
    let path = match path {
        "" if method == "OPTIONS" => Cow::Borrowed("*"),
        "" => Cow::Borrowed("/"),
        path if path.starts_with('?') => Cow::Owned(format!("/{path}")),
        path => Cow::Borrowed(path),
    };
    Ok((path, Some(authority)))
}

/// Whether this is `uri-host [ ":" port ]` with a host that is not empty, and without user information.
pub(super) fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else {
                return false;
            };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("[]", port)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte);
    let port_is_valid = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    !host.is_empty() && (host == "[]" || host.bytes().all(is_name)) && port_is_valid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, target: &str, expected: Option<(&str, Option<&str>)>) {
        let split = split(method, target).ok();
        let split = split
            .as_ref()
            .map(|(path, authority)| (path.as_ref(), *authority));
        assert_eq!(split, expected, "{method} {target}");
    }

    #[test]
    fn origin_form_goes_on_as_it_is() {
        check("GET", "/", Some(("/", None)));
        check("GET", "/a//b?c=http://d", Some(("/a//b?c=http://d", None)));
    }

    #[test]
    fn absolute_form_gives_its_path_and_its_authority() {
        check(
            "GET",
            "http://a.example:80/b?c",
            Some(("/b?c", Some("a.example:80"))),
        );
        check("GET", "HTTPS://[::1]:8080", Some(("/", Some("[::1]:8080"))));
        check("GET", "http://a?b", Some(("/?b", Some("a"))));
    }

    #[test]
    fn the_asterisk_is_for_options_only() {
        check("OPTIONS", "*", Some(("*", None)));
        check("OPTIONS", "http://a", Some(("*", Some("a"))));
        check("GET", "*", None);
    }

    #[test]
    fn anything_else_is_no_target() {
        for target in [
            "",
            "a",
            "a:80",
            "ftp://a/",
            "http:///b",
            "http://u@a/",
            "http://a:b/",
            "http://[::1/",
            "http://[x]/",
            "/#a",
            "/\u{e4}",
            "/\x01",
            "//\x7f",
        ] {
            check("GET", target, None);
        }
    }
}
