//! Profiles are changed, one or many at once: of users by `/engage`, of groups by `/groups`.

use serde_json::Value;

use super::change::{Change, Owner};
use super::destination::Destination;
use crate::mcp::args::Id;
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Failure};
use crate::tools::ask::{Ask, bad_arguments, counted};

/// The names of the properties that a change is about.
pub(super) const NAMES: Field = Field::always("properties", Shape::list(&Shape::Words))
    .about("The names of those that change.");

/// The most changes that are told to be at fault.
const FAULTS_TOLD_MAX: usize = 20;

pub(super) fn change_one(
    ask: &Ask,
    change: Change,
    project_id: Option<&Id>,
) -> Result<Answer, Failure> {
    let faults = change.faults();
    if !faults.is_empty() {
        return Err(bad_arguments(faults));
    }
    let (word, names) = (change.word(), change.names());
    let owner = change.owner.in_words();
    let id = change.owner.id().to_owned();
    let id_name = match change.owner {
        Owner::User(_) => "distinct_id",
        Owner::Group { .. } => "group_id",
    };
    let place = send(ask, vec![change], project_id)?;
    let what = match names.len() {
        0 => String::new(),
        1 => " of 1 property".into(),
        number => format!(" of {number} properties"),
    };
    Ok(Answer {
        summary: format!("Mixpanel took {word}{what} for {owner} in {place}"),
        data: Data::of([
            (id_name, id.into()),
            ("operation", word.into()),
            ("properties", names.into()),
        ]),
    })
}

/// `list` is the name of the argument that the changes stand in.
pub(super) fn change_many(
    ask: &Ask,
    list: &str,
    changes: Vec<Change>,
    project_id: Option<&Id>,
) -> Result<Answer, Failure> {
    let faults = changes.iter().enumerate().flat_map(|(place, change)| {
        let faults = change.faults().into_iter();
        faults.map(move |fault| format!("{list}[{place}].{fault}"))
    });
    let faults: Vec<String> = faults.take(FAULTS_TOLD_MAX).collect();
    if !faults.is_empty() {
        return Err(bad_arguments(faults));
    }
    let number = changes.len();
    let place = send(ask, changes, project_id)?;
    Ok(Answer {
        summary: format!("Mixpanel took {} in {place}", counted(number, "change")),
        data: Data::of([("accepted", number.into())]),
    })
}

/// Sends changes that are all of users or all of groups, and tells where to.
fn send(ask: &Ask, changes: Vec<Change>, project_id: Option<&Id>) -> Result<String, Failure> {
    let Destination { token, place } = Destination::of(ask, project_id)?;
    let of_groups = changes
        .iter()
        .any(|change| matches!(change.owner, Owner::Group { .. }));
    let updates: Vec<Value> = changes.into_iter().map(Change::update).collect();
    let ingestion = &ask.mixpanel()?.ingestion;
    match of_groups {
        true => ingestion.groups(&token, &updates)?,
        false => ingestion.engage(&token, &updates)?,
    }
    Ok(place)
}
