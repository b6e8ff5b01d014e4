//! Questions about people: `/engage`, `/cohorts/list`, `/stream/query`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value, json};

use super::event::Event;
use super::fault::Fault;
use super::http::{Request, Response};
use super::parameters;
use super::saved::Cohort;
use super::store::{Filter, Profile, Project};
use super::time::Unit;
use crate::mixpanel::expression::{Expression, Operand, Source, Subject};

const PAGE_SIZE: usize = 1_000;
/// The newest events of an activity stream; older ones are left out.
const ACTIVITY_MAX: usize = 5_000;

/// A profile as what an expression looks at: `properties` and `user` mean the same.
struct Person<'p> {
    id: &'p str,
    profile: &'p Profile,
}

impl<'p> Subject<'p> for Person<'p> {
    fn property(&self, _source: Source, name: &str) -> Operand<'p> {
        property(self.id, self.profile, name)
    }
}

/// A property of a profile.
pub(super) fn property<'p>(id: &'p str, profile: &'p Profile, name: &str) -> Operand<'p> {
    match (name, profile.get(name)) {
        ("distinct_id" | "$distinct_id", None) => Operand::Text(Cow::Borrowed(id)),
        (_, Some(Value::String(text))) => Operand::Text(Cow::Borrowed(text)),
        (_, Some(value)) => Operand::from_json(value),
        (_, None) => Operand::Undefined,
    }
}

impl Cohort {
    fn expression(&self) -> Result<Expression, Fault> {
        Expression::parse(self.condition).map_err(|error| Fault::new(500, error.to_string()))
    }
}

/// The parameters of a JSON body beside those of the URL. Clients send either form; null is as good as left out.
fn with_json_body(request: &Request) -> Result<Request, Fault> {
    let mut parameters = request.parameters.clone();
    if request.content_type == "application/json" && !request.body.is_empty() {
        let body: Map<String, Value> = serde_json::from_slice(&request.body)
            .map_err(|_| Fault::bad_request("the body must be a JSON object"))?;
        parameters.extend(body.into_iter().filter(|(_, value)| !value.is_null()).map(
            |(name, value)| match value {
                Value::String(text) => (name, text),
                value => (name, value.to_string()),
            },
        ));
    }
    let (url, received_ms) = (request.url.clone(), request.received_ms);
    Ok(Request {
        url,
        parameters,
        received_ms,
        ..Request::default()
    })
}

/// Who is asked for.
struct Query {
    ids: Option<HashSet<String>>,
    condition: Option<Expression>,
    cohort: Option<Expression>,
}

impl Query {
    fn read(project: &Project, request: &Request) -> Result<Query, Fault> {
        if request.parameter("behaviors").is_some() {
            return Err(Fault::bad_request("behaviors are not computed here"));
        }
        let mut ids: Option<HashSet<String>> =
            parameters::list(request, "distinct_ids")?.map(|ids| {
                let ids = ids.iter().map(|id| project.canonical(id).to_owned());
                ids.collect()
            });
        if let Some(id) = request.parameter("distinct_id") {
            ids.get_or_insert_default()
                .insert(project.canonical(id).to_owned());
        }
        let cohort = match request.parameter("filter_by_cohort") {
            None => None,
            Some(text) => {
                let wanted: Option<u64> = serde_json::from_slice::<Value>(text.as_bytes())
                    .ok()
                    .and_then(|value| value.get("id").and_then(Value::as_u64));
                let cohort = project
                    .saved
                    .cohorts
                    .iter()
                    .find(|cohort| Some(u64::from(cohort.id)) == wanted)
                    .ok_or_else(|| Fault::bad_request("filter_by_cohort: no such cohort"))?;
                Some(cohort.expression()?)
            }
        };
        Ok(Query {
            ids,
            condition: parameters::condition(request, "where")?,
            cohort,
        })
    }

    fn takes(&self, id: &str, profile: &Profile) -> bool {
        let person = Person { id, profile };
        let holds = |condition: &Option<Expression>| {
            condition
                .as_ref()
                .is_none_or(|condition| condition.value(&person).is_true())
        };
        self.ids.as_ref().is_none_or(|ids| ids.contains(id))
            && holds(&self.condition)
            && holds(&self.cohort)
    }
}

/// The same for all pages of one query, and only for these.
fn session_id(request: &Request) -> String {
    let mut hasher = DefaultHasher::new();
    for name in [
        "project_id",
        "distinct_id",
        "distinct_ids",
        "where",
        "filter_by_cohort",
        "data_group_id",
    ] {
        request.parameter(name).hash(&mut hasher);
    }
    format!("{}-SANDBX", hasher.finish())
}

/// `POST /engage`
pub(super) fn query(project: &Project, request: &Request) -> Result<Response, Fault> {
    let request = &with_json_body(request)?;
    let query = Query::read(project, request)?;
    let session_id = session_id(request);
    let page = parameters::integer(request, "page", 0, u32::MAX)?.unwrap_or(0) as usize;
    match request.parameter("session_id") {
        None if page > 0 => {
            return Err(Fault::bad_request(
                "session_id is required for pages above 0",
            ));
        }
        Some(given) if given != session_id => {
            return Err(Fault::bad_request(
                "request for page in uncached query for params",
            ));
        }
        _ => {}
    }
    let wanted: Option<HashSet<String>> = parameters::list(request, "output_properties")?
        .map(|properties| properties.into_iter().collect());

    let found: Vec<(&String, &Profile)> = match request.parameter("data_group_id") {
        Some(key) => project
            .groups(key)
            .filter(|(id, group)| query.takes(id, group))
            .collect(),
        None => project
            .profiles()
            .iter()
            .filter(|(id, person)| query.takes(id, person))
            .collect(),
    };
    let results: Vec<Value> = found
        .iter()
        .skip(page.saturating_mul(PAGE_SIZE))
        .take(PAGE_SIZE)
        .map(|(id, profile)| {
            let properties: Map<String, Value> = profile
                .iter()
                .filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted.contains(*name)))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            json!({"$distinct_id": id, "$properties": properties})
        })
        .collect();
    let is_last = results.len() < PAGE_SIZE;
    let mut answer = json!({
        "page": page,
        "page_size": PAGE_SIZE,
        "results": results,
        "session_id": session_id,
        "status": "ok",
    });
    if let Some(answer) = answer.as_object_mut() {
        if page == 0 {
            answer.insert("total".into(), json!(found.len()));
        } else if is_last {
            answer.insert("session_id".into(), Value::Null);
        }
    }
    Ok(Response::json(200, &answer))
}

/// `POST /cohorts/list`
pub(super) fn cohorts(project: &Project, request: &Request) -> Result<Response, Fault> {
    let project_id: u64 = request
        .parameter("project_id")
        .and_then(|id| id.parse().ok())
        .unwrap_or_default();
    let cohorts = project.saved.cohorts.iter().map(|cohort| {
        let condition = cohort.expression()?;
        let count = project
            .profiles()
            .iter()
            .filter(|(id, profile)| condition.value(&Person { id, profile }).is_true())
            .count();
        Ok(json!({
            "id": cohort.id,
            "name": cohort.name,
            "description": cohort.description,
            "count": count,
            "is_visible": u8::from(cohort.is_visible),
            "created": cohort.created,
            "project_id": project_id,
        }))
    });
    let cohorts: Vec<Value> = cohorts.collect::<Result<_, Fault>>()?;
    Ok(Response::json(200, &json!(cohorts)))
}

/// `GET /stream/query`: what some users did, the oldest first.
pub(super) fn activity(project: &Project, request: &Request) -> Result<Response, Fault> {
    parameters::required(request, "distinct_ids")?;
    let ids = parameters::list(request, "distinct_ids")?.unwrap_or_default();
    let users: HashSet<_> = ids
        .iter()
        .filter_map(|id| project.symbol(project.canonical(id)))
        .collect();
    let buckets = parameters::buckets(request, Unit::Day, 1)?;
    let filter = Filter::over(&buckets, None);
    let mut events: Vec<&Event> = project
        .select(&filter)
        .filter(|event| users.contains(&event.user))
        .collect();
    events.sort_by_key(|event| event.time_ms);
    let newest = events.len().saturating_sub(ACTIVITY_MAX);
    let events: Vec<_> = events
        .into_iter()
        .skip(newest)
        .map(|event| project.exported(event, false))
        .collect();
    Ok(Response::json(
        200,
        &json!({"status": "ok", "results": {"events": events}}),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::sample;
    use crate::sandbox::store::Owner;

    const COHORTS: &[Cohort] = &[Cohort {
        id: 1,
        name: "Pro",
        description: "",
        created: "2026-01-01 00:00:00",
        is_visible: true,
        condition: r#"user["plan"] == "pro""#,
    }];

    fn people(count: usize) -> Project {
        let mut project = Project::default();
        for number in 0..count {
            let plan = if number % 2 == 0 { "pro" } else { "free" };
            let profile = json!({"plan": plan, "number": number})
                .as_object()
                .cloned()
                .unwrap();
            let owner = Owner::User(format!("u{number:04}"));
            project.change_profile(owner, |_| Some(profile)).unwrap();
        }
        project.saved.cohorts = COHORTS;
        project
    }

    #[track_caller]
    fn check_ids(parameters: &[(&str, &str)], expected: &[&str]) {
        let answer = sample::json(query(&people(4), &sample::request(parameters)));
        let ids: Vec<&str> = answer["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["$distinct_id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, expected);
        assert_eq!(answer["total"], json!(expected.len()));
    }

    #[test]
    fn people_are_found_by_id_condition_and_cohort() {
        check_ids(&[], &["u0000", "u0001", "u0002", "u0003"]);
        check_ids(&[("distinct_id", "u0001")], &["u0001"]);
        check_ids(&[("distinct_ids", r#"["u0003", "nobody"]"#)], &["u0003"]);
        check_ids(
            &[("where", r#"properties["number"] > 1"#)],
            &["u0002", "u0003"],
        );
        check_ids(&[("filter_by_cohort", r#"{"id": 1}"#)], &["u0000", "u0002"]);
    }

    #[test]
    fn a_body_may_be_json() {
        let mut request = sample::request(&[]);
        request.content_type = "application/json".into();
        request.body = br#"{"distinct_ids": ["u0002"], "output_properties": ["plan"]}"#.to_vec();
        let answer = sample::json(query(&people(4), &request));
        let expected = json!([{"$distinct_id": "u0002", "$properties": {"plan": "pro"}}]);
        assert_eq!(answer["results"], expected);
    }

    #[test]
    fn pages_follow_with_the_session_of_the_first() {
        let project = people(PAGE_SIZE + 1);
        let first = sample::json(query(&project, &sample::request(&[])));
        assert_eq!(first["results"].as_array().unwrap().len(), PAGE_SIZE);
        assert_eq!(first["total"], json!(PAGE_SIZE + 1));
        let session = first["session_id"].as_str().unwrap();

        let second = sample::json(query(
            &project,
            &sample::request(&[("page", "1"), ("session_id", session)]),
        ));
        assert_eq!(second["results"].as_array().unwrap().len(), 1);
        assert_eq!(
            (&second["total"], &second["session_id"]),
            (&Value::Null, &Value::Null)
        );

        assert!(query(&project, &sample::request(&[("page", "1")])).is_err());
        assert!(
            query(
                &project,
                &sample::request(&[("page", "1"), ("session_id", "x")])
            )
            .is_err()
        );
    }

    #[test]
    fn cohorts_are_counted() {
        let answer = sample::json(cohorts(
            &people(5),
            &sample::request(&[("project_id", "7")]),
        ));
        assert_eq!(answer[0]["count"], json!(3));
        assert_eq!(answer[0]["project_id"], json!(7));
    }

    #[test]
    fn activity_is_of_the_users_asked_for_by_time() {
        let project = sample::project(&[
            ("Buy", "ann", "2026-01-02T10:00:00", json!({})),
            ("Open", "ann", "2026-01-01T10:00:00", json!({})),
            ("Open", "bob", "2026-01-01T10:00:00", json!({})),
        ]);
        let parameters = [
            ("distinct_ids", r#"["ann"]"#),
            ("from_date", "2026-01-01"),
            ("to_date", "2026-01-02"),
        ];
        let answer = sample::json(activity(&project, &sample::request(&parameters)));
        let events = answer["results"]["events"].as_array().unwrap();
        let names: Vec<&Value> = events.iter().map(|event| &event["event"]).collect();
        assert_eq!(names, ["Open", "Buy"]);
    }
}
