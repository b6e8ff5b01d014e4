//! What a JSON body must look like, as data, and the first thing that is wrong with one. Which body has which shape is
//! left to the areas.

use serde_json::Value;

use super::fault::Fault;
use super::http::Request;
use super::shelf::Item;

/// A deeper body is refused before it is looked at.
const DEPTH_MAX: usize = 32;

/// What a value may be.
pub(super) enum Shape {
    Any,
    Text,
    /// So many characters.
    Length(usize, usize),
    Words(&'static [&'static str]),
    Integer,
    Integers(&'static [i64]),
    Number,
    /// From 0 to 1.
    Fraction,
    Boolean,
    List(&'static Shape),
    /// At most so many items.
    ListTo(usize, &'static Shape),
    /// These members and no others.
    Object(&'static [Member]),
    /// Any members.
    Map(&'static Shape),
    Nullable(&'static Shape),
}

/// A member of an object.
pub(super) struct Member {
    name: &'static str,
    is_required: bool,
    shape: Shape,
}

pub(super) const fn needs(name: &'static str, shape: Shape) -> Member {
    Member {
        name,
        is_required: true,
        shape,
    }
}

pub(super) const fn takes(name: &'static str, shape: Shape) -> Member {
    Member {
        name,
        is_required: false,
        shape,
    }
}

/// An object of any content.
pub(super) const FREE: Shape = Shape::Map(&Shape::Any);

/// The JSON object that a request carries; an empty body is an empty object.
pub(super) fn body(request: &Request, members: &'static [Member]) -> Result<Item, Fault> {
    if request.is_too_large {
        return Err(Fault::new(413, "Request Entity Too Large"));
    }
    let value: Value = match request.body.trim_ascii() {
        b"" => Value::Object(Item::new()),
        text => serde_json::from_slice(text)
            .map_err(|error| Fault::bad_request(format!("the body is not valid JSON: {error}")))?,
    };
    check(&Shape::Object(members), &value, "body", 0).map_err(Fault::bad_request)?;
    match value {
        Value::Object(body) => Ok(body),
        _ => Err(Fault::bad_request("body must be an object")),
    }
}

fn check(shape: &Shape, value: &Value, at: &str, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("{at} is nested too deeply"));
    }
    let must = |what: &str| Err(format!("{at} must be {what}"));
    match (shape, value) {
        (Shape::Any, _) | (Shape::Nullable(_), Value::Null) | (Shape::Text, Value::String(_)) => {
            Ok(())
        }
        (Shape::Text, _) => must("a string"),
        (Shape::Length(low, high), Value::String(text))
            if (*low..=*high).contains(&text.chars().count()) =>
        {
            Ok(())
        }
        (Shape::Length(low, high), _) => must(&format!("a string of {low} to {high} characters")),
        (Shape::Words(words), Value::String(text)) if words.contains(&text.as_str()) => Ok(()),
        (Shape::Words(words), _) => must(&format!("one of {}", words.join(", "))),
        (Shape::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(()),
        (Shape::Integer, _) => must("an integer"),
        (Shape::Integers(allowed), Value::Number(number))
            if number
                .as_i64()
                .is_some_and(|number| allowed.contains(&number)) =>
        {
            Ok(())
        }
        (Shape::Integers(allowed), _) => must(&format!("one of {allowed:?}")),
        (Shape::Number, Value::Number(_)) => Ok(()),
        (Shape::Number, _) => must("a number"),
        (Shape::Fraction, Value::Number(number))
            if number
                .as_f64()
                .is_some_and(|number| (0.0..=1.0).contains(&number)) =>
        {
            Ok(())
        }
        (Shape::Fraction, _) => must("a number from 0 to 1"),
        (Shape::Boolean, Value::Bool(_)) => Ok(()),
        (Shape::Boolean, _) => must("true or false"),
        (Shape::List(item), Value::Array(items)) => check_items(item, items, at, depth),
        (Shape::ListTo(high, item), Value::Array(items)) if items.len() <= *high => {
            check_items(item, items, at, depth)
        }
        (Shape::List(_), _) => must("a list"),
        (Shape::ListTo(high, _), _) => must(&format!("a list of at most {high} items")),
        (Shape::Object(members), Value::Object(object)) => {
            check_members(members, object, at, depth)
        }
        (Shape::Map(inner), Value::Object(object)) => object
            .iter()
            .try_for_each(|(name, value)| check(inner, value, &format!("{at}.{name}"), depth + 1)),
        (Shape::Object(_) | Shape::Map(_), _) => must("an object"),
        (Shape::Nullable(inner), value) => check(inner, value, at, depth),
    }
}

fn check_items(item: &Shape, items: &[Value], at: &str, depth: usize) -> Result<(), String> {
    items
        .iter()
        .enumerate()
        .try_for_each(|(nth, value)| check(item, value, &format!("{at}[{nth}]"), depth + 1))
}

fn check_members(members: &[Member], object: &Item, at: &str, depth: usize) -> Result<(), String> {
    if let Some(unknown) = object
        .keys()
        .find(|name| !members.iter().any(|member| member.name == name.as_str()))
    {
        return Err(format!("{at}.{unknown} is not a known field"));
    }
    members.iter().try_for_each(|member| {
        let at = format!("{at}.{}", member.name);
        match object.get(member.name) {
            Some(value) => check(&member.shape, value, &at, depth + 1),
            None if member.is_required => Err(format!("{at} is required")),
            None => Ok(()),
        }
    })
}

/// The text of a member that its shape says is text; empty where it is left out.
pub(super) fn text<'i>(item: &'i Item, name: &str) -> &'i str {
    item.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The items of a member that its shape says is a list; none where it is left out.
pub(super) fn list<'i>(item: &'i Item, name: &str) -> &'i [Value] {
    item.get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MEMBERS: &[Member] = &[
        needs("name", Shape::Length(1, 3)),
        takes("state", Shape::Words(&["on", "off"])),
        takes("every", Shape::Nullable(&Shape::Integers(&[0, 5]))),
        takes(
            "parts",
            Shape::ListTo(1, &Shape::Object(&[needs("share", Shape::Fraction)])),
        ),
        takes("more", Shape::Map(&Shape::Boolean)),
    ];

    #[track_caller]
    fn refused(value: Value, expected: &str) {
        let request = Request {
            body: value.to_string().into_bytes(),
            ..Request::default()
        };
        assert_eq!(
            body(&request, MEMBERS),
            Err(Fault::bad_request(expected)),
            "{value}"
        );
    }

    #[test]
    fn the_first_fault_is_told_with_its_place() {
        refused(json!({}), "body.name is required");
        refused(json!([]), "body must be an object");
        refused(
            json!({"name": ""}),
            "body.name must be a string of 1 to 3 characters",
        );
        refused(
            json!({"name": "a", "nme": 1}),
            "body.nme is not a known field",
        );
        refused(
            json!({"name": "a", "state": "up"}),
            "body.state must be one of on, off",
        );
        refused(
            json!({"name": "a", "every": 1}),
            "body.every must be one of [0, 5]",
        );
        refused(
            json!({"name": "a", "parts": [{"share": 2}]}),
            "body.parts[0].share must be a number from 0 to 1",
        );
        refused(
            json!({"name": "a", "parts": [{"share": 0}, {"share": 0}]}),
            "body.parts must be a list of at most 1 items",
        );
        refused(
            json!({"name": "a", "more": {"x": 1}}),
            "body.more.x must be true or false",
        );
    }

    #[test]
    fn what_fits_is_taken_as_it_is() {
        let value = json!({"name": "a", "state": "on", "every": null, "parts": [{"share": 0.5}], "more": {}});
        let request = Request {
            body: value.to_string().into_bytes(),
            ..Request::default()
        };
        assert_eq!(body(&request, MEMBERS).map(Value::Object), Ok(value));
    }
}
