//! The export API: raw events, one a line, as a stream of any length in constant memory.
//! <https://developer.mixpanel.com/reference/raw-event-export>
//!
//! What a line says is left to the caller.

use memchr::memchr;
use serde::de::IgnoredAny;

use super::api::Api;
use super::credentials::ProjectId;
use super::error::Error;
use super::http::{Http, Stream};
use super::question::DateRange;
use super::request::{Pairs, Request};
use super::words::is_html;

/// An event is under 1 MB; the export adds some properties, and escapes make it longer.
const LINE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;
/// What Mixpanel writes, bare, when it gives an export up after the status was sent.
const GIVEN_UP: &[u8] = b"terminated early";

/// Reads raw events.
pub struct MixpanelExportClient {
    pub(super) http: Http,
}

/// Which events to export.
#[derive(Debug, Clone)]
pub struct ExportQuery<'a> {
    /// Both days inclusive; in UTC for projects since 2023, else in the project's zone.
    pub range: DateRange,
    /// Names of events; none means all.
    pub events: &'a [String],
    /// A segmentation expression.
    pub filter: Option<&'a str>,
    /// At most so many events, 1 to 100,000. Without it the whole range streams.
    pub limit: Option<u32>,
    /// Whether times come in milliseconds; else in seconds.
    pub time_in_ms: bool,
}

impl MixpanelExportClient {
    pub(super) fn new(http: Http) -> MixpanelExportClient {
        MixpanelExportClient { http }
    }

    /// Begins an export. It counts against 60 exports an hour.
    ///
    /// # Errors
    ///
    /// Those of a request.
    pub fn export(
        &self,
        project: &ProjectId,
        query: &ExportQuery<'_>,
    ) -> Result<ExportLines, Error> {
        let mut pairs = query
            .range
            .onto(Pairs::of(project))
            .with_some("where", query.filter)
            .with_some("time_in_ms", query.time_in_ms.then_some(true));
        if !query.events.is_empty() {
            pairs = pairs.with_list("event", query.events);
        }
        let request = Request::read(
            Api::Export,
            "/export",
            pairs.with_some("limit", query.limit),
        );
        Ok(ExportLines {
            stream: self.http.stream(&request)?,
            buffer: Vec::new(),
            at: 0,
            filled: 0,
            read: 0,
            is_begun: false,
            ended: false,
        })
    }
}

/// The lines of an export, as they come.
pub struct ExportLines {
    stream: Stream,
    /// Grows from [`READ_BYTES`] to [`LINE_BYTES_MAX`] as lines need it, and is used again and again.
    buffer: Vec<u8>,
    /// Where the next line begins.
    at: usize,
    /// How much of the buffer is read.
    filled: usize,
    read: u64,
    /// Whether the first line was seen.
    is_begun: bool,
    ended: bool,
}

impl ExportLines {
    /// The next line that is not empty, without the white space around it; nothing after the last. After an error there are no more.
    ///
    /// # Errors
    ///
    /// [`Error::IncompleteExport`] when the export ends within a line or with `terminated early`; [`Error::AnswerTooLarge`]
    /// for a line over 2 MiB; [`Error::NotJson`] for a web page; [`Error::Cancelled`], and those of a request.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, Error> {
        if self.ended {
            return Ok(None);
        }
        match self.find_line() {
            Ok(Some((from, to))) => Ok(self.buffer.get(from..to).map(<[u8]>::trim_ascii)),
            Ok(None) => {
                self.ended = true;
                self.stream.ended(None);
                Ok(None)
            }
            Err(error) => {
                self.ended = true;
                self.stream.ended(Some(&error));
                Err(error)
            }
        }
    }

    /// The bytes of all lines given so far, unpacked.
    pub fn bytes(&self) -> u64 {
        self.read
    }

    /// Where the next line is in the buffer.
    fn find_line(&mut self) -> Result<Option<(usize, usize)>, Error> {
        let mut searched = self.at;
        loop {
            let unsearched = self.buffer.get(searched..self.filled).unwrap_or_default();
            if let Some(length) = memchr(b'\n', unsearched) {
                let (from, end) = (self.at, searched + length);
                self.at = end + 1;
                searched = self.at;
                self.read += (self.at - from) as u64;
                let line = self.buffer.get(from..end).unwrap_or_default().trim_ascii();
                if line == GIVEN_UP {
                    return Err(Error::IncompleteExport);
                }
                if !line.is_empty() {
                    self.check_beginning(from, end)?;
                    return Ok(Some((from, end)));
                }
                continue;
            }
            searched = self.fill()?;
            if searched == self.filled {
                return self.last_line();
            }
        }
    }

    /// What stands behind the last line end: nothing, or a line that is whole although no line end follows.
    fn last_line(&mut self) -> Result<Option<(usize, usize)>, Error> {
        let (from, end) = (self.at, self.filled);
        let rest = self.buffer.get(from..end).unwrap_or_default().trim_ascii();
        if rest.is_empty() {
            return Ok(None);
        }
        self.check_beginning(from, end)?;
        let rest = self.buffer.get(from..end).unwrap_or_default();
        serde_json::from_slice::<IgnoredAny>(rest).map_err(|_| Error::IncompleteExport)?;
        self.at = end;
        self.read += (end - from) as u64;
        Ok(Some((from, end)))
    }

    /// A web page with a good status is no export.
    fn check_beginning(&mut self, from: usize, to: usize) -> Result<(), Error> {
        if self.is_begun {
            return Ok(());
        }
        self.is_begun = true;
        if is_html(self.buffer.get(from..to).unwrap_or_default()) {
            return Err(Error::NotJson { html: true });
        }
        Ok(())
    }

    /// Reads more behind what is there. Answers where the new bytes begin.
    fn fill(&mut self) -> Result<usize, Error> {
        if self.at > 0 {
            self.buffer.copy_within(self.at..self.filled, 0);
            self.filled -= self.at;
            self.at = 0;
        }
        if self.filled == self.buffer.len() {
            if self.filled >= LINE_BYTES_MAX {
                return Err(Error::AnswerTooLarge {
                    bytes_max: LINE_BYTES_MAX as u64,
                });
            }
            self.buffer
                .resize((self.filled * 2).clamp(READ_BYTES, LINE_BYTES_MAX), 0);
        }
        let from = self.filled;
        let room = self.buffer.get_mut(from..).unwrap_or_default();
        self.filled += self.stream.read(room)?;
        Ok(from)
    }
}

/// An export that is left before its end is closed, and noted with what was read.
impl Drop for ExportLines {
    fn drop(&mut self) {
        if !self.ended {
            self.stream.ended(None);
        }
    }
}
