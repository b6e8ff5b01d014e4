//! The data hosts: raw export, and the pipelines that Mixpanel has deprecated. From Mixpanel's `export` and
//! `data-pipelines` files.

use super::kind::Kind::{
    Boolean, Date, Encoded, Expression, Integer, Joined, Lines, List, Map, Number, Object, OneOf,
    Open, Range, Text, True, Words,
};
use super::kind::{Field, Kind, needs, takes};
use super::operation::Auth::{ProjectSecret, ServiceAccount};
use super::operation::{
    Api, DENIED, DENIED_OR_INVALID, DENIED_OR_MISSING, FORM, JSON, Operation, TEXT,
};

const PROJECT_ID: Field = needs("project_id", Integer);
const NAMED_PIPELINE: Kind = Object(&[needs("name", Text), takes("project_id", Number)]);

#[rustfmt::skip] // A row reads best as a row.
pub(super) const OPERATIONS: &[Operation] = &[
    // E09: the YAML knows the project's secret only; the prose, service accounts too.
    get("/export", "raw-event-export")
        .query(&[
            takes("project_id", Integer), needs("from_date", Date), needs("to_date", Date),
            // E10: the prose limits `limit`, and has a JSON list of names in `event`.
            takes("limit", Range(1, 100_000)), takes("event", Encoded(&List(&Text))),
            takes("where", Expression), takes("time_in_ms", Boolean),
        ])
        .headers(&[takes("Accept-Encoding", Words(&["gzip"]))])
        .gives(200, &[(TEXT, Lines(&Object(&[
            needs("event", Text), needs("properties", Open(&[needs("time", Integer), takes("distinct_id", Text)])),
        ])))]),

    get("/nessie/pipeline/jobs", "list-warehouse-pipeline-jobs").query(&[PROJECT_ID])
        .refuses(DENIED)
        .gives(200, &[(JSON, Map(&List(&Object(&[
            needs("name", Text), needs("Dispatcher", Text), needs("last_dispatched", Text), needs("frequency", Text),
            needs("sync_enabled", Words(&["true", "false"])),
        ]))))]),
    get("/nessie/pipeline/status", "get-warehouse-pipeline-status").query(&[
        PROJECT_ID, needs("name", Text), takes("summary", Text), takes("status", List(&Text)),
    ])
        .refuses(DENIED)
        // L06: the YAML knows three states of the answer, its parameter six.
        .gives(200, &[(JSON, Object(&[
            takes("pending", JOBS), takes("running", JOBS), takes("retried", JOBS), takes("failed", JOBS),
            takes("canceled", JOBS), takes("timed_out", JOBS), takes("succeeded", JOBS),
        ]))])
        .gives_with("summary", &[(JSON, Map(&Integer))]),
    get("/nessie/pipeline/timeline", "list-warehouse-pipeline-sync-dates").query(&[PROJECT_ID, takes("name", Text)])
        .refuses(DENIED)
        .gives(200, &[(JSON, Object(&[needs("day_syncs", List(&Object(&[
            needs("date", Date), needs("sync_times", List(&Text)), needs("status", Text),
        ])))]))]),
    post("/nessie/pipeline/create", "create-warehouse-pipeline", &[(FORM, OneOf(&[
        Joined(RAW, RAW_GCS), Joined(RAW, RAW_S3), Joined(RAW, RAW_AZURE),
        Joined(SCHEMATIZED, BIGQUERY), Joined(SCHEMATIZED, SNOWFLAKE), Joined(SCHEMATIZED, S3),
        Joined(SCHEMATIZED, AZURE), Joined(SCHEMATIZED, GCS),
    ]))])
        .refuses(DENIED_OR_INVALID)
        .gives(200, &[(JSON, Object(&[
            needs("pipeline_names", List(&Text)), takes("bigquery_dataset_name", Text),
        ]))]),
    // E19: the YAML lists the same form twice under `oneOf`, which then never matches.
    post("/nessie/pipeline/edit", "edit-warehouse-pipeline", &[(FORM, OneOf(&[
        Object(EDITED),
        Joined(EDITED, &[
            takes("azure_client_id", Text), takes("azure_client_secret", Text), takes("azure_tenant_id", Text),
        ]),
        Joined(EDITED, &[takes("bq_share_with_group", List(&Text))]),
        Joined(EDITED, &[
            takes("glue_database", Text), takes("glue_role", Text), takes("glue_table_prefix", Text),
        ]),
    ]))])
        .refuses(DENIED),
    post("/nessie/pipeline/cancel", "cancel-warehouse-pipeline", &[(FORM, NAMED_PIPELINE)])
        .refuses(DENIED),
    post("/nessie/pipeline/pause", "pause-warehouse-pipeline", &[(FORM, NAMED_PIPELINE)])
        .refuses(DENIED_OR_MISSING),
    post("/nessie/pipeline/resume", "resume-warehouse-pipeline", &[(FORM, NAMED_PIPELINE)])
        .refuses(DENIED_OR_MISSING),
];

const fn get(path: &'static str, id: &'static str) -> Operation {
    Operation::new("GET", path, id, Api::Data, &[ServiceAccount, ProjectSecret])
}

const fn post(
    path: &'static str,
    id: &'static str,
    media: &'static [(&'static str, Kind)],
) -> Operation {
    Operation::new(
        "POST",
        path,
        id,
        Api::Data,
        &[ServiceAccount, ProjectSecret],
    )
    .body(media)
}

const JOBS: Kind = List(&Object(&[
    needs("project_id", Number),
    needs("name", Text),
    needs("state", Text),
    needs("last_finish", Text),
    needs("run_at", Text),
    needs("from_date", Text),
    needs("to_date", Text),
]));

const EDITED: &[Field] = &[
    needs("name", Text),
    takes("project_id", Number),
    takes("events", EVENTS),
    takes("where", Text),
];

/// L04: one text in the YAML; its description wants one parameter an event.
const EVENTS: Kind = List(&Text);

const FREQUENCY: Kind = Words(&["daily", "hourly"]);

/// What all raw pipelines share.
const RAW: &[Field] = &[
    takes("project_id", Number),
    needs("type", Text),
    takes("trial", Boolean),
    takes("data_source", Words(&["events"])),
    needs("from_date", Date),
    takes("to_date", Date),
    takes("frequency", FREQUENCY),
    takes("events", EVENTS),
    takes("where", Text),
    takes("data_format", Words(&["json"])),
];

/// What all schematized pipelines share.
const SCHEMATIZED: &[Field] = &[
    takes("project_id", Number),
    needs("type", Text),
    takes("trial", Boolean),
    needs("schema_type", Words(&["monoschema", "multischema"])),
    takes("data_source", Words(&["events", "people"])),
    needs("sync", True),
    needs("from_date", Date),
    takes("to_date", Date),
    takes("frequency", FREQUENCY),
    takes("events", EVENTS),
    takes("where", Text),
];

const FILE_FORMAT: Field = takes("data_format", Words(&["json", "parquet"]));

const RAW_GCS: &[Field] = &[GCS_BUCKET, GCS_PREFIX, GCS_REGION];
const GCS: &[Field] = &[FILE_FORMAT, GCS_BUCKET, GCS_PREFIX, GCS_REGION];
const GCS_BUCKET: Field = needs("gcs_bucket", Text);
const GCS_PREFIX: Field = takes("gcs_prefix", Text);
#[rustfmt::skip]
const GCS_REGION: Field = needs("gcs_region", Words(&[
    "northamerica-northeast1", "us-central1", "us-east1", "us-east4", "us-west1", "us-west2",
    "southamerica-east1", "europe-north1", "europe-west1", "europe-west2", "europe-west3", "europe-west4",
    "europe-west6", "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2", "asia-northeast3",
    "asia-south1", "asia-southeast1", "australia-southeast1",
]));

#[rustfmt::skip]
const RAW_S3: &[Field] = &[
    // One region more than schematized pipelines have.
    needs("s3_region", Words(&[
        "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ap-northeast-1", "ap-northeast-2",
        "ap-northeast-3", "ap-southeast-1", "ap-southeast-2", "ap-south-1", "ca-central-1", "cn-north-1",
        "cn-northwest-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1",
        "me-south-1",
    ])),
    S3_BUCKET, S3_ROLE, S3_PREFIX, S3_ENCRYPTION, S3_KEY,
];
#[rustfmt::skip]
const S3: &[Field] = &[
    needs("s3_region", Words(&[
        "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ap-northeast-1", "ap-northeast-2",
        "ap-northeast-3", "ap-southeast-1", "ap-southeast-2", "ap-south-1", "ca-central-1", "cn-north-1",
        "cn-northwest-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1",
    ])),
    FILE_FORMAT, S3_BUCKET, S3_ROLE, S3_PREFIX, S3_ENCRYPTION, S3_KEY,
    takes("use_glue", Boolean), takes("glue_database", Text), takes("glue_role", Text),
    takes("glue_table_prefix", Text),
];
const S3_BUCKET: Field = needs("s3_bucket", Text);
const S3_ROLE: Field = needs("s3_role", Text);
const S3_PREFIX: Field = takes("s3_prefix", Text);
const S3_ENCRYPTION: Field = takes("s3_encryption", Words(&["none", "aes", "kms"]));
const S3_KEY: Field = takes("s3_kms_key_id", Text);

const RAW_AZURE: &[Field] = &[
    AZURE_ACCOUNT,
    AZURE_CONTAINER,
    AZURE_PREFIX,
    AZURE_ID,
    AZURE_SECRET,
    AZURE_TENANT,
];
const AZURE: &[Field] = &[
    FILE_FORMAT,
    AZURE_ACCOUNT,
    AZURE_CONTAINER,
    AZURE_PREFIX,
    AZURE_ID,
    AZURE_SECRET,
    AZURE_TENANT,
];
const AZURE_ACCOUNT: Field = needs("storage_account", Text);
const AZURE_CONTAINER: Field = needs("container_name", Text);
const AZURE_PREFIX: Field = takes("prefix", Text);
const AZURE_ID: Field = needs("client_id", Text);
const AZURE_SECRET: Field = needs("client_secret", Text);
const AZURE_TENANT: Field = needs("tenant_id", Text);

#[rustfmt::skip]
const BIGQUERY: &[Field] = &[
    needs("bq_region", Words(&[
        "US", "US_CENTRAL_1", "US_EAST_1", "US_WEST_1", "US_WEST_2", "US_EAST_4", "NORTH_AMERICA_NORTHEAST_1",
        "SOUTH_AMERICA_EAST_1", "EU", "EUROPE_NORTH_1", "EUROPE_WEST_2", "EUROPE_WEST_3", "EUROPE_WEST_4",
        "EUROPE_WEST_6", "ASIA_SOUTH_1", "ASIA_EAST_1", "ASIA_EAST_2", "ASIA_NORTHEAST_1", "ASIA_NORTHEAST_2",
        "ASIA_NORTHEAST_3", "ASIA_SOUTHEAST_1", "ASIA_SOUTHEAST_2", "AUSTRALIA_SOUTHEAST_1",
    ])),
    takes("bq_prefix", Text), needs("gcp_project", Text), needs("bq_dataset_name", Text),
];

#[rustfmt::skip]
const SNOWFLAKE: &[Field] = &[
    takes("snowflake_prefix", Text), needs("snowflake_account_name", Text), needs("snowflake_warehouse", Text),
    needs("snowflake_storage_integration", Text), needs("snowflake_user", Text),
    needs("snowflake_password", Text), needs("snowflake_role", Text), needs("snowflake_database", Text),
    needs("snowflake_schema", Text),
];
