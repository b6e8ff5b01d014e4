//! Lexicon's schemas: what a project's events and profiles mean.
//! <https://developer.mixpanel.com/reference/lexicon-schemas-api>
//!
//! Mixpanel takes 5 requests a minute for an organization, 4,000 changed events and properties a minute, and 3,000
//! deletions a request. An entity's type is `event` or `profile`; Lexicon has more.

use serde::Serialize;
use serde_json::{Value, json};

use super::api::Api;
use super::app::MixpanelAppApiClient;
use super::credentials::ProjectId;
use super::error::Error;
use super::request::{Body, Pairs, Request, part};
use super::told::{Members, Told};

/// The schema of one entity.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaEntry {
    /// What is described: `event`, `profile`, and others that Lexicon has.
    pub entity_type: String,
    /// Its name, as in `Added To Cart`.
    pub name: String,
    /// `description`, `properties` (each with a `type`) and `metadata`.
    pub schema_json: Value,
}

/// Which schemas are meant.
#[derive(Debug, Clone, Copy)]
pub enum SchemaScope<'a> {
    /// All of the project.
    Project,
    /// All of one type of entity.
    EntityType(&'a str),
    /// That of one entity, by its type and name.
    Entity(&'a str, &'a str),
}

/// What an upload did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaUpload {
    /// How many schemas came in.
    pub added: u64,
    /// How many were deleted before, if all were to be replaced.
    pub deleted: u64,
}

impl Told for SchemaEntry {
    fn told(value: Value) -> Option<SchemaEntry> {
        let mut members = Members::of(value)?;
        Some(SchemaEntry {
            entity_type: members.take("entityType")?,
            name: members.take("name")?,
            schema_json: members.take("schemaJson")?,
        })
    }
}

impl Told for SchemaUpload {
    fn told(value: Value) -> Option<SchemaUpload> {
        let mut members = Members::of(value)?;
        Some(SchemaUpload {
            added: members.or_default("added")?,
            deleted: members.or_default("deleted")?,
        })
    }
}

/// Lexicon's schemas. All errors are those of a request.
impl MixpanelAppApiClient {
    /// The schemas in a scope.
    pub fn schemas(
        &self,
        project: &ProjectId,
        scope: SchemaScope<'_>,
    ) -> Result<Vec<SchemaEntry>, Error> {
        let path = schemas_path(project);
        let (path, pairs) = match scope {
            SchemaScope::Project => (path, Pairs::new()),
            SchemaScope::EntityType(entity) => {
                (format!("{path}/{}", part(TYPE, entity)?), Pairs::new())
            }
            SchemaScope::Entity(entity, name) => (
                format!("{path}/{}", part(TYPE, entity)?),
                Pairs::new().with("entity_name", name),
            ),
        };
        let request = Request::managed(path, pairs);
        self.results(&request, "results with a list of schemas")
    }

    /// The schema of one entity.
    pub fn schema(&self, project: &ProjectId, entity: &str, name: &str) -> Result<Value, Error> {
        let path = schema_path(project, entity, name)?;
        let request = Request::managed(path, Pairs::new());
        self.results_or_bare(&request, "a schema")
    }

    /// Adds schemas, or replaces those of the same entities. With `truncate`, all schemas of the project are deleted
    /// first.
    pub fn upload_schemas(
        &self,
        project: &ProjectId,
        entries: &[SchemaEntry],
        truncate: bool,
    ) -> Result<SchemaUpload, Error> {
        let body = Body::post(&json!({"entries": entries, "truncate": truncate}));
        let request = Request::write(Api::App, schemas_path(project), body);
        self.results(&request, "results with numbers of schemas")
    }

    /// Adds or replaces the schema of one entity.
    pub fn upload_schema(
        &self,
        project: &ProjectId,
        entity: &str,
        name: &str,
        schema: &Value,
    ) -> Result<(), Error> {
        let path = schema_path(project, entity, name)?;
        self.http
            .done(&Request::write(Api::App, path, Body::post(schema)))
    }

    /// Deletes the schemas in a scope, and says how many there were.
    pub fn delete_schemas(
        &self,
        project: &ProjectId,
        scope: SchemaScope<'_>,
    ) -> Result<u64, Error> {
        let path = match scope {
            SchemaScope::Project => schemas_path(project),
            SchemaScope::EntityType(entity) => {
                format!("{}/{}", schemas_path(project), part(TYPE, entity)?)
            }
            SchemaScope::Entity(entity, name) => schema_path(project, entity, name)?,
        };
        let request = Request::write(Api::App, path, Body::Delete);
        self.result(&request, "delete_count", "results with a number of schemas")
    }
}

const TYPE: &str = "the entity's type";

fn schemas_path(project: &ProjectId) -> String {
    format!("/projects/{project}/schemas")
}

fn schema_path(project: &ProjectId, entity: &str, name: &str) -> Result<String, Error> {
    let (entity, name) = (part(TYPE, entity)?, part("the entity's name", name)?);
    Ok(format!("{}/{entity}/{name}", schemas_path(project)))
}
