//! Annotations: notes at moments of a project's charts, and the tags that sort them.

use jiff::civil;
use serde_json::{Value, json};

use crate::mcp::args::{Arg as _, Date, Id, Int, List, Text, args};
use crate::mcp::consent::Loss;
use crate::mcp::data::Data;
use crate::mcp::day::Day;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{Annotation, AnnotationChange, AnnotationTag, ProjectId};

use super::ask::{Ask, bad_arguments, counted, quoted};

/// How many annotations or tags are given where the call does not say.
const LIMIT_DEFAULT: usize = 100;
/// How much of a note a summary or a question repeats, in characters.
const NOTE_CHARS_MAX: usize = 120;

pub(super) const TOOLS: &[Tool<Ask>] = &[
    Tool {
        name: "mixpanel_list_annotations",
        title: "Annotations",
        about: "Lists the annotations of a project's charts (releases, campaigns, outages), the newest first: what may explain a change of a figure. Costs no query quota.",
        effect: Effect::Reads,
        params: ListAnnotations::FIELDS,
        output: &[
            Field::always("annotations", Shape::list(&ANNOTATION)),
            Field::always("truncated", Shape::Flag),
        ],
        run: |ask, arguments| list_annotations(ask, ListAnnotations::read(arguments)),
    },
    Tool {
        name: "mixpanel_get_annotation",
        title: "Annotation",
        about: "Reads one annotation. Costs no query quota.",
        effect: Effect::Reads,
        params: OneAnnotation::FIELDS,
        output: &[Field::always("annotation", ANNOTATION)],
        run: |ask, arguments| get_annotation(ask, OneAnnotation::read(arguments)),
    },
    Tool {
        name: "mixpanel_create_annotation",
        title: "Create an annotation",
        about: "Writes a note at a moment of the project's charts, for all of its users to see. Costs no query quota.",
        effect: Effect::Adds,
        params: CreateAnnotation::FIELDS,
        output: &[Field::always("annotation", ANNOTATION)],
        run: |ask, arguments| create_annotation(ask, CreateAnnotation::read(arguments)),
    },
    Tool {
        name: "mixpanel_update_annotation",
        title: "Change an annotation",
        about: "Changes the text or the tags of an annotation; what is not given stays. Its moment cannot be changed: delete it and create another. Costs no query quota.",
        effect: Effect::Sets,
        params: UpdateAnnotation::FIELDS,
        output: &[Field::always("annotation", ANNOTATION)],
        run: |ask, arguments| update_annotation(ask, UpdateAnnotation::read(arguments)),
    },
    Tool {
        name: "mixpanel_delete_annotation",
        title: "Delete an annotation",
        about: "Deletes an annotation for good. Costs no query quota.",
        effect: Effect::Destroys(annotation_loss),
        params: OneAnnotation::FIELDS,
        output: &[Field::always("annotation_id", Shape::Id)],
        run: |ask, arguments| delete_annotation(ask, OneAnnotation::read(arguments)),
    },
    Tool {
        name: "mixpanel_list_annotation_tags",
        title: "Annotation tags",
        about: "Lists the tags that annotations can have. Costs no query quota.",
        effect: Effect::Reads,
        params: ListAnnotationTags::FIELDS,
        output: &[
            Field::always("tags", Shape::list(&TAG)),
            Field::always("truncated", Shape::Flag),
        ],
        run: |ask, arguments| list_annotation_tags(ask, ListAnnotationTags::read(arguments)),
    },
    Tool {
        name: "mixpanel_create_annotation_tag",
        title: "Create an annotation tag",
        about: "Makes a tag that annotations can have. Look with mixpanel_list_annotation_tags first: there is no tool to delete one. Costs no query quota.",
        effect: Effect::Adds,
        params: CreateAnnotationTag::FIELDS,
        output: &[Field::always("tag", TAG)],
        run: |ask, arguments| create_annotation_tag(ask, CreateAnnotationTag::read(arguments)),
    },
];

const ANNOTATION: Shape = Shape::Object(&[
    Field::always("annotation_id", Shape::Id),
    Field::always("date", Shape::Words).about("In the project's time zone."),
    Field::always("description", Shape::Words),
    Field::always("tags", Shape::list(&TAG)),
    Field::sometimes("author", Shape::Words),
]);

const TAG: Shape = Shape::Object(&[
    Field::always("tag_id", Shape::Id),
    Field::always("name", Shape::Words),
]);

args! {
    struct ListAnnotations {
        /// First day: YYYY-MM-DD, or a word such as 30d. Default: no bound.
        from_date: Option<Date>,
        /// Last day, inclusive; may be to come. Default: no bound.
        to_date: Option<Date>,
        /// Most annotations. Default 100.
        limit: Option<Int<1, 1000>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct OneAnnotation {
        /// The annotation's id, as mixpanel_list_annotations lists it.
        annotation_id: Id,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct CreateAnnotation {
        /// The moment in the project's time zone: YYYY-MM-DD HH:MM:SS, or a day for its midnight.
        date: Text<19>,
        /// The text of the note.
        description: Text<10_000>,
        /// Ids of its tags, as mixpanel_list_annotation_tags lists them. Default: none.
        tag_ids: Option<List<Id, 0, 100>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct UpdateAnnotation {
        /// The annotation's id, as mixpanel_list_annotations lists it.
        annotation_id: Id,
        /// The new text. Default: stays.
        description: Option<Text<10_000>>,
        /// Ids of all its tags from now on; an empty list takes all off. Default: stay.
        tag_ids: Option<List<Id, 0, 100>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct ListAnnotationTags {
        /// Most tags. Default 100.
        limit: Option<Int<1, 1000>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct CreateAnnotationTag {
        /// The tag's name.
        tag_name: Text<255>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn list_annotations(ask: &Ask, args: ListAnnotations) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let from = day(ask, &project, args.from_date.as_ref(), |(first, _)| first)?;
    let to = day(ask, &project, args.to_date.as_ref(), |(_, last)| last)?;
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(bad_arguments(vec![format!(
            "from_date: {from} is after to_date {to}; exchange them"
        )]));
    }
    let mut annotations = ask.mixpanel()?.app.annotations(&project, from, to)?;
    annotations.sort_by(|a, b| b.date.cmp(&a.date));
    let found = annotations.len();
    let limit = args.limit.map_or(LIMIT_DEFAULT, |limit| limit.0 as usize);
    let items = annotations.iter().take(limit).map(annotation_json);
    let (items, _) = ask.fitting_values(items);
    let days = match (from, to) {
        (None, None) => String::new(),
        (Some(from), None) => format!(" from {from} on"),
        (None, Some(to)) => format!(" up to {to}"),
        (Some(from), Some(to)) => format!(" from {from} to {to}"),
    };
    let mut summary = format!(
        "{} in project {project}{days}",
        counted(found, "annotation")
    );
    if let Some(newest) = annotations.first() {
        summary += &format!(
            "; the newest is {} at {}",
            quoted(&in_short(&newest.description)),
            newest.date
        );
    }
    let truncated = items.len() < found;
    if truncated {
        summary += &format!(
            "; the newest {} are here: raise limit (at most 1000), or ask for fewer days",
            items.len()
        );
    }
    Ok(Answer {
        summary,
        data: Data::of([
            ("annotations", items.into()),
            ("truncated", truncated.into()),
        ]),
    })
}

fn get_annotation(ask: &Ask, args: OneAnnotation) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let annotation = ask
        .mixpanel()?
        .app
        .annotation(&project, args.annotation_id.number())?;
    Ok(told("", &project, &annotation))
}

fn create_annotation(ask: &Ask, args: CreateAnnotation) -> Result<Answer, Failure> {
    let date = moment(&args.date.0).ok_or_else(|| {
        bad_arguments(vec![format!(
            "date: must be like 2026-01-31 12:00:00 or 2026-01-31, got {}",
            quoted(&args.date.0)
        )])
    })?;
    let project = ask.project(args.project_id.as_ref())?;
    let tags = numbers(args.tag_ids).unwrap_or_default();
    let annotation =
        ask.mixpanel()?
            .app
            .create_annotation(&project, &date, &args.description.0, &tags)?;
    Ok(told("created ", &project, &annotation))
}

fn update_annotation(ask: &Ask, args: UpdateAnnotation) -> Result<Answer, Failure> {
    let tags = numbers(args.tag_ids);
    if args.description.is_none() && tags.is_none() {
        let fault = "description, tag_ids: give at least one, else nothing changes";
        return Err(bad_arguments(vec![fault.into()]));
    }
    let project = ask.project(args.project_id.as_ref())?;
    let change = AnnotationChange {
        description: args.description.as_ref().map(|text| text.0.as_str()),
        tags: tags.as_deref(),
    };
    let id = args.annotation_id.number();
    let annotation = ask
        .mixpanel()?
        .app
        .update_annotation(&project, id, &change)?;
    Ok(told("changed ", &project, &annotation))
}

/// Looked up, so that the question repeats the note.
fn annotation_loss(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let args = OneAnnotation::read(arguments);
    let project = ask.project(args.project_id.as_ref())?;
    let annotation = ask
        .mixpanel()?
        .app
        .annotation(&project, args.annotation_id.number())?;
    let name = match in_short(&annotation.description) {
        note if note.is_empty() => annotation.id.to_string(),
        note => note,
    };
    Ok(Some(Loss {
        name,
        what: format!(
            "delete annotation {} of project {project}, {} at {}, for good",
            annotation.id,
            quoted(&in_short(&annotation.description)),
            annotation.date
        ),
    }))
}

fn delete_annotation(ask: &Ask, args: OneAnnotation) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let id = args.annotation_id.number();
    ask.mixpanel()?.app.delete_annotation(&project, id)?;
    Ok(Answer {
        summary: format!("deleted annotation {id} of project {project}"),
        data: Data::of([("annotation_id", id.to_string().into())]),
    })
}

fn list_annotation_tags(ask: &Ask, args: ListAnnotationTags) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let tags = ask.mixpanel()?.app.annotation_tags(&project)?;
    let limit = args.limit.map_or(LIMIT_DEFAULT, |limit| limit.0 as usize);
    let (items, _) = ask.fitting_values(tags.iter().take(limit).map(tag_json));
    let mut summary = format!(
        "{} in project {project}",
        counted(tags.len(), "annotation tag")
    );
    let truncated = items.len() < tags.len();
    if truncated {
        summary += &format!(
            "; the first {} are here: raise limit (at most 1000)",
            items.len()
        );
    }
    Ok(Answer {
        summary,
        data: Data::of([("tags", items.into()), ("truncated", truncated.into())]),
    })
}

fn create_annotation_tag(ask: &Ask, args: CreateAnnotationTag) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let tag = ask
        .mixpanel()?
        .app
        .create_annotation_tag(&project, &args.tag_name.0)?;
    Ok(Answer {
        summary: format!(
            "created the annotation tag {} with id {} in project {project}",
            quoted(&tag.name),
            tag.id
        ),
        data: Data::of([("tag", tag_json(&tag).into())]),
    })
}

/// A day, or one end of the days that a word means. Only a word needs to know what day it is.
fn day(
    ask: &Ask,
    project: &ProjectId,
    date: Option<&Date>,
    end: fn((civil::Date, civil::Date)) -> civil::Date,
) -> Result<Option<civil::Date>, Failure> {
    let Some(date) = date else { return Ok(None) };
    if let Day::On(day) = date.0 {
        return Ok(Some(day));
    }
    match date.0.resolved(ask.today(project)) {
        Some(days) => Ok(Some(end(days))),
        None => Err(bad_arguments(vec![
            "the days lie before the calendar begins".into(),
        ])),
    }
}

/// A moment as Mixpanel writes it. No offset is taken: the project's time zone counts.
fn moment(text: &str) -> Option<String> {
    let text = text.replacen(' ', "T", 1);
    let whole = text.parse::<civil::DateTime>().ok()?.to_string();
    // With an offset, or parts of a second, it would not begin so.
    let is_plain = matches!(text.len(), 10 | 16 | 19) && whole.starts_with(&text);
    is_plain.then(|| whole.replacen('T', " ", 1))
}

fn numbers(ids: Option<List<Id, 0, 100>>) -> Option<Vec<u64>> {
    ids.map(|List(ids)| ids.iter().map(Id::number).collect())
}

/// The answer about one annotation. `done`: what was done with it, and a space.
fn told(done: &str, project: &ProjectId, annotation: &Annotation) -> Answer {
    Answer {
        summary: format!(
            "{done}annotation {} of project {project}: {} at {}",
            annotation.id,
            quoted(&in_short(&annotation.description)),
            annotation.date
        ),
        data: Data::of([("annotation", annotation_json(annotation).into())]),
    }
}

fn annotation_json(annotation: &Annotation) -> Value {
    let tags: Vec<Value> = annotation.tags.iter().map(tag_json).collect();
    let mut json = json!({
        "annotation_id": annotation.id.to_string(),
        "date": annotation.date,
        "description": annotation.description,
        "tags": tags,
    });
    let names: Vec<&str> = ["first_name", "last_name"]
        .iter()
        .filter_map(|name| annotation.user.get(name)?.as_str())
        .filter(|name| !name.is_empty())
        .collect();
    if !names.is_empty() {
        json["author"] = names.join(" ").into();
    }
    json
}

fn tag_json(tag: &AnnotationTag) -> Value {
    json!({"tag_id": tag.id.to_string(), "name": tag.name})
}

fn in_short(note: &str) -> String {
    match note.char_indices().nth(NOTE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", note.get(..end).unwrap_or_default()),
        None => note.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(moment(text).as_deref(), expected);
    }

    #[test]
    fn a_moment_is_a_day_or_a_time_of_one_without_an_offset() {
        check("2026-01-31", Some("2026-01-31 00:00:00"));
        check("2026-01-31 09:05:00", Some("2026-01-31 09:05:00"));
        check("2026-01-31T09:05:00", Some("2026-01-31 09:05:00"));
        check("2026-01-31 09:05", Some("2026-01-31 09:05:00"));
        check("2026-02-30", None);
        check("2026-01-31T09:05+02", None);
        check("2026-01-31T09:05-02", None);
        check("2026-01-31 09:05Z", None);
        check("2026-01-31 25:00:00", None);
        check("yesterday", None);
    }
}
