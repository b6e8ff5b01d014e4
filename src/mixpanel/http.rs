//! The only door out: each request to Mixpanel passes [`Http::pass`]. Signing, time and size limits, tries, and
//! what a status means are here; which operation is asked, and what its answer says, is left to the clients.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use ureq::AsSendBody;
use ureq::http::Response;
use ureq::http::header::HeaderValue;

use super::api::Api;
use super::body::{REFUSAL_BYTES_MAX, has_member, parse};
use super::cache::{Cache, Found, Keep, Key, Refused};
use super::credentials::{Caller, Secret, ServiceAccount};
use super::error::Error;
use super::fault::{cannot_connect, fault};
use super::lines::{Base, Lines};
use super::noted::Noted;
use super::notes::Notes;
use super::outgoing::{outgoing, target};
use super::quota::{Quotas, Turn};
use super::refusal::refusal;
use super::region::Region;
use super::rehearsal::Unsent;
use super::request::{Body, Request, Signature};
use super::retry::{RETRY_WAITS, time_to_wait};
use super::stop::{Running, Stop};
use super::whereabouts::region_of;
use super::words::words;

/// The http crate takes no address of 64 KB; this leaves room for the host.
const URL_BYTES_MAX: usize = 60 * 1024;

/// The most room that is made for a body before it comes, whatever its length is said to be.
const ROOM_BYTES_MAX: u64 = 256 * 1024;
/// Room for a body whose length is not said, and more than std wants free to look for a body's end.
const ROOM_BYTES_MIN: usize = 64;

/// How much longer than its own time a request waits for another one's answer: that one may have waited for its turn.
const FOLLOWING: Duration = Duration::from_secs(60);

/// Reads the body of a good answer, once for each answer that there is. Behind a pointer, so that all on the way to it is
/// there once and not once for each form that an answer can have.
pub(super) type Understand<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Error>;

/// What the doors of all calls share.
pub(super) struct Hall {
    pub(super) lines: Lines,
    pub(super) quotas: Arc<Quotas>,
    pub(super) cache: Cache,
}

/// The door for one caller and one call.
#[derive(Clone)]
pub(super) struct Http {
    hall: Arc<Hall>,
    caller: Arc<Caller>,
    stop: Stop,
    notes: Arc<Notes>,
}

/// An answer whose body is still to be read.
pub(super) struct Answer {
    /// Kept as long as the body is read, so that a stop reaches it.
    running: Running,
    response: Response<ureq::Body>,
    status: u16,
    noted: Noted,
    /// Kept as long as Mixpanel works for it.
    turn: Turn,
}

impl Http {
    pub(super) fn new(hall: Arc<Hall>, caller: Arc<Caller>, stop: Stop, notes: Arc<Notes>) -> Http {
        Http {
            hall,
            caller,
            stop,
            notes,
        }
    }

    /// Asks, and reads the answer as JSON. `expected` names its shape for the error.
    pub(super) fn json<T: DeserializeOwned>(
        &self,
        request: &Request<'_>,
        expected: &'static str,
    ) -> Result<T, Error> {
        let mut understood = None;
        self.understand(request, &mut |body| {
            understood = Some(self.parse(request, body, expected)?);
            Ok(())
        })?;
        understood.ok_or(Error::WrongShape { expected })
    }

    /// The same of an answer of which `read` makes something, or nothing where it has another shape.
    pub(super) fn read_value<T>(
        &self,
        request: &Request<'_>,
        expected: &'static str,
        read: impl Fn(Value) -> Option<T>,
    ) -> Result<T, Error> {
        let mut told = None;
        self.take_value(request, expected, &mut |answer| {
            told = read(answer);
            told.is_some()
        })?;
        told.ok_or(Error::WrongShape { expected })
    }

    fn take_value(
        &self,
        request: &Request<'_>,
        expected: &'static str,
        take: &mut dyn FnMut(Value) -> bool,
    ) -> Result<(), Error> {
        self.understand(request, &mut |body| {
            let answer = self.parse(request, body, expected)?;
            take(answer)
                .then_some(())
                .ok_or(Error::WrongShape { expected })
        })
    }

    /// Asks, and has the answer read: only one that is understood is good.
    pub(super) fn understand(
        &self,
        request: &Request<'_>,
        understand: Understand<'_>,
    ) -> Result<(), Error> {
        match request.keep() {
            Keep::Never => self.past_the_cache(request, understand),
            _ => self.keeping(request, understand),
        }
    }

    /// A body as JSON. `expected` names its shape for the error.
    pub(super) fn parse<'a, T: Deserialize<'a>>(
        &self,
        request: &Request<'_>,
        body: &'a [u8],
        expected: &'static str,
    ) -> Result<T, Error> {
        parse(body, expected, || self.secrets(request))
    }

    /// Asks past the cache, which forgets what the request may have changed, also after a failure.
    fn past_the_cache(
        &self,
        request: &Request<'_>,
        understand: Understand<'_>,
    ) -> Result<(), Error> {
        let asked = self.ask(request, understand);
        if request.changes_data() && !matches!(asked, Err(Error::DryRun)) {
            let project = request.project();
            let cache = &self.hall.cache;
            cache.changed(self.caller.region, project.as_ref(), request.token);
        }
        asked.map(drop)
    }

    /// Asks for what may be given again: a kept answer, that of an equal request on its way, or a new one.
    fn keeping(&self, request: &Request<'_>, understand: Understand<'_>) -> Result<(), Error> {
        let cache = &self.hall.cache;
        let key = self.key(request);
        if let Some(project) = &key.project {
            self.notes.asked(request.api, project);
        }
        if self.notes.wants_fresh() {
            let asked = Instant::now();
            let body = self.ask(request, understand)?;
            cache.keep(key, request.keep(), asked, &body);
            return Ok(());
        }
        let mut is_own = false;
        let patience = self.total(request).unwrap_or_default() + FOLLOWING;
        let found = cache.answer(key, request.keep(), &self.stop, patience, || {
            is_own = true;
            self.ask(request, understand).map_err(|error| Refused {
                request_id: self.notes.failed_request(error.kind()),
                error,
            })
        });
        match found {
            Ok(_) if is_own => Ok(()),
            Ok(Found { body, age }) => {
                if let Some(age) = age {
                    self.notes.kept(age);
                }
                understand(&body)
            }
            Err(Refused { error, request_id }) => {
                if let Some(id) = request_id {
                    self.notes.failed_as(&error, id);
                }
                Err(error)
            }
        }
    }

    /// The body of a new answer, once it is understood.
    fn ask(&self, request: &Request<'_>, understand: Understand<'_>) -> Result<Vec<u8>, Error> {
        self.pass(request, |answer| self.read(request, answer, understand))
    }

    fn key(&self, request: &Request<'_>) -> Key {
        let form = match &request.body {
            Body::Form(pairs) => pairs.encoded(),
            _ => "",
        };
        let (method, query) = (request.body.method(), request.query.encoded());
        let parts = [
            method,
            " ",
            request.api.as_str(),
            &request.path,
            "?",
            query,
            " ",
            form,
        ];
        Key {
            who: self.hall.cache.fingerprint(self.caller.account()),
            region: self.caller.region,
            project: request.project(),
            request: parts.concat(),
        }
    }

    /// The most time for all tries of a request.
    fn total(&self, request: &Request<'_>) -> Option<Duration> {
        let total = self.hall.lines.timeouts.total(request.api);
        match (total, request.patience) {
            (Some(total), Some(patience)) => Some(total.min(patience)),
            (total, patience) => total.or(patience),
        }
    }

    /// Asks for a change whose answer says no more than that it was done; it may be empty.
    pub(super) fn done(&self, request: &Request<'_>) -> Result<(), Error> {
        self.past_the_cache(request, &mut |body| {
            if body.trim_ascii().is_empty() {
                return Ok(());
            }
            match self.parse::<IgnoredAny>(request, body, "an answer") {
                // Where nothing is documented, a plain word may stand.
                Err(Error::NotJson { html: false }) => Ok(()),
                outcome => outcome.map(drop),
            }
        })
    }

    /// Asks, and leaves the answer to be read as it comes.
    pub(super) fn stream(&self, request: &Request<'_>) -> Result<Stream, Error> {
        if let Some(project) = request.project() {
            self.notes.asked(request.api, &project);
        }
        let answer = self.pass(request, Ok)?;
        let Answer {
            running,
            response,
            noted,
            turn,
            ..
        } = answer;
        Ok(Stream {
            running,
            stop: self.stop.clone(),
            notes: Arc::clone(&self.notes),
            noted,
            turn,
            body: response.into_body().into_reader(),
            bytes: 0,
        })
    }

    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Whether each region has a place of its own for an API.
    pub(super) fn tells_regions_apart(&self, api: Api) -> bool {
        self.hall.lines.tells_regions_apart(api)
    }

    /// The same door in another region. What passes it is not noted for the call.
    pub(super) fn in_region(&self, region: Region) -> Http {
        let caller = Caller {
            region,
            ..(*self.caller).clone()
        };
        Http {
            caller: Arc::new(caller),
            notes: Arc::new(self.notes.aside()),
            ..self.clone()
        }
    }

    /// A request, and where the project is if it is not here.
    fn pass<T>(
        &self,
        request: &Request<'_>,
        read: impl FnMut(Answer) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if request.writes() && self.notes.rehearsal.is_wanted() {
            return Err(self.rehearse(request));
        }
        let mut result = self.pass_here(request, read);
        if let Err(Error::WrongCluster { region, found, .. }) = &mut result
            && let Some(project) = request.project()
        {
            *found = region_of(self, *region, &project);
        }
        result
    }

    /// Keeps what would be sent, up to where it would go out.
    fn rehearse(&self, request: &Request<'_>) -> Error {
        if let Err(error) = self.authorization(request) {
            return error;
        }
        let url = format!("{}{}", self.base(request).url(), request.path);
        let unsent = Unsent::new(request, url, &self.secrets(request));
        self.notes.rehearsal.note(unsent);
        Error::DryRun
    }

    /// The one place through which each request passes: tries, and tries again where that is safe.
    fn pass_here<T>(
        &self,
        request: &Request<'_>,
        mut read: impl FnMut(Answer) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut deadline: Option<Instant> = None;
        let mut waits = RETRY_WAITS.iter();
        let mut limited = false;
        // The first try after which a write may have happened: what later ones say does not undo it.
        let mut doubt = None;
        loop {
            let (region, project) = (self.caller.region, request.metered_project());
            let turn = self
                .hall
                .quotas
                .turn(request.api, region, project.as_ref(), &self.stop)
                .map_err(|error| doubt.take().unwrap_or(error))?;
            let left = match deadline {
                // Waiting for the first turn has a limit of its own, and the API's limit is the agent's already.
                None => {
                    deadline = self.total(request).map(|total| Instant::now() + total);
                    request.patience.and(self.total(request))
                }
                Some(deadline) => Some(deadline.saturating_duration_since(Instant::now())),
            };
            let error = match self.pass_once(request, turn, left).and_then(&mut read) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if self.stop.is_stopped() {
                return Err(Error::Cancelled);
            }
            // A 429 costs one more request at most.
            let wait = match limited {
                true => None,
                false => waits
                    .next()
                    .and_then(|wait| time_to_wait(request, &error, *wait)),
            };
            limited = matches!(error, Error::RateLimited { .. });
            let is_late = |wait| deadline.is_some_and(|deadline| Instant::now() + wait >= deadline);
            let Some(wait) = wait.filter(|wait| !is_late(*wait)) else {
                return Err(doubt.unwrap_or(error));
            };
            if request.writes() && error.may_have_happened() {
                doubt.get_or_insert(error);
            }
            if self.stop.wait(wait) {
                return Err(Error::Cancelled);
            }
        }
    }

    /// One try, within what is `left` of the time where that is not the API's own limit. An answer is one only if its status is good, or the request takes a 400 for an answer.
    fn pass_once(
        &self,
        request: &Request<'_>,
        turn: Turn,
        left: Option<Duration>,
    ) -> Result<Answer, Error> {
        if self.stop.is_stopped() {
            return Err(Error::Cancelled);
        }
        let running = self.stop.request();
        let mut noted = Noted::new(request, self.base(request), running.number());
        let result = {
            let _entered = running.enter();
            match request.body.content() {
                None => self.call(request, (), None, left),
                Some((kind, body)) => self.call(request, body, Some(kind), left),
            }
        };
        let response = result.inspect_err(|error| self.failed(&noted, &turn, error))?;
        let status = response.status().as_u16();
        noted.status = status;
        let answer = Answer {
            running,
            response,
            status,
            noted,
            turn,
        };
        match status {
            200..=299 => Ok(answer),
            400 if request.answer_under_400.is_some() => Ok(answer),
            _ => Err(self.refusal(request, answer)),
        }
    }

    fn call(
        &self,
        request: &Request<'_>,
        body: impl AsSendBody,
        content_type: Option<&'static str>,
        left: Option<Duration>,
    ) -> Result<Response<ureq::Body>, Error> {
        let authorization = self.authorization(request)?;
        let base = self.base(request);
        let target = target(base, request);
        if base.host.len() + target.len() > URL_BYTES_MAX {
            return Err(Error::TooLarge { words: None });
        }
        let outgoing = outgoing(request, base, &target, authorization, content_type, body)
            .map_err(|error| cannot_connect(&base.host, &error))?;
        let agent = self.hall.lines.agent(request.api);
        let outgoing = match left {
            // A setting of its own costs a request a copy of them all.
            Some(_) => agent
                .configure_request(outgoing)
                .timeout_global(left)
                .build(),
            None => outgoing,
        };
        agent
            .run(outgoing)
            .map_err(|error| self.fault(&base.host, error))
    }

    fn base(&self, request: &Request<'_>) -> &Arc<Base> {
        self.hall.lines.base(request.api, self.caller.region)
    }

    /// The header that signs a request, if it has one.
    fn authorization(&self, request: &Request<'_>) -> Result<Option<HeaderValue>, Error> {
        match request.signature {
            Signature::Account => {
                let signer = self.caller.signer.as_ref().ok_or(Error::NoCredentials)?;
                Ok(Some(signer.authorization.clone()))
            }
            Signature::OAuth => {
                let token = self.caller.oauth_token.as_ref();
                let token = token.ok_or(Error::NoOAuthToken)?.expose();
                let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
                    .map_err(|error| cannot_connect(&self.base(request).host, &error))?;
                bearer.set_sensitive(true);
                Ok(Some(bearer))
            }
            Signature::None => Ok(None),
        }
    }

    /// The whole body of an answer, and what it says. A 400 is one only if its body has the member that makes it one.
    fn read(
        &self,
        request: &Request<'_>,
        mut answer: Answer,
        understand: Understand<'_>,
    ) -> Result<Vec<u8>, Error> {
        let body = self.read_body(&mut answer, request.api.answer_bytes_max());
        let body = body.inspect_err(|error| self.failed(&answer.noted, &answer.turn, error))?;
        if answer.status == 400
            && !request
                .answer_under_400
                .is_some_and(|member| has_member(&body, member))
        {
            return Err(self.told(request, answer, &body));
        }
        understand(&body).inspect_err(|error| self.failed(&answer.noted, &answer.turn, error))?;
        answer.noted.succeeded(body.len() as u64);
        answer.turn.ended(None);
        Ok(body)
    }

    fn read_body(&self, answer: &mut Answer, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let _entered = answer.running.enter();
        let body = answer.response.body_mut();
        // Room for all that is said to come, and to see that no more does.
        let said = body
            .content_length()
            .unwrap_or_default()
            .min(ROOM_BYTES_MAX);
        let mut whole = Vec::with_capacity(said as usize + ROOM_BYTES_MIN);
        let read = body
            .with_config()
            .limit(bytes_max)
            .reader()
            .read_to_end(&mut whole);
        // A shut socket reads like the end of an answer that has no length.
        if self.stop.is_stopped() {
            return Err(Error::Cancelled);
        }
        match read {
            Ok(_) => Ok(whole),
            Err(error) => Err(self.fault(answer.noted.host(), error.into())),
        }
    }

    fn refusal(&self, request: &Request<'_>, mut answer: Answer) -> Error {
        match self.read_body(&mut answer, REFUSAL_BYTES_MAX) {
            Ok(body) => self.told(request, answer, &body),
            Err(Error::Cancelled) => Error::Cancelled,
            // The status says enough.
            Err(_) => self.told(request, answer, b""),
        }
    }

    fn told(&self, request: &Request<'_>, answer: Answer, body: &[u8]) -> Error {
        let words = words(body, &self.secrets(request));
        let refusal = refusal(
            answer.status,
            answer.response.headers(),
            words,
            request.api,
            matches!(request.signature, Signature::OAuth),
            self.caller.region,
        );
        self.failed(&answer.noted, &answer.turn, &refusal);
        refusal
    }

    /// Tells everybody who keeps account of a try that it failed.
    fn failed(&self, noted: &Noted, turn: &Turn, error: &Error) {
        noted.failed(error);
        self.notes.failed(error, noted);
        turn.ended(Some(error));
    }

    /// Mixpanel's words in an answer that is a refusal in spite of its form.
    pub(super) fn words(&self, body: &[u8], request: &Request<'_>) -> Option<String> {
        words(body, &self.secrets(request))
    }

    /// What an answer may repeat of the request and nobody else may see.
    fn secrets(&self, request: &Request<'_>) -> Vec<Secret> {
        let account = self.caller.account();
        let account = account.map(ServiceAccount::secrets).into_iter().flatten();
        let tokens = [
            self.caller.token.as_ref(),
            self.caller.oauth_token.as_ref(),
            request.token,
        ];
        let others = tokens
            .into_iter()
            .flatten()
            .chain(request.hidden.iter().copied());
        account.chain(others.cloned()).collect()
    }

    fn fault(&self, host: &str, error: ureq::Error) -> Error {
        if self.stop.is_stopped() {
            Error::Cancelled
        } else {
            fault(host, error)
        }
    }
}

/// A running answer. Reading it ends with an error when the stop comes.
pub(super) struct Stream {
    running: Running,
    stop: Stop,
    notes: Arc<Notes>,
    noted: Noted,
    turn: Turn,
    body: ureq::BodyReader<'static>,
    bytes: u64,
}

impl Stream {
    /// Reads more into `buffer` and says how much; nothing more is the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let _entered = self.running.enter();
        let amount = self.body.read(buffer);
        if self.stop.is_stopped() {
            return Err(Error::Cancelled);
        }
        let amount = amount.map_err(|error| fault(self.noted.host(), error.into()))?;
        self.bytes += amount as u64;
        Ok(amount)
    }

    /// Notes how the stream ended.
    pub(super) fn ended(&self, error: Option<&Error>) {
        match error {
            Some(error) => {
                self.noted.failed(error);
                self.notes.failed(error, &self.noted);
            }
            None => self.noted.succeeded(self.bytes),
        }
        self.turn.ended(error);
    }
}
