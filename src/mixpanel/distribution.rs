//! Reports on how the values of one property are distributed, and scripts of one's own (JQL).

use serde_json::Value;

use super::api::Api;
use super::credentials::ProjectId;
use super::error::Error;
use super::query::{Data, MixpanelQueryClient};
use super::question::{CountType, DateRange, Unit};
use super::report::Series;
use super::request::{Body, Pairs, Request};

/// How often the values of a property occur in an event.
#[derive(Debug, Clone)]
pub struct PropertyQuery<'a> {
    /// The event.
    pub event: &'a str,
    /// The property, a plain name.
    pub property: &'a str,
    /// Only these values; none means the most common ones.
    pub values: Option<&'a [String]>,
    /// The days.
    pub range: DateRange,
    /// The step of time.
    pub unit: Unit,
    /// What is counted.
    pub count: CountType,
    /// At most so many values. Mixpanel's default is 255.
    pub limit: Option<u32>,
}

/// How the numbers in an event are distributed.
#[derive(Debug, Clone)]
pub struct NumericQuery<'a> {
    /// The event.
    pub event: &'a str,
    /// An expression whose values are numbers, as in `number(properties["amount"])`.
    pub on: &'a str,
    /// The days.
    pub range: DateRange,
    /// Hour or day.
    pub unit: Unit,
    /// What is counted.
    pub count: CountType,
    /// An expression that events must fulfil.
    pub filter: Option<&'a str>,
}

/// Distributions and scripts. All errors are those of a request.
impl MixpanelQueryClient {
    /// Counts of the values of one property of one event over time, by value.
    pub fn event_property(
        &self,
        project: &ProjectId,
        query: &PropertyQuery<'_>,
    ) -> Result<Series, Error> {
        let mut pairs = query
            .range
            .onto(Pairs::of(project).with("event", query.event))
            .with("name", query.property)
            .with("type", query.count)
            .with("unit", query.unit)
            .with_some("limit", query.limit);
        if let Some(values) = query.values {
            pairs = pairs.with_list("values", values);
        }
        let answer: Data<Series> =
            self.get("/events/properties", pairs, "data with series and values")?;
        Ok(answer.data)
    }

    /// Counts of one event over time, by ranges of a number such as `2,000 - 2,100`, which Mixpanel chooses.
    pub fn segmentation_numeric(
        &self,
        project: &ProjectId,
        query: &NumericQuery<'_>,
    ) -> Result<Series, Error> {
        let pairs = query
            .range
            .onto(Pairs::of(project).with("event", query.event))
            .with("on", query.on)
            .with("unit", query.unit)
            .with("type", query.count)
            .with_some("where", query.filter);
        let answer: Data<Series> = self.get(
            "/segmentation/numeric",
            pairs,
            "data with series and values",
        )?;
        Ok(answer.data)
    }

    /// Runs a script in Mixpanel's JQL, and gives what it gives. `params` is what the script sees under that name.
    /// A script may read 5 GB, write 2 GB and run two minutes.
    pub fn jql(
        &self,
        project: &ProjectId,
        script: &str,
        params: Option<&Value>,
    ) -> Result<Value, Error> {
        let form = Pairs::new()
            .with("script", script)
            .with_some("params", params);
        let request = Request {
            body: Body::Form(form),
            ..Request::read(Api::Query, "/jql", Pairs::of(project))
        };
        self.http.json(&request, "what the script gives")
    }
}
