//! What a report is asked for, read from a request's parameters, with Mixpanel's refusals.

use jiff::civil::Date;
use serde_json::Value;

use super::fault::Fault;
use super::http::Request;
use super::time::{Buckets, Unit};
use crate::mixpanel::expression::Expression;
use crate::mixpanel::expression::parse_day;

/// The most names, values or ids that one parameter may list.
const LIST_MAX: usize = 10_000;

/// The most buckets of a report that follows users from one to the next.
const CALENDAR_BUCKETS_MAX: usize = 1_000;

/// How occurrences become one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Measure {
    /// Every event counts.
    General,
    /// Every user counts once a bucket.
    Unique,
    /// Events a user.
    Average,
}

/// A parameter that must be there.
pub(super) fn required<'r>(request: &'r Request, name: &str) -> Result<&'r str, Fault> {
    request
        .parameter(name)
        .ok_or_else(|| Fault::bad_request(format!("missing required parameter: {name}")))
}

/// A day as `yyyy-mm-dd`, required.
pub(super) fn day(request: &Request, name: &str) -> Result<Date, Fault> {
    let text = required(request, name)?;
    parse_day(text).ok_or_else(|| {
        Fault::bad_request(format!(
            "invalid {name}: '{text}' is not a date like yyyy-mm-dd"
        ))
    })
}

/// A whole number between `low` and `high`.
pub(super) fn integer(
    request: &Request,
    name: &str,
    low: u32,
    high: u32,
) -> Result<Option<u32>, Fault> {
    let Some(text) = request.parameter(name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) if (low..=high).contains(&number) => Ok(Some(number)),
        _ => Err(Fault::bad_request(format!(
            "invalid {name}: '{text}' is not an integer from {low} to {high}"
        ))),
    }
}

/// The most rows to answer with.
pub(super) fn limit(request: &Request, default: u32, high: u32) -> Result<usize, Fault> {
    Ok(integer(request, "limit", 1, high)?.unwrap_or(default) as usize)
}

/// A switch: 1 or true, 0 or false; off when it is not given.
pub(super) fn flag(request: &Request, name: &str) -> Result<bool, Fault> {
    match request.parameter(name) {
        None | Some("0" | "false" | "False") => Ok(false),
        Some("1" | "true" | "True") => Ok(true),
        Some(other) => Err(Fault::bad_request(format!("invalid {name}: '{other}'"))),
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(
    request: &Request,
    name: &str,
    choices: &[(&str, T)],
) -> Result<Option<T>, Fault> {
    let Some(text) = request.parameter(name) else {
        return Ok(None);
    };
    match choices.iter().find(|(word, _)| *word == text) {
        Some((_, meaning)) => Ok(Some(*meaning)),
        None => {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            Err(Fault::bad_request(format!(
                "invalid {name}: '{text}' is not one of {}",
                words.join(", ")
            )))
        }
    }
}

/// `choice`, of which one must be made.
pub(super) fn required_choice<T: Copy>(
    request: &Request,
    name: &str,
    choices: &[(&str, T)],
) -> Result<T, Fault> {
    required(request, name)?;
    choice(request, name, choices)?
        .ok_or_else(|| Fault::bad_request(format!("missing required parameter: {name}")))
}

pub(super) const MEASURES: &[(&str, Measure)] = &[
    ("general", Measure::General),
    ("unique", Measure::Unique),
    ("average", Measure::Average),
];

pub(super) const UNITS: &[(&str, Unit)] = &[
    ("minute", Unit::Minute),
    ("hour", Unit::Hour),
    ("day", Unit::Day),
    ("week", Unit::Week),
    ("month", Unit::Month),
];

/// The units of reports that follow users.
pub(super) const CALENDAR_UNITS: &[(&str, Unit)] = &[
    ("day", Unit::Day),
    ("week", Unit::Week),
    ("month", Unit::Month),
];

/// The buckets between `from_date` and `to_date`.
pub(super) fn buckets(request: &Request, unit: Unit, every: u32) -> Result<Buckets, Fault> {
    Buckets::over(
        day(request, "from_date")?,
        day(request, "to_date")?,
        unit,
        every,
    )
}

/// The buckets of a report that follows users, whose work grows with their number.
pub(super) fn calendar_buckets(
    request: &Request,
    unit: Unit,
    every: u32,
) -> Result<Buckets, Fault> {
    let buckets = buckets(request, unit, every)?;
    if buckets.len() > CALENDAR_BUCKETS_MAX {
        return Err(Fault::bad_request(
            "the date range has too many buckets for this unit",
        ));
    }
    Ok(buckets)
}

/// The buckets between the dates, or without dates the last `interval` units.
pub(super) fn recent_buckets(request: &Request, unit: Unit) -> Result<Buckets, Fault> {
    let has_dates =
        request.parameter("from_date").is_some() || request.parameter("to_date").is_some();
    match integer(request, "interval", 1, 100_000)? {
        Some(interval) if !has_dates => Buckets::last(interval, unit, request.received_ms),
        _ => buckets(request, unit, 1),
    }
}

/// A JSON array of strings; numbers and booleans in it are taken as their text.
pub(super) fn list(request: &Request, name: &str) -> Result<Option<Vec<String>>, Fault> {
    let Some(text) = request.parameter(name) else {
        return Ok(None);
    };
    let fault = || Fault::bad_request(format!("invalid {name}: must be a JSON array of strings"));
    let values: Vec<Value> = serde_json::from_slice(text.as_bytes()).map_err(|_| fault())?;
    if values.len() > LIST_MAX {
        return Err(Fault::bad_request(format!(
            "invalid {name}: more than {LIST_MAX} entries"
        )));
    }
    let texts = values.into_iter().map(|value| match value {
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(fault()),
    });
    texts.collect::<Result<_, _>>().map(Some)
}

/// A filter such as `where`.
pub(super) fn condition(request: &Request, name: &str) -> Result<Option<Expression>, Fault> {
    let Some(text) = request.parameter(name) else {
        return Ok(None);
    };
    match Expression::parse(text) {
        Ok(expression) => Ok(Some(expression)),
        Err(error) => Err(Fault::bad_request(format!("invalid {name}: {error}"))),
    }
}

/// What to segment by: an expression, or a bare property name.
pub(super) fn segment(request: &Request) -> Result<Option<Expression>, Fault> {
    let Some(text) = request.parameter("on") else {
        return Ok(None);
    };
    match Expression::parse_segment(text) {
        Ok(expression) => Ok(Some(expression)),
        Err(error) => Err(Fault::bad_request(format!("invalid on: {error}"))),
    }
}
