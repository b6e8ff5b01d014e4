//! Why a request is refused. Each API of Mixpanel says it in its own form; `routes` gives it that form.

/// A refusal: the status and Mixpanel's sentence. Without the word `sandbox`: it is the admin's secret, which clients take
/// out of what they pass on.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) status: u16,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Fault {
        Fault {
            status,
            message: message.into(),
        }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Fault {
        Fault::new(400, message)
    }

    pub(super) fn unauthorized() -> Fault {
        Fault::new(401, "Invalid credentials")
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Fault {
        Fault::new(403, message)
    }
}

/// The words that belong to a status.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Request Entity Too Large",
        429 => "Too Many Requests",
        _ => "Internal Server Error",
    }
}
