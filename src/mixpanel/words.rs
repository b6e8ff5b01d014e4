//! Mixpanel's own words in a refusal: found, cut short, and cleaned of secrets. What they mean is left to `http.rs`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::credentials::Secret;

/// The most characters of Mixpanel's words that are passed on.
const WORDS_CHARS_MAX: usize = 500;
/// Where the words stand in a JSON body, in order of trust. `request` is never read: it echoes the query string.
const MEMBERS: [&str; 5] = ["error", "message", "detail", "details", "reason"];

/// The words in a refusal's body, if it has any that a person can read.
pub(super) fn words(body: &[u8], secrets: &[Secret]) -> Option<String> {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(value) => from_json(&value)?,
        Err(_) => {
            if is_html(body) {
                return None;
            }
            String::from_utf8_lossy(body).into_owned()
        }
    };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = redact(text, secrets);
    (!text.is_empty()).then(|| cut(text))
}

/// Whether the bytes begin as a web page does.
pub(super) fn is_html(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

fn from_json(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(object) => MEMBERS
            .iter()
            .find_map(|name| from_json(object.get(*name)?)),
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().filter_map(from_json).collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        }
        _ => None,
    }
}

fn redact(mut text: String, secrets: &[Secret]) -> String {
    for secret in secrets {
        let escaped = utf8_percent_encode(secret.expose(), NON_ALPHANUMERIC).to_string();
        for form in [secret.expose(), &escaped] {
            if !form.is_empty() && text.contains(form) {
                text = text.replace(form, "[redacted]");
            }
        }
    }
    text
}

fn cut(text: String) -> String {
    match text.char_indices().nth(WORDS_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: Option<&str>) {
        let secret = Secret::new("s3cret");
        assert_eq!(words(body.as_bytes(), &[secret]).as_deref(), expected);
    }

    #[test]
    fn words_are_found_in_every_form_that_mixpanel_uses() {
        check(
            r#"{"error": "bad where", "request": "/api/2.0/export?x=1"}"#,
            Some("bad where"),
        );
        check(
            r#"{"status": "error", "error": {"message": "no such flag"}}"#,
            Some("no such flag"),
        );
        check(r#"{"message": "hm"}"#, Some("hm"));
        check(r#"{"detail": "not here"}"#, Some("not here"));
        check(
            r#"{"error": ["one", {"message": "two"}]}"#,
            Some("one; two"),
        );
        check(
            " to_date cannot be later than today\n",
            Some("to_date cannot be later than today"),
        );
    }

    #[test]
    fn a_web_page_or_nothing_gives_no_words() {
        check("\n<!DOCTYPE html><p>Gateway</p>", None);
        check("", None);
        check(r#"{"status": 0}"#, None);
        check("0", None);
    }

    #[test]
    fn a_secret_in_the_words_is_hidden() {
        check(
            r#"{"error": "user:s3cret is unknown"}"#,
            Some("user:[redacted] is unknown"),
        );
    }

    #[test]
    fn a_secret_that_is_escaped_for_an_address_is_hidden() {
        let secret = Secret::new("a/b+c=");
        let body = "moved to /login?secret=a%2Fb%2Bc%3D&x=1";
        let expected = "moved to /login?secret=[redacted]&x=1";
        assert_eq!(words(body.as_bytes(), &[secret]).as_deref(), Some(expected));
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let long = "ä".repeat(WORDS_CHARS_MAX + 10);
        let words = words(long.as_bytes(), &[]).unwrap();
        assert_eq!(words, format!("{}…", "ä".repeat(WORDS_CHARS_MAX)));
    }

    #[test]
    fn a_secret_across_the_cut_is_hidden_before_the_cut() {
        let text = format!("{}s3cret", "x".repeat(WORDS_CHARS_MAX - 3));
        let secret = Secret::new("s3cret");
        assert!(!words(text.as_bytes(), &[secret]).unwrap().contains("s3"));
    }
}
