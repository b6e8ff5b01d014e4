//! Which ids are the same person, in projects with Original ID Merge. None of it can be undone.

use serde_json::{Value, json};

use super::destination::Destination;
use super::event::{Fault, distinct_id_fault};
use crate::mcp::args::{Arg as _, Id, Text, args};
use crate::mcp::consent::Loss;
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::tools::ask::{Ask, bad_arguments, quoted};

pub(super) const CREATE_IDENTITY: Tool<Ask> = Tool {
    name: "mixpanel_create_identity",
    title: "Identify an anonymous user",
    about: "Says that an anonymous id is a known user, so that what was done before signing in is the user's too. Cannot be undone. Only for projects with Original ID Merge. Costs no query quota.",
    effect: Effect::Adds,
    params: CreateIdentity::FIELDS,
    output: JOINED,
    run: |ask, arguments| create_identity(ask, CreateIdentity::read(arguments)),
};

pub(super) const CREATE_ALIAS: Tool<Ask> = Tool {
    name: "mixpanel_create_alias",
    title: "Give a user another id",
    about: "Gives a user one more id, by which events may name the user from now on. Cannot be undone. Not for projects with Simplified ID Merge. Costs no query quota.",
    effect: Effect::Adds,
    params: CreateAlias::FIELDS,
    output: JOINED,
    run: |ask, arguments| create_alias(ask, CreateAlias::read(arguments)),
};

pub(super) const MERGE_IDENTITIES: Tool<Ask> = Tool {
    name: "mixpanel_merge_identities",
    title: "Make one user of two",
    about: "Makes one user of two known ones: events and profiles of both are one user's from then on. Cannot be undone. Only for projects with Original ID Merge; needs a service account. Costs no query quota.",
    effect: Effect::Destroys(loss),
    params: MergeIdentities::FIELDS,
    output: JOINED,
    run: |ask, arguments| merge_identities(ask, MergeIdentities::read(arguments)),
};

const JOINED: &[Field] = &[Field::always(
    "joined",
    Shape::List {
        item: &Shape::Words,
        min: 2,
        max: 2,
    },
)
.about("The two ids that are one user.")];

args! {
    struct CreateIdentity {
        /// Id of the user.
        distinct_id: Text<255>,
        /// The anonymous id, a UUID of version 4.
        anonymous_id: Text<36>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct CreateAlias {
        /// Id of the user.
        distinct_id: Text<255>,
        /// The other id that the user gets.
        alias: Text<255>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct MergeIdentities {
        /// Id of the user.
        distinct_id: Text<255>,
        /// Id of the user that is made one with it.
        merged_id: Text<255>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

/// Why two ids cannot be joined: Mixpanel would say so only for some, under a status of 200.
fn faults(distinct_id: &str, other_name: &str, other: &str) -> Vec<String> {
    let message = |id: &str| distinct_id_fault(&id.into()).map(|Fault { message, .. }| message);
    let mut faults = Vec::new();
    faults.extend(message(distinct_id).map(|why| format!("distinct_id: {why}")));
    faults.extend(message(other).map(|why| format!("{other_name}: {why}")));
    if distinct_id == other {
        faults.push(format!("{other_name}: is the same as distinct_id"));
    }
    faults
}

fn refuse(faults: Vec<String>) -> Result<(), Failure> {
    match faults.is_empty() {
        true => Ok(()),
        false => Err(bad_arguments(faults)),
    }
}

fn loss(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let args = MergeIdentities::read(arguments);
    let (kept, merged) = (args.distinct_id.0, args.merged_id.0);
    refuse(faults(&kept, "merged_id", &merged))?;
    let project = ask.project(args.project_id.as_ref())?;
    Ok(Some(Loss {
        what: format!(
            "make {} and {} one user in project {project}: they cannot be told apart again",
            quoted(&kept),
            quoted(&merged)
        ),
        name: merged,
    }))
}

fn create_identity(ask: &Ask, args: CreateIdentity) -> Result<Answer, Failure> {
    let (id, anonymous) = (args.distinct_id.0, args.anonymous_id.0);
    let mut faults = faults(&id, "anonymous_id", &anonymous);
    if !is_uuid_v4(&anonymous) {
        faults.push(format!(
            "anonymous_id: must be a UUID of version 4, as 8f14e45f-ceea-467f-a6b5-0d2d4f5e8c11, got {}",
            quoted(&anonymous)
        ));
    }
    refuse(faults)?;
    let Destination { token, place } = Destination::of(ask, args.project_id.as_ref())?;
    let ingestion = &ask.mixpanel()?.ingestion;
    ingestion.create_identity(&token, &id, &anonymous)?;
    Ok(joined(&id, &anonymous, &place))
}

fn create_alias(ask: &Ask, args: CreateAlias) -> Result<Answer, Failure> {
    let (id, alias) = (args.distinct_id.0, args.alias.0);
    refuse(faults(&id, "alias", &alias))?;
    let Destination { token, place } = Destination::of(ask, args.project_id.as_ref())?;
    ask.mixpanel()?
        .ingestion
        .create_alias(&token, &id, &alias)?;
    Ok(joined(&id, &alias, &place))
}

fn merge_identities(ask: &Ask, args: MergeIdentities) -> Result<Answer, Failure> {
    let (kept, merged) = (args.distinct_id.0, args.merged_id.0);
    let project = ask.project(args.project_id.as_ref())?;
    let ingestion = &ask.mixpanel()?.ingestion;
    let outcome = ingestion.merge_identities(&project, [&kept, &merged])?;
    if let Some(refused) = outcome.failed.first() {
        let field = refused.field.as_deref().unwrap_or("the ids");
        let text = format!(
            "Mixpanel refused to make {} and {} one user: {field}: {}; nothing was merged",
            quoted(&kept),
            quoted(&merged),
            refused.message
        );
        return Err(Failure::new("events_refused", text));
    }
    if outcome.stored == 0 {
        let text =
            "Mixpanel did not say that it took the merge; look at both users before you ask again";
        return Err(Failure::new("events_unknown", text));
    }
    Ok(joined(&kept, &merged, &format!("project {project}")))
}

fn joined(id: &str, other: &str, place: &str) -> Answer {
    Answer {
        summary: format!(
            "Mixpanel took it that {} is the user {} in {place}",
            quoted(other),
            quoted(id)
        ),
        data: Data::of([("joined", json!([id, other]).into())]),
    }
}

fn is_uuid_v4(text: &str) -> bool {
    let mut parts = text.split('-');
    let lengths = [8, 4, 4, 4, 12];
    let well_formed = lengths.iter().all(|length| {
        parts.next().is_some_and(|part| {
            part.len() == *length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    });
    well_formed
        && parts.next().is_none()
        && text.as_bytes().get(14) == Some(&b'4')
        && matches!(
            text.as_bytes().get(19),
            Some(b'8' | b'9' | b'a' | b'b' | b'A' | b'B')
        )
}
