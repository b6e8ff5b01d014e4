//! Profiles of many users, page by page.
//!
//! Mixpanel pages by a session and a number, a thousand profiles each. An answer may hold less than a page, so a cursor
//! also says how much of the page has been given; the page is then asked for again (and within a minute kept).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::mcp::args::{Arg as _, Id, Int, List, Text, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{ProfilePage, ProfileQuery, ProjectId};
use crate::tools::ask::{Ask, bad_arguments, counted, quoted};

/// How many profiles are given where the call does not say.
const LIMIT_DEFAULT: usize = 100;
/// The size of Mixpanel's pages, where an answer does not tell it.
const PAGE_SIZE: usize = 1_000;
/// The longest cursor that is taken.
const CURSOR_CHARS_MAX: usize = 4_000;

pub(super) const QUERY_PROFILES: Tool<Ask> = Tool {
    name: "mixpanel_query_profiles",
    title: "Profiles",
    about: "Reads the profiles of many users (or groups): those that fulfil where, are in a saved cohort, or have these ids; only the named properties, if named. Goes on with cursor. For one user take mixpanel_get_user_profile. Costs 1 query of the 60 an hour.",
    effect: Effect::Reads,
    params: QueryProfiles::FIELDS,
    output: &[
        Field::always(
            "profiles",
            Shape::list(&Shape::Object(&[
                Field::always("distinct_id", Shape::Words),
                Field::always("properties", Shape::MapOf(&Shape::Any)),
            ])),
        ),
        Field::sometimes("total", Shape::Count).about("All that fit; told with the first page."),
        Field::sometimes("next_cursor", Shape::Words).about("Absent: these were the last."),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| query_profiles(ask, QueryProfiles::read(arguments)),
};

args! {
    struct QueryProfiles {
        /// Filter expression over profiles, such as properties["plan"] == "pro".
        r#where: Option<Text<4000>>,
        /// Only users of this saved cohort, as mixpanel_list_cohorts lists it.
        cohort_id: Option<Id>,
        /// Profiles of groups instead of users: the data group id of their kind.
        data_group_id: Option<Text<64>>,
        /// Only these users (or groups), exact ids.
        distinct_ids: Option<List<Text<255>, 1, 100>>,
        /// Names of the properties to return. Default: all.
        properties: Option<List<Text<255>, 1, 100>>,
        /// Most profiles. Default 100.
        limit: Option<Int<1, 1000>>,
        /// next_cursor of the answer before, to go on; all else but limit as there.
        cursor: Option<Text<CURSOR_CHARS_MAX>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

/// Where a reading of profiles goes on.
#[derive(Debug, PartialEq)]
struct Cursor {
    page: u32,
    /// How many profiles of the page have been given.
    given: usize,
    session_id: String,
    /// Of the question, so that a cursor does not go on with another.
    question: u64,
}

impl Cursor {
    fn parse(text: &str) -> Option<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (page, given, session_id, question) = serde_json::from_slice(&bytes).ok()?;
        Some(Cursor {
            page,
            given,
            session_id,
            question,
        })
    }

    fn text(&self) -> String {
        let parts = json!([self.page, self.given, self.session_id, self.question]);
        URL_SAFE_NO_PAD.encode(parts.to_string())
    }
}

fn query_profiles(ask: &Ask, args: QueryProfiles) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let question = digest(&project, &args);
    let cursor = match &args.cursor {
        None => None,
        Some(Text(text)) => {
            let cursor = Cursor::parse(text).filter(|cursor| cursor.question == question);
            let fault = "cursor: is none of this question; take next_cursor as it came and repeat all other arguments, or begin anew without cursor";
            Some(cursor.ok_or_else(|| bad_arguments(vec![fault.into()]))?)
        }
    };
    let distinct_ids = args.distinct_ids.map(texts);
    let properties = args.properties.map(texts);
    let given = cursor.as_ref().map_or(0, |cursor| cursor.given);
    let number = cursor.as_ref().map_or(0, |cursor| cursor.page);
    let query = ProfileQuery {
        distinct_id: None,
        distinct_ids: distinct_ids.as_deref(),
        filter: args.r#where.as_ref().map(|filter| filter.0.as_str()),
        cohort_id: args.cohort_id.as_ref().and_then(|id| id.0.parse().ok()),
        data_group_id: args.data_group_id.as_ref().map(|id| id.0.as_str()),
        output_properties: properties.as_deref(),
        page: cursor
            .as_ref()
            .map(|cursor| (cursor.page, cursor.session_id.as_str())),
    };
    let page = ask.mixpanel()?.query.engage(&project, &query)?;
    let follows = follows(&page);
    let ProfilePage {
        total,
        session_id,
        results,
        ..
    } = page;
    let size = results.len();
    let limit = args.limit.map_or(LIMIT_DEFAULT, |limit| limit.0 as usize);
    let items = results.into_iter().skip(given).take(limit).map(
        |profile| json!({"distinct_id": profile.distinct_id, "properties": profile.properties}),
    );
    let (items, fits) = ask.fitting_values(items);
    let mut skipped = 0;
    if items.is_empty() && !fits {
        // Else the cursor would stand still.
        skipped = 1;
    }
    let read = given + items.len() + skipped;
    // Within a page the page's own session goes on; the last page may bring none, and then is asked by the one before.
    let session_id = session_id.or_else(|| cursor.map(|cursor| cursor.session_id));
    let next = match session_id {
        Some(session_id) if read < size => Some((number, read, session_id)),
        Some(session_id) if follows => Some((number.saturating_add(1), 0, session_id)),
        _ => None,
    };
    let is_cut = next.is_none() && read < size;
    let next = next.map(|(page, given, session_id)| Cursor {
        page,
        given,
        session_id,
        question,
    });

    let mut summary = format!("{} of project {project}", counted(items.len(), "profile"));
    if let Some(Text(filter)) = &args.r#where {
        summary += &format!(", where {filter}");
    }
    if let Some(Id(cohort)) = &args.cohort_id {
        summary += &format!(", of cohort {cohort}");
    }
    if let Some(Text(group)) = &args.data_group_id {
        summary += &format!(", of groups {group}");
    }
    if let Some(total) = total {
        summary += &format!(", of {total} in all");
    }
    if skipped > 0 {
        summary += "; the next profile is too large for one answer and was passed over: name the properties you need";
    } else if next.is_some() {
        summary += "; there are more: go on with next_cursor as cursor";
    } else if is_cut {
        summary += "; more would be too large for one answer: raise limit, or name the properties you need";
    }
    if let [only] = items.as_slice() {
        summary += &format!(
            ": {}",
            quoted(only["distinct_id"].as_str().unwrap_or_default())
        );
    }
    let mut data = Data::of([
        ("profiles", items.into()),
        (
            "truncated",
            (next.is_some() || is_cut || skipped > 0).into(),
        ),
    ]);
    if let Some(total) = total {
        data.insert("total", total);
    }
    if let Some(next) = next {
        data.insert("next_cursor", next.text());
    }
    Ok(Answer { summary, data })
}

/// Whether a page comes after this one: it is full, and what is known of the total is more.
fn follows(page: &ProfilePage) -> bool {
    let size = match page.page_size {
        0 => PAGE_SIZE,
        size => size as usize,
    };
    let is_full = page.results.len() >= size;
    is_full
        && page
            .total
            .is_none_or(|total| total > page.results.len() as u64)
}

fn texts<const MIN: usize, const MAX: usize>(
    List(texts): List<Text<255>, MIN, MAX>,
) -> Vec<String> {
    texts.into_iter().map(|text| text.0).collect()
}

/// Of everything that decides which profiles come, and what of them.
fn digest(project: &ProjectId, args: &QueryProfiles) -> u64 {
    let texts = |list: &Option<List<Text<255>, 1, 100>>| -> Option<Vec<String>> {
        list.as_ref()
            .map(|list| list.0.iter().map(|text| text.0.clone()).collect())
    };
    let mut hasher = DefaultHasher::new();
    let filter = args.r#where.as_ref().map(|filter| &filter.0);
    let cohort = args.cohort_id.as_ref().map(|id| &id.0);
    let group = args.data_group_id.as_ref().map(|id| &id.0);
    (project.as_str(), filter, cohort, group).hash(&mut hasher);
    (texts(&args.distinct_ids), texts(&args.properties)).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is_one() {
        let cursor = Cursor {
            page: 3,
            given: 17,
            session_id: "12-\"ü\"".into(),
            question: u64::MAX,
        };
        assert_eq!(Cursor::parse(&cursor.text()), Some(cursor));
        for text in ["", "x", "WzEsMl0", "!"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
