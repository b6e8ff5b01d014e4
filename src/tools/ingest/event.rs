//! An event before it is sent: completed, and checked where Mixpanel would drop it without a word.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::mcp::tool::Failure;
use crate::tools::ask::{quoted, whole};

/// An event has fewer properties, a nested object fewer keys, a list fewer elements.
const MEMBERS_MAX: usize = 255;
/// Lists and objects stand at most so deep in each other.
const DEPTH_MAX: usize = 3;
/// An event, or an update of a profile, is smaller than this as JSON.
pub(super) const ITEM_BYTES_MAX: usize = 1_000_000;
const INSERT_ID_BYTES_MAX: usize = 36;
/// Mixpanel keeps no more of a string.
pub(super) const STRING_CHARS_MAX: usize = 255;
/// Times below are seconds, above milliseconds.
const SECONDS_BELOW: i64 = 100_000_000_000;
/// 1971-01-01.
const TIME_MS_MIN: i64 = 365 * 24 * 3600 * 1000;
const FUTURE_MS_MAX: i64 = 3600 * 1000;
/// `/track` drops what is older than five days. An hour less: the clocks differ.
const TRACK_AGE_MS_MAX: i64 = (5 * 24 - 1) * 3600 * 1000;

/// Ids that stand for nobody: Mixpanel refuses them, in just this spelling.
const FORBIDDEN_IDS: &[&str] = &[
    "00000000-0000-0000-0000-000000000000",
    "anon",
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "<nil>",
    "0",
    "-1",
    "true",
    "false",
    "[]",
    "{}",
];

/// What the events of one call get that bring no time or id of their own.
pub(super) struct Stamp {
    /// The time of the call in milliseconds since 1970.
    pub(super) now_ms: i64,
    /// 24 hexadecimal digits of chance.
    prefix: String,
}

impl Stamp {
    pub(super) fn new() -> Result<Stamp, Failure> {
        let mut random = [0; 12];
        getrandom::fill(&mut random).map_err(|_| {
            Failure::new(
                "no_random",
                "the system gives no random numbers for $insert_id; nothing was sent, give your own",
            )
        })?;
        Ok(Stamp {
            now_ms: Timestamp::now().as_millisecond(),
            prefix: random.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    /// The id of the event at this place of the call.
    pub(super) fn insert_id(&self, place: impl fmt::Display) -> String {
        format!("{}-{place}", self.prefix)
    }
}

/// A rule of Mixpanel's that an event breaks.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    /// Which part of the event; nothing is the whole.
    pub(super) field: String,
    /// What is wrong with it.
    pub(super) message: String,
}

impl Fault {
    fn new(field: &str, message: impl Into<String>) -> Fault {
        Fault {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.message),
            field => write!(f, "{field}: {}", self.message),
        }
    }
}

/// An event in Mixpanel's form, with all that makes it safe to send twice: `time` and `$insert_id` are made here
/// where they are missing, and then stay. `place` tells it from the others of its call. A `distinct_id` among the properties is kept. Null counts as missing.
pub(super) fn complete(
    name: String,
    properties: Option<Map<String, Value>>,
    distinct_id: Option<String>,
    stamp: &Stamp,
    place: usize,
) -> Value {
    let mut properties = properties.unwrap_or_default();
    let distinct_id = match properties.remove("distinct_id") {
        None | Some(Value::Null) => distinct_id.map(Value::from),
        // An id that is a number in the caller's own tables.
        Some(Value::Number(number)) => Some(number.to_string().into()),
        Some(given) => Some(given),
    };
    // Without anyone the event counts, and is nobody's.
    properties.insert("distinct_id".into(), distinct_id.unwrap_or(json!("")));
    let time = match properties.remove("time") {
        None | Some(Value::Null) => stamp.now_ms.into(),
        Some(given) => given.as_f64().map_or(given.clone(), |number| {
            given.as_i64().map_or_else(|| whole(number), Value::from)
        }),
    };
    properties.insert("time".into(), time);
    let insert_id = match properties.remove("$insert_id") {
        None | Some(Value::Null) => stamp.insert_id(place).into(),
        Some(given) => given,
    };
    properties.insert("$insert_id".into(), insert_id);
    json!({"event": name, "properties": properties})
}

/// Every rule of Mixpanel's that a completed event breaks.
pub(super) fn faults(event: &Value, now_ms: i64) -> Vec<Fault> {
    let mut faults = Vec::new();
    if event["event"]
        .as_str()
        .is_none_or(|name| name.trim().is_empty())
    {
        faults.push(Fault::new("event", "must not be blank"));
    }
    let properties = &event["properties"];
    faults.extend(distinct_id_fault(&properties["distinct_id"]));
    match &properties["$insert_id"] {
        Value::String(id) if is_insert_id(id) => (),
        other => {
            let message = format!(
                "must be 1 to {INSERT_ID_BYTES_MAX} letters, digits or -, and not a word for nothing, got {}",
                shortly(other)
            );
            faults.push(Fault::new("properties.$insert_id", message));
        }
    }
    let time_fault = match time_ms(event) {
        None => Some(format!(
            "must be whole seconds or milliseconds since 1970, got {}",
            shortly(&properties["time"])
        )),
        Some(time) if time < TIME_MS_MIN => Some("is before 1971".into()),
        Some(time) if time > now_ms.saturating_add(FUTURE_MS_MAX) => {
            Some("is more than an hour in the future".into())
        }
        Some(_) => None,
    };
    faults.extend(time_fault.map(|message| Fault::new("properties.time", message)));
    faults.extend(size_fault("properties", properties, 0));
    let bytes = event.to_string().len();
    if bytes >= ITEM_BYTES_MAX {
        let message = format!("is {bytes} bytes as JSON, must be under {ITEM_BYTES_MAX}");
        faults.push(Fault::new("", message));
    }
    faults
}

/// Why an id of a user cannot be sent.
pub(super) fn distinct_id_fault(id: &Value) -> Option<Fault> {
    match id {
        Value::String(id) if FORBIDDEN_IDS.contains(&id.as_str()) => {
            let message = format!(
                "{} stands for nobody, Mixpanel refuses it; give the user's own id",
                quoted(id)
            );
            Some(Fault::new("distinct_id", message))
        }
        Value::String(_) => None,
        other => {
            let message = format!("must be a string, got {}", shortly(other));
            Some(Fault::new("properties.distinct_id", message))
        }
    }
}

/// The strings of which Mixpanel keeps only the beginning, by their paths.
pub(super) fn long_strings(event: &Value) -> Vec<String> {
    fn walk(path: &str, value: &Value, long: &mut Vec<String>) {
        match value {
            // There are no more characters than bytes, so those of most need not be counted.
            Value::String(text)
                if text.len() > STRING_CHARS_MAX && text.chars().count() > STRING_CHARS_MAX =>
            {
                long.push(path.to_owned());
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(&format!("{path}[{index}]"), item, long);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    walk(&format!("{path}.{name}"), member, long);
                }
            }
            _ => (),
        }
    }

    let mut long = Vec::new();
    walk("properties", &event["properties"], &mut long);
    long
}

/// Whether `/track` still takes the event: it drops old ones without a word.
pub(super) fn is_recent(event: &Value, now_ms: i64) -> bool {
    time_ms(event).is_some_and(|time| time > now_ms.saturating_sub(TRACK_AGE_MS_MAX))
}

/// What an event is told apart by when it is sent again.
pub(super) fn identity(event: &Value) -> Value {
    let properties = &event["properties"];
    json!({"insert_id": properties["$insert_id"], "time": properties["time"]})
}

fn time_ms(event: &Value) -> Option<i64> {
    let time = event["properties"]["time"].as_i64()?;
    if (-SECONDS_BELOW..SECONDS_BELOW).contains(&time) {
        time.checked_mul(1000)
    } else {
        Some(time)
    }
}

fn is_insert_id(id: &str) -> bool {
    (1..=INSERT_ID_BYTES_MAX).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !FORBIDDEN_IDS.contains(&id)
}

/// The first list or object that is too long or too deep. `depth` 0 is the properties themselves.
fn size_fault(path: &str, value: &Value, depth: usize) -> Option<Fault> {
    let length = match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => return None,
    };
    if depth > DEPTH_MAX {
        let message = format!("lies deeper than {DEPTH_MAX} levels");
        return Some(Fault::new(path, message));
    }
    if length >= MEMBERS_MAX {
        let message = format!("has {length} members, must be fewer than {MEMBERS_MAX}");
        return Some(Fault::new(path, message));
    }
    match value {
        Value::Array(items) => items
            .iter()
            .find_map(|item| size_fault(path, item, depth + 1)),
        Value::Object(members) => members
            .iter()
            .find_map(|(name, member)| size_fault(&format!("{path}.{name}"), member, depth + 1)),
        _ => None,
    }
}

/// A value as a fault repeats it.
fn shortly(value: &Value) -> String {
    const CHARS_MAX: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    #[track_caller]
    fn completed(properties: Value, distinct_id: Option<&str>) -> Value {
        let properties = properties.as_object().cloned();
        let stamp = Stamp {
            now_ms: NOW_MS,
            ..Stamp::new().unwrap()
        };
        let distinct_id = distinct_id.map(str::to_owned);
        complete("Buy".into(), properties, distinct_id, &stamp, 1_999)
    }

    #[track_caller]
    fn check(properties: Value, expected: &[&str]) {
        let faults = faults(&completed(properties, None), NOW_MS);
        let told: Vec<String> = faults.iter().map(Fault::to_string).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_missing_is_made() {
        let event = completed(json!({"a": 1}), Some("u1"));
        let properties = &event["properties"];
        assert_eq!(properties["a"], 1);
        assert_eq!(properties["distinct_id"], "u1");
        assert_eq!(properties["time"], NOW_MS);
        let id = properties["$insert_id"].as_str().unwrap();
        assert!(is_insert_id(id) && id.ends_with("-1999"), "{id}");
        let another = completed(json!({"a": 1}), Some("u1"));
        assert_ne!(another["properties"]["$insert_id"], id);
        assert_eq!(faults(&event, NOW_MS), []);
    }

    #[test]
    fn what_is_given_is_kept() {
        let given = json!({"distinct_id": "inner", "time": 1_700_000_000, "$insert_id": "my-id-1", "a": [1]});
        let event = completed(given.clone(), Some("outer"));
        assert_eq!(event, json!({"event": "Buy", "properties": given}));
    }

    #[test]
    fn null_is_missing_and_a_number_is_an_id() {
        let event = completed(json!({"distinct_id": null, "time": null}), Some("u1"));
        assert_eq!(event["properties"]["distinct_id"], "u1");
        assert_eq!(event["properties"]["time"], NOW_MS);
        let event = completed(json!({"distinct_id": 42, "time": 1.7e9}), None);
        assert_eq!(event["properties"]["distinct_id"], "42");
        assert_eq!(event["properties"]["time"], 1_700_000_000);
        assert_eq!(completed(json!({}), None)["properties"]["distinct_id"], "");
    }

    #[test]
    fn an_id_that_stands_for_nobody_is_a_fault_in_that_spelling_only() {
        for id in FORBIDDEN_IDS {
            assert!(distinct_id_fault(&json!(id)).is_some(), "{id}");
        }
        for id in ["", "Null", "ANON", "00", "u1"] {
            assert_eq!(distinct_id_fault(&json!(id)), None);
        }
    }

    #[test]
    fn all_faults_are_told_at_once() {
        check(
            json!({"distinct_id": ["u"], "time": "yesterday", "$insert_id": "a_b"}),
            &[
                r#"properties.distinct_id: must be a string, got ["u"]"#,
                r#"properties.$insert_id: must be 1 to 36 letters, digits or -, and not a word for nothing, got "a_b""#,
                r#"properties.time: must be whole seconds or milliseconds since 1970, got "yesterday""#,
            ],
        );
    }

    #[test]
    fn a_time_is_taken_in_seconds_and_milliseconds_within_its_bounds() {
        for time in [
            NOW_MS,
            NOW_MS / 1000,
            NOW_MS + FUTURE_MS_MAX,
            TIME_MS_MIN / 1000,
        ] {
            check(json!({"time": time}), &[]);
        }
        let future = "properties.time: is more than an hour in the future";
        check(json!({"time": NOW_MS + FUTURE_MS_MAX + 1}), &[future]);
        check(json!({"time": NOW_MS / 1000 + 3601}), &[future]);
        check(json!({"time": i64::MAX}), &[future]);
        let past = "properties.time: is before 1971";
        check(json!({"time": TIME_MS_MIN / 1000 - 1}), &[past]);
        check(json!({"time": i64::MIN}), &[past]);
    }

    #[test]
    fn an_insert_id_has_36_bytes_at_most_and_is_no_word_for_nothing() {
        let is_fault =
            |id: &str| !faults(&completed(json!({"$insert_id": id}), None), NOW_MS).is_empty();
        assert!(!is_fault(&"a".repeat(36)));
        for id in [&"a".repeat(37), "", "undefined", "ä", "a b"] {
            assert!(is_fault(id), "{id}");
        }
    }

    #[test]
    fn what_is_too_large_is_a_fault() {
        check(json!({"a": vec![0; 254], "b": [[[1]]]}), &[]);
        check(
            json!({"a": vec![0; 255]}),
            &["properties.a: has 255 members, must be fewer than 255"],
        );
        check(
            json!({"a": {"b": [[[1]]]}}),
            &["properties.a.b: lies deeper than 3 levels"],
        );
        let large = faults(
            &completed(json!({"a": "x".repeat(ITEM_BYTES_MAX)}), None),
            NOW_MS,
        );
        assert_eq!(large.len(), 1);
        assert!(
            large[0].message.ends_with("must be under 1000000"),
            "{large:?}"
        );
    }

    #[test]
    fn a_string_of_more_than_255_characters_is_found_wherever_it_stands() {
        let (fits, long) = ("é".repeat(255), "é".repeat(256));
        let event = completed(
            json!({"a": fits, "b": long, "c": [{"d": fits}, {"d": long}]}),
            None,
        );
        let paths = ["properties.b", "properties.c[1].d"];
        assert_eq!(long_strings(&event), paths);
    }

    #[test]
    fn an_event_is_recent_for_five_days_less_an_hour() {
        let is_recent_at = |time| is_recent(&completed(json!({"time": time}), None), NOW_MS);
        assert!(is_recent_at(NOW_MS));
        assert!(is_recent_at((NOW_MS - TRACK_AGE_MS_MAX) / 1000 + 1));
        assert!(!is_recent_at(NOW_MS - TRACK_AGE_MS_MAX));
    }
}
