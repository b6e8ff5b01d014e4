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
                assert!(
                    [200, 400, 403].contains(&response.status),
                    "{url}: {}",
                    response.status
                );
                answered += 1;
            }
        }
        assert_eq!(answered, ROUTES.len() * 60);
    }
}
