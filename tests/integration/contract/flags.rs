//! The App API's feature flags. From Mixpanel's `feature-flags-management` file.

use super::kind::Kind::{
    Any, Boolean, Fraction, Integer, Length, List, ListOf, Map, Nullable, Number, Object, OneOf,
    Text, Uuid, Words,
};
use super::kind::{FREE, Field, Kind, needs, takes};
use super::operation::Auth::ServiceAccount;
use super::operation::{Api, JSON, Operation};

const FLAGS: &str = "/projects/{project_id}/workspaces/{workspace_id}/feature-flags";
const ONE_FLAG: &str = "/projects/{project_id}/workspaces/{workspace_id}/feature-flags/{flag_id}";

pub(super) const OPERATIONS: &[Operation] = &[
    app("GET", FLAGS, "list-feature-flags")
        .query(&[takes("include_archived", Words(&["true", "false"]))]),
    app("POST", FLAGS, "create-feature-flag").optional_body(&[(JSON, FLAG)]),
    app("GET", ONE_FLAG, "get-feature-flag"),
    app("PUT", ONE_FLAG, "update-feature-flag").optional_body(&[(JSON, FLAG)]),
    app("DELETE", ONE_FLAG, "delete-feature-flag"),
];

const fn app(method: &'static str, path: &'static str, id: &'static str) -> Operation {
    Operation::new(method, path, id, Api::App, &[ServiceAccount])
}

const FLAG: Kind = Object(&[
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
