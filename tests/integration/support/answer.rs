//! An answer as Mixpanel gave it, read from the bytes that a recorder kept.

use super::wire::{HEADERS_MAX, gunzip, read_chunks, read_exactly};

/// An answer, read whole.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RecordedAnswer {
    pub(crate) status: u16,
    /// Without its parameters; empty where none was said.
    pub(crate) content_type: String,
    /// Without its transfer coding, and unzipped.
    pub(crate) body: Vec<u8>,
}

impl RecordedAnswer {
    /// Reads an answer after which the connection was closed.
    ///
    /// # Errors
    /// A sentence that says why it is no whole answer.
    pub(crate) fn read(received: &[u8]) -> Result<RecordedAnswer, String> {
        let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut fields);
        let head_bytes = match head.parse(received) {
            Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
            Ok(httparse::Status::Partial) => return Err("the head breaks off".into()),
            Err(error) => return Err(format!("the head is malformed: {error}")),
        };
        let header = |name: &str| {
            let field = head
                .headers
                .iter()
                .find(|field| field.name.eq_ignore_ascii_case(name));
            field.map(|field| String::from_utf8_lossy(field.value).into_owned())
        };
        let mut rest = received.get(head_bytes..).unwrap_or_default();
        let is_chunked = header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        let mut body = match header("content-length") {
            _ if is_chunked => read_chunks(&mut rest)?,
            Some(length) => {
                let length = length.parse();
                read_exactly(&mut rest, length.map_err(|_| "the length is malformed")?)?
            }
            None => std::mem::take(&mut rest).to_vec(),
        };
        if !rest.is_empty() {
            return Err("bytes follow the answer".into());
        }
        if header("content-encoding").as_deref() == Some("gzip") {
            body = gunzip(&body)?;
        }
        let content_type = header("content-type").unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default();
        Ok(RecordedAnswer {
            status: head.code.unwrap_or_default(),
            content_type: content_type.trim().to_owned(),
            body,
        })
    }
}
