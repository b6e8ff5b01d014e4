//! Which path is answered by what. To add an endpoint, add a row.

use serde_json::json;

use super::access::{self, Account};
use super::fault::{Fault, reason};
use super::http::{Request, Response};
use super::store::{Project, Store};
use super::{
    app, counts, export, funnels, ingestion, insights, profiles, retention, segmentation, updates,
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
}

use Answer::{Account as ByAccount, Open, Report};

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

/// Ingestion, export, query, app.
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
];

fn segment<'p>(path: &[&'p str]) -> &'p str {
    path.first().copied().unwrap_or_default()
}

fn export_for_account(store: &Store, request: &Request) -> Result<Response, Fault> {
    access::account(request)?;
    export::export(store, request)
}

fn jql(_project: &Project, _request: &Request) -> Result<Response, Fault> {
    Err(Fault::bad_request("The sandbox does not run JQL scripts"))
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
            return run(&route.answer, store, request, &segments)
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
    answer: &Answer,
    store: &Store,
    request: &Request,
    segments: &[&str],
) -> Result<Response, Fault> {
    match answer {
        Answer::Open(handler) => handler(store, request),
        Answer::Account(handler) => handler(store, access::account(request)?, segments),
        Answer::Report(handler) => {
            access::account(request)?;
            let facts = access::project(request)?;
            let project = store
                .read(facts)
                .ok_or_else(|| Fault::new(404, "no such project"))?;
            handler(&project, request)
        }
    }
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
    } else if path.starts_with("/api/") {
        json!({"request": request.url, "error": message})
    } else if path == "/import" {
        json!({"code": status, "error": message, "status": reason(*status)})
    } else {
        json!({"error": message, "status": "error"})
    };
    Response::json(*status, &body)
}
