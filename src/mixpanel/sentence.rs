//! What an error says to the model, each with what to do next.

use std::fmt;

use super::error::{Barrier, Error, Limit, Phase, instant};

/// The sentence that the model reads, so each says what to do next.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = Said(self.mixpanel_message());
        match self {
            Error::NoCredentials => f.write_str(
                "no Mixpanel credentials: send `Authorization: Basic` or `x-auth-token: username:secret` of a service \
                 account with the request, or set MIXPANEL_SERVICE_ACCOUNT_USERNAME and \
                 MIXPANEL_SERVICE_ACCOUNT_SECRET where the server runs",
            ),
            Error::MalformedCredentials { header, expected } => {
                write!(f, "the header `{header}` is not well formed: it must be {expected}")
            }
            Error::InvalidRegion => f.write_str("the header `x-mixpanel-region` must be us, eu or in"),
            Error::NoProject => f.write_str(
                "no project is named: give `project_id`, or send it as the third part of `x-auth-token: \
                 username:secret:project_id`, or set MIXPANEL_PROJECT_ID where the server runs",
            ),
            Error::InvalidProject => {
                f.write_str("a project id is a number, as in 2195193; list the projects to see the ids")
            }
            Error::NoProjectToken => f.write_str(
                "no token of the project is known: use a service account that can read the project, or set \
                 MIXPANEL_PROJECT_TOKEN and MIXPANEL_PROJECT_ID where the server runs",
            ),
            Error::NoOAuthToken => f.write_str(
                "this needs a person's OAuth token, as Mixpanel takes no service account here: send it as \
                 `x-mixpanel-oauth-token` with the request, or set MIXPANEL_OAUTH_TOKEN where the server runs; it is \
                 made in Mixpanel's personal settings under Data & Privacy",
            ),
            Error::InvalidPathPart { what } => {
                write!(f, "{what} must not be empty and must not consist of dots alone")
            }
            Error::Unauthorized { oauth: true, .. } => write!(
                f,
                "Mixpanel does not accept the OAuth token (401){said}; it may have expired or been withdrawn: make \
                 another in Mixpanel's personal settings under Data & Privacy"
            ),
            Error::Unauthorized { oauth: false, .. } => write!(
                f,
                "Mixpanel does not accept the credentials (401){said}; check the service account's username and \
                 secret, and that it was added to the project"
            ),
            Error::PaymentRequired { .. } => write!(
                f,
                "the project's plan has no access to this API (402){said}; ask for a project with another plan"
            ),
            Error::Forbidden { barrier, .. } => {
                let next = match barrier {
                    Barrier::Role => "the service account's role in the project does not allow it; ask for a higher role, or use another account",
                    Barrier::Plan => "the project's plan does not contain it; ask for something else, or for a project with another plan",
                    Barrier::Dates => "the plan does not let one ask so far back; ask for later days",
                    Barrier::Unknown => "check the service account's role in the project, the project id, and how far back the plan lets one ask",
                };
                write!(f, "Mixpanel does not allow this (403){said}; {next}")
            }
            Error::NotFound { .. } => {
                write!(f, "Mixpanel has nothing there (404){said}; check the ids, and list what exists first")
            }
            Error::BadRequest { status, .. } => {
                write!(f, "Mixpanel did not accept the request ({status}){said}; correct the arguments and ask again")
            }
            Error::TooLarge { .. } => write!(f, "the request is too large (413){said}; send it in smaller parts"),
            Error::RateLimited { api, limit, retry_after_s, asked, .. } => {
                match limit {
                    Limit::Hour => write!(f, "the project's requests of this hour to the {api} API are used up")?,
                    Limit::Moment => write!(f, "too many requests of the project to the {api} API run at once")?,
                }
                f.write_str(if *asked { " (429)" } else { ", so Mixpanel was not asked" })?;
                write!(f, "{said}; ")?;
                match retry_after_s {
                    Some(seconds) => write!(f, "ask again in {seconds} s, at {}", instant(*seconds)),
                    None => f.write_str("ask again later and less often, mixpanel_get_quota tells what is left"),
                }
            }
            Error::ServerFault { status, .. } => {
                write!(f, "Mixpanel failed ({status}){said}; ask again in a minute")
            }
            Error::WrongCluster { region, found: Some(found), .. } => write!(
                f,
                "the project is not in the region `{region}` but in `{found}`{said}; ask with the header \
                 `x-mixpanel-region: {found}`, or set MIXPANEL_REGION={found} where the server runs"
            ),
            Error::WrongCluster { region, found: None, .. } => write!(
                f,
                "the project is not in the region `{region}`{said}; set the region to another one of us, eu and in \
                 (header `x-mixpanel-region` or MIXPANEL_REGION)"
            ),
            Error::CannotConnect { host, reason } => {
                write!(f, "no connection to {host} ({reason}); check the network and the proxy, then ask again")
            }
            Error::Dns { host } => {
                write!(f, "the host {host} was not found; check the network's name service, then ask again")
            }
            Error::Tls { host, reason } => write!(
                f,
                "no trusted connection to {host} ({reason}); if a proxy inspects the traffic, give its root to the \
                 server in MIXPANEL_CA_FILE"
            ),
            Error::TimedOut { phase } => {
                let (what, next) = match phase {
                    Phase::Connect => ("no connection was made", "check the network, then ask again"),
                    Phase::FirstByte => ("Mixpanel did not begin to answer", "ask for fewer days or events"),
                    Phase::Stall => ("the connection stood still", "ask again"),
                    Phase::Total => ("Mixpanel did not finish its answer", "ask for fewer days or events"),
                };
                write!(f, "{what} in time; {next}")
            }
            Error::BrokenOff => f.write_str(
                "the connection broke before the answer was complete; read again, but look before writing again, as \
                 the write may have happened",
            ),
            Error::IncompleteExport => f.write_str(
                "the export ended before all events had come; ask again, for fewer days",
            ),
            Error::Redirected { status } => write!(
                f,
                "Mixpanel's address answers with a redirect ({status}), which is not followed with credentials; check \
                 the region and the configured addresses"
            ),
            Error::NotJson { html: true } => f.write_str(
                "a web page came instead of an answer; check the region, the configured addresses and the proxy",
            ),
            Error::NotJson { html: false } => f.write_str("the answer is not JSON; ask again, or check the proxy"),
            Error::WrongShape { expected } => write!(
                f,
                "the answer does not have the expected shape ({expected}); Mixpanel may have changed it, so update \
                 this server"
            ),
            Error::AnswerTooLarge { bytes_max } => write!(
                f,
                "the answer is larger than {bytes_max} bytes; ask for fewer days, events or properties"
            ),
            Error::RefusedUnder200 { .. } => {
                write!(f, "Mixpanel took the request but refused the data{said}; correct it and send it again")
            }
            Error::PartlyRefused { .. } => write!(
                f,
                "Mixpanel took the request but refused a part of the data{said}; it does not say which part, so look before writing it again"
            ),
            Error::DryRun => f.write_str("this is a dry run, nothing was sent"),
            Error::Cancelled => f.write_str("the call was cancelled"),
        }
    }
}

/// `: "words"`, or nothing.
struct Said<'a>(Option<&'a str>);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(words) => write!(f, ": \"{words}\""),
            None => Ok(()),
        }
    }
}
