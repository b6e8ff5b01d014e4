//! A dry run: what a call would have written, for whoever wants to see it first. That nothing goes out is for
//! `http.rs` to see to.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use flate2::read::GzDecoder;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::credentials::Secret;
use super::request::{Body, Request};

/// No call is shown more of its requests; the others are counted.
const REQUESTS_MAX: usize = 20;
/// The most bytes of a body that are shown.
const BODY_BYTES_MAX: usize = 16 * 1024;
const HIDDEN: &str = "[hidden]";

/// A request that would have changed something, as it would have been sent, without secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Unsent {
    /// In capitals.
    pub method: &'static str,
    /// Scheme, host and path.
    pub url: String,
    /// `a=1&b=2`, escaped.
    pub query: String,
    /// As text, unpacked. Of a long one the beginning, and how long it is.
    pub body: String,
}

/// Whether a call is a dry run, and what it would have sent.
#[derive(Default)]
pub(super) struct Rehearsal {
    wanted: AtomicBool,
    unsent: Mutex<(Vec<Unsent>, usize)>,
}

impl Rehearsal {
    pub(super) fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    pub(super) fn note(&self, unsent: Unsent) {
        let mut noted = self.unsent.lock().unwrap_or_else(PoisonError::into_inner);
        noted.1 += 1;
        if noted.0.len() < REQUESTS_MAX {
            noted.0.push(unsent);
        }
    }

    /// The first of the requests, and the number of all.
    pub(super) fn all(&self) -> (Vec<Unsent>, usize) {
        let noted = self.unsent.lock().unwrap_or_else(PoisonError::into_inner);
        noted.clone()
    }
}

impl Unsent {
    /// `url` is without its query.
    pub(super) fn new(request: &Request<'_>, url: String, secrets: &[Secret]) -> Unsent {
        let body = match &request.body {
            Body::None | Body::Delete => String::new(),
            Body::Form(pairs) => pairs.encoded().to_owned(),
            Body::Json(bytes)
            | Body::PutJson(bytes)
            | Body::PutCsv(bytes)
            | Body::PatchJson(bytes)
            | Body::DeleteJson(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Body::GzippedJson(bytes) => {
                let mut plain = Vec::new();
                // It was packed here.
                let _ = GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain);
                String::from_utf8_lossy(&plain).into_owned()
            }
        };
        Unsent {
            method: request.body.method(),
            url,
            query: without(request.query.encoded().to_owned(), secrets),
            // Hidden before it is cut: else a part of a secret could remain.
            body: cut(without(body, secrets)),
        }
    }
}

/// The text with each secret hidden: as it is, in JSON, and escaped in a query or a form.
fn without(mut text: String, secrets: &[Secret]) -> String {
    for secret in secrets {
        let plain = secret.expose();
        let quoted = serde_json::Value::from(plain).to_string();
        let escaped = utf8_percent_encode(plain, NON_ALPHANUMERIC).to_string();
        for form in [plain, quoted.trim_matches('"'), &escaped] {
            if !form.is_empty() && text.contains(form) {
                text = text.replace(form, HIDDEN);
            }
        }
    }
    text
}

fn cut(mut text: String) -> String {
    let bytes = text.len();
    if bytes > BODY_BYTES_MAX {
        let end = (0..=BODY_BYTES_MAX).rev();
        let end = end.into_iter().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text += &format!("… ({bytes} bytes in all)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_in_each_form_in_which_it_can_stand() {
        let secret = Secret::new("a\"b/c");
        let text = r#"a"b/c {"token":"a\"b/c"} token=a%22b%2Fc"#;
        assert_eq!(
            without(text.into(), &[secret]),
            r#"[hidden] {"token":"[hidden]"} token=[hidden]"#
        );
    }

    #[test]
    fn a_long_body_is_cut_between_characters_and_its_length_told() {
        let text = cut("é".repeat(BODY_BYTES_MAX));
        let (kept, told) = text.split_once('…').unwrap();
        assert_eq!(kept.len(), BODY_BYTES_MAX);
        assert_eq!(told, format!(" ({} bytes in all)", 2 * BODY_BYTES_MAX));
        assert_eq!(cut("short".into()), "short");
    }

    #[test]
    fn of_many_requests_the_first_are_kept_and_all_are_counted() {
        let rehearsal = Rehearsal::default();
        for _ in 0..REQUESTS_MAX + 3 {
            rehearsal.note(Unsent {
                method: "POST",
                url: "u".into(),
                query: String::new(),
                body: String::new(),
            });
        }
        let (kept, number) = rehearsal.all();
        assert_eq!((kept.len(), number), (REQUESTS_MAX, REQUESTS_MAX + 3));
    }
}
