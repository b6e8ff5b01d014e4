//! A request as it goes out over HTTP: its address and all its header fields, which are prepared once where they do not change.

use ureq::http;
use ureq::http::header::{self, HeaderValue};

use super::lines::{Base, USER_AGENT};
use super::request::{Body, Request};

/// The path of a request with its query.
pub(super) fn target(base: &Base, request: &Request<'_>) -> String {
    let query = request.query.encoded();
    let mark = if query.is_empty() { "" } else { "?" };
    [&base.path, &*request.path, mark, query].concat()
}

/// A request with all its header fields: what ureq would add to it, it would make anew each time.
pub(super) fn outgoing<B>(
    request: &Request<'_>,
    base: &Base,
    target: &str,
    authorization: Option<HeaderValue>,
    content_type: Option<&'static str>,
    body: B,
) -> Result<http::Request<B>, http::Error> {
    let mut outgoing = http::Request::new(body);
    *outgoing.method_mut() = request.body.method().parse()?;
    *outgoing.uri_mut() = base.uri(target)?;
    let fields = outgoing.headers_mut();
    fields.insert(header::HOST, base.host_header.clone());
    fields.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    fields.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    let gzip = HeaderValue::from_static("gzip");
    if matches!(request.body, Body::GzippedJson(_)) {
        fields.insert(header::CONTENT_ENCODING, gzip.clone());
    }
    fields.insert(header::ACCEPT_ENCODING, gzip);
    if let Some(content_type) = content_type {
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if let Some(authorization) = authorization {
        fields.insert(header::AUTHORIZATION, authorization);
    }
    Ok(outgoing)
}
