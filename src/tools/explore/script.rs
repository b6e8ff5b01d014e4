//! Scripts in JQL, which Mixpanel still runs but no longer grows.

use serde_json::{Map, Value, json};

use crate::mcp::args::{Arg as _, Id, Int, Text, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::tools::ask::{Ask, counted};

/// How many rows are given where the call does not say.
const LIMIT_DEFAULT: usize = 100;
/// The longest script, in characters.
const SCRIPT_CHARS_MAX: usize = 50_000;

pub(super) const RUN_JQL: Tool<Ask> = Tool {
    name: "mixpanel_run_jql",
    title: "Run a JQL script",
    about: "Runs a script in Mixpanel's JQL over events and profiles, and gives its rows. In maintenance mode at Mixpanel: take it only for what no report answers. A script changes nothing; it may read 5 GB and run 2 minutes. Costs 1 query of the 60 an hour.",
    effect: Effect::Reads,
    params: RunJql::FIELDS,
    output: &[
        Field::always("rows", Shape::list(&Shape::MapOf(&Shape::Any)))
            .about("What is no object stands in value."),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| run_jql(ask, RunJql::read(arguments)),
};

args! {
    struct RunJql {
        /// JavaScript with a function main that returns a collection, as in function main() { return Events({from_date: params.from, to_date: params.to}).groupBy(["name"], mixpanel.reducer.count()); }
        script: Text<SCRIPT_CHARS_MAX>,
        /// What the script sees as params. Default: nothing.
        params: Option<Map<String, Value>>,
        /// Most rows. Default 100.
        limit: Option<Int<1, 10_000>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn run_jql(ask: &Ask, args: RunJql) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let params = args.params.map(Value::Object);
    let given = ask
        .mixpanel()?
        .query
        .jql(&project, &args.script.0, params.as_ref())?;
    let rows = match given {
        Value::Array(rows) => rows,
        one => vec![one],
    };
    let found = rows.len();
    let limit = args.limit.map_or(LIMIT_DEFAULT, |limit| limit.0 as usize);
    let items = rows.into_iter().take(limit).map(|row| match row {
        Value::Object(row) => Value::Object(row),
        other => json!({ "value": other }),
    });
    let (items, _) = ask.fitting_values(items);
    let mut summary = format!(
        "the script gave {} in project {project}",
        counted(found, "row")
    );
    let truncated = items.len() < found;
    if truncated {
        summary += &format!(
            "; truncated, the first {} are here: let the script group or filter more, or raise limit (at most 10000)",
            items.len()
        );
    }
    Ok(Answer {
        summary,
        data: Data::of([("rows", items.into()), ("truncated", truncated.into())]),
    })
}
