//! Where a message stands: its revision, the handshake behind it, and within what its ids are known.

use serde_json::{Map, Value};

use super::dialog::Dialog;
use super::era::{self, HeaderRevision};
use super::handshake::Handshake;
use super::headers::Headers;
use super::jsonrpc::{self, Fault};
use super::revision::Revision;
use super::running::Scope;
use super::service::{Service, Via};
use super::sessions::SESSION_HEADER;

/// Where a request stands.
pub(super) struct Standing {
    pub(super) revision: Revision,
    /// Within what its id is known; none for a request that cannot be cancelled or asked about by an id.
    pub(super) scope: Option<Scope>,
    /// The handshake of its session or dialog.
    pub(super) handshake: Option<Handshake>,
}

impl Standing {
    /// In no scope: what such a client asks is not known by its id.
    fn nowhere(revision: Revision) -> Standing {
        Standing {
            revision,
            scope: None,
            handshake: None,
        }
    }

    /// In a dialog; `unsettled` holds until it has had its handshake.
    fn of_dialog(dialog: &Dialog, unsettled: Revision) -> Standing {
        let handshake = dialog.lock().handshake;
        Standing {
            revision: handshake.map_or(unsettled, |handshake| handshake.revision),
            scope: Some(dialog.scope.clone()),
            handshake,
        }
    }
}

/// Why a request stands nowhere, with the HTTP status that says so.
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) fault: Fault,
}

impl Service {
    /// Where a request stands: its revision, and within what its id is known.
    pub(super) fn standing(
        &self,
        method: &str,
        params: &Map<String, Value>,
        headers: &Headers,
        via: &Via<'_>,
    ) -> Result<Standing, Refusal> {
        let modern = |headers: Option<&Headers>| {
            era::check_modern(method, params, headers)
                .and_then(|()| match headers {
                    Some(headers) if method == "tools/call" => {
                        self.mirrored().check(params, headers)
                    }
                    _ => Ok(()),
                })
                .map(|()| Revision::V2026_07_28)
                .map_err(|fault| Refusal { status: 400, fault })
        };
        let refuse = |status, code, message: String| {
            Err(Refusal {
                status,
                fault: Fault::new(code, message),
            })
        };
        match via {
            Via::Http { .. } => {
                if era::has_envelope(params) {
                    return Ok(Standing::nowhere(modern(Some(headers))?));
                }
                if method == "initialize" {
                    return Ok(Standing::nowhere(Revision::NEWEST_LEGACY));
                }
                let by_header = match era::of_header(headers) {
                    HeaderRevision::Modern => {
                        return Ok(Standing::nowhere(modern(Some(headers))?));
                    }
                    HeaderRevision::Unknown => {
                        let fault = unknown_revision();
                        return Err(Refusal { status: 400, fault });
                    }
                    HeaderRevision::Legacy(revision) => Some(revision),
                    HeaderRevision::Absent => None,
                };
                match (headers.get(SESSION_HEADER), self.session(headers)) {
                    (Some(session), Some(handshake)) => Ok(Standing {
                        revision: handshake.revision,
                        scope: Some(Scope::Session(session.to_owned())),
                        handshake: Some(handshake),
                    }),
                    (Some(_), None) => {
                        let message = "there is no such session; begin again with `initialize`";
                        refuse(404, jsonrpc::INVALID_REQUEST, message.into())
                    }
                    (None, _) => Ok(Standing::nowhere(by_header.unwrap_or(Revision::UNNAMED))),
                }
            }
            Via::Sse(dialog) => {
                if era::has_envelope(params) {
                    // Revision 2026-07-28 has no such transport; this answer makes its clients fall back.
                    let message = "revision 2026-07-28 is served on /mcp, not on this transport";
                    return refuse(200, jsonrpc::METHOD_NOT_FOUND, message.into());
                }
                Ok(Standing::of_dialog(dialog, Revision::V2024_11_05))
            }
            Via::Stdio(dialog) => {
                let standing = Standing::of_dialog(dialog, Revision::NEWEST_LEGACY);
                if era::has_envelope(params) {
                    return Ok(Standing {
                        revision: modern(None)?,
                        ..standing
                    });
                }
                if standing.handshake.is_none() && !matches!(method, "initialize" | "ping") {
                    let message = "begin with `initialize`, or send the envelope of revision 2026-07-28 in `params._meta`";
                    return refuse(400, jsonrpc::INVALID_PARAMS, message.into());
                }
                Ok(standing)
            }
        }
    }

    /// Within what the ids in a message without an answer are known.
    pub(super) fn scope(&self, headers: &Headers, via: &Via<'_>) -> Option<Scope> {
        match via {
            Via::Http { .. } => {
                let session = headers.get(SESSION_HEADER)?;
                self.sessions.handshake(session)?;
                Some(Scope::Session(session.to_owned()))
            }
            Via::Sse(dialog) | Via::Stdio(dialog) => Some(dialog.scope.clone()),
        }
    }

    /// The handshake of the session that the header names; none if it names none of ours.
    pub(super) fn session(&self, headers: &Headers) -> Option<Handshake> {
        headers
            .get(SESSION_HEADER)
            .and_then(|session| self.sessions.handshake(session))
    }
}

/// The fault of a header that names no revision.
pub(super) fn unknown_revision() -> Fault {
    let known = Revision::ALL.map(Revision::word).join(", ");
    let message = format!("the header MCP-Protocol-Version must be one of {known}");
    Fault::new(jsonrpc::INVALID_REQUEST, message)
}
