//! Annotations and their tags.

use serde_json::{Value, json};

use super::fault::Fault;
use super::holdings::{Asked, Holdings, USER_ID, results};
use super::http::Response;
use super::shape::{self, Member, Shape, list, needs, takes, text};
use super::shelf::Item;
use super::time::{self, DAY_MS};
use crate::mixpanel::expression::{parse_day, parse_moment};

const NEW: &[Member] = &[
    needs("date", Shape::Text),
    needs("description", Shape::Length(1, 10_000)),
    takes("tags", Shape::List(&Shape::Integer)),
];
const CHANGE: &[Member] = &[
    takes("description", Shape::Length(1, 10_000)),
    takes("tags", Shape::List(&Shape::Integer)),
];
const NEW_TAG: &[Member] = &[needs("name", Shape::Length(1, 255))];

/// The annotation that the shop begins with.
pub(super) fn furnish(holdings: &mut Holdings, now_ms: i64) {
    let (tag, annotation) = (holdings.next_id(), holdings.next_id());
    let day = time::day_of(now_ms - 7 * DAY_MS);
    let put = put_tag(holdings, tag, "Campaign").and_then(|()| {
        let item = json!({
            "id": annotation,
            "date": format!("{day} 09:00:00"),
            "description": "Newsletter with the spring offers went out",
            "tags": [{"id": tag, "name": "Campaign"}],
            "user": user("sandbox"),
        });
        holdings.annotations.put(annotation, object(item))
    });
    debug_assert_eq!(put, Ok(()));
}

/// `GET /projects/{}/annotations`
pub(super) fn list_all(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let day = |name: &str| match asked.request.parameter(name) {
        None => Ok(None),
        Some(text) => match parse_day(text) {
            Some(_) => Ok(Some(text)),
            None => Err(Fault::bad_request(format!(
                "invalid {name}: '{text}' is not a date like yyyy-mm-dd"
            ))),
        },
    };
    let (from, to) = (day("fromDate")?, day("toDate")?);
    let is_meant = |annotation: &&Item| {
        let day = text(annotation, "date").get(..10).unwrap_or_default();
        from.is_none_or(|from| from <= day) && to.is_none_or(|to| day <= to)
    };
    let annotations: Vec<&Item> = holdings
        .annotations
        .iter()
        .map(|(_, annotation)| annotation)
        .filter(is_meant)
        .collect();
    Ok(results(200, &json!(annotations)))
}

/// `POST /projects/{}/annotations`
pub(super) fn create(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let mut annotation = shape::body(asked.request, NEW)?;
    let date = text(&annotation, "date");
    let is_sound = date.len() == 19 && parse_moment(&date.replacen(' ', "T", 1)).is_some();
    if !is_sound {
        return Err(Fault::bad_request(
            "body.date must be a time like 2022-02-15 12:00:00",
        ));
    }
    let tags = tags(holdings, list(&annotation, "tags"))?;
    let id = holdings.next_id();
    annotation.insert("tags".into(), tags);
    annotation.insert("id".into(), json!(id));
    annotation.insert("user".into(), user(asked.account.username));
    holdings.annotations.put(id, annotation.clone())?;
    Ok(results(201, &Value::Object(annotation)))
}

/// `GET /projects/{}/annotations/{}`
pub(super) fn get(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let annotation = holdings.annotations.get(&asked.id(0)?);
    let annotation = annotation.ok_or_else(|| missing(asked))?;
    Ok(results(200, &json!(annotation)))
}

/// `PATCH /projects/{}/annotations/{}`
pub(super) fn change(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let id = asked.id(0)?;
    let mut change = shape::body(asked.request, CHANGE)?;
    if change.contains_key("tags") {
        let tags = tags(holdings, list(&change, "tags"))?;
        change.insert("tags".into(), tags);
    }
    let annotation = holdings.annotations.get(&id).cloned();
    let mut annotation = annotation.ok_or_else(|| missing(asked))?;
    annotation.extend(change);
    holdings.annotations.put(id, annotation.clone())?;
    Ok(results(200, &Value::Object(annotation)))
}

/// `DELETE /projects/{}/annotations/{}`
pub(super) fn delete(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let id = asked.id(0)?;
    holdings
        .annotations
        .take(&id)
        .ok_or_else(|| missing(asked))?;
    Ok(results(200, &json!({ "id": id })))
}

/// `GET /projects/{}/annotations/tags`: in an envelope, whatever the documentation says.
pub(super) fn list_tags(holdings: &mut Holdings, _: &Asked<'_>) -> Result<Response, Fault> {
    let is_used = |id: u64| {
        holdings.annotations.iter().any(|(_, annotation)| {
            list(annotation, "tags")
                .iter()
                .any(|tag| tag.get("id") == Some(&json!(id)))
        })
    };
    let tags: Vec<Item> = holdings
        .annotation_tags
        .iter()
        .map(|(id, tag)| {
            let mut tag = tag.clone();
            tag.insert("has_annotations".into(), json!(is_used(*id)));
            tag
        })
        .collect();
    Ok(results(200, &json!(tags)))
}

/// `POST /projects/{}/annotations/tags`
pub(super) fn create_tag(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let body = shape::body(asked.request, NEW_TAG)?;
    let name = text(&body, "name");
    let mut tags = holdings.annotation_tags.iter();
    if tags.any(|(_, tag)| text(tag, "name") == name) {
        return Err(Fault::bad_request(format!("a tag '{name}' exists already")));
    }
    drop(tags);
    let id = holdings.next_id();
    put_tag(holdings, id, name)?;
    let project = holdings.facts.id;
    let tag = json!({"id": id, "name": name, "project_id": project, "has_annotations": false});
    Ok(results(200, &tag))
}

fn put_tag(holdings: &mut Holdings, id: u64, name: &str) -> Result<(), Fault> {
    let tag = json!({"id": id, "name": name, "project_id": holdings.facts.id});
    holdings.annotation_tags.put(id, object(tag))
}

/// The tags of these ids, as an annotation has them.
fn tags(holdings: &Holdings, ids: &[Value]) -> Result<Value, Fault> {
    ids.iter()
        .map(|id| {
            let tag = id.as_u64().and_then(|id| holdings.annotation_tags.get(&id));
            let tag = tag.ok_or_else(|| {
                Fault::bad_request(format!("there is no annotation tag with id {id}"))
            })?;
            Ok(json!({"id": id, "name": text(tag, "name")}))
        })
        .collect()
}

fn user(username: &str) -> Value {
    json!({"id": USER_ID, "first_name": username, "last_name": ""})
}

fn missing(asked: &Asked<'_>) -> Fault {
    Fault::new(404, format!("Annotation {} does not exist", asked.part(0)))
}

fn object(value: Value) -> Item {
    match value {
        Value::Object(object) => object,
        _ => Item::new(),
    }
}
