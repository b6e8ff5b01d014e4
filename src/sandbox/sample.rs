//! Small projects made by hand, and requests, for the tests of reports.

use serde_json::{Map, Value};

use super::event::Event;
use super::fault::Fault;
use super::http::{Body, Request, Response};
use super::store::Project;
use super::time::DAY_MS;
use crate::mixpanel::expression::parse_moment;

/// Noon of 2026-01-10, when all sample requests arrive.
pub(super) const NOW_MS: i64 = 20_463 * DAY_MS + DAY_MS / 2;

/// A project with these events: name, user, moment, properties.
pub(super) fn project(events: &[(&str, &str, &str, Value)]) -> Project {
    let mut project = Project::default();
    for (number, (name, user, moment, properties)) in events.iter().enumerate() {
        let properties: Vec<_> = properties
            .as_object()
            .unwrap_or(&Map::new())
            .iter()
            .map(|(name, value)| (project.intern(name), project.pack(value)))
            .collect();
        let event = Event {
            name: project.intern(name),
            user: project.intern(user),
            time_ms: parse_moment(moment).unwrap(),
            received_ms: NOW_MS,
            insert_id: number.to_string().into(),
            properties: properties.into(),
        };
        project.insert(event, 0);
    }
    project
}

/// A request with these parameters.
pub(super) fn request(parameters: &[(&str, &str)]) -> Request {
    let parameters = parameters
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    Request {
        parameters: parameters.collect(),
        received_ms: NOW_MS,
        ..Request::default()
    }
}

/// The text of an answer.
pub(super) fn text(response: Result<Response, Fault>) -> String {
    let mut text = String::new();
    match response.unwrap().body {
        Body::Bytes(bytes) => text = String::from_utf8(bytes).unwrap(),
        Body::Stream(mut stream) => drop(stream.read_to_string(&mut text).unwrap()),
    }
    text
}

/// The JSON of an answer.
pub(super) fn json(response: Result<Response, Fault>) -> Value {
    serde_json::from_str(&text(response)).unwrap()
}
