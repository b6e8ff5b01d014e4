//! What one call of a tool works with, and what several tools say in the same words.

use std::fmt::{Display, Write as _};
use std::io;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::mcp::args::{Arg, Id};
use crate::mcp::call::Call;
use crate::mcp::data::Rows;
use crate::mcp::jsonrpc::text_of;
use crate::mcp::result::Outcome;
use crate::mcp::shape::Shape;
use crate::mcp::tool::Failure;
use crate::mixpanel::{
    Clients, CountType, DateRange, Error, FrequencyUnit, LengthUnit, Mixpanel, ProjectId,
    RetentionType, Stop, Unit,
};

use super::dates::Dated;

/// The part of a message's bytes that a tool's data may take: it goes out twice, as an object and as text in which
/// each quotation mark and backslash takes two bytes. Data of nothing else take three times their size.
const DATA_SHARE: f64 = 0.32;
/// The most steps of time: all minutes of a day, two months of hours, four years of days.
const STEPS_MAX: i64 = 1_500;
/// The most bytes of data where the client sets no bound.
const DATA_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Room for a number and a noun.
const COUNTED_BYTES: usize = 48;

/// What one call of a tool works with: Mixpanel on behalf of the caller, and the call itself.
pub struct Ask {
    clients: Result<Clients, Error>,
    call: Call,
    noted: Mutex<Noted>,
}

/// What is found out on the way and told with the answer.
#[derive(Default)]
struct Noted {
    dated: Option<Dated>,
    nearest: Option<Vec<String>>,
    warnings: Vec<String>,
}

impl Ask {
    /// Mixpanel on behalf of whoever sent this call, and stopped with it.
    pub fn new(mixpanel: &Mixpanel, call: &Call, environment_allowed: bool) -> Ask {
        let headers = call.headers();
        let clients = mixpanel
            .caller(&|name| headers.get(name), environment_allowed)
            .map(|caller| {
                let stop = Stop::new();
                let stopped = stop.clone();
                call.cancellation().then(move || stopped.stop());
                mixpanel.for_caller(caller, stop)
            });
        Ask {
            clients,
            call: call.clone(),
            noted: Mutex::default(),
        }
    }

    /// What the tool of this name answers to one who did not call it: its data as JSON text, or the facts of its failure.
    pub(super) fn told_by(&self, tool: &str, arguments: &Value) -> Result<String, Value> {
        let Some(tool) = super::named(tool) else {
            return Err(
                json!({"kind": "unknown_tool", "error": format!("there is no tool {tool}")}),
            );
        };
        let Outcome::Complete(result) = tool.call(self, arguments) else {
            return Err(
                json!({"kind": "not_confirmed", "error": format!("{} asks first", tool.name)}),
            );
        };
        result.told()
    }

    /// The four clients. Fails where the call brought no usable credentials.
    pub fn mixpanel(&self) -> Result<&Clients, Failure> {
        self.clients.as_ref().map_err(failure)
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

    /// Notes the days that the answer is about.
    pub(super) fn note_days(&self, dated: Dated) {
        self.with_noted(|noted| noted.dated = Some(dated));
    }

    /// Notes names that may have been meant.
    pub(super) fn note_nearest(&self, names: Vec<String>) {
        self.with_noted(|noted| noted.nearest = Some(names));
    }

    /// Notes what a writing tool does otherwise than one may expect.
    pub(super) fn warn(&self, warning: String) {
        self.with_noted(|noted| noted.warnings.push(warning));
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        self.with_noted(|noted| noted.warnings.clone())
    }

    pub(super) fn dated(&self) -> Option<Dated> {
        self.with_noted(|noted| noted.dated.clone())
    }

    pub(super) fn nearest(&self) -> Option<Vec<String>> {
        self.with_noted(|noted| noted.nearest.clone())
    }

    fn with_noted<T>(&self, with: impl FnOnce(&mut Noted) -> T) -> T {
        with(&mut self.noted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The first of `items` that one answer can hold, and whether these are all. `json` is what goes out of an item.
    pub(super) fn fitting<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        json: impl Fn(&T) -> Value,
    ) -> (Vec<T>, bool) {
        fitting(self.data_bytes_max(), items, |item| bytes_of(&json(item)))
    }

    /// The same of items that are written as they go out.
    pub(super) fn fitting_rows(
        &self,
        items: impl IntoIterator<Item = impl Serialize>,
    ) -> (Rows, bool) {
        Rows::fitting(items, self.data_bytes_max())
    }

    /// The same of items that are what goes out.
    pub(super) fn fitting_values(
        &self,
        items: impl IntoIterator<Item = Value>,
    ) -> (Vec<Value>, bool) {
        fitting(self.data_bytes_max(), items, bytes_of)
    }
}

fn fitting<T>(
    bytes_max: usize,
    items: impl IntoIterator<Item = T>,
    bytes: impl Fn(&T) -> usize,
) -> (Vec<T>, bool) {
    let mut left = bytes_max;
    let mut fitting = Vec::new();
    for item in items {
        // One more for the comma.
        match left.checked_sub(bytes(&item) + 1) {
            Some(rest) => left = rest,
            None => return (fitting, false),
        }
        fitting.push(item);
    }
    (fitting, true)
}

/// The length of a value as JSON text, which is not made for it.
fn bytes_of(value: &Value) -> usize {
    struct Counted(usize);
    impl io::Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counted = Counted(0);
    // Neither this writer nor a value can fail.
    let _ = serde_json::to_writer(&mut counted, value);
    counted.0
}

/// What is wrong with a range in steps of this unit, if they are more than anybody could read.
pub(super) fn steps_fault(range: DateRange, unit: Unit) -> Option<String> {
    let days = i64::from(range.days());
    let steps = match unit {
        Unit::Minute => days * 24 * 60,
        Unit::Hour => days * 24,
        Unit::Day => days,
        Unit::Week => days / 7 + 2,
        Unit::Month => days / 28 + 2,
    };
    (steps > STEPS_MAX).then(|| {
        format!(
            "unit: {days} days are {steps} steps of a {unit}, at most {STEPS_MAX} are counted; take a longer unit or fewer days"
        )
    })
}

/// The project and the days, as every summary of a query tells them.
pub(super) fn span(project: &ProjectId, range: DateRange) -> String {
    let DateRange { from, to } = range;
    format!("project {project}, {from} to {to} (days in the project's time zone)")
}

/// Arguments that fit their shapes but not each other: every fault at once.
pub(super) fn bad_arguments(faults: Vec<String>) -> Failure {
    let text = format!("the arguments do not fit together:\n{}", faults.join("\n"));
    Failure::new("bad_arguments", text).with("faults", faults)
}

/// A name in quotes, escaped as in JSON, so that one sees where it ends.
pub(super) fn quoted(name: &str) -> String {
    text_of(&name)
}

/// A part of a whole from 0 to 1, in four digits; 0 of nothing.
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0
}

/// A ratio for people: `62.8%`.
pub(super) fn percent(ratio: f64) -> String {
    format!("{:.1}%", ratio * 100.0)
}

/// A noun with its number: `1 event`, `2 events`.
pub(super) fn counted(number: impl Display, noun: &str) -> String {
    let mut words = String::with_capacity(COUNTED_BYTES);
    // A `String` takes all that is written, and no number fails to be.
    let _ = write!(words, "{number}");
    let plural = if words == "1" { "" } else { "s" };
    let _ = write!(words, " {noun}{plural}");
    words
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
pub(super) fn object<const N: usize>(mut members: [(&str, Value); N]) -> Map<String, Value> {
    with_members(&mut members)
}

/// There once, not once for each number of members.
fn with_members(members: &mut [(&str, Value)]) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in members {
        object.insert((*name).to_owned(), value.take());
    }
    object
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        failure(&error)
    }
}

fn failure(error: &Error) -> Failure {
    Failure {
        text: error.to_string(),
        facts: error.facts(),
    }
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
