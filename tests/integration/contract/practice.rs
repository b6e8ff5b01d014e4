//! What a careful client does beyond the letter of the documentation: the parameters without which Mixpanel hides its
//! errors, the limits that only the prose knows, and what excludes what.

use jiff::civil::Date;
use serde_json::Value;

use super::checking::Call;
use super::operation::Api;

const ITEMS_MAX: usize = 2000;
/// "10 MB", uncompressed.
const IMPORT_BYTES_MAX: usize = 10 * 1024 * 1024;
/// "1 MB" for an event or an update.
const ITEM_BYTES_MAX: usize = 1024 * 1024;
const LOOKUP_TABLE_BYTES_MAX: usize = 100 * 1024 * 1024;
/// Properties, keys of an object in them, and items of an array in them stay below this.
const PROPERTIES_BELOW: usize = 255;
const NESTING_MAX: usize = 3;
const INSERT_ID_BYTES_MAX: usize = 36;
/// The first second of 1971; earlier events are refused.
const EARLIEST_SECOND: i64 = 31_536_000;
const SEGMENTS_MAX: i64 = 10_000;
const FUNNEL_SECONDS_MAX: i64 = 90 * 24 * 60 * 60;

/// Values that Mixpanel refuses as ids, in this case of letters.
const NO_IDS: [&str; 17] = [
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

/// Headers that are between this server and its clients, and may hold their secrets.
const PRIVATE_HEADERS: [&str; 8] = [
    "x-auth-token",
    "x-mixpanel-oauth-token",
    "x-auth-data",
    "x-mixpanel-region",
    "mcp-session-id",
    "mcp-protocol-version",
    "cookie",
    "origin",
];

/// Notes where a call that keeps to the letter is still not what a careful client sends.
pub(super) fn check(call: &Call<'_>, faults: &mut Vec<String>) {
    for name in PRIVATE_HEADERS {
        if call.request.header(name).is_some() {
            faults.push(format!("header {name}: must not reach Mixpanel"));
        }
    }
    for (from, to) in [("from_date", "to_date"), ("fromDate", "toDate")] {
        let day = |name: &str| {
            call.request
                .param(name)
                .and_then(|text| text.parse::<Date>().ok())
        };
        if let (Some(first), Some(last)) = (day(from), day(to))
            && first > last
        {
            faults.push(format!("query {from}: is after {to}"));
        }
    }
    match (call.operation.api, call.operation.path) {
        (Api::Ingestion, "/import") => check_import(call, faults),
        (Api::Ingestion, "/track") => check_track(call, faults),
        (Api::Ingestion, "/engage" | "/groups") => check_updates(call, faults),
        (Api::Ingestion, "/lookup-tables/{id}")
            if call.request.body.len() > LOOKUP_TABLE_BYTES_MAX =>
        {
            faults.push(format!(
                "body: has more than {LOOKUP_TABLE_BYTES_MAX} bytes"
            ));
        }
        (Api::Query, path) => check_question(path, call, faults),
        _ => {}
    }
}

fn check_import(call: &Call<'_>, faults: &mut Vec<String>) {
    if call.request.param("strict") != Some("1") {
        faults.push("query strict: must be 1, or bad events vanish".into());
    }
    if call.request.body.len() > IMPORT_BYTES_MAX {
        faults.push(format!("body: has more than {IMPORT_BYTES_MAX} bytes"));
    }
    let items = check_items(call, faults);
    if call.operation.picked_by.is_some() {
        return;
    }
    for (nth, item) in items.iter().enumerate() {
        let at = format!("body[{nth}].properties");
        let properties = &item["properties"];
        if let Some(id) = properties["$insert_id"].as_str() {
            let is_plain = id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if id.is_empty() || id.len() > INSERT_ID_BYTES_MAX || !is_plain || is_no_id(id) {
                faults.push(format!("{at}.$insert_id: {id:?} is refused as an id"));
            }
        }
        if let Some(id) = properties["distinct_id"].as_str()
            && is_no_id(id)
        {
            faults.push(format!("{at}.distinct_id: {id:?} is refused as an id"));
        }
        if properties["time"]
            .as_i64()
            .is_some_and(|time| time < EARLIEST_SECOND)
        {
            faults.push(format!("{at}.time: is before 1971"));
        }
    }
}

fn check_track(call: &Call<'_>, faults: &mut Vec<String>) {
    let said = |name: &str| {
        call.request
            .param(name)
            .or_else(|| call.content.field(name))
    };
    if said("verbose") != Some("1") {
        faults.push("query verbose: must be 1, or the reason of a refusal is not told".into());
    }
    if said("ip") == Some("1") {
        faults.push("query ip: must not be 1, which locates users at this server".into());
    }
    refuse_browser_answers(call, faults);
    for (nth, item) in check_items(call, faults).iter().enumerate() {
        if item["properties"]["token"]
            .as_str()
            .is_none_or(str::is_empty)
        {
            faults.push(format!(
                "body[{nth}].properties.token: missing, and there are no credentials"
            ));
        }
    }
}

fn check_updates(call: &Call<'_>, faults: &mut Vec<String>) {
    if call.request.param("verbose") != Some("1") && call.request.param("strict") != Some("1") {
        faults.push(
            "query verbose: must be 1 (or strict), or the reason of a refusal is not told".into(),
        );
    }
    if call.request.param("ip") != Some("0") && call.operation.picked_by != Some("$delete") {
        faults.push("query ip: must be 0, or users are located at this server".into());
    }
    refuse_browser_answers(call, faults);
    for (nth, item) in check_items(call, faults).iter().enumerate() {
        if item["$token"].as_str().is_some_and(str::is_empty) {
            faults.push(format!(
                "body[{nth}].$token: is empty, and there are no credentials"
            ));
        }
    }
}

/// Answers as a picture or a script are for pages that cannot ask otherwise.
fn refuse_browser_answers(call: &Call<'_>, faults: &mut Vec<String>) {
    for name in ["img", "callback"] {
        if call.request.param(name).is_some_and(|value| value != "0") {
            faults.push(format!("query {name}: is for browsers"));
        }
    }
}

/// The events or updates in the body, after the check of their number and size.
fn check_items(call: &Call<'_>, faults: &mut Vec<String>) -> Vec<Value> {
    let items = call.content.items();
    if items.len() > ITEMS_MAX {
        faults.push(format!(
            "body: has {} items, at most {ITEMS_MAX} are taken",
            items.len()
        ));
    }
    for (nth, item) in items.iter().enumerate() {
        if item.to_string().len() > ITEM_BYTES_MAX {
            faults.push(format!("body[{nth}]: has more than {ITEM_BYTES_MAX} bytes"));
        }
        if let Some(fault) = oversize(&item["properties"], 0) {
            faults.push(format!("body[{nth}].properties: {fault}"));
        }
    }
    items
}

/// Where properties hold too much; `nesting` counts the objects around `value`.
fn oversize(value: &Value, nesting: usize) -> Option<String> {
    let (count, inner): (usize, Vec<&Value>) = match value {
        Value::Object(object) => (object.len(), object.values().collect()),
        Value::Array(items) => (items.len(), items.iter().collect()),
        _ => return None,
    };
    if count >= PROPERTIES_BELOW {
        return Some(format!(
            "{count} at one place, fewer than {PROPERTIES_BELOW} are taken"
        ));
    }
    let nesting = nesting + usize::from(value.is_object());
    // The properties themselves are not nested yet.
    if nesting > NESTING_MAX + 1 {
        return Some(format!("nested deeper than {NESTING_MAX}"));
    }
    inner.into_iter().find_map(|value| oversize(value, nesting))
}

fn is_no_id(id: &str) -> bool {
    NO_IDS.contains(&id)
}

fn check_question(path: &str, call: &Call<'_>, faults: &mut Vec<String>) {
    let said = |name: &str| {
        call.request
            .param(name)
            .or_else(|| call.content.field(name))
    };
    let integer = |name: &str| said(name).and_then(|text| text.parse::<i64>().ok());
    match path {
        "/events" | "/events/properties" => {
            let is_ranged = said("from_date").is_some() && said("to_date").is_some();
            let is_any_date = said("from_date").is_some() || said("to_date").is_some();
            match (said("interval").is_some(), is_ranged, is_any_date) {
                (false, true, _) | (true, false, false) => {}
                _ => faults.push("query: needs either interval, or from_date and to_date".into()),
            }
        }
        "/segmentation" if said("limit").is_some() => {
            if said("on").is_none() {
                faults.push("query limit: has no meaning without on".into());
            }
            if integer("limit").is_some_and(|limit| !(1..=SEGMENTS_MAX).contains(&limit)) {
                faults.push(format!("query limit: must be from 1 to {SEGMENTS_MAX}"));
            }
        }
        "/retention" => {
            if said("born_event").is_none() && said("retention_type") != Some("compounded") {
                faults.push(
                    "query born_event: missing, needed unless retention_type is compounded".into(),
                );
            }
            if said("unit").is_some() && said("interval").is_some() {
                faults.push("query: unit and interval exclude each other".into());
            }
        }
        "/funnels" => {
            let unit_seconds = match said("length_unit") {
                Some("second") => 1,
                Some("minute") => 60,
                Some("hour") => 3600,
                _ => 24 * 3600,
            };
            let seconds = integer("length").map(|length| length.saturating_mul(unit_seconds));
            if seconds.is_some_and(|seconds| !(1..=FUNNEL_SECONDS_MAX).contains(&seconds)) {
                faults.push("query length: must be positive and at most 90 days".into());
            }
        }
        "/engage" => {
            if said("behaviors").is_some() && said("filter_by_cohort").is_some() {
                faults.push("form: behaviors and filter_by_cohort exclude each other".into());
            }
            if integer("page").is_some_and(|page| page > 0) && said("session_id").is_none() {
                faults.push("form session_id: missing, needed beyond page 0".into());
            }
        }
        _ => {}
    }
}
