//! Lexicon: the schemas that say what a project's events and profiles mean.
//!
//! Mixpanel takes 5 of these requests a minute for an organization, so nothing is looked up that need not be.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::mcp::args::{Arg as _, Id, Int, List, Text, args, choice};
use crate::mcp::consent::Loss;
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{ProjectId, SchemaEntry, SchemaScope};

use super::ask::{Ask, bad_arguments, counted, quoted};

/// How many schemas are listed where the call does not say.
const LIMIT_DEFAULT: usize = 100;
/// How many events and properties Mixpanel lets an organization change in a minute.
const CHANGES_MAX: usize = 4_000;
/// How many names a question or a summary has.
const NAMES_NAMED: usize = 5;

pub(super) const TOOLS: &[Tool<Ask>] = &[
    Tool {
        name: "mixpanel_list_schemas",
        title: "Lexicon schemas",
        about: "Lists what Lexicon says of a project's events and profiles: description and names of the properties; mixpanel_get_schema reads one whole. Mixpanel takes 5 Lexicon requests a minute.",
        effect: Effect::Reads,
        params: ListSchemas::FIELDS,
        output: &[
            Field::always(
                "schemas",
                Shape::list(&Shape::Object(&[
                    Field::always("entity_type", Shape::Words),
                    Field::always("entity_name", Shape::Words),
                    Field::sometimes("description", Shape::Words),
                    Field::always("properties", Shape::list(&Shape::Words)),
                ])),
            ),
            Field::always("truncated", Shape::Flag),
        ],
        run: |ask, arguments| list_schemas(ask, ListSchemas::read(arguments)),
    },
    Tool {
        name: "mixpanel_get_schema",
        title: "Lexicon schema",
        about: "Reads the whole Lexicon schema of one event or profile: description, properties with their types, tags, owners, whether it is hidden or dropped. Mixpanel takes 5 Lexicon requests a minute.",
        effect: Effect::Reads,
        params: GetSchema::FIELDS,
        output: &[
            Field::always("schema", Shape::MapOf(&Shape::Any)),
            Field::always("truncated", Shape::Flag),
        ],
        run: |ask, arguments| get_schema(ask, GetSchema::read(arguments)),
    },
    Tool {
        name: "mixpanel_upload_schemas",
        title: "Upload Lexicon schemas",
        about: "Adds Lexicon schemas of several entities, all or none; the schemas that these entities have are replaced whole, and truncate deletes all others of the project. Costs 2 of the 5 Lexicon requests a minute.",
        effect: Effect::Destroys(upload_loss),
        params: UploadSchemas::FIELDS,
        output: &[
            Field::always("added", Shape::Count),
            Field::always("deleted", Shape::Count),
        ],
        run: |ask, arguments| upload_schemas(ask, UploadSchemas::read(arguments)),
    },
    Tool {
        name: "mixpanel_upload_schema",
        title: "Upload a Lexicon schema",
        about: "Writes the Lexicon schema of one entity; one that it has is replaced whole, so read it with mixpanel_get_schema and change that. Costs 2 of the 5 Lexicon requests a minute.",
        effect: Effect::Destroys(replacement_loss),
        params: UploadSchema::FIELDS,
        output: &[
            Field::always("entity_type", Shape::Words),
            Field::always("entity_name", Shape::Words),
        ],
        run: |ask, arguments| upload_schema(ask, UploadSchema::read(arguments)),
    },
    Tool {
        name: "mixpanel_delete_schemas",
        title: "Delete Lexicon schemas",
        about: "Deletes the Lexicon schema of one entity, those of an entity type, or all of the project; at most 3,000 at once. Events and profiles stay. Costs 2 of the 5 Lexicon requests a minute.",
        effect: Effect::Destroys(deletion_loss),
        params: DeleteSchemas::FIELDS,
        output: &[Field::always("deleted", Shape::Count)],
        run: |ask, arguments| delete_schemas(ask, DeleteSchemas::read(arguments)),
    },
];

choice! {
    /// The documentation knows the first two, Mixpanel has all.
    enum EntityType {
        Event = "event",
        Profile = "profile",
        CustomEvent = "custom_event",
        Group = "group",
        Lookup = "lookup",
    }
}

args! {
    struct ListSchemas {
        /// What kind of thing the schema is of. Default: all kinds.
        entity_type: Option<EntityType>,
        /// Only names with this in them, in any case.
        search: Option<Text<255>>,
        /// Most schemas. Default 100.
        limit: Option<Int<1, 1000>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct GetSchema {
        /// What kind of thing the schema is of.
        entity_type: EntityType,
        /// Its name, exact: the event's; for user profiles $user.
        entity_name: Text<255>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct Entry {
        /// What kind of thing the schema is of.
        entity_type: EntityType,
        /// Its name, exact.
        entity_name: Text<255>,
        /// description, properties (by name, each with a JSON Schema type), metadata.
        schema: Map<String, Value>,
    }
}

args! {
    struct UploadSchemas {
        /// The schemas, each of another entity.
        entries: List<Entry, 1, 1000>,
        /// Deletes all schemas of the project first. Default false.
        truncate: Option<bool>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct UploadSchema {
        /// What kind of thing the schema is of.
        entity_type: EntityType,
        /// Its name, exact: the event's; for user profiles $user.
        entity_name: Text<255>,
        /// The whole schema: description, properties (by name, each with a JSON Schema type), metadata.
        schema: Map<String, Value>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct DeleteSchemas {
        /// Only schemas of this kind. Default: all of the project.
        entity_type: Option<EntityType>,
        /// Only the schema of this name; needs entity_type.
        entity_name: Option<Text<255>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn list_schemas(ask: &Ask, args: ListSchemas) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let scope = match args.entity_type {
        Some(entity) => SchemaScope::EntityType(entity.word()),
        None => SchemaScope::Project,
    };
    let mut schemas = ask.mixpanel()?.app.schemas(&project, scope)?;
    let known = schemas.len();
    let mut asked = in_words(scope, &project);
    if let Some(Text(search)) = &args.search {
        let wanted = search.to_lowercase();
        schemas.retain(|entry| entry.name.to_lowercase().contains(&wanted));
        asked += &format!(", with {} in the name", quoted(search));
    }
    let found = schemas.len();
    let limit = args.limit.map_or(LIMIT_DEFAULT, |limit| limit.0 as usize);
    let (items, _) = ask.fitting_values(schemas.iter().take(limit).map(entry_json));
    let mut summary = match (found, known) {
        (0, 0) => format!("{asked}: none"),
        (0, known) => format!("{asked}: none of {known}; ask without search to see all"),
        _ => format!("{asked}: {found}"),
    };
    let truncated = items.len() < found;
    if truncated {
        summary += &format!(
            "; truncated, the first {} are here: ask with search, entity_type or a higher limit",
            items.len()
        );
    }
    Ok(Answer {
        summary,
        data: Data::of([("schemas", items.into()), ("truncated", truncated.into())]),
    })
}

fn get_schema(ask: &Ask, args: GetSchema) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let (entity, name) = (args.entity_type.word(), args.entity_name.0.as_str());
    let schema = ask.mixpanel()?.app.schema(&project, entity, name)?;
    let mut schema = schema.as_object().cloned().unwrap_or_default();
    let mut summary = in_words(SchemaScope::Entity(entity, name), &project);
    summary += &format!(": {}", outline(&schema));
    let mut truncated = false;
    // Of all its members only this one can be long.
    if let Some(Value::Object(all)) = schema.get_mut("properties") {
        let (kept, whole) = ask.fitting(std::mem::take(all), |(name, value)| json!([name, value]));
        if !whole {
            summary += &format!(
                "; truncated, {} of them are here: the rest is more than this client takes in one answer",
                kept.len()
            );
        }
        truncated = !whole;
        *all = kept.into_iter().collect();
    }
    Ok(Answer {
        summary,
        data: Data::of([("schema", schema.into()), ("truncated", truncated.into())]),
    })
}

/// All that the upload deletes or replaces by something else.
fn upload_loss(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let args = UploadSchemas::read(arguments);
    if !entry_faults(&args.entries.0).is_empty() {
        return Ok(None);
    }
    let project = ask.project(args.project_id.as_ref())?;
    let known = ask
        .mixpanel()?
        .app
        .schemas(&project, SchemaScope::Project)?;
    let entries = entries(args.entries);
    let stays = |known: &SchemaEntry| {
        let same = |entry: &&SchemaEntry| is_of_same(entry, known);
        match entries.iter().find(same) {
            Some(entry) => entry.schema_json == known.schema_json,
            None => args.truncate != Some(true),
        }
    };
    let lost: Vec<&SchemaEntry> = known.iter().filter(|known| !stays(known)).collect();
    if lost.is_empty() {
        return Ok(None);
    }
    let what = format!(
        "delete or replace {} of project {project} for good: {}",
        counted(lost.len(), "Lexicon schema"),
        named(&lost)
    );
    let name = project.to_string();
    Ok(Some(Loss { name, what }))
}

fn upload_schemas(ask: &Ask, args: UploadSchemas) -> Result<Answer, Failure> {
    let faults = entry_faults(&args.entries.0);
    if !faults.is_empty() {
        return Err(bad_arguments(faults));
    }
    let project = ask.project(args.project_id.as_ref())?;
    let truncate = args.truncate.unwrap_or(false);
    let entries = entries(args.entries);
    let upload = ask
        .mixpanel()?
        .app
        .upload_schemas(&project, &entries, truncate)?;
    Ok(Answer {
        summary: format!(
            "uploaded {} to project {project}, {} deleted before",
            counted(upload.added, "Lexicon schema"),
            upload.deleted
        ),
        data: Data::of([
            ("added", upload.added.into()),
            ("deleted", upload.deleted.into()),
        ]),
    })
}

/// A schema that the entity has already, unless it is the same.
fn replacement_loss(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let args = UploadSchema::read(arguments);
    if change_fault([&args.schema].into_iter()).is_some() {
        return Ok(None);
    }
    let project = ask.project(args.project_id.as_ref())?;
    let (entity, name) = (args.entity_type.word(), args.entity_name.0);
    let known = match ask.mixpanel()?.app.schema(&project, entity, &name) {
        Ok(known) => known.as_object().cloned().unwrap_or_default(),
        Err(error) if error.status() == Some(404) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if known == args.schema {
        return Ok(None);
    }
    let what = format!(
        "replace the {} ({}) for good",
        in_words(SchemaScope::Entity(entity, &name), &project),
        outline(&known)
    );
    Ok(Some(Loss { name, what }))
}

fn upload_schema(ask: &Ask, args: UploadSchema) -> Result<Answer, Failure> {
    if let Some(fault) = change_fault([&args.schema].into_iter()) {
        return Err(bad_arguments(vec![fault]));
    }
    let project = ask.project(args.project_id.as_ref())?;
    let (entity, name) = (args.entity_type.word(), args.entity_name.0);
    let schema = Value::Object(args.schema);
    ask.mixpanel()?
        .app
        .upload_schema(&project, entity, &name, &schema)?;
    let scope = SchemaScope::Entity(entity, &name);
    Ok(Answer {
        summary: format!("uploaded the {}", in_words(scope, &project)),
        data: Data::of([
            ("entity_type", entity.into()),
            ("entity_name", name.as_str().into()),
        ]),
    })
}

fn deletion_loss(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let args = DeleteSchemas::read(arguments);
    let project = ask.project(args.project_id.as_ref())?;
    let Ok(scope) = scope(&args) else {
        return Ok(None);
    };
    let lost = ask.mixpanel()?.app.schemas(&project, scope)?;
    if lost.is_empty() {
        return Ok(None);
    }
    let lost: Vec<&SchemaEntry> = lost.iter().collect();
    let what = format!(
        "delete {} for good, {}: {}",
        counted(lost.len(), "Lexicon schema"),
        in_words(scope, &project),
        named(&lost)
    );
    let name = match scope {
        SchemaScope::Project => project.to_string(),
        SchemaScope::EntityType(entity) => entity.into(),
        SchemaScope::Entity(_, name) => name.into(),
    };
    Ok(Some(Loss { name, what }))
}

fn delete_schemas(ask: &Ask, args: DeleteSchemas) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let scope = scope(&args)?;
    let deleted = ask.mixpanel()?.app.delete_schemas(&project, scope)?;
    Ok(Answer {
        summary: format!(
            "deleted {}, {}",
            counted(deleted, "Lexicon schema"),
            in_words(scope, &project)
        ),
        data: Data::of([("deleted", deleted.into())]),
    })
}

/// A name without its type would otherwise mean all schemas of the project.
fn scope(args: &DeleteSchemas) -> Result<SchemaScope<'_>, Failure> {
    match (args.entity_type, &args.entity_name) {
        (None, None) => Ok(SchemaScope::Project),
        (Some(entity), None) => Ok(SchemaScope::EntityType(entity.word())),
        (Some(entity), Some(name)) => Ok(SchemaScope::Entity(entity.word(), &name.0)),
        (None, Some(_)) => Err(bad_arguments(vec![
            "entity_type: missing. A name may be that of an event and of a profile".into(),
        ])),
    }
}

fn entries(List(entries): List<Entry, 1, 1000>) -> Vec<SchemaEntry> {
    entries
        .into_iter()
        .map(|entry| SchemaEntry {
            entity_type: entry.entity_type.word().into(),
            name: entry.entity_name.0,
            schema_json: entry.schema.into(),
        })
        .collect()
}

fn entry_faults(entries: &[Entry]) -> Vec<String> {
    let key = |entry: &Entry| (entry.entity_type.word(), entry.entity_name.0.clone());
    let mut seen = BTreeSet::new();
    let mut faults: Vec<String> = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| !seen.insert(key(entry)))
        .map(|(index, entry)| {
            format!(
                "entries[{index}]: {} {} stands twice, the last would win",
                entry.entity_type.word(),
                quoted(&entry.entity_name.0)
            )
        })
        .collect();
    faults.extend(change_fault(entries.iter().map(|entry| &entry.schema)));
    faults
}

/// More changes at once than Mixpanel takes in a minute.
fn change_fault<'a>(schemas: impl Iterator<Item = &'a Map<String, Value>>) -> Option<String> {
    let changes: usize = schemas.map(|schema| 1 + properties(schema).count()).sum();
    (changes > CHANGES_MAX).then(|| {
        format!(
            "{changes} entities and properties are more than Mixpanel takes in a minute ({CHANGES_MAX}): upload them in parts"
        )
    })
}

fn is_of_same(a: &SchemaEntry, b: &SchemaEntry) -> bool {
    (&a.entity_type, &a.name) == (&b.entity_type, &b.name)
}

fn properties(schema: &Map<String, Value>) -> impl Iterator<Item = &String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(Map::keys)
}

/// `Lexicon schema of the event "Buy" in project 7`
fn in_words(scope: SchemaScope<'_>, project: &ProjectId) -> String {
    match scope {
        SchemaScope::Project => format!("Lexicon schemas of project {project}"),
        SchemaScope::EntityType(entity) => {
            format!("Lexicon schemas of type {entity} in project {project}")
        }
        SchemaScope::Entity(entity, name) => format!(
            "Lexicon schema of the {entity} {} in project {project}",
            quoted(name)
        ),
    }
}

/// What a schema says, in few words.
fn outline(schema: &Map<String, Value>) -> String {
    let properties = match properties(schema).count() {
        1 => "1 property".into(),
        number => format!("{number} properties"),
    };
    match schema.get("description").and_then(Value::as_str) {
        Some(description) if !description.is_empty() => {
            format!("{}, {properties}", quoted(description))
        }
        _ => properties,
    }
}

/// The first of them by name.
fn named(entries: &[&SchemaEntry]) -> String {
    let names: Vec<String> = entries
        .iter()
        .take(NAMES_NAMED)
        .map(|entry| format!("{} {}", entry.entity_type, quoted(&entry.name)))
        .collect();
    let more = match entries.len().saturating_sub(NAMES_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.join(", ") + &more
}

fn entry_json(entry: &SchemaEntry) -> Value {
    let none = Map::new();
    let schema = entry.schema_json.as_object().unwrap_or(&none);
    let names: Vec<&String> = properties(schema).collect();
    let mut json = json!({
        "entity_type": entry.entity_type,
        "entity_name": entry.name,
        "properties": names,
    });
    if let Some(description) = schema.get("description").and_then(Value::as_str) {
        json["description"] = description.into();
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(entries: Value, expected: &[&str]) {
        let List(entries) = List::<Entry, 1, 1000>::read(&entries);
        assert_eq!(entry_faults(&entries), expected);
    }

    #[test]
    fn an_entity_stands_once_and_an_upload_is_not_more_than_a_minute_takes() {
        let entry = |kind: &str, properties: usize| {
            let properties: Map<String, Value> = (0..properties)
                .map(|number| (number.to_string(), json!({"type": "string"})))
                .collect();
            json!({"entity_type": kind, "entity_name": "a", "schema": {"properties": properties}})
        };
        check(json!([entry("event", 3_998), entry("profile", 0)]), &[]);
        check(
            json!([entry("event", 0), entry("event", 4_000)]),
            &[
                "entries[1]: event \"a\" stands twice, the last would win",
                "4002 entities and properties are more than Mixpanel takes in a minute (4000): upload them in parts",
            ],
        );
    }
}
