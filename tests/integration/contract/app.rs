//! The App API: projects, annotations, experiments, Lexicon schemas, service accounts, privacy requests. From
//! Mixpanel's files of these names; feature flags and warehouse connectors have files of their own.

use super::kind::Kind::{
    Boolean, Date, Integer, Length, List, ListOf, LocalTime, Map, Number, Object, Text, Time, Words,
};
use super::kind::{FREE, Field, Kind, needs, takes};
use super::operation::Auth::{OAuthToken, ServiceAccount};
use super::operation::{Api, Auth, JSON, Operation};

#[rustfmt::skip] // A row reads best as a row.
pub(super) const OPERATIONS: &[Operation] = &[
    // Not documented; as Mixpanel's own clients use them.
    Operation::new("GET", "/me", "get-me", Api::App, ANY_USER),
    Operation::new("GET", "/projects/{projectId}", "get-project", Api::App, ANY_USER),
    Operation::new("GET", "/projects/{projectId}/workspaces/public", "list-workspaces", Api::App, ANY_USER),

    app("GET", "/projects/{projectId}/annotations", "list-all-annotations-for-project")
        .query(&[takes("fromDate", Date), takes("toDate", Date)]),
    app("POST", "/projects/{projectId}/annotations", "create-annotation").body(&[(JSON, Object(&[
        // L02: the YAML requires nothing; an annotation without these is none.
        needs("date", LocalTime), needs("description", Text), takes("tags", List(&Number)),
    ]))]),
    app("GET", "/projects/{projectId}/annotations/{annotationId}", "get-annotation"),
    app("PATCH", "/projects/{projectId}/annotations/{annotationId}", "patch-annotation")
        .body(&[(JSON, Object(&[takes("description", Text), takes("tags", List(&Number))]))]),
    app("DELETE", "/projects/{projectId}/annotations/{annotationId}", "delete-annotation"),
    app("GET", "/projects/{projectId}/annotations/tags", "get-annotation-tags"),
    app("POST", "/projects/{projectId}/annotations/tags", "create-annotation-tag")
        .body(&[(JSON, Object(&[needs("name", Text)]))]),

    app("GET", "/workspaces/{workspace_id}/experiments", "list-experiments"),
    app("POST", "/workspaces/{workspace_id}/experiments", "create-experiment").body(&[(JSON, Object(&[
        needs("name", Length(1, 255)), takes("description", Length(0, 400)), takes("hypothesis", Text),
        takes("settings", FREE), takes("variants", List(&Kind::Any)), takes("metrics", List(&Kind::Any)),
        takes("global_access_type", Text),
    ]))]),
    app("GET", "/workspaces/{workspace_id}/experiments/{experiment_id}", "get-experiment"),
    app("PATCH", "/workspaces/{workspace_id}/experiments/{experiment_id}", "update-experiment")
        .body(&[(JSON, Object(&[
            takes("name", Length(1, 255)), takes("description", Length(0, 400)), takes("hypothesis", Text),
            takes("status", Text), takes("settings", FREE), takes("variants", List(&Kind::Any)),
            takes("metrics", List(&Kind::Any)), takes("start_date", Text), takes("end_date", Text),
            takes("exposures_cache", FREE), takes("results_cache", FREE), takes("tags", List(&Text)),
            takes("global_access_type", Text),
        ]))]),
    app("DELETE", "/workspaces/{workspace_id}/experiments/{experiment_id}", "delete-experiment"),
    app("POST", "/workspaces/{workspace_id}/experiments/{experiment_id}/archive", "archive-experiment")
        .optional_body(&[(JSON, FREE)]),
    app("DELETE", "/workspaces/{workspace_id}/experiments/{experiment_id}/archive", "unarchive-experiment"),
    app("PATCH", "/workspaces/{workspace_id}/experiments/{experiment_id}/decide", "decide-experiment")
        .body(&[(JSON, Object(&[needs("success", Boolean), takes("variant", Text), takes("message", Text)]))]),
    app("PUT", "/workspaces/{workspace_id}/experiments/{experiment_id}/force_conclude", "force-conclude-experiment")
        .body(&[(JSON, Object(&[takes("end_date", Text)]))]),
    app("PUT", "/workspaces/{workspace_id}/experiments/{experiment_id}/launch", "launch-experiment")
        .optional_body(&[(JSON, FREE)]),

    app("GET", "/projects/{projectId}/schemas", "list-all-schemas-for-project"),
    app("POST", "/projects/{projectId}/schemas", "upload-schemas-for-project").optional_body(&[(JSON, Object(&[
        needs("entries", List(&Object(&[
            needs("entityType", ENTITY_TYPE), needs("name", Text), needs("schemaJson", SCHEMA),
        ]))),
        takes("truncate", Boolean),
    ]))]),
    app("DELETE", "/projects/{projectId}/schemas", "delete-all-schemas-in-project"),
    app("GET", "/projects/{projectId}/schemas/{entityType}", "list-schemas-for-entity")
        .query(&[takes("entity_name", Text)]),
    app("DELETE", "/projects/{projectId}/schemas/{entityType}", "delete-schemas-for-entity")
        .query(&[takes("entity_name", Text)]),
    app("GET", "/projects/{projectId}/schemas/{entityType}/{name}", "list-schemas-by-entity-and-name"),
    app("POST", "/projects/{projectId}/schemas/{entityType}/{name}", "upload-schema-by-entity-and-name")
        .optional_body(&[(JSON, SCHEMA)]),
    app("DELETE", "/projects/{projectId}/schemas/{entityType}/{name}", "delete-schema-by-entity-and-name"),

    app("GET", "/organizations/{organizationId}/service-accounts", "list-service-accounts"),
    app("POST", "/organizations/{organizationId}/service-accounts", "create-service-account")
        .optional_body(&[(JSON, Object(&[
            needs("username", Text), takes("role", ROLE), takes("expires", Time),
            takes("projects", List(&Object(&[takes("id", Integer), takes("role", ROLE)]))),
        ]))]),
    app("GET", "/organizations/{organizationId}/service-accounts/{serviceAccountId}", "get-service-account"),
    app("DELETE", "/organizations/{organizationId}/service-accounts/{serviceAccountId}", "delete-service-account"),
    app("GET", "/projects/{projectId}/service-accounts", "list-project-service-accounts"),
    app("POST", "/organizations/{organizationId}/service-accounts/add-to-project", "add-service-accounts-to-projects")
        .optional_body(&[(JSON, Object(&[
            needs("projects", List(&Object(&[needs("id", Integer), needs("role", ROLE)]))),
            needs("service_account_ids", List(&Integer)),
        ]))]),
    app(
        "POST", "/organizations/{organizationId}/service-accounts/remove-from-project",
        "remove-service-accounts-from-projects",
    )
        .optional_body(&[(JSON, Object(&[needs("projects", List(&Object(&[
            needs("id", Integer), needs("service_account_ids", List(&Integer)),
        ])))]))]),

    privacy("POST", "/data-retrievals/v3.0", "create-retrieval").body(&[(JSON, Object(&[
        // L03: the YAML requires nothing and has no limit; a request about nobody is none.
        needs("distinct_ids", ListOf(1, 2000, &Text)), takes("compliance_type", Text),
        takes("disclosure_type", Text),
    ]))]),
    privacy("GET", "/data-retrievals/v3.0/{tracking_id}", "get-retrieval"),
    privacy("POST", "/data-deletions/v3.0", "create-deletion").body(&[(JSON, Object(&[
        needs("distinct_ids", ListOf(1, 1999, &Text)), takes("compliance_type", Text),
    ]))]),
    privacy("GET", "/data-deletions/v3.0/{tracking_id}", "get-deletion"),
    privacy("DELETE", "/data-deletions/v3.0/{tracking_id}", "delete-deletion"),
];

const ANY_USER: &[Auth] = &[ServiceAccount, OAuthToken];

const fn app(method: &'static str, path: &'static str, id: &'static str) -> Operation {
    Operation::new(method, path, id, Api::App, &[ServiceAccount])
}

/// A GDPR or CCPA request; the query names the project by its token.
const fn privacy(method: &'static str, path: &'static str, id: &'static str) -> Operation {
    Operation::new(method, path, id, Api::App, &[OAuthToken]).query(PROJECT_TOKEN)
}

const PROJECT_TOKEN: &[Field] = &[needs("token", Text)];

const ROLE: Kind = Words(&["owner", "admin", "analyst", "consumer"]);

/// E20: Lexicon has more entities than the two that are documented.
pub(super) const ENTITY_TYPE: Kind =
    Words(&["event", "profile", "custom_event", "group", "lookup"]);

const SCHEMA: Kind = Object(&[
    takes("description", Text),
    takes(
        "properties",
        Map(&Object(&[
            needs(
                "type",
                Words(&[
                    "array", "boolean", "integer", "null", "number", "object", "string",
                ]),
            ),
            takes("description", Text),
            takes(
                "metadata",
                Object(&[takes("com.mixpanel", Object(PROPERTY_METADATA))]),
            ),
        ])),
    ),
    takes(
        "metadata",
        Object(&[takes("com.mixpanel", Object(ENTITY_METADATA))]),
    ),
]);

const PROPERTY_METADATA: &[Field] = &[
    takes("displayName", Text),
    takes("hidden", Boolean),
    takes("dropped", Boolean),
];

const ENTITY_METADATA: &[Field] = &[
    takes("$source", Text),
    takes("displayName", Text),
    takes("tags", List(&Text)),
    takes("hidden", Boolean),
    takes("dropped", Boolean),
    takes("contacts", List(&Text)),
    takes("teamContacts", List(&Text)),
];
