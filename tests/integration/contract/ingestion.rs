//! The Ingestion API: events, profiles, groups, lookup tables, identities, and the evaluation of feature flags.
//! From Mixpanel's `ingestion`, `identity` and `feature-flags` files.

use super::kind::Kind::{
    Any, Boolean, Encoded, Filled, Integer, Integers, Joined, List, ListOf, Map, Number, Object,
    OneOf, Open, Range, Text, Uuid, Words,
};
use super::kind::{FREE, Field, Kind, needs, takes};
use super::operation::Auth::{OAuthToken, ProjectSecret, ServiceAccount};
use super::operation::{
    Api, Auth, CSV, DENIED, DENIED_OR_INVALID, FORM, JSON, Medium, NDJSON, Operation, STRICT_ERROR,
    STRICT_REFUSAL, TEXT,
};

const BIT: Kind = Range(0, 1);
const IMPORTERS: &[Auth] = &[ServiceAccount, ProjectSecret, OAuthToken];
const FLAG_READERS: &[Auth] = &[ProjectSecret, ServiceAccount];

const STRICT: Field = needs("strict", Words(&["0", "1"]));
/// E06: not required where the project's token is the Basic user; `check` wants it with a service account.
const PROJECT_ID: Field = takes("project_id", Text);
const IP: Field = takes("ip", BIT);
const VERBOSE: Field = takes("verbose", BIT);
const GZIP: Field = takes("Content-Encoding", Words(&["gzip"]));

const IMPORTED_EVENTS: Kind = Filled(&Object(&[
    needs("event", Text),
    needs(
        "properties",
        Open(&[
            needs("time", Integer),
            needs("distinct_id", Text),
            needs("$insert_id", Text),
        ]),
    ),
]));

const TRACKED_EVENTS: Kind = Filled(&TRACKED_EVENT);
const TRACKED_EVENT: Kind = Object(&[
    needs("event", Text),
    needs(
        "properties",
        Open(&[
            takes("token", Text),
            takes("time", Integer),
            takes("distinct_id", Text),
            takes("$insert_id", Text),
        ]),
    ),
]);

/// E24: what stands in the form beside `data` is what the query may carry, as Mixpanel's own SDKs send it.
const TRACKED_FORM: Kind = Object(&[
    needs("data", Encoded(&OneOf(&[TRACKED_EVENTS, TRACKED_EVENT]))),
    IP,
    VERBOSE,
]);

const IDENTIFICATION: Kind = Object(&[
    needs("event", Words(&["$identify"])),
    needs(
        "properties",
        Object(&[
            needs("$identified_id", Text),
            needs("$anon_id", Uuid),
            needs("token", Text),
        ]),
    ),
]);

const ALIAS: Kind = Object(&[
    needs("event", Words(&["$create_alias"])),
    needs(
        "properties",
        Object(&[
            needs("distinct_id", Text),
            needs("alias", Text),
            needs("token", Text),
        ]),
    ),
]);

/// E25: the token is listed as required, but not declared, and not needed beside credentials.
const MERGES: Kind = List(&Object(&[
    needs("event", Text),
    needs(
        "properties",
        Object(&[
            needs("$distinct_ids", ListOf(2, 2, &Text)),
            takes("token", Text),
        ]),
    ),
]));

const ENGAGE: &[Field] = &[IP, takes("strict", BIT), VERBOSE, takes("callback", Text)];
const GROUPS: &[Field] = &[IP, takes("strict", BIT), VERBOSE];

const USER: &[Field] = &[needs("$token", Text), needs("$distinct_id", Text)];
const USER_SET: Kind = Joined(USER, &[needs("$set", FREE)]);
const USER_SET_ONCE: Kind = Joined(USER, &[needs("$set_once", FREE)]);
const USER_ADD: Kind = Joined(USER, &[needs("$add", Map(&Number))]);
const USER_UNION: Kind = Joined(USER, &[needs("$union", UNION)]);
const USER_APPEND: Kind = Joined(USER, &[needs("$append", FREE)]);
const USER_REMOVE: Kind = Joined(USER, &[needs("$remove", FREE)]);
const USER_UNSET: Kind = Joined(USER, &[needs("$unset", NAMES)]);
/// E04: the value of `$delete` is ignored.
const USER_DELETE: Kind = Joined(
    USER,
    &[needs("$delete", Any), takes("$ignore_alias", Boolean)],
);
/// E03: typed as a string in the YAML.
const USER_ANY: Kind = OneOf(&[
    USER_SET,
    USER_SET_ONCE,
    USER_ADD,
    USER_UNION,
    USER_APPEND,
    USER_REMOVE,
    USER_UNSET,
    USER_DELETE,
]);

const GROUP: &[Field] = &[
    needs("$token", Text),
    needs("$group_key", Text),
    needs("$group_id", Text),
];
const GROUP_SET: Kind = Joined(GROUP, &[needs("$set", FREE)]);
const GROUP_SET_ONCE: Kind = Joined(GROUP, &[needs("$set_once", FREE)]);
const GROUP_UNSET: Kind = Joined(GROUP, &[needs("$unset", NAMES)]);
const GROUP_REMOVE: Kind = Joined(GROUP, &[needs("$remove", FREE)]);
/// E01: the YAML requires `$unset`.
const GROUP_UNION: Kind = Joined(GROUP, &[needs("$union", UNION)]);
/// E02: the YAML requires `$set`.
const GROUP_DELETE: Kind = Joined(GROUP, &[needs("$delete", Any)]);
/// E03: typed as a string in the YAML.
const GROUP_ANY: Kind = OneOf(&[
    GROUP_SET,
    GROUP_SET_ONCE,
    GROUP_UNSET,
    GROUP_REMOVE,
    GROUP_UNION,
    GROUP_DELETE,
]);

const UNION: Kind = Map(&Filled(&OneOf(&[Number, Text])));
const NAMES: Kind = Filled(&Text);

#[rustfmt::skip] // A row reads best as a row.
pub(super) const OPERATIONS: &[Operation] = &[
    authorized("POST", "/import", "import-events", IMPORTERS)
        .query(&[STRICT, PROJECT_ID])
        .headers(&[GZIP])
        .body(&[(JSON, IMPORTED_EVENTS), (NDJSON, IMPORTED_EVENTS)])
        .refuses(&[(400, INVALID), (401, STRICT_ERROR), (413, STRICT_ERROR), (429, STRICT_ERROR)])
        .gives(200, IMPORTED),
    authorized("POST", "/import", "identity-merge", IMPORTERS)
        .query(&[STRICT, PROJECT_ID])
        .body(&[(JSON, MERGES)])
        .refuses(&[(400, INVALID), (401, STRICT_ERROR)])
        .gives(200, IMPORTED)
        .picked_by("$merge"),
    // E24: a form in the prose and the SDKs, JSON in the YAML; both are taken, for all three of /track.
    open("/track", "track-event")
        .query(&[IP, VERBOSE, takes("img", BIT), takes("callback", Text)])
        .optional_body(&[(JSON, TRACKED_EVENTS), (FORM, TRACKED_FORM)]),
    open("/track", "create-identity")
        .body(&[
            (FORM, Object(&[needs("data", Encoded(&IDENTIFICATION)), takes("strict", BIT), IP, VERBOSE])),
            (JSON, Filled(&IDENTIFICATION)),
        ])
        .picked_by("$identify"),
    open("/track", "identity-create-alias")
        .body(&[
            (FORM, Object(&[needs("data", Encoded(&ALIAS)), takes("strict", BIT), IP, VERBOSE])),
            (JSON, Filled(&ALIAS)),
        ])
        .picked_by("$create_alias"),

    engage("profile-set", &[(JSON, Filled(&USER_SET))]).picked_by("$set"),
    engage("profile-set-property-once", &[(JSON, Filled(&USER_SET_ONCE))]).picked_by("$set_once"),
    engage("profile-numerical-add", &[(JSON, Filled(&USER_ADD))]).picked_by("$add"),
    engage("user-profile-union", &[(JSON, Filled(&USER_UNION))]).picked_by("$union"),
    engage("profile-append-to-list-property", &[(JSON, Filled(&USER_APPEND))]).picked_by("$append"),
    engage("profile-remove-from-list-property", &[(JSON, Filled(&USER_REMOVE))]).picked_by("$remove"),
    engage("profile-delete-property", &[(JSON, Filled(&USER_UNSET))]).picked_by("$unset"),
    engage("profile-batch-update", &[(JSON, Filled(&USER_ANY))]),
    open("/engage", "delete-profile")
        .query(&[takes("strict", BIT), VERBOSE, takes("callback", Text)])
        .body(&[(JSON, Filled(&USER_DELETE))])
        .picked_by("$delete"),

    groups("group-set-property", &[(JSON, Filled(&GROUP_SET))]).picked_by("$set"),
    groups("group-set-property-once", &[(JSON, Filled(&GROUP_SET_ONCE))]).picked_by("$set_once"),
    groups("group-delete-property", &[(JSON, Filled(&GROUP_UNSET))]).picked_by("$unset"),
    groups("group-remove-from-list-property", &[(JSON, Filled(&GROUP_REMOVE))]).picked_by("$remove"),
    groups("group-union", &[(JSON, Filled(&GROUP_UNION))]).picked_by("$union"),
    groups("group-batch-update", &[(JSON, Filled(&GROUP_ANY))]),
    open("/groups", "delete-group")
        .query(&[VERBOSE])
        .body(&[(JSON, Filled(&GROUP_DELETE))])
        .picked_by("$delete"),

    authorized("GET", "/lookup-tables", "list-lookup-tables", &[ServiceAccount])
        .query(&[needs("project_id", Text)])
        .refuses(&[(401, STRICT_ERROR)])
        .gives(200, &[(JSON, Object(&[
            needs("code", Number), needs("status", Text),
            needs("results", List(&Object(&[needs("id", Uuid), needs("name", Text)]))),
        ]))]),
    authorized("PUT", "/lookup-tables/{id}", "replace-lookup-table", &[ServiceAccount, ProjectSecret])
        .query(&[needs("project_id", Text)])
        // L01: zipping is allowed by the prose only.
        .headers(&[GZIP])
        .optional_body(&[(CSV, Text)])
        .refuses(&[
            (400, Joined(STRICT_REFUSAL, &[
                takes("failed_records", List(&Object(&[needs("index", Number), needs("message", Text)]))),
            ])),
            (401, STRICT_ERROR), (404, STRICT_ERROR), (413, STRICT_ERROR), (429, STRICT_ERROR),
        ])
        .gives(200, &[(JSON, Object(&[needs("code", Integer), needs("status", Text)]))]),

    authorized("GET", "/flags", "get-variant-assignments", FLAG_READERS).query(&[
        takes("token", Text),
        takes("project_id", Text),
        // E27: a string in the YAML, a JSON object with the user's id in its description.
        needs("context", Encoded(&Open(&[needs("distinct_id", Text)]))),
    ])
        .refuses(DENIED_OR_INVALID)
        .gives(200, &[(JSON, Object(&[needs("flags", Map(&Object(&[
            needs("variant_key", Text), needs("variant_value", VARIANT_VALUE), takes("experiment_id", Text),
            takes("is_experiment_active", Boolean), takes("is_qa_tester", Boolean),
        ])))]))]),
    authorized("GET", "/flags/definitions", "get-flag-definitions", FLAG_READERS)
        .query(&[takes("token", Text), takes("project_id", Text)])
        .refuses(DENIED)
        .gives(200, &[(JSON, Object(&[needs("flags", List(&DEFINITION))]))]),
];

/// E05: the YAML knows the text alone; JSON comes with `verbose`.
const RECEIVED: &[Medium] = &[
    (TEXT, Integers(&[1, 0])),
    (JSON, Object(&[needs("status", BIT), needs("error", Text)])),
];

const IMPORTED: &[Medium] = &[(
    JSON,
    Object(&[
        needs("code", Integer),
        needs("num_records_imported", Integer),
        needs("status", Text),
    ]),
)];

/// An import of which some records are refused.
const INVALID: Kind = Joined(
    STRICT_REFUSAL,
    &[
        takes("num_records_imported", Integer),
        takes(
            "failed_records",
            List(&Object(&[
                needs("index", Number),
                // E07: so in the prose, the other in the YAML.
                takes("$insert_id", Text),
                takes("insert_id", Text),
                needs("field", Text),
                needs("message", Text),
            ])),
        ),
    ],
);

const VARIANT_VALUE: Kind = OneOf(&[Text, Number, Boolean, FREE]);

#[rustfmt::skip]
const DEFINITION: Kind = Object(&[
    needs("id", Text), needs("name", Text), needs("key", Text),
    needs("status", Words(&["enabled", "disabled", "archived"])), needs("project_id", Integer),
    needs("workspace_id", Integer), needs("context", Text), takes("experiment_id", Text),
    takes("is_experiment_active", Boolean),
    needs("ruleset", Object(&[
        needs("variants", List(&Object(&[
            needs("key", Text), needs("value", VARIANT_VALUE), needs("is_control", Boolean), takes("is_sticky", Boolean),
            needs("split", Number),
        ]))),
        needs("rollout", List(&Object(&[
            needs("rollout_percentage", Number), takes("cohort_hash", Text), takes("runtime_evaluation_rule", FREE),
            takes("runtime_evaluation_definition", FREE), takes("variant_splits", Map(&Number)),
            takes("variant_override", Object(&[takes("key", Text)])),
        ]))),
        takes("test", Object(&[takes("users", Map(&Text))])),
    ])),
]);

const fn authorized(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    auth: &'static [Auth],
) -> Operation {
    Operation::new(method, path, id, Api::Ingestion, auth)
}

/// Without credentials: the project's token stands in the body.
const fn open(path: &'static str, id: &'static str) -> Operation {
    Operation::new("POST", path, id, Api::Ingestion, &[])
        .refuses(DENIED)
        .gives(200, RECEIVED)
}

const fn engage(id: &'static str, media: &'static [(&'static str, Kind)]) -> Operation {
    open("/engage", id).query(ENGAGE).body(media)
}

const fn groups(id: &'static str, media: &'static [(&'static str, Kind)]) -> Operation {
    open("/groups", id).query(GROUPS).body(media)
}
