//! Where Mixpanel's OpenAPI files and the table differ on purpose, as edits to the files. `openapi` proves that each
//! edit is needed and that, after all of them, files and table agree. Errata that only make a documented string's form
//! precise (a date, JSON in a string: E10's `event`, E11's other lists, E27) need no edit; a comment marks them in the
//! table. Nor do those about answers that no file has (E16 to E18: the table has them alone) or that the sandbox does not
//! give (E08, E22, E23, E26).

/// One deliberate difference.
#[derive(Clone, Copy)]
pub(super) struct Erratum {
    pub(super) id: &'static str,
    pub(super) why: &'static str,
    /// The file's name up to `.openapi.yaml`.
    pub(super) file: &'static str,
    pub(super) edits: &'static [Edit],
}

/// The place, its keys separated by spaces (`[name]` is the list's item of that name, `-` a new item; references are
/// followed on the way), and the JSON that it should hold.
pub(super) type Edit = (&'static str, &'static str);

#[rustfmt::skip] // The edits are read beside the files.
pub(super) const ERRATA: &[Erratum] = &[
    Erratum {
        id: "E01",
        why: "group-union requires $unset; its own description and properties name $union",
        file: "ingestion",
        edits: &[(
            "paths /groups#group-union post requestBody content application/json schema items required",
            r#"["$token", "$group_key", "$group_id", "$union"]"#,
        )],
    },
    Erratum {
        id: "E02",
        why: "delete-group requires $set; its own description and properties name $delete",
        file: "ingestion",
        edits: &[(
            "paths /groups#group-delete post requestBody content application/json schema items required",
            r#"["$token", "$group_key", "$group_id", "$delete"]"#,
        )],
    },
    Erratum {
        id: "E03",
        why: "a batch is typed as a string; its description says a JSON list of objects",
        file: "ingestion",
        edits: &[
            (
                "paths /engage#profile-batch-update post requestBody content application/json schema",
                r##"{"type": "array", "minItems": 1, "items": {"oneOf": [
                    {"$ref": "#/paths/~1engage#profile-set/post/requestBody/content/application~1json/schema/items"},
                    {"$ref": "#/paths/~1engage#profile-set-once/post/requestBody/content/application~1json/schema/items"},
                    {"$ref": "#/paths/~1engage#profile-numerical-add/post/requestBody/content/application~1json/schema/items"},
                    {"$ref": "#/paths/~1engage#profile-union/post/requestBody/content/application~1json/schema/items"},
                    {"$ref": "#/paths/~1engage#profile-list-append/post/requestBody/content/application~1json/schema/items"},
                    {"$ref": "#/paths/~1engage#profile-list-remove/post/requestBody/content/application~1json/schema/items"},
                    {"$ref": "#/paths/~1engage#profile-unset/post/requestBody/content/application~1json/schema/items"},
                    {"$ref": "#/paths/~1engage#profile-delete/post/requestBody/content/application~1json/schema/items"}
                ]}}"##,
            ),
            (
                "paths /groups#group-batch-update post requestBody content application/json schema",
                r##"{"type": "array", "minItems": 1, "items": {"oneOf": [
                    {"$ref": "#/paths/~1groups#group-set/post/requestBody/content/application~1json/schema/items"},
                    {"$ref": "#/paths/~1groups#group-set-once/post/requestBody/content/application~1json/schema/items"},
                    {"$ref": "#/paths/~1groups#group-unset/post/requestBody/content/application~1json/schema/items"},
                    {"$ref": "#/paths/~1groups#group-remove-from-list/post/requestBody/content/application~1json/schema/items"},
                    {"$ref": "#/paths/~1groups#group-union/post/requestBody/content/application~1json/schema/items"},
                    {"$ref": "#/paths/~1groups#group-delete/post/requestBody/content/application~1json/schema/items"}
                ]}}"##,
            ),
        ],
    },
    Erratum {
        id: "E04",
        why: "the value of $delete is ignored, so it may be anything",
        file: "ingestion",
        edits: &[
            (
                "paths /engage#profile-delete post requestBody content application/json schema items properties $delete",
                "{}",
            ),
            (
                "paths /groups#group-delete post requestBody content application/json schema items properties $delete",
                "{}",
            ),
        ],
    },
    Erratum {
        id: "E06",
        why: "project_id is not needed where the project's token is the Basic user",
        file: "ingestion",
        edits: &[("paths /import post parameters [project_id] required", "false")],
    },
    Erratum {
        id: "E09",
        why: "the prose takes service accounts too",
        file: "export",
        edits: &[("security", r#"[{"ProjectSecret": []}, {"ServiceAccount": []}]"#)],
    },
    Erratum {
        id: "E10",
        why: "the description limits `limit` to 100000",
        file: "export",
        edits: &[(
            "paths /export get parameters [limit] schema",
            r#"{"type": "integer", "minimum": 1, "maximum": 100000}"#,
        )],
    },
    Erratum {
        id: "E11",
        why: "the description says: encoded as a JSON array",
        file: "query",
        edits: &[("paths /events/properties get parameters [values] schema", r#"{"type": "string"}"#)],
    },
    Erratum {
        id: "E12",
        why: "all clients send JSON in a string",
        file: "query",
        edits: &[
            (
                "paths /engage post requestBody content application/x-www-form-urlencoded schema properties output_properties",
                r#"{"type": "string"}"#,
            ),
            (
                "paths /engage post requestBody content application/x-www-form-urlencoded schema properties behaviors",
                r#"{"type": "string"}"#,
            ),
        ],
    },
    Erratum {
        id: "E14",
        why: "the description of interval says: either interval, or from_date and to_date",
        file: "query",
        edits: &[
            ("paths /events get parameters [from_date] required", "false"),
            ("paths /events get parameters [to_date] required", "false"),
            ("paths /events/properties get parameters [from_date] required", "false"),
            ("paths /events/properties get parameters [to_date] required", "false"),
        ],
    },
    Erratum {
        id: "E19",
        why: "oneOf lists forms that are the same, and so can never match exactly one",
        file: "data-pipelines",
        edits: &[(
            "paths /nessie/pipeline/edit post requestBody content application/x-www-form-urlencoded schema oneOf",
            r##"[
                {"$ref": "#/components/schemas/RawEditParams"},
                {"$ref": "#/components/schemas/RawAzureEditParams"},
                {"$ref": "#/components/schemas/BigQueryEditParams"},
                {"$ref": "#/components/schemas/SchematizedAWSEditParams"}
            ]"##,
        )],
    },
    Erratum {
        id: "E20",
        why: "Lexicon has more entities than event and profile",
        file: "lexicon-schemas",
        edits: &[
            (
                "components parameters schemaEntityType schema",
                r#"{"enum": ["event", "profile", "custom_event", "group", "lookup"]}"#,
            ),
            (
                "components schemas SchemaEntry properties entityType",
                r#"{"enum": ["event", "profile", "custom_event", "group", "lookup"]}"#,
            ),
        ],
    },
    Erratum {
        id: "E24",
        why: "the prose and Mixpanel's SDKs send events as a form, the file says JSON; both are taken",
        file: "ingestion",
        edits: &[(
            "paths /track post requestBody content application/x-www-form-urlencoded",
            r##"{"schema": {"type": "object", "required": ["data"], "properties": {
                "data": {"type": "string"},
                "ip": {"type": "integer", "minimum": 0, "maximum": 1},
                "verbose": {"type": "integer", "minimum": 0, "maximum": 1}
            }}}"##,
        )],
    },
    Erratum {
        id: "E24",
        why: "/track takes identities as JSON too, and in a form what its query takes",
        file: "identity",
        edits: &[
            (
                "paths /track#create-identity post requestBody content",
                r##"{
                    "application/x-www-form-urlencoded": {"schema": {"type": "object", "required": ["data"], "properties": {
                        "data": {"type": "string"},
                        "strict": {"type": "integer", "minimum": 0, "maximum": 1},
                        "ip": {"type": "integer", "minimum": 0, "maximum": 1},
                        "verbose": {"type": "integer", "minimum": 0, "maximum": 1}
                    }}},
                    "application/json": {"schema": {"type": "array", "minItems": 1, "items": {
                        "type": "object", "required": ["event", "properties"], "properties": {
                            "event": {"enum": ["$identify"]},
                            "properties": {"required": ["$identified_id", "$anon_id", "token"], "properties": {
                                "$identified_id": {"type": "string"},
                                "$anon_id": {"type": "string", "format": "uuid"},
                                "token": {"type": "string"}
                            }}
                        }
                    }}}
                }"##,
            ),
            (
                "paths /track#identity-create-alias post requestBody content",
                r##"{
                    "application/x-www-form-urlencoded": {"schema": {"type": "object", "required": ["data"], "properties": {
                        "data": {"type": "string"},
                        "strict": {"type": "integer", "minimum": 0, "maximum": 1},
                        "ip": {"type": "integer", "minimum": 0, "maximum": 1},
                        "verbose": {"type": "integer", "minimum": 0, "maximum": 1}
                    }}},
                    "application/json": {"schema": {"type": "array", "minItems": 1, "items": {
                        "type": "object", "required": ["event", "properties"], "properties": {
                            "event": {"enum": ["$create_alias"]},
                            "properties": {"required": ["distinct_id", "alias", "token"], "properties": {
                                "distinct_id": {"type": "string"},
                                "alias": {"type": "string"},
                                "token": {"type": "string"}
                            }}
                        }
                    }}}
                }"##,
            ),
        ],
    },
    Erratum {
        id: "E25",
        why: "the token is required but not declared, and not needed beside credentials",
        file: "identity",
        edits: &[
            (
                "paths /import post requestBody content application/json schema items properties properties required",
                r#"["$distinct_ids"]"#,
            ),
            (
                "paths /import post requestBody content application/json schema items properties properties properties token",
                r#"{"type": "string"}"#,
            ),
        ],
    },
    Erratum {
        id: "L01",
        why: "the prose allows a lookup table to be zipped",
        file: "ingestion",
        edits: &[(
            "paths /lookup-tables/{id} put parameters -",
            r#"{"in": "header", "name": "Content-Encoding", "schema": {"enum": ["gzip"]}}"#,
        )],
    },
    Erratum {
        id: "L02",
        why: "nothing is required, but an annotation needs a date and a text, and a tag a name",
        file: "annotations",
        edits: &[
            (
                "paths /projects/{projectId}/annotations post requestBody content application/json schema required",
                r#"["date", "description"]"#,
            ),
            (
                "paths /projects/{projectId}/annotations/tags post requestBody content application/json schema required",
                r#"["name"]"#,
            ),
        ],
    },
    Erratum {
        id: "L03",
        why: "nothing is required, but a request needs people, and the prose limits their number",
        file: "gdpr",
        edits: &[
            (
                "paths /data-retrievals/v3.0 post requestBody content application/json schema required",
                r#"["distinct_ids"]"#,
            ),
            (
                "paths /data-retrievals/v3.0 post requestBody content application/json schema properties distinct_ids",
                r#"{"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2000}"#,
            ),
            (
                "paths /data-deletions/v3.0 post requestBody content application/json schema required",
                r#"["distinct_ids"]"#,
            ),
            (
                "paths /data-deletions/v3.0 post requestBody content application/json schema properties distinct_ids",
                r#"{"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 1999}"#,
            ),
        ],
    },
    Erratum {
        id: "L04",
        why: "one string, but the description says: a separate parameter for each event",
        file: "data-pipelines",
        edits: &[
            ("components schemas RawGCSPipeline properties events", r#"{"type": "array", "items": {"type": "string"}}"#),
            ("components schemas RawAmazonS3Pipeline properties events", r#"{"type": "array", "items": {"type": "string"}}"#),
            ("components schemas RawAzurePipeline properties events", r#"{"type": "array", "items": {"type": "string"}}"#),
            ("components schemas SchematizedBigQueryPipeline properties events", r#"{"type": "array", "items": {"type": "string"}}"#),
            ("components schemas SchematizedSnowflakePipeline properties events", r#"{"type": "array", "items": {"type": "string"}}"#),
            ("components schemas SchematizedAWSPipeline properties events", r#"{"type": "array", "items": {"type": "string"}}"#),
            ("components schemas SchematizedAzurePipeline properties events", r#"{"type": "array", "items": {"type": "string"}}"#),
            ("components schemas SchematizedGCSPipeline properties events", r#"{"type": "array", "items": {"type": "string"}}"#),
            ("components schemas RawEditParams properties events", r#"{"type": "array", "items": {"type": "string"}}"#),
        ],
    },
    Erratum {
        id: "E05",
        why: "with verbose, the description says, the answer is JSON with the reason",
        file: "ingestion",
        edits: &[("components responses Received content application/json", RECEIVED)],
    },
    Erratum {
        id: "E05",
        why: "with verbose, the description says, the answer is JSON with the reason",
        file: "identity",
        edits: &[("components responses Received content application/json", RECEIVED)],
    },
    Erratum {
        id: "E07",
        why: "the prose has $insert_id in a failed record",
        file: "ingestion",
        edits: &[(
            "components responses StrictInvalid content application/json schema properties failed_records items properties $insert_id",
            r#"{"type": "string"}"#,
        )],
    },
    Erratum {
        id: "E07",
        why: "the prose has $insert_id in a failed record",
        file: "identity",
        edits: &[(
            "components responses StrictInvalid content application/json schema properties failed_records items properties $insert_id",
            r#"{"type": "string"}"#,
        )],
    },
    Erratum {
        id: "E13",
        why: "ids are strings, and the last page has no session",
        file: "query",
        edits: &[
            (
                "paths /engage post responses 200 content application/json schema properties results items properties $distinct_id",
                r#"{"oneOf": [{"type": "string"}, {"type": "integer"}]}"#,
            ),
            (
                "paths /engage post responses 200 content application/json schema properties session_id",
                r#"{"type": "string", "nullable": true}"#,
            ),
        ],
    },
    Erratum {
        id: "E15",
        why: "sums and mean times are no integers, and nobody takes time for the first step",
        file: "query",
        edits: &[
            (
                "paths /segmentation/sum get responses 200 content application/json schema properties results additionalProperties",
                r#"{"type": "number"}"#,
            ),
            (
                "paths /funnels get responses 200 content application/json schema properties data additionalProperties properties steps items properties avg_time",
                r#"{"type": "number", "nullable": true}"#,
            ),
            (
                "paths /funnels get responses 200 content application/json schema properties data additionalProperties properties steps items properties avg_time_from_start",
                r#"{"type": "number"}"#,
            ),
        ],
    },
    Erratum {
        id: "E20",
        why: "one schema comes in the envelope of all others",
        file: "lexicon-schemas",
        edits: &[(
            "paths /projects/{projectId}/schemas/{entityType}/{name} get responses 200 content application/json schema",
            r##"{"type": "object", "required": ["status", "results"], "properties": {
                "status": {"type": "string", "enum": ["ok"]},
                "results": {"$ref": "#/components/schemas/Schema"}
            }}"##,
        )],
    },
    Erratum {
        id: "E21",
        why: "tags come in the envelope of all annotations",
        file: "annotations",
        edits: &[
            (
                "paths /projects/{projectId}/annotations/tags get responses 200 content application/json schema",
                r##"{"type": "object", "required": ["status", "results"], "properties": {
                    "status": {"type": "string", "enum": ["ok"]},
                    "results": {"$ref": "#/components/schemas/GetAnnotationTagsResponse"}
                }}"##,
            ),
            (
                "paths /projects/{projectId}/annotations/tags post responses 200 content application/json schema",
                r##"{"type": "object", "required": ["status", "results"], "properties": {
                    "status": {"type": "string", "enum": ["ok"]},
                    "results": {"$ref": "#/components/schemas/AnnotationTag"}
                }}"##,
            ),
        ],
    },
    Erratum {
        id: "L05",
        why: "never used, and never ending, have no date",
        file: "service-accounts",
        edits: &[
            (
                "components schemas ServiceAccountRead properties last_used",
                r#"{"type": "string", "format": "date-time", "nullable": true}"#,
            ),
            (
                "components schemas ServiceAccountRead properties expires",
                r#"{"type": "string", "format": "date-time", "nullable": true}"#,
            ),
        ],
    },
    Erratum {
        id: "L06",
        why: "the description of status names more states of jobs than the answer has",
        file: "data-pipelines",
        edits: &[
            ("components schemas PipelineStatusResponse properties pending", JOBS),
            ("components schemas PipelineStatusResponse properties running", JOBS),
            ("components schemas PipelineStatusResponse properties failed", JOBS),
            ("components schemas PipelineStatusResponse properties timed_out", JOBS),
        ],
    },
];

const RECEIVED: &str = r#"{"schema": {"type": "object", "required": ["status", "error"], "properties": {
    "status": {"type": "integer", "minimum": 0, "maximum": 1},
    "error": {"type": "string"}
}}}"#;
const JOBS: &str = r##"{"$ref": "#/components/schemas/PipelineStatusJobList"}"##;
