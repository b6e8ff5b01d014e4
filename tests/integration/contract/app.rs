//! The App API: projects, annotations, experiments, Lexicon schemas, service accounts, privacy requests. From
//! Mixpanel's files of these names; feature flags and warehouse connectors have files of their own.

use super::kind::Kind::{
    Boolean, Date, Integer, Joined, Length, List, ListOf, LocalTime, Map, Nullable, Number, Object,
    OneOf, Open, Text, Time, Words,
};
use super::kind::{FREE, Field, Kind, needs, takes};
use super::operation::Auth::{OAuthToken, ServiceAccount};
use super::operation::{
    Api, Auth, DENIED, DENIED_INVALID_OR_MISSING, DENIED_OR_INVALID, DENIED_OR_MISSING, JSON,
    Operation,
};

#[rustfmt::skip] // A row reads best as a row.
pub(super) const OPERATIONS: &[Operation] = &[
    // Not documented; as Mixpanel's own clients use them.
    Operation::new("GET", "/me", "get-me", Api::App, ANY_USER)
        .refuses(DENIED)
        .gives(200, &[(JSON, Object(&[OK, needs("results", Open(&[
            needs("user_id", Integer), needs("user_email", Text),
            needs("projects", Map(&Open(&[needs("name", Text), needs("organization_id", Integer), needs("timezone", Text)]))),
            needs("organizations", Map(&Open(&[needs("name", Text)]))),
            needs("workspaces", Map(&WORKSPACE)),
        ]))]))]),
    Operation::new("GET", "/projects/{projectId}", "get-project", Api::App, ANY_USER)
        .refuses(DENIED)
        .gives(200, &[(JSON, Object(&[OK, needs("results", Open(&[
            needs("id", Integer), needs("name", Text), needs("timezone", Text), needs("token", Text),
            needs("api_secret", Text), needs("api_key", Text),
        ]))]))]),
    Operation::new("GET", "/projects/{projectId}/workspaces/public", "list-workspaces", Api::App, ANY_USER)
        .refuses(DENIED)
        .gives(200, &[(JSON, Object(&[OK, needs("results", List(&WORKSPACE))]))]),

    app("GET", "/projects/{projectId}/annotations", "list-all-annotations-for-project")
        .query(&[takes("fromDate", Date), takes("toDate", Date)])
        .gives(200, &[(JSON, Object(&[OK, needs("results", List(&ANNOTATION))]))]),
    app("POST", "/projects/{projectId}/annotations", "create-annotation").body(&[(JSON, Object(&[
        // L02: the YAML requires nothing; an annotation without these is none.
        needs("date", LocalTime), needs("description", Text), takes("tags", List(&Number)),
    ]))])
        .gives(201, &[(JSON, Object(&[OK, needs("results", ANNOTATION)]))]),
    app("GET", "/projects/{projectId}/annotations/{annotationId}", "get-annotation")
        .gives(200, &[(JSON, Object(&[OK, needs("results", ANNOTATION)]))]),
    app("PATCH", "/projects/{projectId}/annotations/{annotationId}", "patch-annotation")
        .body(&[(JSON, Object(&[takes("description", Text), takes("tags", List(&Number))]))])
        .gives(200, &[(JSON, Object(&[OK, needs("results", ANNOTATION)]))]),
    app("DELETE", "/projects/{projectId}/annotations/{annotationId}", "delete-annotation")
        .gives(200, &[(JSON, Object(&[OK, needs("results", Object(&[needs("id", Number)]))]))]),
    app("GET", "/projects/{projectId}/annotations/tags", "get-annotation-tags")
        .gives(200, &[(JSON, Object(&[OK, needs("results", List(&TAG))]))]),
    app("POST", "/projects/{projectId}/annotations/tags", "create-annotation-tag")
        .body(&[(JSON, Object(&[needs("name", Text)]))])
        // E21: the tags stand bare in the YAML, as nothing else in this API does.
        .gives(200, &[(JSON, Object(&[OK, needs("results", TAG)]))]),

    app("GET", "/workspaces/{workspace_id}/experiments", "list-experiments")
        .gives(200, &[(JSON, OneOf(&[Object(&[OK, needs("results", List(&EXPERIMENT))]), FAILED]))]),
    app("POST", "/workspaces/{workspace_id}/experiments", "create-experiment").body(&[(JSON, Object(&[
        needs("name", Length(1, 255)), takes("description", Length(0, 400)), takes("hypothesis", Text),
        takes("settings", FREE), takes("variants", List(&Kind::Any)), takes("metrics", List(&Kind::Any)),
        takes("global_access_type", Text),
    ]))])
        .gives(201, &[(JSON, OneOf(&[ONE_EXPERIMENT, FAILED]))]),
    app("GET", "/workspaces/{workspace_id}/experiments/{experiment_id}", "get-experiment")
        .gives(200, &[(JSON, OneOf(&[ONE_EXPERIMENT, FAILED]))]),
    app("PATCH", "/workspaces/{workspace_id}/experiments/{experiment_id}", "update-experiment")
        .body(&[(JSON, Object(&[
            takes("name", Length(1, 255)), takes("description", Length(0, 400)), takes("hypothesis", Text),
            takes("status", Text), takes("settings", FREE), takes("variants", List(&Kind::Any)),
            takes("metrics", List(&Kind::Any)), takes("start_date", Text), takes("end_date", Text),
            takes("exposures_cache", FREE), takes("results_cache", FREE), takes("tags", List(&Text)),
            takes("global_access_type", Text),
        ]))])
        .gives(200, &[(JSON, OneOf(&[ONE_EXPERIMENT, FAILED]))]),
    app("DELETE", "/workspaces/{workspace_id}/experiments/{experiment_id}", "delete-experiment")
        .gives(200, &[(JSON, OneOf(&[GONE, FAILED]))]),
    app("POST", "/workspaces/{workspace_id}/experiments/{experiment_id}/archive", "archive-experiment")
        .optional_body(&[(JSON, FREE)])
        .gives(200, &[(JSON, OneOf(&[GONE, FAILED]))]),
    app("DELETE", "/workspaces/{workspace_id}/experiments/{experiment_id}/archive", "unarchive-experiment")
        .gives(200, &[(JSON, OneOf(&[ONE_EXPERIMENT, FAILED]))]),
    app("PATCH", "/workspaces/{workspace_id}/experiments/{experiment_id}/decide", "decide-experiment")
        .body(&[(JSON, Object(&[needs("success", Boolean), takes("variant", Text), takes("message", Text)]))])
        .gives(200, &[(JSON, OneOf(&[ONE_EXPERIMENT, FAILED]))]),
    app("PUT", "/workspaces/{workspace_id}/experiments/{experiment_id}/force_conclude", "force-conclude-experiment")
        .body(&[(JSON, Object(&[takes("end_date", Text)]))])
        .gives(200, &[(JSON, OneOf(&[ONE_EXPERIMENT, FAILED]))]),
    app("PUT", "/workspaces/{workspace_id}/experiments/{experiment_id}/launch", "launch-experiment")
        .optional_body(&[(JSON, FREE)])
        .gives(200, &[(JSON, OneOf(&[ONE_EXPERIMENT, FAILED]))]),

    app("GET", "/projects/{projectId}/schemas", "list-all-schemas-for-project")
        .gives(200, &[(JSON, Object(&[OK, needs("results", List(&SCHEMA_ENTRY))]))]),
    app("POST", "/projects/{projectId}/schemas", "upload-schemas-for-project").optional_body(&[(JSON, Object(&[
        needs("entries", List(&SCHEMA_ENTRY)),
        takes("truncate", Boolean),
    ]))])
        .gives(200, &[(JSON, Object(&[OK, needs("results", Object(&[needs("added", Integer), needs("deleted", Integer)]))]))]),
    app("DELETE", "/projects/{projectId}/schemas", "delete-all-schemas-in-project")
        .gives(200, &[(JSON, Object(&[OK, needs("results", Object(&[needs("delete_count", Integer)]))]))]),
    app("GET", "/projects/{projectId}/schemas/{entityType}", "list-schemas-for-entity")
        .query(&[takes("entity_name", Text)])
        .gives(200, &[(JSON, Object(&[OK, needs("results", List(&SCHEMA_ENTRY))]))]),
    app("DELETE", "/projects/{projectId}/schemas/{entityType}", "delete-schemas-for-entity")
        .query(&[takes("entity_name", Text)])
        .gives(200, &[(JSON, Object(&[OK, needs("results", Object(&[needs("delete_count", Integer)]))]))]),
    app("GET", "/projects/{projectId}/schemas/{entityType}/{name}", "list-schemas-by-entity-and-name")
        // E20: the schema stands bare in the YAML.
        .gives(200, &[(JSON, Object(&[OK, needs("results", SCHEMA)]))]),
    app("POST", "/projects/{projectId}/schemas/{entityType}/{name}", "upload-schema-by-entity-and-name")
        .optional_body(&[(JSON, SCHEMA)])
        .refuses(DENIED_OR_INVALID)
        .gives(200, &[(JSON, Object(&[OK]))]),
    app("DELETE", "/projects/{projectId}/schemas/{entityType}/{name}", "delete-schema-by-entity-and-name")
        .gives(200, &[(JSON, Object(&[OK, needs("results", Object(&[needs("delete_count", Integer)]))]))]),

    app("GET", "/organizations/{organizationId}/service-accounts", "list-service-accounts")
        .refuses(DENIED_OR_MISSING)
        .gives(200, &[(JSON, Object(&[OK, needs("results", List(&Object(ACCOUNT)))]))]),
    app("POST", "/organizations/{organizationId}/service-accounts", "create-service-account")
        .optional_body(&[(JSON, Object(&[
            needs("username", Text), takes("role", ROLE), takes("expires", Time),
            takes("projects", List(&Object(&[takes("id", Integer), takes("role", ROLE)]))),
        ]))])
        .refuses(DENIED_INVALID_OR_MISSING)
        .gives(201, &[(JSON, Object(&[OK, needs("results", Joined(ACCOUNT, &[needs("token", Text)]))]))]),
    app("GET", "/organizations/{organizationId}/service-accounts/{serviceAccountId}", "get-service-account")
        .refuses(DENIED_OR_MISSING)
        .gives(200, &[(JSON, Object(ACCOUNT))]),
    app("DELETE", "/organizations/{organizationId}/service-accounts/{serviceAccountId}", "delete-service-account")
        .refuses(DENIED_OR_MISSING)
        .gives(200, &[(JSON, Object(&[OK]))]),
    app("GET", "/projects/{projectId}/service-accounts", "list-project-service-accounts")
        .refuses(DENIED_OR_MISSING)
        .gives(200, &[(JSON, Object(&[OK, needs("results", List(&Joined(ACCOUNT, &[
            needs("role", ROLE), takes("role_order", Integer), takes("email", Text),
            takes("hasSensitiveAccess", Boolean), takes("target_type", Words(&["individual", "team", "organization"])),
        ])))]))]),
    app("POST", "/organizations/{organizationId}/service-accounts/add-to-project", "add-service-accounts-to-projects")
        .optional_body(&[(JSON, Object(&[
            needs("projects", List(&Object(&[needs("id", Integer), needs("role", ROLE)]))),
            needs("service_account_ids", List(&Integer)),
        ]))])
        .refuses(DENIED_INVALID_OR_MISSING)
        .gives(200, &[(JSON, Object(&[OK]))]),
    app(
        "POST", "/organizations/{organizationId}/service-accounts/remove-from-project",
        "remove-service-accounts-from-projects",
    )
        .optional_body(&[(JSON, Object(&[needs("projects", List(&Object(&[
            needs("id", Integer), needs("service_account_ids", List(&Integer)),
        ])))]))])
        .refuses(DENIED_INVALID_OR_MISSING)
        .gives(200, &[(JSON, Object(&[OK]))]),

    privacy("POST", "/data-retrievals/v3.0", "create-retrieval").body(&[(JSON, Object(&[
        // L03: the YAML requires nothing and has no limit; a request about nobody is none.
        needs("distinct_ids", ListOf(1, 2000, &Text)), takes("compliance_type", Text),
        takes("disclosure_type", Text),
    ]))])
        .gives(201, &[(JSON, Object(&[OK, needs("results", Object(&[needs("task_id", Text)]))]))]),
    privacy("GET", "/data-retrievals/v3.0/{tracking_id}", "get-retrieval")
        .gives(200, &[(JSON, Object(&[OK, needs("results", Object(&[
            needs("status", TASK_STATUS), needs("results", Text), takes("distinct_ids", List(&Text)),
        ]))]))]),
    privacy("POST", "/data-deletions/v3.0", "create-deletion").body(&[(JSON, Object(&[
        needs("distinct_ids", ListOf(1, 1999, &Text)), takes("compliance_type", Text),
    ]))])
        .gives(201, &[(JSON, Object(&[OK, needs("results", Object(&[needs("task_id", Text)]))]))]),
    privacy("GET", "/data-deletions/v3.0/{tracking_id}", "get-deletion")
        .gives(200, &[(JSON, Object(&[OK, needs("results", Object(&[
            needs("tracking_id", Text), needs("status", TASK_STATUS), needs("requesting_user", Text),
            needs("compliance_type", Text), needs("project_id", Number), needs("date_requested", Text),
            needs("distinct_ids", List(&Text)),
        ]))]))]),
    privacy("DELETE", "/data-deletions/v3.0/{tracking_id}", "delete-deletion").gives(204, &[]),
];

const ANY_USER: &[Auth] = &[ServiceAccount, OAuthToken];

const fn app(method: &'static str, path: &'static str, id: &'static str) -> Operation {
    Operation::new(method, path, id, Api::App, &[ServiceAccount]).refuses(DENIED)
}

/// A GDPR or CCPA request; the query names the project by its token.
const fn privacy(method: &'static str, path: &'static str, id: &'static str) -> Operation {
    Operation::new(method, path, id, Api::App, &[OAuthToken])
        .query(PROJECT_TOKEN)
        .refuses(DENIED)
}

/// What almost every good answer of this API begins with.
pub(super) const OK: Field = needs("status", Words(&["ok"]));

/// An error that comes with a good status.
pub(super) const FAILED: Kind = Object(&[
    needs("status", Words(&["error"])),
    needs("type", Text),
    needs("error", OneOf(&[Text, FREE])),
]);

/// What is left of what was deleted or archived.
pub(super) const GONE: Kind = Object(&[OK, needs("results", FREE)]);

const WORKSPACE: Kind = Open(&[needs("id", Integer), needs("name", Text)]);

#[rustfmt::skip]
const ANNOTATION: Kind = Object(&[
    needs("id", Number), needs("date", LocalTime), needs("description", Text),
    needs("user", Object(&[needs("id", Number), needs("first_name", Text), needs("last_name", Text)])),
    needs("tags", List(&Object(&[needs("id", Number), needs("name", Text)]))),
]);

const TAG: Kind = Object(&[
    needs("id", Number),
    needs("name", Text),
    needs("project_id", Number),
    needs("has_annotations", Boolean),
]);

const ONE_EXPERIMENT: Kind = Object(&[OK, needs("results", EXPERIMENT)]);

#[rustfmt::skip]
const EXPERIMENT: Kind = Object(&[
    needs("id", Text), needs("name", Text), needs("content_type", Text), needs("description", Nullable(&Text)),
    needs("created", Text), needs("creator_id", Nullable(&Integer)), needs("creator_name", Nullable(&Text)),
    needs("creator_email", Nullable(&Text)), needs("modified", Text), needs("deleted", Nullable(&Text)),
    takes("is_favorited", Boolean), takes("pinned_date", Nullable(&Text)), takes("tags", List(&Text)),
    takes("last_modified_by_id", Integer), takes("last_modified_by_name", Text),
    takes("last_modified_by_email", Text), takes("can_view", Boolean), takes("can_update_basic", Boolean),
    takes("can_update_restricted", Boolean), takes("can_update_visibility", Boolean), takes("is_superadmin", Boolean),
    takes("allow_staff_override", Boolean), takes("can_share", Boolean), takes("is_shared_with_project", Boolean),
    needs("hypothesis", Nullable(&Text)),
    needs("status", Words(&["draft", "active", "concluded", "success", "fail"])),
    needs("variants", List(&Kind::Any)), needs("metrics", List(&Kind::Any)), needs("settings", FREE),
    needs("exposures_cache", FREE), needs("results_cache", FREE), needs("start_date", Nullable(&Text)),
    needs("end_date", Nullable(&Text)), needs("feature_flag", Nullable(&FREE)),
]);

/// L05: the YAML has no null for what never happened.
const ACCOUNT: &[Field] = &[
    needs("id", Integer),
    needs("username", Text),
    needs("last_used", Nullable(&Time)),
    needs("expires", Nullable(&Time)),
    needs("creator", Integer),
    needs("created", Time),
    needs("user", Integer),
];

#[rustfmt::skip]
const TASK_STATUS: Kind = Words(&[
    "PENDING", "STAGING", "STARTED", "SUCCESS", "FAILURE", "REVOKED", "NOT_FOUND", "UNKNOWN",
]);

const PROJECT_TOKEN: &[Field] = &[needs("token", Text)];

const ROLE: Kind = Words(&["owner", "admin", "analyst", "consumer"]);

/// E20: Lexicon has more entities than the two that are documented.
pub(super) const ENTITY_TYPE: Kind =
    Words(&["event", "profile", "custom_event", "group", "lookup"]);

const SCHEMA_ENTRY: Kind = Object(&[
    needs("entityType", ENTITY_TYPE),
    needs("name", Text),
    needs("schemaJson", SCHEMA),
]);

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
