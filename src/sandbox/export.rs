//! The raw export: events as they came in, a line each, made while they are sent.

use std::io::{self, Read};

use super::access;
use super::fault::Fault;
use super::http::{Body, Request, Response};
use super::parameters;
use super::projects::Facts;
use super::store::{Filter, Store};
use super::time::{DAY_MS, day_of, start_of};
use crate::mixpanel::expression::Expression;

const LIMIT_MAX: u32 = 100_000;
/// How much is made at once, while the project is locked for writers.
const CHUNK_BYTES: usize = 64 * 1024;
/// How many events are looked at, at once.
const CHUNK_EVENTS: usize = 20_000;

/// `GET /export`
pub(super) fn export(store: &Store, request: &Request) -> Result<Response, Fault> {
    let facts = access::project(request)?;
    let from = parameters::day(request, "from_date")?;
    let to = parameters::day(request, "to_date")?;
    if to > day_of(request.received_ms) {
        // The blank is Mixpanel's.
        return Err(Fault::bad_request(" to_date cannot be later than today"));
    }
    if from > to {
        return Err(Fault::bad_request("from_date cannot be later than to_date"));
    }
    let limit = parameters::integer(request, "limit", 1, LIMIT_MAX)?;
    let names = parameters::list(request, "event")?;
    let condition: Option<Expression> = parameters::condition(request, "where")?;
    let time_in_ms = parameters::flag(request, "time_in_ms")?;

    let range_ms = Some((start_of(from), start_of(to) + DAY_MS));
    let mut filter = Filter {
        names: None,
        range_ms,
        condition,
    };
    let project = store
        .read(facts)
        .ok_or_else(|| Fault::new(404, "no such project"))?;
    if let Some(names) = &names {
        filter = filter.named(&project, names.iter().map(String::as_str));
    }
    let lines = Lines {
        store: store.clone(),
        facts,
        filter,
        time_in_ms,
        next: 0,
        end: project.received(),
        left: limit.map_or(usize::MAX, |limit| limit as usize),
        made: io::Cursor::default(),
    };
    Ok(Response {
        status: 200,
        content_type: "text/plain; charset=utf-8",
        body: Body::Stream(Box::new(lines)),
    })
}

/// The lines of one export. Holds at most one chunk.
struct Lines {
    store: Store,
    facts: &'static Facts,
    filter: Filter,
    time_in_ms: bool,
    next: usize,
    /// Events that come in after the export began are not in it.
    end: usize,
    left: usize,
    made: io::Cursor<Vec<u8>>,
}

impl Lines {
    /// Makes the next chunk; an empty one if these events had nothing for it.
    fn make(&mut self) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.made).into_inner();
        bytes.clear();
        let Some(project) = self.store.read(self.facts) else {
            return Ok(());
        };
        let chunk_end = self.end.min(self.next + CHUNK_EVENTS);
        while self.next < chunk_end && self.left > 0 && bytes.len() < CHUNK_BYTES {
            let event = project.event_at(self.next);
            self.next += 1;
            let Some(event) = event.filter(|event| self.filter.takes(&project, event)) else {
                continue;
            };
            serde_json::to_writer(&mut bytes, &project.exported(event, self.time_in_ms))?;
            bytes.push(b'\n');
            self.left -= 1;
        }
        self.made = io::Cursor::new(bytes);
        Ok(())
    }
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.made.read(buffer)?;
            if count > 0 || buffer.is_empty() || self.next >= self.end || self.left == 0 {
                return Ok(count);
            }
            self.make()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::sandbox::sample::{self, NOW_MS};
    use crate::sandbox::time::day_of;

    #[track_caller]
    fn lines(more: &[(&str, &str)]) -> Vec<Value> {
        let (from, to) = (
            day_of(NOW_MS - 40 * DAY_MS).to_string(),
            day_of(NOW_MS).to_string(),
        );
        let mut parameters = vec![
            ("project_id", "12345"),
            ("from_date", from.as_str()),
            ("to_date", to.as_str()),
        ];
        parameters.extend(more);
        let text = sample::text(export(&Store::new(NOW_MS), &sample::request(&parameters)));
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn events_conditions_and_limits_choose_the_lines() {
        let all = lines(&[]);
        assert!(all.len() > 15_000, "{}", all.len());
        assert_eq!(lines(&[("limit", "7")]), all.get(..7).unwrap());

        let bought = lines(&[
            ("event", r#"["Purchase Completed", "Nothing"]"#),
            (
                "where",
                r#"properties["plan"] == "pro" and user["orders"] > 1"#,
            ),
        ]);
        let is_bought = |line: &Value| {
            line["event"] == "Purchase Completed" && line["properties"]["plan"] == "pro"
        };
        assert!(!bought.is_empty() && bought.iter().all(is_bought));
        assert!(bought.len() < all.iter().filter(|line| is_bought(line)).count());
    }

    #[test]
    fn times_are_in_seconds_unless_milliseconds_are_asked_for() {
        let time = |lines: &[Value]| {
            lines.first().unwrap()["properties"]["time"]
                .as_i64()
                .unwrap()
        };
        let seconds = time(&lines(&[("limit", "1")]));
        let milliseconds = time(&lines(&[("limit", "1"), ("time_in_ms", "true")]));
        assert_eq!(milliseconds / 1_000, seconds);
    }

    #[test]
    fn a_limit_has_a_limit() {
        let parameters = [
            ("project_id", "12345"),
            ("from_date", "2026-01-01"),
            ("to_date", "2026-01-02"),
            ("limit", "100001"),
        ];
        let fault = export(&Store::new(NOW_MS), &sample::request(&parameters)).err();
        let message = "invalid limit: '100001' is not an integer from 1 to 100000";
        assert_eq!(fault, Some(Fault::bad_request(message)));
    }
}
