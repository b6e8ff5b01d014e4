//! Requests to clients, in the revisions in which a server may send some: each waits for its answer in the thread of the
//! call that asks. What an answer says is for the one who asked.
//!
//! An answer is taken only from the scope that was asked, and only by an id that cannot be guessed.

use std::collections::HashMap;
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::call::Cancellation;
use super::era;
use super::running::Scope;

/// The most questions that wait at once, each in a thread; one more is not asked.
const QUESTIONS_MAX: usize = 128;
/// Random bytes in an id: 128 bits.
const ID_BYTES: usize = 16;

/// Whom a question was put to, and its id as JSON text.
type Key = (Scope, String);

/// The questions that wait for an answer. Clones are the same list.
#[derive(Clone)]
pub(super) struct Questions(Arc<Shared>);

struct Shared {
    open: Mutex<Open>,
    time: Duration,
}

#[derive(Default)]
struct Open {
    /// Where the result goes, or the error. Dropped, it tells that none will come.
    waiting: HashMap<Key, SyncSender<Result<Value, Value>>>,
    /// The server ends: nobody is asked any more.
    ended: bool,
}

/// One question; no answer is taken any more when it is dropped.
pub(super) struct Question {
    questions: Questions,
    key: Key,
    answer: Receiver<Result<Value, Value>>,
    /// A string.
    pub(super) id: Value,
}

/// Why a question has no answer. Displays as the beginning of a sentence about what that means.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Unanswered {
    /// The client did not say that it can answer this, or cannot be reached on the way by which its call came.
    Unable,
    /// As many questions wait as may, or as many streams are open as may.
    Full,
    /// The client answered with an error: what it says of it, in short.
    Refused(String),
    /// Not in time.
    Late(Duration),
    /// The call was cancelled, or its client has left.
    Cancelled,
    /// The server ends.
    Ending,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unanswered::Unable => f.write_str("the client cannot be asked"),
            Unanswered::Full => f.write_str("too many questions wait for an answer already"),
            Unanswered::Refused(message) => {
                write!(f, "the client could not answer a question ({message})")
            }
            Unanswered::Late(time) => {
                write!(f, "a question was not answered within {} s", time.as_secs())
            }
            Unanswered::Cancelled => f.write_str("the call was cancelled"),
            Unanswered::Ending => f.write_str("the server is stopping"),
        }
    }
}

impl Questions {
    /// Questions that wait for `time` each.
    pub(super) fn new(time: Duration) -> Questions {
        Questions(Arc::new(Shared {
            open: Mutex::default(),
            time,
        }))
    }

    /// Begins a question, which is to be sent next; `cancellation` is its call's.
    pub(super) fn begin(
        &self,
        scope: &Scope,
        cancellation: &Cancellation,
    ) -> Result<Question, Unanswered> {
        let mut random = [0; ID_BYTES];
        getrandom::fill(&mut random).map_err(|_| Unanswered::Unable)?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let id = Value::from(id);
        let key = (scope.clone(), id.to_string());
        let (sender, answer) = sync_channel(1);
        let mut open = self.lock();
        if open.ended {
            return Err(Unanswered::Ending);
        }
        if open.waiting.len() >= QUESTIONS_MAX {
            return Err(Unanswered::Full);
        }
        open.waiting.insert(key.clone(), sender);
        drop(open);
        let (questions, of_call) = (self.clone(), key.clone());
        cancellation.then(move || questions.forget(&of_call));
        Ok(Question {
            questions: self.clone(),
            key,
            answer,
            id,
        })
    }

    /// Takes an answer from within `scope`: a result, or an error. One to nothing that waits is ignored.
    pub(super) fn answer(&self, scope: &Scope, id: &Value, answer: Result<Value, Value>) {
        let asked = self.lock().waiting.remove(&(scope.clone(), id.to_string()));
        if let Some(asked) = asked {
            // Whoever asked may have given up in this moment.
            let _ = asked.send(answer);
        }
    }

    /// Ends every question, and lets no other begin.
    pub(super) fn end(&self) {
        let mut open = self.lock();
        open.ended = true;
        open.waiting.clear();
    }

    fn forget(&self, key: &Key) {
        self.lock().waiting.remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Question {
    /// Waits for the answer: its result.
    pub(super) fn wait(&self, cancellation: &Cancellation) -> Result<Value, Unanswered> {
        let time = self.questions.0.time;
        match self.answer.recv_timeout(time) {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => {
                let message = error.get("message").and_then(Value::as_str);
                let message = era::in_short(message.unwrap_or_default());
                Err(Unanswered::Refused(message))
            }
            Err(RecvTimeoutError::Timeout) => Err(Unanswered::Late(time)),
            Err(RecvTimeoutError::Disconnected) if cancellation.is_cancelled() => {
                Err(Unanswered::Cancelled)
            }
            Err(RecvTimeoutError::Disconnected) => Err(Unanswered::Ending),
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.questions.forget(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Longer than anything here takes.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn scope(number: u64) -> Scope {
        Scope::Dialog(number)
    }

    #[test]
    fn an_answer_is_taken_once_from_the_scope_that_was_asked() {
        let (questions, call) = (Questions::new(PATIENCE), Cancellation::default());
        let question = questions.begin(&scope(1), &call).unwrap();
        questions.answer(&scope(2), &question.id, Ok("a stranger's".into()));
        questions.answer(&scope(1), &"guessed".into(), Ok("a guess".into()));
        questions.answer(&scope(1), &question.id, Ok("mine".into()));
        questions.answer(&scope(1), &question.id, Ok("mine again".into()));
        assert_eq!(question.wait(&call), Ok("mine".into()));
        assert!(questions.lock().waiting.is_empty());
    }

    #[test]
    fn an_error_is_told_in_the_clients_words() {
        let (questions, call) = (Questions::new(PATIENCE), Cancellation::default());
        let question = questions.begin(&scope(1), &call).unwrap();
        let error = serde_json::json!({"code": -1, "message": "no screen"});
        questions.answer(&scope(1), &question.id, Err(error));
        let why = Unanswered::Refused("\"no screen\"".into());
        assert_eq!(question.wait(&call), Err(why));
    }

    #[test]
    fn a_question_ends_with_its_time_its_call_or_the_server_and_leaves_nothing_behind() {
        let soon = Questions::new(Duration::ZERO);
        let call = Cancellation::default();
        let question = soon.begin(&scope(1), &call).unwrap();
        assert_eq!(question.wait(&call), Err(Unanswered::Late(Duration::ZERO)));
        drop(question);
        assert!(soon.lock().waiting.is_empty());

        let questions = Questions::new(PATIENCE);
        thread::scope(|scoped| {
            let question = questions.begin(&scope(1), &call).unwrap();
            let waiting = scoped.spawn(move || question.wait(&Cancellation::default()));
            questions.end();
            assert_eq!(waiting.join().unwrap(), Err(Unanswered::Ending));
        });
        let refused = questions.begin(&scope(1), &call).map(drop);
        assert_eq!(refused, Err(Unanswered::Ending));

        let questions = Questions::new(PATIENCE);
        let early = questions.begin(&scope(1), &call).unwrap();
        call.cancel();
        let late = questions.begin(&scope(1), &call).unwrap();
        for question in [early, late] {
            assert_eq!(question.wait(&call), Err(Unanswered::Cancelled));
        }
        assert!(questions.lock().waiting.is_empty());
    }

    #[test]
    fn no_more_questions_wait_than_may_and_a_place_comes_free_with_its_question() {
        let (questions, call) = (Questions::new(PATIENCE), Cancellation::default());
        let mut all: Vec<Question> = (0..QUESTIONS_MAX)
            .map(|_| questions.begin(&scope(1), &call).unwrap())
            .collect();
        let refused = questions.begin(&scope(2), &call).map(drop);
        assert_eq!(refused, Err(Unanswered::Full));
        all.pop();
        assert!(questions.begin(&scope(2), &call).is_ok());
    }
}
