//! What one call of a tool works with, and what several tools say in the same words.

use std::fmt::Display;

use serde_json::{Map, Value};

use crate::mcp::args::{Arg, Date, Id};
use crate::mcp::call::Call;
use crate::mcp::shape::Shape;
use crate::mcp::tool::Failure;
use crate::mixpanel::{
    Clients, CountType, DateRange, Error, FrequencyUnit, LengthUnit, Mixpanel, ProjectId,
    RetentionType, Stop, Unit,
};

/// The part of a message's bytes that a tool's data may take: it goes out twice, as an object and as text in which
/// every quotation mark is escaped.
const DATA_SHARE: f64 = 0.4;
/// The most bytes of data where the client sets no bound.
const DATA_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What one call of a tool works with: Mixpanel on behalf of the caller, and the call itself.
pub struct Ask {
    clients: Result<Clients, Error>,
    call: Call,
}

impl Ask {
    /// Mixpanel on behalf of whoever sent this call, and stopped with it.
    pub fn new(mixpanel: &Mixpanel, call: &Call, environment_allowed: bool) -> Ask {
        let headers = call.headers();
        let header = |name: &str| headers.get(name).map(str::to_owned);
        let clients = mixpanel.caller(&header, environment_allowed).map(|caller| {
            let stop = Stop::new();
            let stopped = stop.clone();
            call.cancellation().then(move || stopped.stop());
            mixpanel.for_caller(caller, stop)
        });
        Ask {
            clients,
            call: call.clone(),
        }
    }

    /// The four clients. Fails where the call brought no usable credentials.
    pub fn mixpanel(&self) -> Result<&Clients, Failure> {
        self.clients.as_ref().map_err(|error| failure(error))
    }

    /// The project that is meant: the argument, else the header's, else the setting's.
    pub fn project(&self, argument: Option<&Id>) -> Result<ProjectId, Failure> {
        Ok(self.mixpanel()?.project(argument.map(|id| id.0.as_str()))?)
    }

    /// The call itself, for progress and cancellation.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The most bytes of data, as JSON, that the client can take in one answer.
    pub fn data_bytes_max(&self) -> usize {
        match self.call.answer_bytes_max() {
            Some(max) => (max as f64 * DATA_SHARE) as usize,
            None => DATA_BYTES_MAX,
        }
    }

    /// The first of these items, and whether there were more: at most `limit`, and no more bytes than the client can
    /// take.
    pub(super) fn fit(
        &self,
        items: impl IntoIterator<Item = Value>,
        limit: usize,
    ) -> (Vec<Value>, bool) {
        let mut fitting = Vec::new();
        let mut bytes_left = self.data_bytes_max();
        for item in items {
            let bytes = item.to_string().len() + 1;
            if fitting.len() == limit || bytes > bytes_left {
                return (fitting, true);
            }
            bytes_left -= bytes;
            fitting.push(item);
        }
        (fitting, false)
    }
}

/// The days from `from` to `to`, both inclusive.
pub(super) fn days(from: &Date, to: &Date) -> Result<DateRange, Failure> {
    if from.0 > to.0 {
        let text = format!(
            "from_date {} is after to_date {}; exchange them",
            from.0, to.0
        );
        return Err(Failure::new("bad_arguments", text));
    }
    Ok(DateRange {
        from: from.0,
        to: to.0,
    })
}

/// What was asked about: the project and its days.
pub(super) fn in_days(project: &ProjectId, range: DateRange) -> String {
    let DateRange { from, to } = range;
    format!("project {project}, {from} to {to} (days in the project's time zone)")
}

/// A name in quotes, escaped as in JSON, so that one sees where it ends.
pub(super) fn quoted(name: &str) -> String {
    Value::from(name).to_string()
}

/// A noun with its number: `1 event`, `2 events`.
pub(super) fn counted(number: impl Display, noun: &str) -> String {
    let number = number.to_string();
    let plural = if number == "1" { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A number as JSON, without a fraction where it has none.
pub(super) fn whole(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        (number as i64).into()
    } else {
        number.into()
    }
}

/// A JSON object from its members.
pub(super) fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        failure(&error)
    }
}

fn failure(error: &Error) -> Failure {
    let mut failure = Failure::new(error.kind(), error.to_string());
    if let Some(status) = error.status() {
        failure = failure.with("status", status);
    }
    if let Some(seconds) = error.retry_after_s() {
        failure = failure.with("retry_after_s", seconds);
    }
    if let Some(words) = error.mixpanel_message() {
        failure = failure.with("mixpanel_message", words);
    }
    failure
}

/// Mixpanel's own words are arguments as they are.
macro_rules! words_are_arguments {
    ($($Words:ty: $first:expr,)+) => {
        $(impl Arg for $Words {
            const SHAPE: Shape = Shape::OneOf(<$Words>::WORDS);
            fn read(checked: &Value) -> $Words {
                checked.as_str().and_then(<$Words>::parse).unwrap_or($first)
            }
        })+
    };
}

words_are_arguments! {
    CountType: CountType::General,
    RetentionType: RetentionType::Birth,
    FrequencyUnit: FrequencyUnit::Hour,
    LengthUnit: LengthUnit::Day,
    Unit: Unit::Day,
}
