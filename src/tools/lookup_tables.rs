//! Lookup tables: CSV that joins further properties to events and profiles.

use serde_json::{Value, json};

use crate::mcp::args::{Arg as _, Id, Int, Text, args};
use crate::mcp::consent::Loss;
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{LookupTable, ProjectId};

use super::ask::{Ask, counted, quoted};

/// How many tables are listed where the call does not say.
const LIMIT_DEFAULT: usize = 100;
/// The longest table that fits into a call, in characters. Mixpanel takes 100 MB.
const CSV_CHARS_MAX: usize = 1_000_000;
/// How many tables are named to one who asked for another.
const TABLES_NAMED: usize = 20;

pub(super) const TOOLS: &[Tool<Ask>] = &[
    Tool {
        name: "mixpanel_list_lookup_tables",
        title: "Lookup tables",
        about: "Lists the lookup tables of a project by id and name; Mixpanel does not tell their content. Costs 1 of the 100 lookup table requests a day.",
        effect: Effect::Reads,
        params: ListLookupTables::FIELDS,
        output: &[
            Field::always(
                "lookup_tables",
                Shape::list(&Shape::Object(&[
                    Field::always("lookup_table_id", Shape::Words),
                    Field::always("name", Shape::Words),
                ])),
            ),
            Field::always("truncated", Shape::Flag),
        ],
        run: |ask, arguments| list_lookup_tables(ask, ListLookupTables::read(arguments)),
    },
    Tool {
        name: "mixpanel_replace_lookup_table",
        title: "Replace a lookup table",
        about: "Replaces the whole content of a lookup table with CSV, all or nothing: rows that are not in it are gone, and cannot be read back. Costs 2 of the 100 lookup table requests a day.",
        effect: Effect::Destroys(content_loss),
        params: ReplaceLookupTable::FIELDS,
        output: &[
            Field::always("lookup_table_id", Shape::Words),
            Field::always("rows", Shape::Count)
                .about("Lines that are not empty, but for the head."),
        ],
        run: |ask, arguments| replace_lookup_table(ask, ReplaceLookupTable::read(arguments)),
    },
];

args! {
    struct ListLookupTables {
        /// Most tables. Default 100.
        limit: Option<Int<1, 1000>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct ReplaceLookupTable {
        /// The table's UUID, as mixpanel_list_lookup_tables lists it.
        lookup_table_id: Text<64>,
        /// The new content: a head line with the names of the columns, then rows. The first column is the key: unique, never blank.
        csv: Text<CSV_CHARS_MAX>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn list_lookup_tables(ask: &Ask, args: ListLookupTables) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let tables = ask.mixpanel()?.ingestion.lookup_tables(&project)?;
    let limit = args.limit.map_or(LIMIT_DEFAULT, |limit| limit.0 as usize);
    let items = tables
        .iter()
        .take(limit)
        .map(|table| json!({"lookup_table_id": table.id, "name": table.name}));
    let (items, _) = ask.fitting_values(items);
    let mut summary = format!(
        "{} in project {project}",
        counted(tables.len(), "lookup table")
    );
    let truncated = items.len() < tables.len();
    if truncated {
        summary += &format!(
            "; the first {} are here: raise limit (at most 1000)",
            items.len()
        );
    }
    Ok(Answer {
        summary,
        data: Data::of([
            ("lookup_tables", items.into()),
            ("truncated", truncated.into()),
        ]),
    })
}

/// Looked up, so that the question names the table.
fn content_loss(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let args = ReplaceLookupTable::read(arguments);
    let project = ask.project(args.project_id.as_ref())?;
    let tables = ask.mixpanel()?.ingestion.lookup_tables(&project)?;
    let id = args.lookup_table_id.0;
    let Some(table) = tables.iter().find(|table| table.id == id) else {
        return Err(unknown(&id, &project, &tables));
    };
    Ok(Some(Loss {
        name: table.name.clone(),
        what: format!(
            "replace all rows of the lookup table {} ({id}) in project {project} by {}, for good",
            quoted(&table.name),
            counted(rows(&args.csv.0), "row")
        ),
    }))
}

fn replace_lookup_table(ask: &Ask, args: ReplaceLookupTable) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let id = args.lookup_table_id.0;
    let rows = rows(&args.csv.0);
    let failed = ask
        .mixpanel()?
        .ingestion
        .replace_lookup_table(&project, &id, args.csv.0)?;
    if !failed.is_empty() {
        let faults: Vec<Value> = failed
            .iter()
            .map(|row| json!({"row": row.index + 1, "fault": row.message}))
            .collect();
        let text = format!(
            "Mixpanel refused the CSV and the lookup table {id} of project {project} is as it was: {}; up to ten rows are told, counted from 1 after the head. Mend them and send all again",
            failed
                .iter()
                .map(|row| format!("row {}: {}", row.index + 1, row.message))
                .collect::<Vec<_>>()
                .join("; ")
        );
        return Err(Failure::new("rows_refused", text).with("rows", faults));
    }
    Ok(Answer {
        summary: format!(
            "the lookup table {id} of project {project} has {} now",
            counted(rows, "row")
        ),
        data: Data::of([("lookup_table_id", id.into()), ("rows", rows.into())]),
    })
}

fn unknown(id: &str, project: &ProjectId, tables: &[LookupTable]) -> Failure {
    let named: Vec<String> = tables
        .iter()
        .take(TABLES_NAMED)
        .map(|table| format!("{} {}", table.id, quoted(&table.name)))
        .collect();
    let known = match named.as_slice() {
        [] => "none".into(),
        named => named.join(", "),
    };
    let text = format!(
        "project {project} has no lookup table {}; it has {known}. A table is made in Mixpanel's web interface",
        quoted(id)
    );
    Failure::new("not_found", text)
}

/// A cell may go over several lines, so these are lines.
fn rows(csv: &str) -> usize {
    let lines = csv.lines().filter(|line| !line.trim().is_empty()).count();
    lines.saturating_sub(1)
}
