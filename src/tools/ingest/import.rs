//! Events are imported in batches, and of each event it is told what became of it: stored, refused, unknown or not
//! sent. Nothing counts as stored that Mixpanel did not confirm. Which events are sent at all is for `sending.rs`.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use super::event::{Fault, Stamp, identity};
use crate::mcp::tool::Failure;
use crate::mixpanel::{Error, ImportOutcome, ProjectId};
use crate::tools::ask::{Ask, counted};

/// The most events, and bytes of JSON, that one request to `/import` takes.
const BATCH_EVENTS_MAX: usize = 2_000;
const BATCH_BYTES_MAX: usize = 10_000_000;
/// The most events of a kind that are listed as facts, and refused ones in words.
const LISTED_MAX: usize = 50;
const TOLD_MAX: usize = 10;
/// The most characters of Mixpanel's words about one event.
const WORDS_CHARS_MAX: usize = 200;

/// What became of the events of one call, by their places in it.
#[derive(Default)]
pub(super) struct Import {
    /// How many Mixpanel confirmed.
    stored: usize,
    /// Those that it does not take, or that were not sent because it would not.
    refused: Vec<Refused>,
    /// Of how many nobody knows, and the places among which they are.
    unknown: usize,
    unknown_among: Vec<usize>,
    /// Those that did not arrive.
    not_sent: Vec<usize>,
    /// It is a dry run.
    is_rehearsed: bool,
    /// What ended it before all were sent.
    error: Option<Error>,
}

/// One event that is not taken.
pub(super) struct Refused {
    place: usize,
    field: Option<String>,
    message: String,
}

impl Refused {
    /// An event that is not sent, as Mixpanel would refuse it, or drop it without a word.
    pub(super) fn before(place: usize, faults: &[Fault]) -> Refused {
        match faults {
            [fault] => Refused {
                place,
                field: Some(fault.field.clone()).filter(|field| !field.is_empty()),
                message: fault.message.clone(),
            },
            faults => {
                let all: Vec<String> = faults.iter().map(Fault::to_string).collect();
                Refused {
                    place,
                    field: None,
                    message: all.join("; "),
                }
            }
        }
    }
}

impl Import {
    /// Imports the events that are not among the refused ones, batch after batch, up to the first that fails.
    pub(super) fn run(
        ask: &Ask,
        project: &ProjectId,
        events: &[Value],
        refused: Vec<Refused>,
    ) -> Result<Import, Failure> {
        let clients = ask.mixpanel()?;
        let mut import = Import::default();
        let places: Vec<usize> = (0..events.len())
            .filter(|place| {
                let found = refused.binary_search_by_key(place, |refused| refused.place);
                found.is_err()
            })
            .collect();
        import.refused = refused;
        let mut batches = batches(&places, events);
        while let Some(batch) = batches.pop_front() {
            let sent: Vec<&Value> = batch
                .iter()
                .filter_map(|place| events.get(*place))
                .collect();
            match clients.ingestion.import(project, &sent) {
                Ok(outcome) => import.note(batch, outcome),
                Err(Error::DryRun) => import.is_rehearsed = true,
                // Mixpanel's own limit is lower than the documented one.
                Err(Error::TooLarge { .. }) if batch.len() > 1 => {
                    let (first, second) = batch.split_at(batch.len() / 2);
                    batches.push_front(second);
                    batches.push_front(first);
                }
                Err(error @ Error::TooLarge { .. }) => {
                    import.refused.extend(batch.iter().map(|place| Refused {
                        place: *place,
                        field: None,
                        message: error.to_string(),
                    }))
                }
                Err(error) => {
                    if error.may_have_happened() {
                        import.unknown += batch.len();
                        import.unknown_among.extend_from_slice(batch);
                    } else {
                        import.not_sent.extend_from_slice(batch);
                    }
                    import.not_sent.extend(batches.drain(..).flatten());
                    import.error = Some(error);
                }
            }
            let done = events.len() - batches.iter().map(|batch| batch.len()).sum::<usize>();
            let message = format!("{done} of {}", counted(events.len(), "event"));
            ask.call()
                .progress(done as f64, Some(events.len() as f64), &message);
        }
        import.refused.sort_by_key(|refused| refused.place);
        Ok(import)
    }

    fn note(&mut self, batch: &[usize], outcome: ImportOutcome) {
        let mut failed = Vec::new();
        for record in outcome.failed {
            let index = usize::try_from(record.index).ok();
            let Some(place) = index.and_then(|index| batch.get(index)) else {
                continue;
            };
            if failed.contains(place) {
                continue;
            }
            failed.push(*place);
            self.refused.push(Refused {
                place: *place,
                field: record.field,
                message: shortened(&record.message).to_owned(),
            });
        }
        let rest = batch.len() - failed.len();
        let stored = usize::try_from(outcome.stored).unwrap_or(rest).min(rest);
        self.stored += stored;
        if stored < rest {
            self.unknown += rest - stored;
            let unknown = batch.iter().filter(|place| !failed.contains(place));
            self.unknown_among.extend(unknown);
        }
    }

    /// How many events are stored: all, or it is a failure.
    pub(super) fn all_stored(
        self,
        ask: &Ask,
        project: &ProjectId,
        events: &[Value],
        stamp: &Stamp,
    ) -> Result<usize, Failure> {
        if self.is_rehearsed {
            if !self.refused.is_empty() {
                ask.warn(format!(
                    "only a part would be sent{}",
                    self.refused_in_words()
                ));
            }
            return Err(Error::DryRun.into());
        }
        if self.stored == events.len() {
            return Ok(self.stored);
        }
        Err(self.failure(project, events, stamp))
    }

    /// What became of each event, and what to do about it.
    fn failure(self, project: &ProjectId, events: &[Value], stamp: &Stamp) -> Failure {
        let Import {
            stored, unknown, ..
        } = self;
        let mut facts = match &self.error {
            Some(error) => error.facts(),
            None if unknown > 0 => Map::from_iter([("kind".into(), "events_unknown".into())]),
            None => Map::from_iter([("kind".into(), "events_refused".into())]),
        };
        facts.insert("stored".into(), stored.into());
        facts.extend(self.refused_as_facts(events));
        let begin = format!(
            "Mixpanel stored {stored} of {} in project {project}{}",
            counted(events.len(), "event"),
            self.refused_in_words()
        );
        let mut text = match &self.error {
            Some(error) if stored == 0 && self.refused.is_empty() => error.to_string(),
            Some(error) => format!("{begin}\nthen it ended: {error}"),
            None => begin,
        };
        if unknown > 0 {
            let mut fact = listed(&self.unknown_among, |place| {
                let mut told = identity(events.get(place)?);
                told["index"] = place.into();
                Some(told)
            });
            let at = ranges(&self.unknown_among);
            text += &match &self.error {
                Some(_) => format!("\nevents {at} may have arrived"),
                None => {
                    format!("\nof {unknown} among events {at} it did not say what became of them")
                }
            };
            text += &format!(
                ": send them again with the same time and $insert_id, then none is counted twice; where you gave none, these are {} and {}, in which N is the event's place in this call, from 0",
                stamp.now_ms,
                stamp.insert_id("N")
            );
            fact.insert("count".into(), unknown.into());
            facts.insert("unknown".into(), fact.into());
        }
        if !self.not_sent.is_empty() && stored + unknown > 0 {
            let at = ranges(&self.not_sent);
            text += &format!("\nevents {at} did not arrive and can be sent again");
        }
        if !self.not_sent.is_empty() {
            let fact = json!({"count": self.not_sent.len(), "at": ranges(&self.not_sent)});
            facts.insert("not_sent".into(), fact);
        }
        Failure { text, facts }
    }

    fn refused_in_words(&self) -> String {
        let number = self.refused.len();
        if number == 0 {
            return String::new();
        }
        let told: Vec<String> = self
            .refused
            .iter()
            .take(TOLD_MAX)
            .map(|refused| {
                let field = refused.field.as_deref().map(|field| format!(" {field}"));
                format!(
                    "events[{}]{}: {}",
                    refused.place,
                    field.unwrap_or_default(),
                    shortened(&refused.message)
                )
            })
            .collect();
        let more = match number.saturating_sub(TOLD_MAX) {
            0 => String::new(),
            more => format!("\nand {more} more"),
        };
        format!(
            "; {number} refused:\n{}{more}\ncorrect these and send only them again",
            told.join("\n")
        )
    }

    /// `refused`, how many, and `failed`: which and why.
    fn refused_as_facts(&self, events: &[Value]) -> Map<String, Value> {
        let mut facts = Map::from_iter([("refused".to_owned(), self.refused.len().into())]);
        if !self.refused.is_empty() {
            let first = self.refused.iter().take(LISTED_MAX);
            let failed: Vec<Value> = first.map(|refused| described(refused, events)).collect();
            let places: Vec<usize> = self.refused.iter().map(|refused| refused.place).collect();
            facts.insert("failed_at".into(), ranges(&places).into());
            facts.insert("truncated".into(), (failed.len() < places.len()).into());
            facts.insert("failed".into(), failed.into());
        }
        facts
    }
}

/// The places in parts of which each fits one request.
fn batches<'a>(places: &'a [usize], events: &[Value]) -> VecDeque<&'a [usize]> {
    let mut batches = VecDeque::new();
    let mut rest = places;
    while !rest.is_empty() {
        // The brackets of the list; each event brings a comma.
        let mut bytes = 2;
        let fitting = rest.iter().take(BATCH_EVENTS_MAX).take_while(|place| {
            let event = events.get(**place).map(Value::to_string);
            bytes += event.map_or(0, |event| event.len() + 1);
            bytes <= BATCH_BYTES_MAX
        });
        // One alone always fits: it is smaller than 1 MB.
        let (batch, others) = rest.split_at(fitting.count().max(1));
        batches.push_back(batch);
        rest = others;
    }
    batches
}

/// The first of the places with what is known of them, and where all are.
fn listed(places: &[usize], known: impl Fn(usize) -> Option<Value>) -> Map<String, Value> {
    let first = places.iter().take(LISTED_MAX);
    let events: Vec<Value> = first.filter_map(|place| known(*place)).collect();
    Map::from_iter([
        ("at".to_owned(), ranges(places).into()),
        ("truncated".to_owned(), (events.len() < places.len()).into()),
        ("events".to_owned(), events.into()),
    ])
}

fn described(refused: &Refused, events: &[Value]) -> Value {
    let mut described = json!({"index": refused.place, "message": shortened(&refused.message)});
    if let Some(field) = &refused.field {
        described["field"] = field.as_str().into();
    }
    if let Some(event) = events.get(refused.place) {
        described["event"] = event["event"].clone();
        if let Some(id) = event["properties"]["$insert_id"].as_str() {
            described["insert_id"] = shortened(id).into();
        }
    }
    described
}

/// Ascending places, as in `0-99, 150`.
fn ranges(places: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for place in places {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *place => *last = *place,
            _ => ranges.push((*place, *place)),
        }
    }
    let words: Vec<String> = ranges
        .into_iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    words.join(", ")
}

fn shortened(words: &str) -> &str {
    match words.char_indices().nth(WORDS_CHARS_MAX) {
        Some((end, _)) => words.get(..end).unwrap_or_default(),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(places: &[usize], expected: &str) {
        assert_eq!(ranges(places), expected);
    }

    #[test]
    fn places_are_told_as_ranges() {
        check(&[], "");
        check(&[7], "7");
        check(&[0, 1, 2, 5, 8, 9], "0-2, 5, 8-9");
    }

    #[test]
    fn a_batch_holds_what_one_request_takes_and_no_event_is_lost_or_doubled() {
        let event = json!({"event": "e", "properties": {"a": "x".repeat(499_000)}});
        let events = vec![event; 45];
        let places: Vec<usize> = (0..45).filter(|place| *place != 3).collect();
        let batches = batches(&places, &events);
        let lengths: Vec<usize> = batches.iter().map(|batch| batch.len()).collect();
        assert_eq!(lengths, [20, 20, 4]);
        assert_eq!(
            batches.into_iter().flatten().copied().collect::<Vec<_>>(),
            places
        );
        let small = vec![json!({}); 4_001];
        let places: Vec<usize> = (0..4_001).collect();
        let lengths: Vec<usize> = super::batches(&places, &small)
            .iter()
            .map(|batch| batch.len())
            .collect();
        assert_eq!(lengths, [2_000, 2_000, 1]);
    }
}
