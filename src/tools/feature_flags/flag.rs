//! The form of a flag: what is published of its rules, and what is wrong with one before Mixpanel sees it.

use serde_json::{Map, Value};

use crate::mcp::args::{Arg, choice};
use crate::mcp::shape::{Field, Shape};
use crate::tools::ask::quoted;

choice! {
    pub(super) enum Serving {
        Client = "client",
        Server = "server",
        RemoteOrLocal = "remote_or_local",
        RemoteOnly = "remote_only",
    }
}

choice! {
    pub(super) enum Status {
        Enabled = "enabled",
        Disabled = "disabled",
    }
}

/// The members of a flag that are sent; the others are Mixpanel's own, and it refuses them.
const SENT: &[&str] = &[
    "name",
    "key",
    "description",
    "tags",
    "experiment_id",
    "status",
    "context",
    "data_group_id",
    "serving_method",
    "ruleset",
    "is_experiment_active",
    "hash_salt",
];

/// What of an existing flag must be sent again, for it to stay.
pub(super) fn kept(flag: &Value) -> Map<String, Value> {
    let members = SENT.iter().filter_map(|name| {
        let value = flag.get(*name).filter(|value| !value.is_null())?;
        Some(((*name).to_owned(), value.clone()))
    });
    members.collect()
}

/// A ruleset, passed on as it comes once it has its shape.
pub(super) struct Ruleset(pub(super) Value);

impl Arg for Ruleset {
    const SHAPE: Shape = Shape::Object(&[
        Field::always(
            "variants",
            Shape::List {
                item: &Shape::Object(VARIANT),
                min: 1,
                max: 11,
            },
        )
        .about("What users can get."),
        Field::always(
            "rollout",
            Shape::List {
                item: &Shape::Object(ROLLOUT),
                min: 0,
                max: 100,
            },
        )
        .about("Who gets something: the first rule that fits a user decides."),
        Field::sometimes("test", Shape::MapOf(&Shape::MapOf(&Shape::Words))).about(
            "Who gets a variant for testing: {\"users\": {\"<distinct_id>\": \"<variant key>\"}}.",
        ),
    ]);

    fn read(checked: &Value) -> Ruleset {
        Ruleset(checked.clone())
    }
}

const VARIANT: &[Field] = &[
    Field::always("key", Shape::Text { max: 255 }).about("Its name in code."),
    Field::always("value", Shape::Any).about("What code gets: a text, number, boolean or object."),
    Field::always("is_control", Shape::Flag).about("Whether it stands for no change."),
    Field::always("split", Shape::Number).about("Share of users, 0 to 1; all shares add up to 1."),
    Field::sometimes("description", Shape::Words),
    Field::sometimes("is_sticky", Shape::Flag).about("Whether a user keeps it once given."),
];

const ROLLOUT: &[Field] = &[
    Field::always("rollout_percentage", Shape::Number)
        .about("Share of the users that fit who get anything: a fraction, 0 to 1."),
    Field::always("variant_splits", Shape::MapOf(&Shape::Number))
        .about("Shares by variant key, 0 to 1; {} for those of the variants."),
    Field::sometimes("name", Shape::Words),
    Field::sometimes(
        "variant_override",
        Shape::Object(&[Field::always("key", Shape::Text { max: 255 })]),
    )
    .about("The one variant that all get."),
    Field::sometimes("runtime_evaluation_rule", Shape::MapOf(&Shape::Any))
        .about("JsonLogic over custom_properties."),
    Field::sometimes("runtime_evaluation_definition", Shape::MapOf(&Shape::Any))
        .about("Deprecated form of the same."),
    Field::sometimes("runtime_event_rule", Shape::MapOf(&Shape::Any))
        .about("{\"event_name\", \"time_window\": \"while_flag_enabled\"}."),
    Field::sometimes("cohort_definition", Shape::MapOf(&Shape::Any))
        .about("Who fits, in Mixpanel's form."),
    Field::sometimes("cohort_hash", Shape::Words),
];

/// What models get wrong, and Mixpanel may answer 200 to: percents for fractions, variants that there are not.
pub(super) fn faults(ruleset: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let list = |name: &str| ruleset.get(name).and_then(Value::as_array);
    let mut share = |path: String, value: Option<&Value>| {
        let number = value.and_then(Value::as_f64);
        if let Some(number) = number.filter(|number| !(0.0..=1.0).contains(number)) {
            faults.push(format!(
                "{path}: must be a fraction from 0 to 1, got {number}"
            ));
        }
    };
    let mut keys = Vec::new();
    for (nth, variant) in list("variants").into_iter().flatten().enumerate() {
        keys.extend(variant.get("key").and_then(Value::as_str));
        share(
            format!("ruleset.variants[{nth}].split"),
            variant.get("split"),
        );
    }
    let mut named = Vec::new();
    for (nth, rollout) in list("rollout").into_iter().flatten().enumerate() {
        let path = format!("ruleset.rollout[{nth}]");
        share(
            format!("{path}.rollout_percentage"),
            rollout.get("rollout_percentage"),
        );
        let splits = rollout.get("variant_splits").and_then(Value::as_object);
        for (key, split) in splits.into_iter().flatten() {
            share(format!("{path}.variant_splits.{key}"), Some(split));
            named.push((format!("{path}.variant_splits"), key.as_str()));
        }
        if let Some(key) = rollout.pointer("/variant_override/key") {
            let key = key.as_str().unwrap_or_default();
            named.push((format!("{path}.variant_override"), key));
        }
    }
    let testers = ruleset.get("test").and_then(Value::as_object);
    for (kind, chosen) in testers.into_iter().flatten() {
        let chosen = chosen.as_object().into_iter().flatten();
        let chosen = chosen.filter_map(|(_, key)| key.as_str());
        named.extend(chosen.map(|key| (format!("ruleset.test.{kind}"), key)));
    }
    let unknown = named.into_iter().filter(|(_, key)| !keys.contains(key));
    faults.extend(unknown.map(|(path, key)| {
        let known: Vec<String> = keys.iter().map(|key| quoted(key)).collect();
        format!(
            "{path}: there is no variant {}, only {}",
            quoted(key),
            known.join(", ")
        )
    }));
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ruleset(split: f64, rollout: Value, test: Value) -> Value {
        json!({
            "variants": [{"key": "on", "value": true, "is_control": false, "split": split}],
            "rollout": [rollout], "test": test,
        })
    }

    #[track_caller]
    fn check(ruleset: Value, expected: &[&str]) {
        assert_eq!(Ruleset::SHAPE.faults(&ruleset), Vec::<String>::new());
        assert_eq!(faults(&ruleset), expected);
    }

    #[test]
    fn fractions_of_known_variants_are_fine() {
        let rollout = json!({"rollout_percentage": 0, "variant_splits": {"on": 1.0}, "variant_override": {"key": "on"}});
        check(ruleset(1.0, rollout, json!({"users": {"ann": "on"}})), &[]);
    }

    #[test]
    fn every_percent_and_every_unknown_variant_is_a_fault() {
        let rollout = json!({
            "rollout_percentage": 50, "variant_splits": {"blue": -1}, "variant_override": {"key": "red"},
        });
        check(
            ruleset(100.0, rollout, json!({"users": {"ann": "off"}})),
            &[
                "ruleset.variants[0].split: must be a fraction from 0 to 1, got 100",
                "ruleset.rollout[0].rollout_percentage: must be a fraction from 0 to 1, got 50",
                "ruleset.rollout[0].variant_splits.blue: must be a fraction from 0 to 1, got -1",
                "ruleset.rollout[0].variant_splits: there is no variant \"blue\", only \"on\"",
                "ruleset.rollout[0].variant_override: there is no variant \"red\", only \"on\"",
                "ruleset.test.users: there is no variant \"off\", only \"on\"",
            ],
        );
    }

    #[test]
    fn a_flag_is_sent_again_without_what_mixpanel_adds_and_what_is_null() {
        let flag = json!({
            "id": "i", "name": "n", "key": "k", "tags": [], "description": null, "created": "2026", "hash_salt": "s",
        });
        assert_eq!(
            Value::from(kept(&flag)),
            json!({"name": "n", "key": "k", "tags": [], "hash_salt": "s"})
        );
    }
}
