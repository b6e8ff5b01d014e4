//! Lexicon's schemas: uploaded, replaced, deleted.

use serde_json::{Value, json};

use super::fault::Fault;
use super::holdings::{Asked, Holdings, ok, results};
use super::http::Response;
use super::shape::{self, Member, Shape, list, needs, takes, text};
use super::shelf::Item;

/// What has a schema. The documentation knows the first two.
const ENTITY_TYPES: &[&str] = &["event", "profile", "custom_event", "group", "lookup"];
/// "3000 truncations/deletions per request".
const DELETED_MAX: usize = 3_000;
/// "4000 events+properties updated/minute".
const ENTRIES_MAX: usize = 4_000;

const UPLOAD: &[Member] = &[
    needs(
        "entries",
        Shape::ListTo(
            ENTRIES_MAX,
            &Shape::Object(&[
                needs("entityType", Shape::Words(ENTITY_TYPES)),
                needs("name", Shape::Length(1, 255)),
                needs("schemaJson", Shape::Object(SCHEMA)),
            ]),
        ),
    ),
    takes("truncate", Shape::Boolean),
];

const SCHEMA: &[Member] = &[
    // JSON Schema's own name for itself, which Mixpanel's examples carry.
    takes("$schema", Shape::Text),
    takes("description", Shape::Text),
    takes(
        "properties",
        Shape::Map(&Shape::Object(&[
            needs(
                "type",
                Shape::Words(&[
                    "array", "boolean", "integer", "null", "number", "object", "string",
                ]),
            ),
            takes("description", Shape::Text),
            takes(
                "metadata",
                Shape::Object(&[takes(
                    "com.mixpanel",
                    Shape::Object(&[
                        takes("displayName", Shape::Text),
                        takes("hidden", Shape::Boolean),
                        takes("dropped", Shape::Boolean),
                    ]),
                )]),
            ),
        ])),
    ),
    takes(
        "metadata",
        Shape::Object(&[takes(
            "com.mixpanel",
            Shape::Object(&[
                takes("$source", Shape::Text),
                takes("displayName", Shape::Text),
                takes("tags", Shape::List(&Shape::Text)),
                takes("hidden", Shape::Boolean),
                takes("dropped", Shape::Boolean),
                takes("contacts", Shape::List(&Shape::Text)),
                takes("teamContacts", Shape::List(&Shape::Text)),
            ]),
        )]),
    ),
];

/// The schema that the shop begins with.
pub(super) fn furnish(holdings: &mut Holdings) {
    let schema = json!({
        "description": "A customer paid for an order",
        "properties": {
            "amount": {"type": "number", "description": "The order's total in euros"},
            "plan": {"type": "string", "description": "The customer's plan"},
        },
        "metadata": {"com.mixpanel": {"displayName": "Purchase", "tags": ["revenue"]}},
    });
    let schema = schema.as_object().cloned().unwrap_or_default();
    let put = holdings
        .schemas
        .put(("event".into(), "Purchase Completed".into()), schema);
    debug_assert_eq!(put, Ok(()));
}

/// `GET /projects/{}/schemas` and `GET /projects/{}/schemas/{}`
pub(super) fn list_all(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let is_meant = scope(asked)?;
    let schemas: Vec<Value> = holdings
        .schemas
        .iter()
        .filter(|(key, _)| is_meant(key))
        .map(|((entity, name), schema)| {
            json!({"entityType": entity, "name": name, "schemaJson": schema})
        })
        .collect();
    Ok(results(200, &json!(schemas)))
}

/// `POST /projects/{}/schemas`: all or nothing.
pub(super) fn upload(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let body = shape::body(asked.request, UPLOAD)?;
    let mut deleted = 0;
    if body.get("truncate") == Some(&json!(true)) {
        deleted = delete_bounded(holdings, |_| true)?;
    }
    let entries = list(&body, "entries");
    for entry in entries.iter().filter_map(Value::as_object) {
        let key = (text(entry, "entityType").into(), text(entry, "name").into());
        let schema = entry.get("schemaJson").and_then(Value::as_object);
        holdings
            .schemas
            .put(key, schema.cloned().unwrap_or_default())?;
    }
    let counts = json!({"added": entries.len(), "deleted": deleted});
    Ok(results(200, &counts))
}

/// `DELETE /projects/{}/schemas` and `DELETE /projects/{}/schemas/{}`
pub(super) fn delete(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let is_meant = scope(asked)?;
    let deleted = delete_bounded(holdings, is_meant)?;
    Ok(results(200, &json!({ "delete_count": deleted })))
}

/// `GET /projects/{}/schemas/{}/{}`: in an envelope, whatever the documentation says.
pub(super) fn get(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let (entity, name) = key(asked)?;
    let schema = holdings.schemas.get(&(entity.clone(), name.clone()));
    let schema = schema
        .ok_or_else(|| Fault::new(404, format!("No schema for {entity} '{name}' was found")))?;
    Ok(results(200, &json!(schema)))
}

/// `POST /projects/{}/schemas/{}/{}`
pub(super) fn upload_one(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let key = key(asked)?;
    let schema: Item = shape::body(asked.request, SCHEMA)?;
    holdings.schemas.put(key, schema)?;
    Ok(ok())
}

/// `DELETE /projects/{}/schemas/{}/{}`
pub(super) fn delete_one(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let deleted = usize::from(holdings.schemas.take(&key(asked)?).is_some());
    Ok(results(200, &json!({ "delete_count": deleted })))
}

fn delete_bounded(
    holdings: &mut Holdings,
    is_meant: impl Fn(&(String, String)) -> bool,
) -> Result<usize, Fault> {
    let count = holdings
        .schemas
        .iter()
        .filter(|(key, _)| is_meant(key))
        .count();
    if count > DELETED_MAX {
        return Err(Fault::bad_request(format!(
            "at most {DELETED_MAX} schemas can be deleted in one request"
        )));
    }
    Ok(holdings.schemas.take_all(is_meant))
}

/// Which schemas a path and its `entity_name` mean.
fn scope(asked: &Asked<'_>) -> Result<impl Fn(&(String, String)) -> bool, Fault> {
    let entity = match asked.part(0) {
        "" => None,
        _ => Some(entity_type(asked)?),
    };
    let name = asked.request.parameter("entity_name").map(str::to_owned);
    Ok(move |(known_entity, known_name): &(String, String)| {
        entity.as_ref().is_none_or(|entity| entity == known_entity)
            && name.as_ref().is_none_or(|name| name == known_name)
    })
}

fn key(asked: &Asked<'_>) -> Result<(String, String), Fault> {
    Ok((entity_type(asked)?, asked.part(1).to_owned()))
}

fn entity_type(asked: &Asked<'_>) -> Result<String, Fault> {
    let entity = asked.part(0);
    if ENTITY_TYPES.contains(&entity) {
        return Ok(entity.to_owned());
    }
    Err(Fault::bad_request(format!(
        "Invalid entity type '{entity}': must be one of {}",
        ENTITY_TYPES.join(", ")
    )))
}
