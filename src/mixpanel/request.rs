//! One request as the clients describe it: what to ask, and whether asking twice is safe. Sending it is left to `http.rs`.

use std::borrow::Cow;
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
    pub(super) path: String,
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
    pub(super) fn read(api: Api, path: impl Into<String>, query: Pairs) -> Request<'a> {
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
    pub(super) fn managed(path: impl Into<String>, query: Pairs) -> Request<'a> {
        Request {
            keep: Keep::Never,
            ..Request::read(Api::App, path, query)
        }
    }

    /// A change, signed by the service account. It is not tried again once it may have been done.
    pub(super) fn write(api: Api, path: impl Into<String>, body: Body) -> Request<'a> {
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
        self.query.get("project_id").and_then(ProjectId::parse)
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

/// Names and values of a query or a form. What is not given is left out.
#[derive(Default)]
pub(super) struct Pairs(Vec<(Cow<'static, str>, String)>);

impl Pairs {
    pub(super) fn new() -> Pairs {
        Pairs::default()
    }

    /// Begins with the project, which every query needs, also in a POST.
    pub(super) fn of(project: &ProjectId) -> Pairs {
        Pairs::new().with("project_id", project)
    }

    pub(super) fn with(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl ToString,
    ) -> Pairs {
        self.0.push((name.into(), value.to_string()));
        self
    }

    pub(super) fn with_some(self, name: &'static str, value: Option<impl ToString>) -> Pairs {
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

    /// The value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(known, _)| *known == name);
        pair.map(|(_, value)| value.as_str())
    }

    /// `a=1&b=2`, escaped; the same in a query and in a form.
    pub(super) fn encode(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            if !text.is_empty() {
                text.push('&');
            }
            text.extend(utf8_percent_encode(name, ESCAPED));
            text.push('=');
            text.extend(utf8_percent_encode(value, ESCAPED));
        }
        text
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
            pairs.encode(),
            "project_id=7&event=%5B%22a%26b%22%2C%22c%20%5C%22d%5C%22%22%5D&limit=3"
        );
    }
}
