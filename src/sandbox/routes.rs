//! Which path is answered by what. To add an endpoint, add a row.

use serde_json::json;

use super::access::{self, Account, Role};
use super::fault::{Fault, reason};
use super::holdings::{Asked, Holdings};
use super::http::{Request, Response};
use super::projects::{Facts, facts_of_workspace};
use super::service_accounts::Accounts;
use super::store::{Project, Store};
use super::{
    annotations, app, counts, experiments, export, feature_flags, funnels, ingestion, insights,
    lexicon, lookup_tables, pipelines, privacy, profiles, retention, segmentation,
    service_accounts, updates, warehouse,
};

struct Route {
    method: &'static str,
    /// From the root; `{}` stands for one segment, which the handler gets.
    path: &'static str,
    answer: Answer,
}

/// How a request is answered, by what the handler needs to know.
enum Answer {
    /// The handler itself finds out who asks, and for what.
    Open(fn(&Store, &Request) -> Result<Response, Fault>),
    /// For any service account; the segments of the path that were `{}`.
    Account(fn(&Store, Account, &[&str]) -> Result<Response, Fault>),
    /// For any service account: a report on the project that `project_id` names.
    Report(fn(&Project, &Request) -> Result<Response, Fault>),
    /// For any service account, and for admins if it changes something: what is managed in the project that the path
    /// begins with, or its workspace, or that `project_id` names.
    Managed(fn(&mut Holdings, &Asked<'_>) -> Result<Response, Fault>),
    /// The same, also for who has no more than the project's token.
    Decided(fn(&mut Holdings, &Asked<'_>) -> Result<Response, Fault>),
    /// For admins: the service accounts. No part of the path is left out.
    Staff(fn(&mut Accounts, &Asked<'_>) -> Result<Response, Fault>),
    /// For people with an OAuth token, in the project that `token` names.
    Private(fn(&mut Holdings, &mut Project, &Asked<'_>) -> Result<Response, Fault>),
}

use Answer::{Account as ByAccount, Decided, Managed, Open, Private, Report, Staff};

const fn get(path: &'static str, answer: Answer) -> Route {
    Route {
        method: "GET",
        path,
        answer,
    }
}

const fn post(path: &'static str, answer: Answer) -> Route {
    Route {
        method: "POST",
        path,
        answer,
    }
}

const fn on(method: &'static str, path: &'static str, answer: Answer) -> Route {
    Route {
        method,
        path,
        answer,
    }
}

const ANNOTATIONS: &str = "/api/app/projects/{}/annotations";
const ANNOTATION: &str = "/api/app/projects/{}/annotations/{}";
const ANNOTATION_TAGS: &str = "/api/app/projects/{}/annotations/tags";
const EXPERIMENTS: &str = "/api/app/workspaces/{}/experiments";
const EXPERIMENT: &str = "/api/app/workspaces/{}/experiments/{}";
const EXPERIMENT_ARCHIVE: &str = "/api/app/workspaces/{}/experiments/{}/archive";
const FLAGS: &str = "/api/app/projects/{}/workspaces/{}/feature-flags";
const FLAG: &str = "/api/app/projects/{}/workspaces/{}/feature-flags/{}";
const SCHEMAS: &str = "/api/app/projects/{}/schemas";
const ENTITY_SCHEMAS: &str = "/api/app/projects/{}/schemas/{}";
const SCHEMA: &str = "/api/app/projects/{}/schemas/{}/{}";
const IMPORT: &str = "/api/app/projects/{}/warehouse-sources/imports/{}";
const ORGANIZATION_ACCOUNTS: &str = "/api/app/organizations/{}/service-accounts";
const ORGANIZATION_ACCOUNT: &str = "/api/app/organizations/{}/service-accounts/{}";
const DELETION: &str = "/api/app/data-deletions/v3.0/{}";

/// Ingestion, export, query, app. Of two that fit, the first is meant: words before parts that are left open.
const ROUTES: &[Route] = &[
    post("/import", Open(ingestion::import)),
    post("/track", Open(ingestion::track)),
    post("/engage", Open(updates::users)),
    post("/groups", Open(updates::groups)),
    get("/api/2.0/export", Open(export_for_account)),
    get("/api/query/events", Report(counts::events)),
    get("/api/query/events/names", Report(counts::names)),
    get("/api/query/events/top", Report(counts::top)),
    get("/api/query/events/properties", Report(counts::properties)),
    get(
        "/api/query/events/properties/top",
        Report(counts::top_properties),
    ),
    get(
        "/api/query/events/properties/values",
        Report(counts::property_values),
    ),
    get(
        "/api/query/segmentation",
        Report(segmentation::segmentation),
    ),
    get(
        "/api/query/segmentation/numeric",
        Report(segmentation::numeric),
    ),
    get("/api/query/segmentation/sum", Report(segmentation::sum)),
    get(
        "/api/query/segmentation/average",
        Report(segmentation::average),
    ),
    get("/api/query/retention", Report(retention::retention)),
    get(
        "/api/query/retention/addiction",
        Report(retention::addiction),
    ),
    get("/api/query/funnels", Report(funnels::funnel)),
    get("/api/query/funnels/list", Report(funnels::list)),
    get("/api/query/insights", Report(insights::insights)),
    get("/api/query/stream/query", Report(profiles::activity)),
    post("/api/query/engage", Report(profiles::query)),
    post("/api/query/cohorts/list", Report(profiles::cohorts)),
    post("/api/query/jql", Report(jql)),
    get(
        "/api/app/me",
        ByAccount(|_, account, _| Ok(app::me(account))),
    ),
    get(
        "/api/app/projects/{}",
        ByAccount(|_, account, path| app::project(account, segment(path))),
    ),
    get(
        "/api/app/projects/{}/workspaces/public",
        ByAccount(|_, _, path| app::workspaces(segment(path))),
    ),
    get("/lookup-tables", Managed(lookup_tables::list_all)),
    on("PUT", "/lookup-tables/{}", Managed(lookup_tables::replace)),
    get("/flags", Decided(feature_flags::evaluate)),
    get("/flags/definitions", Decided(feature_flags::definitions)),
    get("/api/2.0/nessie/pipeline/jobs", Managed(pipelines::jobs)),
    get(
        "/api/2.0/nessie/pipeline/status",
        Managed(pipelines::status),
    ),
    get(
        "/api/2.0/nessie/pipeline/timeline",
        Managed(pipelines::timeline),
    ),
    post(
        "/api/2.0/nessie/pipeline/create",
        Managed(pipelines::create),
    ),
    post("/api/2.0/nessie/pipeline/edit", Managed(pipelines::edit)),
    post("/api/2.0/nessie/pipeline/pause", Managed(pipelines::pause)),
    post(
        "/api/2.0/nessie/pipeline/resume",
        Managed(pipelines::resume),
    ),
    post(
        "/api/2.0/nessie/pipeline/cancel",
        Managed(pipelines::cancel),
    ),
    get(ANNOTATION_TAGS, Managed(annotations::list_tags)),
    post(ANNOTATION_TAGS, Managed(annotations::create_tag)),
    get(ANNOTATIONS, Managed(annotations::list_all)),
    post(ANNOTATIONS, Managed(annotations::create)),
    get(ANNOTATION, Managed(annotations::get)),
    on("PATCH", ANNOTATION, Managed(annotations::change)),
    on("DELETE", ANNOTATION, Managed(annotations::delete)),
    get(EXPERIMENTS, Managed(experiments::list_all)),
    post(EXPERIMENTS, Managed(experiments::create)),
    get(EXPERIMENT, Managed(experiments::get)),
    on("PATCH", EXPERIMENT, Managed(experiments::change)),
    on("DELETE", EXPERIMENT, Managed(experiments::delete)),
    post(EXPERIMENT_ARCHIVE, Managed(experiments::archive)),
    on(
        "DELETE",
        EXPERIMENT_ARCHIVE,
        Managed(experiments::unarchive),
    ),
    on(
        "PUT",
        "/api/app/workspaces/{}/experiments/{}/launch",
        Managed(experiments::launch),
    ),
    on(
        "PUT",
        "/api/app/workspaces/{}/experiments/{}/force_conclude",
        Managed(experiments::conclude),
    ),
    on(
        "PATCH",
        "/api/app/workspaces/{}/experiments/{}/decide",
        Managed(experiments::decide),
    ),
    get(FLAGS, Managed(feature_flags::list_all)),
    post(FLAGS, Managed(feature_flags::create)),
    get(FLAG, Managed(feature_flags::get)),
    on("PUT", FLAG, Managed(feature_flags::replace)),
    on("DELETE", FLAG, Managed(feature_flags::delete)),
    get(SCHEMAS, Managed(lexicon::list_all)),
    post(SCHEMAS, Managed(lexicon::upload)),
    on("DELETE", SCHEMAS, Managed(lexicon::delete)),
    get(ENTITY_SCHEMAS, Managed(lexicon::list_all)),
    on("DELETE", ENTITY_SCHEMAS, Managed(lexicon::delete)),
    get(SCHEMA, Managed(lexicon::get)),
    post(SCHEMA, Managed(lexicon::upload_one)),
    on("DELETE", SCHEMA, Managed(lexicon::delete_one)),
    get(
        "/api/app/projects/{}/warehouse-sources/imports",
        Managed(warehouse::list_all),
    ),
    post(
        "/api/app/projects/{}/warehouse-sources/imports/event-stream",
        Managed(warehouse::create_events),
    ),
    post(
        "/api/app/projects/{}/warehouse-sources/imports/people",
        Managed(warehouse::create_people),
    ),
    post(
        "/api/app/projects/{}/warehouse-sources/imports/groups",
        Managed(warehouse::create_groups),
    ),
    post(
        "/api/app/projects/{}/warehouse-sources/imports/lookup-table",
        Managed(warehouse::create_table),
    ),
    get(IMPORT, Managed(warehouse::get)),
    on("PATCH", IMPORT, Managed(warehouse::change)),
    on("DELETE", IMPORT, Managed(warehouse::delete)),
    on(
        "PUT",
        "/api/app/projects/{}/warehouse-sources/imports/{}/manual-sync",
        Managed(warehouse::run),
    ),
    get(
        "/api/app/projects/{}/warehouse-sources/imports/{}/history",
        Managed(warehouse::history),
    ),
    get(
        "/api/app/projects/{}/service-accounts",
        Staff(service_accounts::list_project),
    ),
    get(ORGANIZATION_ACCOUNTS, Staff(service_accounts::list_all)),
    post(ORGANIZATION_ACCOUNTS, Staff(service_accounts::create)),
    post(
        "/api/app/organizations/{}/service-accounts/add-to-project",
        Staff(service_accounts::add),
    ),
    post(
        "/api/app/organizations/{}/service-accounts/remove-from-project",
        Staff(service_accounts::remove),
    ),
    get(ORGANIZATION_ACCOUNT, Staff(service_accounts::get)),
    on(
        "DELETE",
        ORGANIZATION_ACCOUNT,
        Staff(service_accounts::delete),
    ),
    post(
        "/api/app/data-retrievals/v3.0",
        Private(privacy::create_retrieval),
    ),
    get(
        "/api/app/data-retrievals/v3.0/{}",
        Private(privacy::retrieval),
    ),
    post(
        "/api/app/data-deletions/v3.0",
        Private(privacy::create_deletion),
    ),
    get(DELETION, Private(privacy::deletion)),
    on("DELETE", DELETION, Private(privacy::cancel_deletion)),
];

fn segment<'p>(path: &[&'p str]) -> &'p str {
    path.first().copied().unwrap_or_default()
}

fn export_for_account(store: &Store, request: &Request) -> Result<Response, Fault> {
    access::account(request)?;
    export::export(store, request)
}

fn jql(_project: &Project, _request: &Request) -> Result<Response, Fault> {
    Err(Fault::bad_request("JQL scripts are not run here"))
}

/// The answer to a request: nothing but the store and the request decides it.
pub(super) fn answer(store: &Store, request: &Request) -> Response {
    let path = request.path();
    let mut is_known = false;
    for route in ROUTES {
        let Some(segments) = matched(route.path, path) else {
            continue;
        };
        is_known = true;
        if route.method == request.method {
            return run(route, store, request, &segments)
                .unwrap_or_else(|fault| refusal(request, &fault));
        }
    }
    let fault = if is_known {
        Fault::new(
            405,
            format!("method {} is not allowed here", request.method),
        )
    } else {
        Fault::new(404, format!("unknown path {path}"))
    };
    refusal(request, &fault)
}

fn run(
    route: &Route,
    store: &Store,
    request: &Request,
    segments: &[&str],
) -> Result<Response, Fault> {
    let no_project = || Fault::new(404, "no such project");
    match &route.answer {
        Answer::Open(handler) => handler(store, request),
        Answer::Account(handler) => handler(store, access::account(request)?, segments),
        Answer::Report(handler) => {
            access::account(request)?;
            let facts = access::project(request)?;
            let project = store.read(facts).ok_or_else(no_project)?;
            handler(&project, request)
        }
        Answer::Managed(handler) => {
            let account = access::account(request)?;
            let (facts, parts) = managed(route, request, segments)?;
            if request.method != "GET" && account.role != Role::Admin {
                return Err(Fault::forbidden(
                    "You need at least the role analyst to change this",
                ));
            }
            let mut holdings = store.holdings(facts).ok_or_else(no_project)?;
            handler(&mut holdings, &Asked::new(request, account, parts))
        }
        Answer::Decided(handler) => {
            let (account, facts) = match access::project_of_token(request) {
                Some(facts) => (Account::of_token(), facts),
                None => (access::account(request)?, access::project(request)?),
            };
            let mut holdings = store.holdings(facts).ok_or_else(no_project)?;
            handler(&mut holdings, &Asked::new(request, account, segments))
        }
        Answer::Staff(handler) => {
            let account = access::account(request)?;
            if account.role != Role::Admin {
                return Err(Fault::forbidden(
                    "You need the role owner or admin to see or change service accounts",
                ));
            }
            handler(
                &mut store.accounts(),
                &Asked::new(request, account, segments),
            )
        }
        Answer::Private(handler) => {
            let (account, facts) = access::person(request)?;
            let mut holdings = store.holdings(facts).ok_or_else(no_project)?;
            let mut project = store.write(facts).ok_or_else(no_project)?;
            let asked = Asked::new(request, account, segments);
            handler(&mut holdings, &mut project, &asked)
        }
    }
}

/// The project whose holdings are meant, and the parts of the path that do not say so.
fn managed<'s>(
    route: &Route,
    request: &Request,
    segments: &'s [&'s str],
) -> Result<(&'static Facts, &'s [&'s str]), Fault> {
    let (Some(first), rest) = (segments.first(), segments.get(1..).unwrap_or_default()) else {
        return Ok((access::project(request)?, segments));
    };
    if route.path.starts_with("/api/app/projects/") {
        return Ok((app::visible(first)?, rest));
    }
    if route.path.starts_with("/api/app/workspaces/") {
        let facts = first.parse().ok().and_then(facts_of_workspace);
        let facts = facts.ok_or_else(|| {
            Fault::forbidden(format!("You do not have access to workspace {first}"))
        })?;
        return Ok((facts, rest));
    }
    Ok((access::project(request)?, segments))
}

/// The segments that stand for `{}`, if the path fits.
fn matched<'p>(pattern: &str, path: &'p str) -> Option<Vec<&'p str>> {
    let mut patterns = pattern.split('/');
    let mut segments = path.split('/');
    let mut found = Vec::new();
    loop {
        match (patterns.next(), segments.next()) {
            (None, None) => return Some(found),
            (Some("{}"), Some(segment)) if !segment.is_empty() => found.push(segment),
            (Some(expected), Some(segment)) if expected == segment => {}
            _ => return None,
        }
    }
}

/// A refusal in the form of the API that was asked.
fn refusal(request: &Request, fault: &Fault) -> Response {
    let Fault { status, message } = fault;
    let path = request.path();
    let body = if path.starts_with("/api/app/") {
        json!({"status": "error", "error": message})
    } else if path.starts_with("/api/2.0/nessie/") {
        json!({"error": message, "status": "error"})
    } else if path.starts_with("/api/") {
        json!({"request": request.url, "error": message})
    } else if path == "/import" || path.starts_with("/lookup-tables") {
        json!({"code": status, "error": message, "status": reason(*status)})
    } else {
        json!({"error": message, "status": "error"})
    };
    Response::json(*status, &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::random::Random;
    use crate::sandbox::sample::NOW_MS;

    fn ask(store: &Store, method: &str, url: &str, authorization: Option<&str>) -> Response {
        let mut request = Request {
            method: method.into(),
            url: url.into(),
            authorization: authorization.map(str::to_owned),
            received_ms: NOW_MS,
            ..Request::default()
        };
        request.read_parameters();
        answer(store, &request)
    }

    fn paths() -> impl Iterator<Item = (&'static Route, String)> {
        ROUTES
            .iter()
            .map(|route| (route, route.path.replace("{}", "12345")))
    }

    #[test]
    fn nothing_but_tracking_and_profile_updates_is_open_to_strangers() {
        let store = Store::new(NOW_MS);
        for (route, path) in paths() {
            let is_open = ["/track", "/engage", "/groups"].contains(&route.path);
            let status = ask(&store, route.method, &path, None).status;
            assert_eq!(status, if is_open { 200 } else { 401 }, "{path}");
        }
    }

    #[test]
    fn no_path_stands_twice_for_one_method() {
        for (at, route) in ROUTES.iter().enumerate() {
            let twins = ROUTES.iter().skip(at + 1);
            assert!(
                twins
                    .into_iter()
                    .all(|other| (other.method, other.path) != (route.method, route.path))
            );
        }
    }

    #[test]
    fn no_combination_of_parameters_makes_a_handler_panic() {
        const NAMES: [&str; 26] = [
            "event",
            "from_date",
            "to_date",
            "unit",
            "type",
            "on",
            "where",
            "interval",
            "interval_count",
            "limit",
            "born_event",
            "born_where",
            "retention_type",
            "unbounded_retention",
            "addiction_unit",
            "funnel_id",
            "length",
            "length_unit",
            "bookmark_id",
            "distinct_ids",
            "distinct_id",
            "page",
            "session_id",
            "name",
            "values",
            "format",
        ];
        const VALUES: [&str; 26] = [
            "",
            "0",
            "1",
            "-1",
            "4294967295",
            "99999999999999999999",
            "2026-01-01",
            "2026-01-10",
            "0001-01-01",
            "9999-12-31",
            "day",
            "hour",
            "week",
            "month",
            "unique",
            "general",
            "average",
            "7509",
            "8802",
            "App+Open",
            "%5B%22App+Open%22%5D",
            "properties%5B%22plan%22%5D",
            "%ff%00",
            "compounded",
            "csv",
            "plan",
        ];
        let store = Store::new(NOW_MS);
        let mut random = Random::new(3);
        let mut answered = 0;
        for (route, path) in paths() {
            for _ in 0..60 {
                let count = random.below(9);
                let pairs: Vec<String> = (0..count)
                    .map(|_| format!("{}={}", random.pick(&NAMES), random.pick(&VALUES)))
                    .collect();
                let url = format!("{path}?project_id=12345&{}", pairs.join("&"));
                let response = ask(
                    &store,
                    route.method,
                    &url,
                    Some("Basic c2FuZGJveDpzYW5kYm94"),
                );
                let is_private = matches!(route.answer, Answer::Private(_));
                let told = [200, 201, 400, 403, 404];
                assert!(
                    told.contains(&response.status) || is_private && response.status == 401,
                    "{url}: {}",
                    response.status
                );
                answered += 1;
            }
        }
        assert_eq!(answered, ROUTES.len() * 60);
    }
}
