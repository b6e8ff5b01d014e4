//! Where each documented operation is reachable: by which tools. None is left out.
//!
//! The table is held against the contract's, which is held against Mixpanel's OpenAPI files, so that a new operation
//! fails here until it is placed; and against the tools that there are. That the tools do send these requests, the
//! sample calls of `calls.rs` prove.

use std::collections::BTreeSet;

use mixpanel_mcp_server::tools;

use crate::contract;

/// One row an operation, in the contract's order: the tools that ask it, named without `mixpanel_`.
#[rustfmt::skip] // A row reads best as a row.
const PLACES: &[(&str, &[&str])] = &[
    // Ingestion.
    ("import-events", &["import_events", "track_event", "track_batch_events"]),
    ("identity-merge", &["merge_identities"]),
    ("track-event", &["track_event", "track_batch_events"]),
    ("create-identity", &["create_identity"]),
    ("identity-create-alias", &["create_alias"]),
    ("profile-set", &["set_user_profile"]),
    ("profile-set-property-once", &["set_user_profile"]),
    ("profile-numerical-add", &["set_user_profile"]),
    ("user-profile-union", &["set_user_profile"]),
    ("profile-append-to-list-property", &["set_user_profile"]),
    ("profile-remove-from-list-property", &["set_user_profile"]),
    ("profile-delete-property", &["set_user_profile"]),
    ("profile-batch-update", &["update_user_profiles"]),
    ("delete-profile", &["set_user_profile"]),
    ("group-set-property", &["set_group_profile"]),
    ("group-set-property-once", &["set_group_profile"]),
    ("group-delete-property", &["set_group_profile"]),
    ("group-remove-from-list-property", &["set_group_profile"]),
    ("group-union", &["set_group_profile"]),
    ("group-batch-update", &["update_group_profiles"]),
    ("delete-group", &["set_group_profile"]),
    ("list-lookup-tables", &["list_lookup_tables"]),
    ("replace-lookup-table", &["replace_lookup_table"]),
    ("get-variant-assignments", &["evaluate_feature_flags"]),
    ("get-flag-definitions", &["get_flag_definitions"]),

    // The data hosts.
    ("raw-event-export", &["query_events"]),
    ("list-warehouse-pipeline-jobs", &["list_pipelines"]),
    ("get-warehouse-pipeline-status", &["get_pipeline_status"]),
    ("list-warehouse-pipeline-sync-dates", &["get_pipeline_status"]),
    ("create-warehouse-pipeline", &["create_pipeline"]),
    ("edit-warehouse-pipeline", &["update_pipeline"]),
    ("cancel-warehouse-pipeline", &["cancel_pipeline"]),
    ("pause-warehouse-pipeline", &["update_pipeline"]),
    ("resume-warehouse-pipeline", &["update_pipeline"]),

    // Queries.
    ("insights-query", &["query_insights"]),
    ("funnels-query", &["query_funnel"]),
    ("funnels-list-saved", &["list_saved_funnels"]),
    ("retention-query", &["query_retention"]),
    ("retention-frequency-query", &["query_frequency"]),
    ("segmentation-query", &["query_segmentation"]),
    ("segmentation-numeric-query", &["query_segmentation"]),
    ("segmentation-sum-query", &["query_segmentation"]),
    ("segmentation-query-average", &["query_segmentation"]),
    ("activity-stream-query", &["get_profile_event_activity"]),
    ("cohorts-list", &["list_cohorts"]),
    ("engage-query", &["get_user_profile", "query_profiles"]),
    ("list-recent-events", &["get_event_count"]),
    ("query-top-events", &["get_todays_top_events"]),
    ("query-months-top-event-names", &["list_events"]),
    ("query-event-properties", &["query_event_property"]),
    ("query-events-top-properties", &["list_event_properties"]),
    ("query-events-top-property-values", &["list_property_values"]),
    ("query-jql", &["run_jql"]),

    // The app.
    ("get-me", &["get_projects", "get_project_info"]),
    ("get-project", &["get_project_info"]),
    ("list-workspaces", &["list_workspaces"]),
    ("list-all-annotations-for-project", &["list_annotations"]),
    ("create-annotation", &["create_annotation"]),
    ("get-annotation", &["get_annotation"]),
    ("patch-annotation", &["update_annotation"]),
    ("delete-annotation", &["delete_annotation"]),
    ("get-annotation-tags", &["list_annotation_tags"]),
    ("create-annotation-tag", &["create_annotation_tag"]),
    ("list-experiments", &["list_experiments"]),
    ("create-experiment", &["create_experiment"]),
    ("get-experiment", &["get_experiment"]),
    ("update-experiment", &["update_experiment"]),
    ("delete-experiment", &["delete_experiment"]),
    ("archive-experiment", &["archive_experiment"]),
    ("unarchive-experiment", &["archive_experiment"]),
    ("decide-experiment", &["decide_experiment"]),
    ("force-conclude-experiment", &["conclude_experiment"]),
    ("launch-experiment", &["launch_experiment"]),
    ("list-all-schemas-for-project", &["list_schemas"]),
    ("upload-schemas-for-project", &["upload_schemas"]),
    ("delete-all-schemas-in-project", &["delete_schemas"]),
    ("list-schemas-for-entity", &["list_schemas"]),
    ("delete-schemas-for-entity", &["delete_schemas"]),
    ("list-schemas-by-entity-and-name", &["get_schema"]),
    ("upload-schema-by-entity-and-name", &["upload_schema"]),
    ("delete-schema-by-entity-and-name", &["delete_schemas"]),
    ("list-service-accounts", &["list_service_accounts"]),
    ("create-service-account", &["create_service_account"]),
    ("get-service-account", &["get_service_account"]),
    ("delete-service-account", &["delete_service_account"]),
    ("list-project-service-accounts", &["list_service_accounts"]),
    ("add-service-accounts-to-projects", &["add_service_accounts"]),
    ("remove-service-accounts-from-projects", &["remove_service_accounts"]),
    ("create-retrieval", &["create_data_retrieval"]),
    ("get-retrieval", &["get_data_retrieval"]),
    ("create-deletion", &["create_data_deletion"]),
    ("get-deletion", &["get_data_deletion"]),
    ("delete-deletion", &["cancel_data_deletion"]),

    // Feature flags.
    ("list-feature-flags", &["list_feature_flags"]),
    ("create-feature-flag", &["create_feature_flag"]),
    ("get-feature-flag", &["get_feature_flag"]),
    ("update-feature-flag", &["update_feature_flag"]),
    ("delete-feature-flag", &["delete_feature_flag"]),

    // Warehouse imports.
    ("list-warehouse-imports", &["list_warehouse_imports"]),
    ("get-warehouse-import", &["get_warehouse_import"]),
    ("update-warehouse-import", &["update_warehouse_import"]),
    ("delete-warehouse-import", &["delete_warehouse_import"]),
    ("create-event-stream-import", &["create_warehouse_import"]),
    ("create-people-import", &["create_warehouse_import"]),
    ("create-groups-import", &["create_warehouse_import"]),
    ("create-lookup-table-import", &["create_warehouse_import"]),
    ("run-an-import", &["run_warehouse_import"]),
    ("get-import-history", &["get_warehouse_import_history"]),
];

fn is_there(tool: &str) -> bool {
    tools::all().any(|known| known.name.strip_prefix("mixpanel_") == Some(tool))
}

/// All that are placed.
pub(crate) fn reachable() -> BTreeSet<&'static str> {
    PLACES.iter().map(|(operation, _)| *operation).collect()
}

#[test]
fn every_documented_operation_is_placed_once_and_nothing_else_is() {
    let documented: BTreeSet<&str> = contract::operations().collect();
    assert_eq!(reachable(), documented);
    assert_eq!(
        documented.len(),
        PLACES.len(),
        "an operation is placed twice"
    );
}

#[test]
fn a_place_names_tools_that_there_are() {
    for (operation, names) in PLACES {
        assert!(!names.is_empty(), "{operation} has no tool");
        for name in *names {
            assert!(is_there(name), "{operation}: there is no tool {name}");
        }
    }
}
