//! The App API's warehouse connectors. From Mixpanel's `warehouse-connectors` file.

use super::app::OK;
use super::kind::Kind::{
    AtLeast, Boolean, Integer, Integers, Joined, List, Map, Nullable, Object, Text, Time, Words,
};
use super::kind::{FREE, Field, Kind, needs, takes};
use super::operation::Auth::ServiceAccount;
use super::operation::{
    Api, DENIED, DENIED_INVALID_OR_MISSING, DENIED_OR_INVALID, DENIED_OR_MISSING, JSON, Medium,
    Operation,
};

const IMPORTS: &str = "/projects/{projectId}/warehouse-sources/imports";
const ONE_IMPORT: &str = "/projects/{projectId}/warehouse-sources/imports/{importId}";

#[rustfmt::skip] // A row reads best as a row.
pub(super) const OPERATIONS: &[Operation] = &[
    app("GET", IMPORTS, "list-warehouse-imports").gives(200, &[(JSON, Object(&[OK, needs("results", List(&Object(SUMMARY)))]))]),
    app("GET", ONE_IMPORT, "get-warehouse-import")
        .refuses(DENIED_OR_MISSING).gives(200, DETAIL),
    app("PATCH", ONE_IMPORT, "update-warehouse-import").body(&[(JSON, Object(&[
        needs("paused", Boolean), needs("run_every", INTERVAL), DATABRICKS,
    ]))])
        .refuses(DENIED_INVALID_OR_MISSING).gives(200, DETAIL),
    app("DELETE", ONE_IMPORT, "delete-warehouse-import")
        .optional_body(&[(JSON, Object(&[takes("delete_data", Boolean)]))])
        .refuses(DENIED_OR_MISSING).gives(200, &[(JSON, Object(&[OK]))]),
    app("POST", "/projects/{projectId}/warehouse-sources/imports/event-stream", "create-event-stream-import")
        .body(&[(JSON, Object(&[
            needs("import_type", Words(&["event_stream"])), SOURCE, TABLE, takes("event_name", Text),
            takes("event_column_name", Text), needs("time_column_name", Text), takes("user_column_name", Text),
            takes("company_column_name", Text), takes("device_column_name", Nullable(&Text)), JSON_COLUMN,
            SYNC_MODE, RUN_EVERY, INSERT_TIME_COLUMN, MAPPINGS, DATABRICKS,
        ]))])
        .refuses(DENIED_OR_INVALID).gives(200, DETAIL),
    app("POST", "/projects/{projectId}/warehouse-sources/imports/people", "create-people-import")
        .body(&[(JSON, Object(&[
            needs("import_type", Words(&["people"])), SOURCE, TABLE, needs("user_column_name", Text), JSON_COLUMN,
            SYNC_MODE, RUN_EVERY, INSERT_TIME_COLUMN, MAPPINGS, DATABRICKS,
        ]))])
        .refuses(DENIED_OR_INVALID).gives(200, DETAIL),
    app("POST", "/projects/{projectId}/warehouse-sources/imports/groups", "create-groups-import")
        .body(&[(JSON, Object(&[
            needs("import_type", Words(&["groups"])), SOURCE, TABLE, needs("group_key", Text),
            needs("group_id_column", Text), SYNC_MODE, RUN_EVERY, INSERT_TIME_COLUMN, JSON_COLUMN, MAPPINGS,
            DATABRICKS,
        ]))])
        .refuses(DENIED_OR_INVALID).gives(200, DETAIL),
    app("POST", "/projects/{projectId}/warehouse-sources/imports/lookup-table", "create-lookup-table-import")
        .body(&[(JSON, Object(&[
            needs("import_type", Words(&["lookup_table"])), SOURCE, TABLE,
            needs("mixpanel_property", Object(&[
                needs("value", Text), needs("resourceType", Words(&["event", "user"])),
                takes("customPropertyId", Nullable(&Integer)),
            ])),
            needs("property_key_column_name", Text), needs("sync_mode", Words(&["full_sync", "one_time"])),
            RUN_EVERY, DATABRICKS,
        ]))])
        .refuses(DENIED_OR_INVALID).gives(200, DETAIL),
    app("PUT", "/projects/{projectId}/warehouse-sources/imports/{importId}/manual-sync", "run-an-import")
        .body(&[(JSON, Kind::Any)])
        .refuses(DENIED_OR_MISSING)
        .gives(200, &[(JSON, Object(&[OK, needs("results", Object(&[needs("run_id", Text)]))]))]),
    app("GET", "/projects/{projectId}/warehouse-sources/imports/{importId}/history", "get-import-history")
        .refuses(DENIED_OR_MISSING)
        .gives(200, &[(JSON, Object(&[OK, needs("results", Object(&[needs("runs", List(&Object(&[
            needs("status", Words(&["RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"])),
            needs("start_time", Nullable(&Integer)), needs("end_time", Nullable(&Integer)),
            needs("num_events_imported", Nullable(&Integer)),
        ])))]))]))]),
];

const fn app(method: &'static str, path: &'static str, id: &'static str) -> Operation {
    Operation::new(method, path, id, Api::App, &[ServiceAccount]).refuses(DENIED)
}

/// Nanoseconds: by hand, hourly, daily, weekly.
const INTERVAL: Kind = Integers(&[
    0,
    3_600_000_000_000,
    86_400_000_000_000,
    604_800_000_000_000,
]);
const RUN_EVERY: Field = takes("run_every", INTERVAL);
const SOURCE: Field = needs("warehouse_source_id", Integer);
const TABLE: Field = needs("table_params", FREE);
const SYNC_MODE: Field = needs("sync_mode", ANY_MODE);
const ANY_MODE: Kind = Words(&["time_based", "mirror_mode", "full_sync", "one_time"]);
const JSON_COLUMN: Field = takes("json_properties_column_name", Nullable(&Text));
const INSERT_TIME_COLUMN: Field = takes("insert_time_column_name", Nullable(&Text));
const MAPPINGS: Field = takes("property_mappings", Nullable(&Map(&Text)));
/// As a list shows it.
#[rustfmt::skip]
const SUMMARY: &[Field] = &[
    needs("id", Integer),
    needs("import_type", Words(&["event_sync", "event_stream", "people", "groups", "lookup_table"])),
    needs("sync_mode", ANY_MODE), needs("created", Time), needs("creator_id", Integer), needs("creator_name", Text),
    needs("creator_email", Text), needs("warehouse_source_id", Integer), needs("table_params", FREE),
    needs("paused", Boolean), needs("run_every", INTERVAL), needs("last_dispatch", Nullable(&Integer)),
    needs("is_deleted", Boolean),
];

#[rustfmt::skip]
const DETAIL: &[Medium] = &[(JSON, Object(&[OK, needs("results", Joined(SUMMARY, &[
    takes("event_name", Nullable(&Text)), takes("event_column_name", Nullable(&Text)),
    takes("time_column_name", Nullable(&Text)), takes("user_column_name", Nullable(&Text)), INSERT_TIME_COLUMN,
    MAPPINGS, takes("group_key", Nullable(&Text)), takes("group_id_column", Nullable(&Text)), DATABRICKS,
]))]))];

const DATABRICKS: Field = takes(
    "databricks_params",
    Nullable(&Object(&[takes(
        "export_cluster_config",
        Nullable(&Object(CLUSTER)),
    )])),
);

#[rustfmt::skip]
const CLUSTER: &[Field] = &[
    takes("spark_version", Text), takes("node_type_id", Text), takes("driver_node_type_id", Nullable(&Text)),
    takes("num_workers", AtLeast(0)),
    takes("autoscale", Nullable(&Object(&[takes("min_workers", AtLeast(0)), takes("max_workers", AtLeast(1))]))),
    takes("spark_conf", Nullable(&Map(&Text))), takes("spark_env_vars", Nullable(&Map(&Text))),
    takes("data_security_mode", Nullable(&Words(&[
        "USER_ISOLATION", "SINGLE_USER", "NONE", "LEGACY_TABLE_ACL", "LEGACY_PASSTHROUGH", "LEGACY_SINGLE_USER",
        "LEGACY_SINGLE_USER_STANDARD",
    ]))),
    takes("single_user_name", Nullable(&Text)), takes("custom_tags", Nullable(&Map(&Text))),
    takes("policy_id", Nullable(&Text)), takes("instance_pool_id", Nullable(&Text)),
    takes("driver_instance_pool_id", Nullable(&Text)), takes("enable_elastic_disk", Nullable(&Boolean)),
    takes("runtime_engine", Nullable(&Words(&["STANDARD", "PHOTON"]))), takes("aws_attributes", Nullable(&FREE)),
    takes("azure_attributes", Nullable(&FREE)), takes("gcp_attributes", Nullable(&FREE)),
    takes("init_scripts", Nullable(&List(&FREE))),
];
