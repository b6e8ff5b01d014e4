//! The query API: reports over events and profiles. Its quota is 60 queries an hour and 5 at once, a project.
//! <https://developer.mixpanel.com/reference/query-api>
//!
//! `question.rs` has the parameters and `report.rs` the answers. Some parameters are a JSON array in a text, some are
//! one plain name; each method sends what its operation takes.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::api::Api;
use super::cache::Keep;
use super::credentials::ProjectId;
use super::error::Error;
use super::http::Http;
use super::question::{
    Aggregation, Buckets, CountType, DateRange, FrequencyQuery, FunnelQuery, ProfileQuery,
    RetentionQuery, Segmentation, Unit,
};
use super::report::{
    ActivityEvent, Frequency, Funnel, Insights, ProfilePage, PropertyCount, Retention, SavedCohort,
    SavedFunnel, Series, TopEvent, text_of, without_nulls,
};
use super::request::{Body, Pairs, Request};
use super::told::{Members, Told, unwrapped};

/// Asks for reports. Every method costs one query of the project's quota; all errors are those of a request.
pub struct MixpanelQueryClient {
    pub(super) http: Http,
}

#[derive(Deserialize)]
pub(super) struct Data<T> {
    pub(super) data: T,
}

#[derive(Deserialize)]
struct Results<T> {
    results: T,
}

/// Names and counts of events.
impl MixpanelQueryClient {
    pub(super) fn new(http: Http) -> MixpanelQueryClient {
        MixpanelQueryClient { http }
    }

    /// The most common events of the last 31 days. Mixpanel's default limit is 255.
    pub fn event_names(
        &self,
        project: &ProjectId,
        count: CountType,
        limit: Option<u32>,
    ) -> Result<Vec<String>, Error> {
        let pairs = Pairs::of(project)
            .with("type", count)
            .with_some("limit", limit);
        self.names("/events/names", pairs, "a list of event names")
    }

    /// Counts of several events over time. The unique users of each unit must not be added up.
    pub fn events(
        &self,
        project: &ProjectId,
        names: &[String],
        count: CountType,
        unit: Unit,
        range: DateRange,
    ) -> Result<Series, Error> {
        let pairs = Pairs::of(project)
            .with_list("event", names)
            .with("type", count)
            .with("unit", unit);
        let answer: Data<Series> =
            self.get("/events", range.onto(pairs), "data with series and values")?;
        Ok(answer.data)
    }

    /// Today's most common events, against yesterday, given to `tell`, which says what becomes of them. Mixpanel's
    /// default limit is 100.
    pub fn top_events<T>(
        &self,
        project: &ProjectId,
        count: CountType,
        limit: Option<u32>,
        tell: impl FnOnce(Vec<TopEvent<'_>>) -> T,
    ) -> Result<T, Error> {
        #[derive(Deserialize)]
        struct Answer<'a> {
            #[serde(borrow)]
            events: Vec<TopEvent<'a>>,
        }

        const EXPECTED: &str = "events with amounts";
        let pairs = Pairs::of(project)
            .with("type", count)
            .with_some("limit", limit);
        let request = Request::read(Api::Query, "/events/top", pairs);
        let (mut tell, mut told) = (Some(tell), None);
        self.http.understand(&request, &mut |body| {
            let answer: Answer<'_> = self.http.parse(&request, body, EXPECTED)?;
            told = tell.take().map(|tell| tell(answer.events));
            Ok(())
        })?;
        told.ok_or(Error::WrongShape { expected: EXPECTED })
    }

    /// The properties that one event carries most, most first. Mixpanel's default limit is 10.
    pub fn event_properties_top(
        &self,
        project: &ProjectId,
        event: &str,
        limit: Option<u32>,
    ) -> Result<Vec<PropertyCount>, Error> {
        let pairs = Pairs::of(project)
            .with("event", event)
            .with_some("limit", limit);
        let request = naming("/events/properties/top", pairs);
        let expected = "properties with counts";
        let mut counts = self.http.read_value(&request, expected, |answer| {
            let counts = Map::told(answer)?.into_iter();
            let counts = counts.map(|(name, value)| {
                let count = Members::of(value)?.take("count")?;
                Some(PropertyCount { name, count })
            });
            counts.collect::<Option<Vec<_>>>()
        })?;
        counts.sort_by_key(|property| std::cmp::Reverse(property.count));
        Ok(counts)
    }

    /// The most common values of one property of one event. Mixpanel's default limit is 255.
    pub fn property_values(
        &self,
        project: &ProjectId,
        event: &str,
        property: &str,
        limit: Option<u32>,
    ) -> Result<Vec<String>, Error> {
        let pairs = Pairs::of(project)
            .with("event", event)
            .with("name", property)
            .with_some("limit", limit);
        let values: Vec<Value> =
            self.names("/events/properties/values", pairs, "a list of values")?;
        Ok(values.into_iter().map(text_of).collect())
    }
}

/// Reports.
impl MixpanelQueryClient {
    /// Counts of one event over time, by segment if `on` is given.
    pub fn segmentation(
        &self,
        project: &ProjectId,
        query: &Segmentation<'_>,
    ) -> Result<Series, Error> {
        let pairs = Pairs::of(project).with("event", query.event);
        let pairs = query
            .buckets
            .onto(query.range.onto(pairs))
            .with("type", query.count)
            .with_some("on", query.on)
            .with_some("where", query.filter)
            .with_some("limit", query.limit);
        let answer: Data<Series> =
            self.get("/segmentation", pairs, "data with series and values")?;
        Ok(answer.data)
    }

    /// One figure of an event for a whole range, such as its unique users: all days are in one bucket, so that nobody
    /// counts twice. Nothing where Mixpanel does not answer with one bucket. Not for [`CountType::General`], which
    /// has no such buckets and adds up anyway.
    pub fn figure_of_range(
        &self,
        project: &ProjectId,
        event: &str,
        count: CountType,
        range: DateRange,
    ) -> Result<Option<f64>, Error> {
        let question = Segmentation {
            event,
            range,
            buckets: Buckets::Days(range.days()),
            count,
            on: None,
            filter: None,
            limit: None,
        };
        let answer = self.segmentation(project, &question)?;
        let [date] = answer.series.as_slice() else {
            return Ok(None);
        };
        let numbers = answer.values.values().next();
        Ok(Some(
            numbers
                .and_then(|numbers| numbers.get(date))
                .copied()
                .unwrap_or_default(),
        ))
    }

    /// The sum of a number over one event, by date.
    pub fn segmentation_sum(
        &self,
        project: &ProjectId,
        query: &Aggregation<'_>,
    ) -> Result<BTreeMap<String, f64>, Error> {
        self.aggregation("/segmentation/sum", project, query)
    }

    /// The average of a number over one event, by date.
    pub fn segmentation_average(
        &self,
        project: &ProjectId,
        query: &Aggregation<'_>,
    ) -> Result<BTreeMap<String, f64>, Error> {
        self.aggregation("/segmentation/average", project, query)
    }

    fn aggregation(
        &self,
        path: &'static str,
        project: &ProjectId,
        query: &Aggregation<'_>,
    ) -> Result<BTreeMap<String, f64>, Error> {
        let pairs = query
            .range
            .onto(Pairs::of(project).with("event", query.event))
            .with("on", query.on)
            .with("unit", query.unit)
            .with_some("where", query.filter);
        let answer: Results<BTreeMap<String, Option<f64>>> =
            self.get(path, pairs, "results with numbers by date")?;
        Ok(without_nulls(answer.results))
    }

    /// Who came back.
    pub fn retention(
        &self,
        project: &ProjectId,
        query: &RetentionQuery<'_>,
    ) -> Result<Retention, Error> {
        let pairs = query
            .range
            .onto(Pairs::of(project))
            .with("retention_type", query.retention_type)
            .with("unit", query.unit)
            .with_some("born_event", query.born_event)
            .with_some("event", query.event)
            .with_some("born_where", query.born_filter)
            .with_some("where", query.filter)
            .with_some("interval_count", query.interval_count)
            .with_some("unbounded_retention", query.unbounded.then_some(true))
            .with_some("on", query.on)
            .with_some("limit", query.limit);
        let request = asking("/retention", pairs);
        self.http
            .read_value(&request, "cohorts by date", Told::told)
    }

    /// How often users come: in how many hours or days of each period.
    pub fn frequency(
        &self,
        project: &ProjectId,
        query: &FrequencyQuery<'_>,
    ) -> Result<Frequency, Error> {
        let pairs = query
            .range
            .onto(Pairs::of(project))
            .with("unit", query.unit)
            .with("addiction_unit", query.addiction_unit)
            .with_some("event", query.event)
            .with_some("where", query.filter)
            .with_some("on", query.on)
            .with_some("limit", query.limit);
        let request = asking("/retention/addiction", pairs);
        let expected = "lists of numbers by date";
        self.http.read_value(&request, expected, |answer| {
            Told::told(unwrapped(answer, "data"))
        })
    }

    /// The saved funnels.
    pub fn funnels_list(&self, project: &ProjectId) -> Result<Vec<SavedFunnel>, Error> {
        let request = asking("/funnels/list", Pairs::of(project));
        self.http
            .read_value(&request, "a list of saved funnels", Told::told)
    }

    /// How many users went through a saved funnel, by date, and by segment if `on` is given.
    pub fn funnel(&self, project: &ProjectId, query: &FunnelQuery<'_>) -> Result<Funnel, Error> {
        let pairs = Pairs::of(project).with("funnel_id", query.funnel_id);
        let pairs = query
            .range
            .onto(pairs)
            .with_some("length", query.length.map(|(length, _)| length))
            .with_some("length_unit", query.length.map(|(_, unit)| unit));
        let pairs = query
            .buckets
            .onto(pairs)
            .with_some("on", query.on)
            .with_some("where", query.filter)
            .with_some("limit", query.limit);
        let request = asking("/funnels", pairs);
        let expected = "data with the steps by date";
        self.http.read_value(&request, expected, Told::told)
    }

    /// A saved report of Insights.
    pub fn insights(&self, project: &ProjectId, bookmark_id: u64) -> Result<Insights, Error> {
        let pairs = Pairs::of(project).with("bookmark_id", bookmark_id);
        self.http.read_value(
            &asking("/insights", pairs),
            "a report with series",
            Told::told,
        )
    }
}

/// Users.
impl MixpanelQueryClient {
    /// One page of profiles, up to 1,000. The next is asked with the page's number and the `session_id` that came.
    pub fn engage(
        &self,
        project: &ProjectId,
        query: &ProfileQuery<'_>,
    ) -> Result<ProfilePage, Error> {
        let mut form = Pairs::new()
            .with_some("distinct_id", query.distinct_id)
            .with_some("data_group_id", query.data_group_id)
            .with_some("where", query.filter)
            .with_some(
                "filter_by_cohort",
                query.cohort_id.map(|id| json!({ "id": id })),
            );
        if let Some(distinct_ids) = query.distinct_ids {
            form = form.with_list("distinct_ids", distinct_ids);
        }
        if let Some(properties) = query.output_properties {
            form = form.with_list("output_properties", properties);
        }
        if let Some((page, session_id)) = query.page {
            form = form.with("page", page).with("session_id", session_id);
        }
        let request = Request {
            body: Body::Form(form),
            ..Request::read(Api::Query, "/engage", Pairs::of(project))
        };
        self.http
            .read_value(&request, "a page of profiles", Told::told)
    }

    /// What some users did, event by event.
    pub fn activity_stream(
        &self,
        project: &ProjectId,
        distinct_ids: &[String],
        range: DateRange,
    ) -> Result<Vec<ActivityEvent>, Error> {
        let pairs = range.onto(Pairs::of(project).with_list("distinct_ids", distinct_ids));
        let request = asking("/stream/query", pairs);
        let expected = "results with events";
        self.http.read_value(&request, expected, |answer| {
            let mut results: Members = Members::of(answer)?.take("results")?;
            results.take("events")
        })
    }

    /// The saved cohorts. Mixpanel takes this read as a POST with nothing in it.
    pub fn cohorts_list(&self, project: &ProjectId) -> Result<Vec<SavedCohort>, Error> {
        let request = Request {
            body: Body::Form(Pairs::new()),
            ..Request::read(Api::Query, "/cohorts/list", Pairs::of(project))
        };
        self.http
            .read_value(&request, "a list of saved cohorts", Told::told)
    }

    pub(super) fn get<T: DeserializeOwned>(
        &self,
        path: &'static str,
        pairs: Pairs,
        expected: &'static str,
    ) -> Result<T, Error> {
        self.http.json(&asking(path, pairs), expected)
    }

    fn names<T: DeserializeOwned>(
        &self,
        path: &'static str,
        pairs: Pairs,
        expected: &'static str,
    ) -> Result<T, Error> {
        self.http.json(&naming(path, pairs), expected)
    }
}

fn asking(path: &'static str, pairs: Pairs) -> Request<'static> {
    let keep = if is_closed(&pairs) {
        Keep::Lasting
    } else {
        Keep::Briefly
    };
    Request {
        keep,
        ..Request::read(Api::Query, path, pairs)
    }
}

/// Asks for what there is, which changes rarely.
fn naming(path: &'static str, pairs: Pairs) -> Request<'static> {
    Request {
        keep: Keep::Lasting,
        ..Request::read(Api::Query, path, pairs)
    }
}

/// Whether the last day is over wherever the project is: the last zone is 12 hours behind UTC.
fn is_closed(pairs: &Pairs) -> bool {
    // A day has nothing in it that would be escaped.
    let Some(last) = pairs
        .get("to_date")
        .and_then(|day| day.parse::<Date>().ok())
    else {
        return false;
    };
    Timestamp::now()
        .checked_sub(SignedDuration::from_hours(24 + 12))
        .is_ok_and(|then| last <= then.to_zoned(TimeZone::UTC).date())
}
