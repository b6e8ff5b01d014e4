//! What a feature flag decides for a user: test users first, then the rollouts in their order, by a hash that gives the
//! same user the same variant each time. Rules at runtime are a small part of JsonLogic; who is in a cohort, or did an
//! event, is not known here: such rollouts are passed over.

use serde_json::{Value, json};

use super::shape::{list, text};
use super::shelf::Item;

/// Rules that nest deeper match nobody.
const RULE_DEPTH_MAX: usize = 16;

/// The variant that a user gets; none without part in the flag.
pub(super) fn selected(flag: &Item, context: &Item) -> Option<Value> {
    let ruleset = flag.get("ruleset")?.as_object()?;
    let tester = ruleset.get("test").and_then(|test| {
        test.get("users")?
            .get(text(context, "distinct_id"))?
            .as_str()
    });
    if let Some(variant) = tester {
        return answer(flag, ruleset, variant, true);
    }
    let value = context_value(text(flag, "context"), context)?;
    let (key, salt) = (text(flag, "key"), text(flag, "hash_salt"));
    for (nth, rollout) in list(ruleset, "rollout").iter().enumerate() {
        let Some(rollout) = rollout.as_object() else {
            continue;
        };
        let rollout_salt = match salt {
            "" => format!("{key}rollout"),
            salt => format!("{key}{salt}{nth}"),
        };
        let share = rollout.get("rollout_percentage").and_then(Value::as_f64);
        if is_met(rollout, context) && hash(&value, &rollout_salt) < share.unwrap_or_default() {
            let variant = variant(
                ruleset,
                rollout,
                hash(&value, &format!("{key}{salt}variant")),
            )?;
            return answer(flag, ruleset, &variant, false);
        }
    }
    None
}

fn context_value(name: &str, context: &Item) -> Option<String> {
    let plain = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let given = context.get(name).and_then(plain);
    match name {
        "device_id" => given.or_else(|| context.get("distinct_id").and_then(plain)),
        _ => given.or_else(|| context.get("custom_properties")?.get(name).and_then(plain)),
    }
}

/// Which variant the number from 0 to 1 falls on.
fn variant(ruleset: &Item, rollout: &Item, number: f64) -> Option<String> {
    let overriding = rollout
        .get("variant_override")
        .and_then(|variant| variant.get("key")?.as_str());
    if let Some(key) = overriding {
        return Some(key.to_owned());
    }
    let splits = rollout.get("variant_splits").and_then(Value::as_object);
    let mut end = 0.0;
    let variants = list(ruleset, "variants");
    for variant in variants {
        let key = variant.get("key")?.as_str()?;
        let split = match splits.filter(|splits| !splits.is_empty()) {
            Some(splits) => splits.get(key),
            None => variant.get("split"),
        };
        end += split.and_then(Value::as_f64).unwrap_or_default();
        if number < end {
            return Some(key.to_owned());
        }
    }
    // Splits that do not add up to 1 leave the rest to the last.
    Some(variants.last()?.get("key")?.as_str()?.to_owned())
}

fn answer(flag: &Item, ruleset: &Item, key: &str, is_qa_tester: bool) -> Option<Value> {
    let variant = list(ruleset, "variants")
        .iter()
        .find(|variant| variant.get("key").and_then(Value::as_str) == Some(key))?;
    let mut answer = json!({
        "variant_key": key, "variant_value": variant.get("value"), "is_qa_tester": is_qa_tester,
    });
    for name in ["experiment_id", "is_experiment_active"] {
        if let Some(value) = flag.get(name).filter(|value| !value.is_null()) {
            answer[name] = value.clone();
        }
    }
    Some(answer)
}

/// FNV-1a of 64 bits, in hundredths.
fn hash(value: &str, salt: &str) -> f64 {
    let bytes = value.bytes().chain(salt.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash % 100) as f64 / 100.0
}

/// Whether a rollout is for users in this context.
fn is_met(rollout: &Item, context: &Item) -> bool {
    let given = |name: &str| {
        rollout
            .get(name)
            .filter(|value| value.as_object().is_some_and(|value| !value.is_empty()))
    };
    if given("cohort_definition").is_some() || given("runtime_event_rule").is_some() {
        return false;
    }
    let nothing = Value::Null;
    let properties = context.get("custom_properties").unwrap_or(&nothing);
    let is_defined = given("runtime_evaluation_definition").is_none_or(|definition| {
        let mut pairs = definition.as_object().into_iter().flatten();
        pairs.all(|(name, value)| properties.get(name) == Some(value))
    });
    is_defined
        && given("runtime_evaluation_rule")
            .is_none_or(|rule| is_true(&evaluated(rule, properties, 0)))
}

/// The value of a JsonLogic rule; null for what is not understood.
fn evaluated(rule: &Value, data: &Value, depth: usize) -> Value {
    if depth > RULE_DEPTH_MAX {
        return Value::Null;
    }
    let operation = match rule {
        Value::Object(operation) if operation.len() == 1 => operation.iter().next(),
        Value::Object(_) => return Value::Null,
        plain => return plain.clone(),
    };
    let Some((operator, operands)) = operation else {
        return Value::Null;
    };
    let operands = match operands {
        Value::Array(operands) => operands.as_slice(),
        operand => std::slice::from_ref(operand),
    };
    let values: Vec<Value> = operands
        .iter()
        .map(|operand| evaluated(operand, data, depth + 1))
        .collect();
    let compared = |holds: fn(f64, f64) -> bool| {
        let numbers = values
            .first()
            .and_then(Value::as_f64)
            .zip(values.get(1).and_then(Value::as_f64));
        numbers.is_some_and(|(first, second)| holds(first, second))
    };
    let found = match operator.as_str() {
        "var" => {
            let path = values.first().and_then(Value::as_str).unwrap_or_default();
            let value = path.split('.').try_fold(data, |data, name| data.get(name));
            return value.or(values.get(1)).cloned().unwrap_or_default();
        }
        "==" | "===" => values.first() == values.get(1),
        "!=" | "!==" => values.first() != values.get(1),
        "<" => compared(|first, second| first < second),
        "<=" => compared(|first, second| first <= second),
        ">" => compared(|first, second| first > second),
        ">=" => compared(|first, second| first >= second),
        "and" => values.iter().all(is_true),
        "or" => values.iter().any(is_true),
        "!" => !values.first().is_some_and(is_true),
        "in" => match (values.first(), values.get(1)) {
            (Some(item), Some(Value::Array(items))) => items.contains(item),
            (Some(Value::String(part)), Some(Value::String(text))) => text.contains(part),
            _ => false,
        },
        _ => return Value::Null,
    };
    json!(found)
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(rollout: Value, test: Value) -> Item {
        let variants = json!([
            {"key": "off", "value": 0, "is_control": true, "split": 0.5},
            {"key": "on", "value": 1, "is_control": false, "split": 0.5},
        ]);
        let flag = json!({
            "key": "f", "context": "distinct_id",
            "ruleset": {"variants": variants, "rollout": rollout, "test": test},
        });
        flag.as_object().cloned().unwrap()
    }

    fn chosen(flag: &Item, context: Value) -> Option<String> {
        let selected = selected(flag, context.as_object().unwrap())?;
        selected["variant_key"].as_str().map(str::to_owned)
    }

    #[test]
    fn users_are_split_about_evenly_and_always_the_same_way() {
        let flag = flag(
            json!([{"rollout_percentage": 0.8, "variant_splits": {}}]),
            Value::Null,
        );
        let choose = |user: usize| chosen(&flag, json!({"distinct_id": format!("user-{user}")}));
        let all: Vec<_> = (0..1_000).map(choose).collect();
        let count = |key: Option<&str>| all.iter().filter(|one| one.as_deref() == key).count();
        for (key, about) in [(None, 200), (Some("on"), 400), (Some("off"), 400)] {
            assert!(count(key).abs_diff(about) < 80, "{key:?}: {}", count(key));
        }
        assert_eq!(all, (0..1_000).map(choose).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_rollout_whose_rule_is_met_decides() {
        let rule = json!({"and": [
            {"==": [{"var": "country"}, "DE"]}, {">": [{"var": "age"}, 17]},
        ]});
        let flag = flag(
            json!([
                {"rollout_percentage": 1, "variant_splits": {"on": 1}, "runtime_evaluation_rule": rule},
                {"rollout_percentage": 1, "variant_splits": {"on": 1}, "cohort_definition": {"id": 1}},
                {"rollout_percentage": 1, "variant_splits": {"off": 1},
                 "runtime_evaluation_definition": {"platform": "web"}},
            ]),
            json!({"users": {"tester": "on"}}),
        );
        let with = |properties: Value| {
            chosen(
                &flag,
                json!({"distinct_id": "ann", "custom_properties": properties}),
            )
        };
        let adult = json!({"country": "DE", "age": 18, "platform": "web"});
        let child = json!({"country": "DE", "age": 17, "platform": "web"});
        assert_eq!(with(adult).as_deref(), Some("on"));
        assert_eq!(with(child).as_deref(), Some("off"));
        assert_eq!(with(json!({})), None);
        let tester = selected(&flag, json!({"distinct_id": "tester"}).as_object().unwrap());
        assert_eq!(
            tester,
            Some(json!({"variant_key": "on", "variant_value": 1, "is_qa_tester": true}))
        );
    }
}
