//! Annotations: notes at moments of a project's charts, and the tags that sort them.
//! <https://developer.mixpanel.com/reference/annotations>

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};

use super::api::Api;
use super::app::MixpanelAppApiClient;
use super::credentials::ProjectId;
use super::error::Error;
use super::request::{Body, Pairs, Request};
use super::told::{Members, Told};

/// A note at a moment of a project's charts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Annotation {
    /// Its id.
    pub id: u64,
    /// The moment, `yyyy-mm-dd hh:mm:ss` in the project's time zone.
    pub date: String,
    /// The note.
    pub description: String,
    /// Its tags.
    pub tags: Vec<AnnotationTag>,
    /// Who made it: `id`, `first_name`, `last_name`.
    pub user: Value,
}

/// A tag of annotations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnnotationTag {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
}

/// What of an annotation is to change; what is not given stays.
#[derive(Debug, Clone, Default)]
pub struct AnnotationChange<'a> {
    /// The new note.
    pub description: Option<&'a str>,
    /// The ids of all its tags.
    pub tags: Option<&'a [u64]>,
}

impl Told for Annotation {
    fn told(value: Value) -> Option<Annotation> {
        let mut members = Members::of(value)?;
        Some(Annotation {
            id: members.take("id")?,
            date: members.take("date").unwrap_or_default(),
            description: members.take("description").unwrap_or_default(),
            tags: members.take("tags").unwrap_or_default(),
            user: members.take("user").unwrap_or_default(),
        })
    }
}

impl Told for AnnotationTag {
    fn told(value: Value) -> Option<AnnotationTag> {
        let mut members = Members::of(value)?;
        Some(AnnotationTag {
            id: members.take("id")?,
            name: members.take("name").unwrap_or_default(),
        })
    }
}

/// Annotations. All errors are those of a request.
impl MixpanelAppApiClient {
    /// The annotations between two days, both inclusive and both optional.
    pub fn annotations(
        &self,
        project: &ProjectId,
        from: Option<Date>,
        to: Option<Date>,
    ) -> Result<Vec<Annotation>, Error> {
        let pairs = Pairs::new()
            .with_some("fromDate", from)
            .with_some("toDate", to);
        let request = Request::managed(annotations_path(project), pairs);
        self.results(&request, "results with a list of annotations")
    }

    /// One annotation.
    pub fn annotation(&self, project: &ProjectId, id: u64) -> Result<Annotation, Error> {
        let request = Request::managed(annotation_path(project, id), Pairs::new());
        self.results(&request, ANNOTATION)
    }

    /// Makes an annotation at a moment, `yyyy-mm-dd hh:mm:ss` in the project's time zone.
    pub fn create_annotation(
        &self,
        project: &ProjectId,
        date: &str,
        description: &str,
        tags: &[u64],
    ) -> Result<Annotation, Error> {
        let body = json!({"date": date, "description": description, "tags": tags});
        let request = Request::write(Api::App, annotations_path(project), Body::post(&body));
        self.results(&request, ANNOTATION)
    }

    /// Changes an annotation. Its moment cannot be changed.
    pub fn update_annotation(
        &self,
        project: &ProjectId,
        id: u64,
        change: &AnnotationChange<'_>,
    ) -> Result<Annotation, Error> {
        let mut body = json!({});
        if let Some(description) = change.description {
            body["description"] = description.into();
        }
        if let Some(tags) = change.tags {
            body["tags"] = tags.into();
        }
        let path = annotation_path(project, id);
        self.results(
            &Request::write(Api::App, path, Body::patch(&body)),
            ANNOTATION,
        )
    }

    /// Deletes an annotation.
    pub fn delete_annotation(&self, project: &ProjectId, id: u64) -> Result<(), Error> {
        let path = annotation_path(project, id);
        self.http
            .done(&Request::write(Api::App, path, Body::Delete))
    }

    /// The tags that there are.
    pub fn annotation_tags(&self, project: &ProjectId) -> Result<Vec<AnnotationTag>, Error> {
        let request = Request::managed(tags_path(project), Pairs::new());
        self.results_or_bare(&request, "a list of tags")
    }

    /// Makes a tag.
    pub fn create_annotation_tag(
        &self,
        project: &ProjectId,
        name: &str,
    ) -> Result<AnnotationTag, Error> {
        let body = Body::post(&json!({ "name": name }));
        let request = Request::write(Api::App, tags_path(project), body);
        self.results_or_bare(&request, "a tag")
    }
}

const ANNOTATION: &str = "results with an annotation";

fn annotations_path(project: &ProjectId) -> String {
    format!("/projects/{project}/annotations")
}

fn annotation_path(project: &ProjectId, id: u64) -> String {
    format!("/projects/{project}/annotations/{id}")
}

fn tags_path(project: &ProjectId) -> String {
    format!("/projects/{project}/annotations/tags")
}
