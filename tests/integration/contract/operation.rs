//! One row of the table: what Mixpanel documents about one operation's request and its answers.

use super::app::ENTITY_TYPE;
use super::kind::{Field, Kind, needs, takes};
use super::{app, data, flags, ingestion, query, warehouse};

/// An operation, and what a request for it and its answers may look like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    /// Mixpanel's `operationId`; for what is undocumented, a name in the same manner.
    pub(super) id: &'static str,
    pub(super) api: Api,
    pub(super) method: &'static str,
    /// Below the API's base path, with `{name}` for what varies.
    pub(super) path: &'static str,
    /// Who may ask. Nobody's credentials: the project's token stands in the body.
    pub(super) auth: &'static [Auth],
    pub(super) query: &'static [Field],
    /// Headers with a documented form; `Content-Type` follows from `body`.
    pub(super) headers: &'static [Field],
    pub(super) body: Option<Body>,
    /// Where operations share method and path: the key, or the event, of each item in the body that picks this one.
    pub(super) picked_by: Option<&'static str>,
    /// What is answered when all is well.
    pub(super) answer: Answer,
    /// What is answered instead where the request has this parameter, which the files do not know: E18, and the summary of a pipeline's jobs.
    pub(super) answer_with: Option<(&'static str, &'static [Medium])>,
    /// The refusals that are documented, each in JSON.
    pub(super) refusals: &'static [Refusal],
}

/// A media type, and what is in it.
pub(super) type Medium = (&'static str, Kind);

/// A status, and what Mixpanel then says.
pub(super) type Refusal = (u16, Kind);

/// A status, and what comes with it: one of some media types; nothing, where there are none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) media: &'static [Medium],
}

/// What a request may carry, in one of some media types.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    pub(super) is_required: bool,
    pub(super) media: &'static [Medium],
}

/// The media types of the table.
pub(super) const JSON: &str = "application/json";
pub(super) const NDJSON: &str = "application/x-ndjson";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
pub(super) const CSV: &str = "text/csv";
pub(super) const TEXT: &str = "text/plain";

/// How most refusals look.
pub(super) const ERROR: Kind = Kind::Object(&[
    needs("status", Kind::Words(&["error"])),
    needs("error", Kind::Text),
]);
/// How imports and lookup tables are refused.
pub(super) const STRICT_ERROR: Kind = Kind::Object(STRICT_REFUSAL);
/// What all their refusals have.
pub(super) const STRICT_REFUSAL: &[Field] = &[
    needs("code", Kind::Integer),
    needs("error", Kind::Text),
    needs("status", Kind::Text),
];
/// E16, E17: how reports and exports are refused, which is documented nowhere.
const REPORT_ERROR: Kind = Kind::Object(&[
    needs("error", Kind::Text),
    takes("request", Kind::Text),
    takes("status", Kind::Text),
]);

/// Who may not, is told so everywhere that is documented.
pub(super) const DENIED: &[Refusal] = &[(401, ERROR), (403, ERROR)];
pub(super) const DENIED_OR_INVALID: &[Refusal] = &[(400, ERROR), (401, ERROR), (403, ERROR)];
pub(super) const DENIED_OR_MISSING: &[Refusal] = &[(401, ERROR), (403, ERROR), (404, ERROR)];
pub(super) const DENIED_INVALID_OR_MISSING: &[Refusal] =
    &[(400, ERROR), (401, ERROR), (403, ERROR), (404, ERROR)];

/// A group of operations with one base path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Api {
    Ingestion,
    /// Raw export and pipelines, on the data hosts.
    Data,
    Query,
    App,
}

impl Api {
    /// All, the ones with the longer base path first: an empty one begins every path.
    pub(super) const ALL: [Api; 4] = [Api::Query, Api::App, Api::Data, Api::Ingestion];

    /// What stands before an operation's path.
    pub(super) fn base_path(self) -> &'static str {
        match self {
            Api::Ingestion => "",
            Api::Data => "/api/2.0",
            Api::Query => "/api/query",
            Api::App => "/api/app",
        }
    }

    /// How a refusal looks with a status that is not documented for the operation.
    pub(super) fn refusal(self) -> Kind {
        match self {
            Api::Ingestion => Kind::OneOf(&[STRICT_ERROR, ERROR]),
            Api::Data => Kind::OneOf(&[REPORT_ERROR, ERROR]),
            Api::Query => REPORT_ERROR,
            Api::App => ERROR,
        }
    }
}

/// Credentials in the `Authorization` header.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Auth {
    /// Basic, name and secret.
    ServiceAccount,
    /// Basic, the project's secret or token as the name, without a password.
    ProjectSecret,
    /// Bearer.
    OAuthToken,
}

/// What path parameters may be. One name means the same everywhere.
pub(super) const PATH_PARAMETERS: &[(&str, Kind)] = &[
    ("projectId", Kind::Integer),
    ("project_id", Kind::Integer),
    ("organizationId", Kind::Integer),
    ("workspace_id", Kind::Integer),
    ("serviceAccountId", Kind::Integer),
    ("annotationId", Kind::Number),
    ("importId", Kind::Integer),
    ("experiment_id", Kind::Text),
    ("flag_id", Kind::Text),
    ("tracking_id", Kind::Text),
    ("id", Kind::Uuid),
    ("entityType", ENTITY_TYPE),
    ("name", Kind::Text),
];

impl Operation {
    pub(super) const fn new(
        method: &'static str,
        path: &'static str,
        id: &'static str,
        api: Api,
        auth: &'static [Auth],
    ) -> Operation {
        Operation {
            id,
            api,
            method,
            path,
            auth,
            query: &[],
            headers: &[],
            body: None,
            picked_by: None,
            answer: Answer {
                status: 200,
                media: &[],
            },
            answer_with: None,
            refusals: &[],
        }
    }

    pub(super) const fn query(self, query: &'static [Field]) -> Operation {
        Operation { query, ..self }
    }

    pub(super) const fn headers(self, headers: &'static [Field]) -> Operation {
        Operation { headers, ..self }
    }

    /// A body that must be there.
    pub(super) const fn body(self, media: &'static [Medium]) -> Operation {
        Operation {
            body: Some(Body {
                is_required: true,
                media,
            }),
            ..self
        }
    }

    /// A body that may be there, unless its kind needs fields.
    pub(super) const fn optional_body(self, media: &'static [Medium]) -> Operation {
        Operation {
            body: Some(Body {
                is_required: false,
                media,
            }),
            ..self
        }
    }

    pub(super) const fn picked_by(self, name: &'static str) -> Operation {
        Operation {
            picked_by: Some(name),
            ..self
        }
    }

    /// What a good answer is; without this, 200 and nothing else.
    pub(super) const fn gives(self, status: u16, media: &'static [Medium]) -> Operation {
        Operation {
            answer: Answer { status, media },
            ..self
        }
    }

    /// What a good answer has in it where the request has this parameter.
    pub(super) const fn gives_with(
        self,
        parameter: &'static str,
        media: &'static [Medium],
    ) -> Operation {
        Operation {
            answer_with: Some((parameter, media)),
            ..self
        }
    }

    pub(super) const fn refuses(self, refusals: &'static [Refusal]) -> Operation {
        Operation { refusals, ..self }
    }

    /// The decoded path parameters, if `path` (below the base path) is this operation's.
    pub(super) fn path_values(&self, path: &str) -> Option<Vec<(&'static str, String)>> {
        let (template, segments) = (self.path.split('/'), path.split('/'));
        if template.clone().count() != segments.clone().count() {
            return None;
        }
        let mut values = Vec::new();
        for (pattern, segment) in template.zip(segments) {
            match pattern
                .strip_prefix('{')
                .and_then(|pattern| pattern.strip_suffix('}'))
            {
                Some(name) => {
                    let value = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
                    values.push((name, value.into_owned()));
                }
                None if pattern == segment => {}
                None => return None,
            }
        }
        Some(values)
    }
}

/// The whole table.
pub(super) fn all() -> impl Iterator<Item = &'static Operation> {
    let tables = [
        ingestion::OPERATIONS,
        data::OPERATIONS,
        query::OPERATIONS,
        app::OPERATIONS,
        flags::OPERATIONS,
        warehouse::OPERATIONS,
    ];
    tables.into_iter().flatten()
}
