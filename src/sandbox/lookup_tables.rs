//! Lookup tables: kept as CSV, and joined to nothing.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::fault::{Fault, reason};
use super::holdings::{Asked, Holdings};
use super::http::Response;
use super::ingestion::body_text;

/// How many rows at fault are told.
const FAILED_TOLD_MAX: usize = 10;

/// The tables of the shop. There is no request that makes one.
const TABLES: &[(&str, &str, &str)] = &[
    (
        "1297297a-43a7-4cac-82b0-635d2bd88aac",
        "Product Catalog",
        "sku,title,category\nM-1,Mug,Kitchen\nT-7,T-shirt,Clothing\n",
    ),
    (
        "55b4fb2b-e8de-466c-930f-8b36640b9b5e",
        "Campaigns",
        "utm_campaign,owner\nspring,Ann\n",
    ),
];

pub(super) fn furnish(holdings: &mut Holdings) {
    for (id, name, csv) in TABLES {
        let table = json!({"name": name, "csv": csv});
        let table = table.as_object().cloned().unwrap_or_default();
        let put = holdings.lookup_tables.put((*id).into(), table);
        debug_assert_eq!(put, Ok(()));
    }
}

/// `GET /lookup-tables`
pub(super) fn list_all(holdings: &mut Holdings, _: &Asked<'_>) -> Result<Response, Fault> {
    let tables: Vec<Value> = holdings
        .lookup_tables
        .iter()
        .map(|(id, table)| json!({"id": id, "name": table.get("name")}))
        .collect();
    let answer = json!({"code": 200, "status": reason(200), "results": tables});
    Ok(Response::json(200, &answer))
}

/// `PUT /lookup-tables/{}`: all or nothing.
pub(super) fn replace(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let id = asked.part(0).to_owned();
    let table = holdings.lookup_tables.get(&id).cloned();
    let mut table = table
        .ok_or_else(|| Fault::new(404, format!("Lookup table with id '{id}' was not found.")))?;
    let csv = body_text(asked.request)?;
    let failed = faults(&csv)?;
    if !failed.is_empty() {
        let answer = json!({
            "code": 400,
            "error": "Some data points in the request failed validation.",
            "failed_records": failed,
            "status": reason(400),
        });
        return Ok(Response::json(400, &answer));
    }
    table.insert("csv".into(), csv.into());
    holdings.lookup_tables.put(id, table)?;
    Ok(Response::json(
        200,
        &json!({"code": 200, "status": reason(200)}),
    ))
}

/// The rows at fault, the first of them.
fn faults(csv: &str) -> Result<Vec<Value>, Fault> {
    let mut rows = rows(csv)?.into_iter();
    let columns = match rows.next() {
        Some(head) if head.len() > 1 => head.len(),
        _ => {
            return Err(Fault::bad_request(
                "the first line must name a key and at least one more column",
            ));
        }
    };
    let mut keys = HashSet::new();
    let mut failed = Vec::new();
    for (index, row) in rows.enumerate() {
        let message = match row.first() {
            _ if row.len() != columns => "invalid row: wrong number of fields".to_owned(),
            Some(key) if key.trim().is_empty() => {
                "primary key is required and cannot be blank".to_owned()
            }
            Some(key) if !keys.insert(key.clone()) => {
                format!("primary key '{key}' is not unique")
            }
            _ => continue,
        };
        failed.push(json!({"index": index, "message": message}));
        if failed.len() == FAILED_TOLD_MAX {
            break;
        }
    }
    Ok(failed)
}

/// Reads CSV (RFC 4180). Empty lines count for nothing.
fn rows(csv: &str) -> Result<Vec<Vec<String>>, Fault> {
    let mut rows = Vec::new();
    let mut row = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = csv.chars().peekable();
    while let Some(character) = characters.next() {
        let Some(field) = row.last_mut() else { break };
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if field.is_empty() => is_quoted = true,
            ',' if !is_quoted => row.push(String::new()),
            '\r' if !is_quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !is_quoted => rows.push(std::mem::replace(&mut row, vec![String::new()])),
            other => field.push(other),
        }
    }
    if is_quoted {
        return Err(Fault::bad_request("a quoted field does not end"));
    }
    rows.push(row);
    rows.retain(|row| row.len() > 1 || row.iter().any(|field| !field.is_empty()));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(csv: &str, expected: Value) {
        assert_eq!(faults(csv).map(Value::from), Ok(expected), "{csv:?}");
    }

    #[test]
    fn each_row_has_a_unique_key_and_as_many_fields_as_the_head() {
        check("id,a\nx,1\ny,2\n", json!([]));
        check("id,a\r\n\"x, \"\"1\"\"\",\"two\nlines\"\r\n\r\n", json!([]));
        check(
            "id,a\nx,1\n,2\nx,3\ny\n",
            json!([
                {"index": 1, "message": "primary key is required and cannot be blank"},
                {"index": 2, "message": "primary key 'x' is not unique"},
                {"index": 3, "message": "invalid row: wrong number of fields"},
            ]),
        );
        let many = format!("id,a\n{}", "x\n".repeat(20));
        assert_eq!(faults(&many).map(|failed| failed.len()), Ok(10));
    }

    #[test]
    fn what_is_no_table_is_refused_whole() {
        for csv in ["", "id\nx\n", "id,\"a\nx,1\n"] {
            assert_eq!(
                faults(csv).map_err(|fault| fault.status),
                Err(400),
                "{csv:?}"
            );
        }
    }
}
