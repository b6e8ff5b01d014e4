//! The App API's feature flags. From Mixpanel's `feature-flags-management` file.

use super::app::{FAILED, GONE, OK};
use super::kind::Kind::{
    Any, Boolean, Fraction, Integer, Joined, Length, List, ListOf, Map, Nullable, Number, Object,
    OneOf, Text, Time, Uuid, Words,
};
use super::kind::{FREE, Field, Kind, needs, takes};
use super::operation::Auth::ServiceAccount;
use super::operation::{Api, DENIED, JSON, Medium, Operation};

const FLAGS: &str = "/projects/{project_id}/workspaces/{workspace_id}/feature-flags";
const ONE_FLAG: &str = "/projects/{project_id}/workspaces/{workspace_id}/feature-flags/{flag_id}";

#[rustfmt::skip] // A row reads best as a row.
pub(super) const OPERATIONS: &[Operation] = &[
    app("GET", FLAGS, "list-feature-flags")
        .query(&[takes("include_archived", Words(&["true", "false"]))])
        .gives(200, &[(JSON, OneOf(&[Object(&[OK, needs("results", List(&STORED))]), FAILED]))]),
    app("POST", FLAGS, "create-feature-flag").optional_body(&[(JSON, Object(FLAG))]).gives(200, STORED_ONE),
    app("GET", ONE_FLAG, "get-feature-flag").gives(200, STORED_ONE),
    app("PUT", ONE_FLAG, "update-feature-flag").optional_body(&[(JSON, Object(FLAG))]).gives(200, STORED_ONE),
    app("DELETE", ONE_FLAG, "delete-feature-flag").gives(200, &[(JSON, OneOf(&[GONE, FAILED]))]),
];

const fn app(method: &'static str, path: &'static str, id: &'static str) -> Operation {
    Operation::new(method, path, id, Api::App, &[ServiceAccount]).refuses(DENIED)
}

const FLAG: &[Field] = &[
    needs("name", Length(1, 255)),
    needs("key", Length(1, 255)),
    takes("description", Nullable(&Text)),
    needs("tags", List(&Text)),
    takes("experiment_id", Nullable(&Uuid)),
    takes("status", Words(&["enabled", "disabled", "archived"])),
    needs("context", Length(1, 255)),
    takes("data_group_id", Nullable(&OneOf(&[Text, Integer]))),
    needs(
        "serving_method",
        Words(&["client", "server", "remote_or_local", "remote_only"]),
    ),
    needs("ruleset", Object(RULESET)),
    takes("workspace_id", Nullable(&Integer)),
    takes("is_experiment_active", Nullable(&Boolean)),
    takes("hash_salt", Nullable(&Length(32, 32))),
    takes("reset_hash_salt", Nullable(&Boolean)),
];

const STORED_ONE: &[Medium] = &[(
    JSON,
    OneOf(&[Object(&[OK, needs("results", STORED)]), FAILED]),
)];

/// A flag with what Mixpanel adds to it.
#[rustfmt::skip]
const STORED: Kind = Joined(FLAG, &[
    needs("id", Uuid), needs("project_id", Integer), needs("content_type", Words(&["feature-flags"])),
    needs("created", Time), needs("creator_id", Nullable(&Integer)), needs("creator_name", Nullable(&Text)),
    needs("creator_email", Nullable(&Text)), needs("modified", Time), takes("last_modified_by_id", Nullable(&Integer)),
    takes("last_modified_by_name", Nullable(&Text)), takes("last_modified_by_email", Nullable(&Text)),
    takes("is_favorited", Nullable(&Boolean)), takes("pinned_date", Nullable(&Text)),
    takes("enabled_at", Nullable(&Time)), takes("deleted", Nullable(&Time)),
    takes("content_environments_id", Nullable(&Text)), takes("project_name", Nullable(&Text)),
    takes("can_update_basic", Boolean), takes("is_superadmin", Boolean), takes("allow_staff_override", Boolean),
    takes("can_view", Boolean), takes("can_share", Boolean), takes("can_pin", Boolean),
    takes("is_shared_with_project", Boolean),
]);

const RULESET: &[Field] = &[
    needs(
        "variants",
        ListOf(
            0,
            11,
            &Object(&[
                needs("key", Text),
                needs("value", Any),
                takes("description", Nullable(&Text)),
                needs("is_control", Boolean),
                needs("split", Fraction),
                takes("is_sticky", Boolean),
            ]),
        ),
    ),
    needs("rollout", List(&Object(ROLLOUT))),
    takes("test", Nullable(&Map(&Map(&Text)))),
];

const ROLLOUT: &[Field] = &[
    takes("name", Nullable(&Text)),
    takes("cohort_definition", Nullable(&FREE)),
    takes("runtime_evaluation_definition", Nullable(&FREE)),
    takes("runtime_evaluation_rule", Nullable(&FREE)),
    takes(
        "runtime_event_rule",
        Nullable(&Object(&[
            needs("event_name", Text),
            needs("time_window", Words(&["while_flag_enabled"])),
            takes(
                "duration",
                Nullable(&Words(&["end_of_session", "indefinitely"])),
            ),
            takes("property_filters", Nullable(&FREE)),
        ])),
    ),
    takes("cohort_hash", Nullable(&Text)),
    needs("rollout_percentage", Fraction),
    takes("variant_override", Nullable(&Object(&[needs("key", Text)]))),
    needs("variant_splits", Map(&Number)),
];
