//! One request as the clients describe it: what to ask, and whether asking twice is safe. Sending it is left to `http.rs`.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::api::Api;
use super::cache::Keep;
use super::credentials::{ProjectId, Secret};
use super::error::Error;

/// What stands in a path, a query or a form without being escaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A request to one of the APIs.
pub(super) struct Request<'a> {
    pub(super) api: Api,
    /// After the API's prefix, with a slash first.
    pub(super) path: Cow<'static, str>,
    pub(super) query: Pairs,
    pub(super) body: Body,
    pub(super) signature: Signature,
    /// Whether sending it twice does the same as sending it once.
    pub(super) repeatable: bool,
    /// A member that makes the body of a 400 an answer, not a refusal.
    pub(super) answer_under_400: Option<&'static str>,
    /// How long its answer may be given again.
    pub(super) keep: Keep,
    /// The most time for all tries, if less than the API's own.
    pub(super) patience: Option<Duration>,
    /// What must not show up in an error, beside the caller's own secrets: the project's token.
    pub(super) token: Option<&'a Secret>,
    /// What else must not.
    pub(super) hidden: Vec<&'a Secret>,
    /// Whether it draws on the quota of its API.
    pub(super) metered: bool,
}

/// Which credentials of the caller a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    /// The service account.
    Account,
    /// The OAuth token.
    OAuth,
    /// None: a token in the body says enough.
    None,
}

/// What a request carries, and by that its method.
pub(super) enum Body {
    /// GET.
    None,
    /// POST, maybe with nothing in it.
    Form(Pairs),
    /// POST.
    Json(Vec<u8>),
    /// POST, packed.
    GzippedJson(Vec<u8>),
    /// PUT.
    PutJson(Vec<u8>),
    /// PUT.
    PutCsv(Vec<u8>),
    /// PATCH.
    PatchJson(Vec<u8>),
    /// DELETE with nothing in it.
    Delete,
    /// DELETE.
    DeleteJson(Vec<u8>),
}

impl Body {
    pub(super) fn method(&self) -> &'static str {
        match self {
            Body::None => "GET",
            Body::Form(_) | Body::Json(_) | Body::GzippedJson(_) => "POST",
            Body::PutJson(_) | Body::PutCsv(_) => "PUT",
            Body::PatchJson(_) => "PATCH",
            Body::Delete | Body::DeleteJson(_) => "DELETE",
        }
    }

    /// What is sent, and its type; nothing where there is no body, which is not the same as an empty one.
    pub(super) fn content(&self) -> Option<(&'static str, &[u8])> {
        match self {
            Body::None | Body::Delete => None,
            Body::Form(pairs) => Some((
                "application/x-www-form-urlencoded",
                pairs.encoded().as_bytes(),
            )),
            Body::Json(bytes)
            | Body::GzippedJson(bytes)
            | Body::PutJson(bytes)
            | Body::PatchJson(bytes)
            | Body::DeleteJson(bytes) => Some(("application/json", bytes)),
            Body::PutCsv(bytes) => Some(("text/csv", bytes)),
        }
    }

    pub(super) fn post(value: &Value) -> Body {
        Body::Json(value.to_string().into_bytes())
    }

    pub(super) fn put(value: &Value) -> Body {
        Body::PutJson(value.to_string().into_bytes())
    }

    pub(super) fn patch(value: &Value) -> Body {
        Body::PatchJson(value.to_string().into_bytes())
    }
}

impl<'a> Request<'a> {
    /// A read, signed by the service account.
    pub(super) fn read(api: Api, path: impl Into<Cow<'static, str>>, query: Pairs) -> Request<'a> {
        Request {
            api,
            path: path.into(),
            query,
            body: Body::None,
            signature: Signature::Account,
            repeatable: true,
            answer_under_400: None,
            keep: match api {
                Api::Query | Api::App => Keep::Briefly,
                Api::Ingestion | Api::Export => Keep::Never,
            },
            patience: None,
            token: None,
            hidden: Vec::new(),
            metered: true,
        }
    }

    /// A read of what people manage, signed by the service account: asked anew each time, as others change it and
    /// jobs go on.
    pub(super) fn managed(path: impl Into<Cow<'static, str>>, query: Pairs) -> Request<'a> {
        Request {
            keep: Keep::Never,
            ..Request::read(Api::App, path, query)
        }
    }

    /// A change, signed by the service account. It is not tried again once it may have been done.
    pub(super) fn write(api: Api, path: impl Into<Cow<'static, str>>, body: Body) -> Request<'a> {
        Request {
            body,
            repeatable: false,
            ..Request::read(api, path, Pairs::new())
        }
    }

    /// The project whose quota it draws on, if it names one and draws on any.
    pub(super) fn metered_project(&self) -> Option<ProjectId> {
        self.project().filter(|_| self.metered)
    }

    /// The project whose data it is about, if it names one.
    pub(super) fn project(&self) -> Option<ProjectId> {
        self.query.project.clone()
    }

    /// How long its answer may be given again.
    pub(super) fn keep(&self) -> Keep {
        if self.writes() {
            Keep::Never
        } else {
            self.keep
        }
    }

    /// Whether it changes something at Mixpanel. A form in the query API is a long question.
    pub(super) fn writes(&self) -> bool {
        !matches!(
            (&self.body, self.api),
            (Body::None, _) | (Body::Form(_), Api::Query)
        )
    }

    /// Whether it changes a project's data.
    pub(super) fn changes_data(&self) -> bool {
        self.api == Api::Ingestion && self.writes()
    }
}

/// A name or an id as one part of a path, escaped.
///
/// # Errors
///
/// [`Error::InvalidPathPart`] for an empty text and for dots alone: the path would name something larger than what
/// `what` is the name of, and a deletion would delete that.
pub(super) fn part(what: &'static str, text: &str) -> Result<String, Error> {
    if text.is_empty() || text == "." || text == ".." {
        return Err(Error::InvalidPathPart { what });
    }
    Ok(utf8_percent_encode(text, ESCAPED).to_string())
}

/// Room for the names and values of most requests.
const PAIRS_BYTES: usize = 128;

/// Names and values of a query or a form, escaped as they come: `a=1&b=2`. What is not given is left out.
#[derive(Default)]
pub(super) struct Pairs {
    text: String,
    project: Option<ProjectId>,
}

impl Pairs {
    pub(super) fn new() -> Pairs {
        Pairs::default()
    }

    /// Begins with the project, which every query needs, also in a POST.
    pub(super) fn of(project: &ProjectId) -> Pairs {
        let pairs = Pairs {
            text: String::with_capacity(PAIRS_BYTES),
            project: Some(project.clone()),
        };
        pairs.with("project_id", project)
    }

    pub(super) fn with(mut self, name: impl AsRef<str>, value: impl fmt::Display) -> Pairs {
        if !self.text.is_empty() {
            self.text.push('&');
        }
        self.text
            .extend(utf8_percent_encode(name.as_ref(), ESCAPED));
        self.text.push('=');
        // Only a `Display` could fail, and none of ours does.
        let _ = write!(Escaping(&mut self.text), "{value}");
        self
    }

    pub(super) fn with_some(self, name: &'static str, value: Option<impl fmt::Display>) -> Pairs {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// A JSON array of texts, as a text: some parameters are encoded so.
    pub(super) fn with_list(self, name: &'static str, items: &[impl AsRef<str>]) -> Pairs {
        let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
        self.with(name, serde_json::Value::from(items))
    }

    /// The value of a name, escaped.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.text.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// The same in a query and in a form.
    pub(super) fn encoded(&self) -> &str {
        &self.text
    }
}

/// Escapes what is written into it.
struct Escaping<'a>(&'a mut String);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(utf8_percent_encode(text, ESCAPED));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_path_stays_one_part() {
        let invalid = || {
            Err(Error::InvalidPathPart {
                what: "the event's name",
            })
        };
        for (text, expected) in [
            ("Add to Cart", Ok("Add%20to%20Cart".to_owned())),
            ("a/../b?c#d", Ok("a%2F..%2Fb%3Fc%23d".to_owned())),
            ("", invalid()),
            (".", invalid()),
            ("..", invalid()),
        ] {
            assert_eq!(part("the event's name", text), expected);
        }
    }

    #[test]
    fn values_are_escaped_and_lists_are_json() {
        let project = ProjectId::parse("7").unwrap();
        let pairs = Pairs::of(&project)
            .with_list("event", &["a&b", "c \"d\""])
            .with_some("limit", Some(3))
            .with_some("on", None::<&str>);

        assert_eq!(
            pairs.encoded(),
            "project_id=7&event=%5B%22a%26b%22%2C%22c%20%5C%22d%5C%22%22%5D&limit=3"
        );
        assert_eq!(pairs.get("limit"), Some("3"));
        assert_eq!(pairs.get("on"), None);
    }
}
