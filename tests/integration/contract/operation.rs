//! One row of the table: what Mixpanel documents about one operation's request.

use super::app::ENTITY_TYPE;
use super::kind::{Field, Kind};
use super::{app, data, flags, ingestion, query, warehouse};

/// An operation, and what a request for it may look like.
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
}

/// What a request may carry, in one of some media types.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    pub(super) is_required: bool,
    pub(super) media: &'static [(&'static str, Kind)],
}

/// The media types of the table.
pub(super) const JSON: &str = "application/json";
pub(super) const NDJSON: &str = "application/x-ndjson";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
pub(super) const CSV: &str = "text/csv";

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
        }
    }

    pub(super) const fn query(self, query: &'static [Field]) -> Operation {
        Operation { query, ..self }
    }

    pub(super) const fn headers(self, headers: &'static [Field]) -> Operation {
        Operation { headers, ..self }
    }

    /// A body that must be there.
    pub(super) const fn body(self, media: &'static [(&'static str, Kind)]) -> Operation {
        Operation {
            body: Some(Body {
                is_required: true,
                media,
            }),
            ..self
        }
    }

    /// A body that may be there, unless its kind needs fields.
    pub(super) const fn optional_body(self, media: &'static [(&'static str, Kind)]) -> Operation {
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
