//! Where each documented operation is reachable: by which tools, or why by none.
//!
//! The table is held against the contract's, which is held against Mixpanel's OpenAPI files, so that a new operation
//! fails here until it is placed; and against the tools that there are. That the tools do send these requests, the
//! sample calls of `calls.rs` prove.

use std::collections::BTreeSet;

use mixpanel_mcp_server::tools;

use crate::contract;

/// Where an operation is reachable.
#[derive(Clone, Copy)]
enum Place {
    /// By these tools, named without `mixpanel_`.
    Tools(&'static [&'static str]),
    /// By none, for a reason.
    Absent(&'static str),
}

use Place::{Absent, Tools};

/// One row an operation, in the contract's order.
#[rustfmt::skip] // A row reads best as a row.
const PLACES: &[(&str, Place)] = &[
    // Ingestion.
    ("import-events", Tools(&["import_events", "track_event", "track_batch_events"])),
    ("identity-merge", Tools(&["merge_identities"])),
    ("track-event", Tools(&["track_event", "track_batch_events"])),
    ("create-identity", Tools(&["create_identity"])),
    ("identity-create-alias", Tools(&["create_alias"])),
    ("profile-set", Tools(&["set_user_profile"])),
    ("profile-set-property-once", Tools(&["set_user_profile"])),
    ("profile-numerical-add", Tools(&["set_user_profile"])),
    ("user-profile-union", Tools(&["set_user_profile"])),
    ("profile-append-to-list-property", Tools(&["set_user_profile"])),
    ("profile-remove-from-list-property", Tools(&["set_user_profile"])),
    ("profile-delete-property", Tools(&["set_user_profile"])),
    ("profile-batch-update", Tools(&["update_user_profiles"])),
    ("delete-profile", Tools(&["set_user_profile"])),
    ("group-set-property", Tools(&["set_group_profile"])),
    ("group-set-property-once", Tools(&["set_group_profile"])),
    ("group-delete-property", Tools(&["set_group_profile"])),
    ("group-remove-from-list-property", Tools(&["set_group_profile"])),
    ("group-union", Tools(&["set_group_profile"])),
    ("group-batch-update", Tools(&["update_group_profiles"])),
    ("delete-group", Tools(&["set_group_profile"])),
    ("list-lookup-tables", Tools(&["list_lookup_tables"])),
    ("replace-lookup-table", Tools(&["replace_lookup_table"])),
    ("get-variant-assignments", Tools(&["evaluate_feature_flags"])),
    ("get-flag-definitions", Tools(&["get_flag_definitions"])),

    // The data hosts.
    ("raw-event-export", Tools(&["query_events"])),
    ("list-warehouse-pipeline-jobs", Tools(&["list_pipelines"])),
    ("get-warehouse-pipeline-status", Tools(&["get_pipeline_status"])),
    ("list-warehouse-pipeline-sync-dates", Tools(&["get_pipeline_status"])),
    ("create-warehouse-pipeline", Tools(&["create_pipeline"])),
    ("edit-warehouse-pipeline", Tools(&["update_pipeline"])),
    ("cancel-warehouse-pipeline", Tools(&["cancel_pipeline"])),
    ("pause-warehouse-pipeline", Tools(&["update_pipeline"])),
    ("resume-warehouse-pipeline", Tools(&["update_pipeline"])),

    // Queries.
    ("insights-query", Tools(&["query_insights"])),
    ("funnels-query", Tools(&["query_funnel"])),
    ("funnels-list-saved", Tools(&["list_saved_funnels"])),
    ("retention-query", Tools(&["query_retention"])),
    ("retention-frequency-query", Tools(&["query_frequency"])),
    ("segmentation-query", Tools(&["query_segmentation"])),
    ("segmentation-numeric-query", Absent(
        "how a number is spread, query_segmentation tells on its values; how much it is, by sum and average",
    )),
    ("segmentation-sum-query", Tools(&["query_segmentation"])),
    ("segmentation-query-average", Tools(&["query_segmentation"])),
    ("activity-stream-query", Tools(&["get_profile_event_activity"])),
    ("cohorts-list", Tools(&["list_cohorts"])),
    ("engage-query", Tools(&["get_user_profile", "query_profiles"])),
    ("list-recent-events", Tools(&["get_event_count"])),
    ("query-top-events", Tools(&["get_todays_top_events"])),
    ("query-months-top-event-names", Tools(&["list_events"])),
    ("query-event-properties", Tools(&["query_event_property"])),
    ("query-events-top-properties", Tools(&["list_event_properties"])),
    ("query-events-top-property-values", Tools(&["list_property_values"])),
    ("query-jql", Tools(&["run_jql"])),

    // The app.
    ("get-me", Tools(&["get_projects", "get_project_info"])),
    ("get-project", Tools(&["get_project_info"])),
    ("list-workspaces", Tools(&["list_workspaces"])),
    ("list-all-annotations-for-project", Tools(&["list_annotations"])),
    ("create-annotation", Tools(&["create_annotation"])),
    ("get-annotation", Tools(&["get_annotation"])),
    ("patch-annotation", Tools(&["update_annotation"])),
    ("delete-annotation", Tools(&["delete_annotation"])),
    ("get-annotation-tags", Tools(&["list_annotation_tags"])),
    ("create-annotation-tag", Tools(&["create_annotation_tag"])),
    ("list-experiments", Tools(&["list_experiments"])),
    ("create-experiment", Tools(&["create_experiment"])),
    ("get-experiment", Tools(&["get_experiment"])),
    ("update-experiment", Tools(&["update_experiment"])),
    ("delete-experiment", Tools(&["delete_experiment"])),
    ("archive-experiment", Tools(&["archive_experiment"])),
    ("unarchive-experiment", Tools(&["archive_experiment"])),
    ("decide-experiment", Tools(&["decide_experiment"])),
    ("force-conclude-experiment", Tools(&["conclude_experiment"])),
    ("launch-experiment", Tools(&["launch_experiment"])),
    ("list-all-schemas-for-project", Tools(&["list_schemas"])),
    ("upload-schemas-for-project", Tools(&["upload_schemas"])),
    ("delete-all-schemas-in-project", Tools(&["delete_schemas"])),
    ("list-schemas-for-entity", Tools(&["list_schemas"])),
    ("delete-schemas-for-entity", Tools(&["delete_schemas"])),
    ("list-schemas-by-entity-and-name", Tools(&["get_schema"])),
    ("upload-schema-by-entity-and-name", Tools(&["upload_schema"])),
    ("delete-schema-by-entity-and-name", Tools(&["delete_schemas"])),
    ("list-service-accounts", Tools(&["list_service_accounts"])),
    ("create-service-account", Tools(&["create_service_account"])),
    ("get-service-account", Tools(&["get_service_account"])),
    ("delete-service-account", Tools(&["delete_service_account"])),
    ("list-project-service-accounts", Tools(&["list_service_accounts"])),
    ("add-service-accounts-to-projects", Tools(&["add_service_accounts"])),
    ("remove-service-accounts-from-projects", Tools(&["remove_service_accounts"])),
    ("create-retrieval", Tools(&["create_data_retrieval"])),
    ("get-retrieval", Tools(&["get_data_retrieval"])),
    ("create-deletion", Tools(&["create_data_deletion"])),
    ("get-deletion", Tools(&["get_data_deletion"])),
    ("delete-deletion", Tools(&["cancel_data_deletion"])),

    // Feature flags.
    ("list-feature-flags", Tools(&["list_feature_flags"])),
    ("create-feature-flag", Tools(&["create_feature_flag"])),
    ("get-feature-flag", Tools(&["get_feature_flag"])),
    ("update-feature-flag", Tools(&["update_feature_flag"])),
    ("delete-feature-flag", Tools(&["delete_feature_flag"])),

    // Warehouse imports.
    ("list-warehouse-imports", Tools(&["list_warehouse_imports"])),
    ("get-warehouse-import", Tools(&["get_warehouse_import"])),
    ("update-warehouse-import", Tools(&["update_warehouse_import"])),
    ("delete-warehouse-import", Tools(&["delete_warehouse_import"])),
    ("create-event-stream-import", Tools(&["create_warehouse_import"])),
    ("create-people-import", Tools(&["create_warehouse_import"])),
    ("create-groups-import", Tools(&["create_warehouse_import"])),
    ("create-lookup-table-import", Tools(&["create_warehouse_import"])),
    ("run-an-import", Tools(&["run_warehouse_import"])),
    ("get-import-history", Tools(&["get_warehouse_import_history"])),
];

/// Tools that are named above and not there yet; one that is there needs no row.
#[rustfmt::skip]
const COMING: &[&str] = &[
    "archive_experiment", "conclude_experiment", "create_alias", "create_annotation", "create_annotation_tag",
    "create_experiment", "create_feature_flag", "create_identity", "decide_experiment", "delete_annotation",
    "delete_experiment", "delete_feature_flag", "delete_schemas", "evaluate_feature_flags", "get_annotation",
    "get_experiment", "get_feature_flag", "get_flag_definitions", "get_schema", "launch_experiment",
    "list_annotation_tags", "list_annotations", "list_cohorts", "list_experiments", "list_feature_flags",
    "list_lookup_tables", "list_schemas", "list_workspaces", "merge_identities", "query_event_property",
    "query_profiles", "replace_lookup_table", "run_jql", "set_group_profile", "update_annotation",
    "update_experiment", "update_feature_flag", "update_group_profiles", "update_user_profiles", "upload_schema",
    "upload_schemas",
];

fn is_there(tool: &str) -> bool {
    tools::all().any(|known| known.name.strip_prefix("mixpanel_") == Some(tool))
}

/// The operations that are reachable by a tool that there is.
pub(crate) fn reachable() -> BTreeSet<&'static str> {
    PLACES
        .iter()
        .filter(|(_, place)| match place {
            Tools(names) => names.iter().any(|name| is_there(name)),
            Absent(_) => false,
        })
        .map(|(operation, _)| *operation)
        .collect()
}

#[test]
fn every_documented_operation_is_placed_once_and_nothing_else_is() {
    let documented: BTreeSet<&str> = contract::operations().collect();
    let placed: BTreeSet<&str> = PLACES.iter().map(|(operation, _)| *operation).collect();
    assert_eq!(placed, documented);
    assert_eq!(placed.len(), PLACES.len(), "an operation is placed twice");
}

#[test]
fn a_place_names_tools_that_there_are_or_gives_a_reason() {
    for (operation, place) in PLACES {
        match place {
            Tools(names) => {
                assert!(!names.is_empty(), "{operation} has no tool");
                for name in *names {
                    let known = is_there(name) || COMING.contains(name);
                    assert!(known, "{operation}: there is no tool {name}");
                }
            }
            Absent(reason) => assert!(reason.len() > 20, "{operation}: {reason}"),
        }
    }
}
