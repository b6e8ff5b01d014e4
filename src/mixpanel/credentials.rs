//! Who asks: a service account, a project, a region, from a request's headers or from the environment.
//!
//! A header wins whole: nothing of the environment's account is ever joined to it. Nothing here is sent anywhere.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer};
use ureq::http::HeaderValue;

use super::error::Error;
use super::region::Region;

/// No credential is longer. More is refused before it is decoded.
const HEADER_BYTES_MAX: usize = 8 * 1024;
/// An id of a project is a number of 64 bits.
const PROJECT_DIGITS_MAX: usize = 19;

const AUTHORIZATION_FORM: &str = "Basic <base64 of username:secret>";
const AUTH_TOKEN_FORM: &str = "username:secret or username:secret:project_id";
const OAUTH_HEADER: &str = "x-mixpanel-oauth-token";
const AUTH_DATA_FORM: &str = r#"base64 of {"serviceaccount_username": "..", "serviceaccount_secret": "..", "project_id": ".."}"#;

/// A text that is never shown: `Debug` and `Display` say `[redacted]`. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes a text in.
    pub fn new(text: impl Into<Arc<str>>) -> Secret {
        Secret(text.into())
    }

    /// The text itself: only to be sent to Mixpanel, or to be found and hidden.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

/// The number of a project, as text: 1 to 19 digits. Kept in place: each call names its project to many.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ProjectId {
    digits: [u8; PROJECT_DIGITS_MAX],
    count: u8,
}

impl ProjectId {
    /// Reads digits. Anything else is nothing: the id becomes part of a path.
    pub fn parse(text: &str) -> Option<ProjectId> {
        let text = text.trim();
        let sound = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let mut digits = [0; PROJECT_DIGITS_MAX];
        let place = digits.get_mut(..text.len()).filter(|_| sound)?;
        place.copy_from_slice(text.as_bytes());
        let count = u8::try_from(text.len()).ok()?;
        Some(ProjectId { digits, count })
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        let digits = self.digits.get(..usize::from(self.count));
        // There is nothing else in it.
        std::str::from_utf8(digits.unwrap_or_default()).unwrap_or_default()
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProjectId").field(&self.as_str()).finish()
    }
}

/// A service account of Mixpanel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its name, as in `mcp.a1b2c3.mp-service-account`.
    pub username: String,
    /// Its secret.
    pub secret: Secret,
}

impl ServiceAccount {
    /// The secret as it is, and within what signs a request.
    pub(super) fn secrets(&self) -> [Secret; 2] {
        // Whoever repeats it may leave the padding out.
        let pair = self.pair();
        [self.secret.clone(), Secret::new(pair.trim_end_matches('='))]
    }

    fn pair(&self) -> String {
        BASE64_STANDARD.encode(format!("{}:{}", self.username, self.secret.expose()))
    }
}

/// A service account, and the value of the header that it signs requests with: made once for all of them.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) account: ServiceAccount,
    /// Its `Debug` does not show it.
    pub(super) authorization: HeaderValue,
}

impl Signer {
    pub(super) fn new(account: ServiceAccount) -> Arc<Signer> {
        // Base64 can stand in a header.
        let mut authorization = HeaderValue::try_from(format!("Basic {}", account.pair()))
            .unwrap_or(HeaderValue::from_static(""));
        authorization.set_sensitive(true);
        Arc::new(Signer {
            account,
            authorization,
        })
    }
}

/// What the environment gives to those who may use it.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) region: Region,
    pub(super) account: Option<Arc<Signer>>,
    pub(super) project: Option<ProjectId>,
    pub(super) token: Option<Secret>,
    pub(super) oauth_token: Option<Secret>,
}

/// Who asks, for one request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// None for a caller with a project token alone.
    pub(super) signer: Option<Arc<Signer>>,
    /// The project of the caller's own header.
    pub(super) project: Option<ProjectId>,
    /// The environment's project token; only for a caller who uses the environment's credentials.
    pub(super) token: Option<Secret>,
    /// A person's OAuth token, which the privacy operations want: the header's, else the environment's for a caller
    /// who uses the environment's credentials.
    pub(super) oauth_token: Option<Secret>,
    pub(super) region: Region,
}

impl Caller {
    /// Where the caller's projects are.
    pub fn region(&self) -> Region {
        self.region
    }

    /// The service account.
    pub(super) fn account(&self) -> Option<&ServiceAccount> {
        self.signer.as_ref().map(|signer| &signer.account)
    }

    /// Reads a request's headers, then the environment if it is allowed.
    pub(super) fn read<'a>(
        header: &dyn Fn(&str) -> Option<&'a str>,
        environment: Option<&Environment>,
        default_region: Region,
    ) -> Result<Caller, Error> {
        let region = match header("x-mixpanel-region") {
            Some(text) => Region::parse(text).ok_or(Error::InvalidRegion)?,
            None => default_region,
        };
        let oauth_token = header(OAUTH_HEADER).map(read_oauth_token).transpose()?;
        if let Some((account, project)) = read_headers(header)? {
            return Ok(Caller {
                signer: Some(Signer::new(account)),
                project,
                token: None,
                oauth_token,
                region,
            });
        }
        match environment {
            Some(environment) if environment.has_credentials() => Ok(Caller {
                signer: environment.account.clone(),
                project: None,
                token: environment.token.clone(),
                oauth_token: oauth_token.or_else(|| environment.oauth_token.clone()),
                region,
            }),
            _ if oauth_token.is_some() => Ok(Caller {
                signer: None,
                project: None,
                token: None,
                oauth_token,
                region,
            }),
            _ => Err(Error::NoCredentials),
        }
    }
}

impl Environment {
    fn has_credentials(&self) -> bool {
        self.account.is_some() || self.token.is_some() || self.oauth_token.is_some()
    }
}

/// What may stand in a header after `Bearer`.
fn read_oauth_token(value: &str) -> Result<Secret, Error> {
    let value = value.trim();
    let is_sound = (1..=HEADER_BYTES_MAX).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_sound {
        return Err(Error::MalformedCredentials {
            header: OAUTH_HEADER,
            expected: "an OAuth token of Mixpanel, without `Bearer` before it",
        });
    }
    Ok(Secret::new(value))
}

type Credentials = (ServiceAccount, Option<ProjectId>);

/// The first of the three headers that carries a service account.
fn read_headers<'a>(
    header: &dyn Fn(&str) -> Option<&'a str>,
) -> Result<Option<Credentials>, Error> {
    if let Some(value) = header("authorization")
        && let Some(credentials) = read_authorization(value.trim())?
    {
        return Ok(Some(credentials));
    }
    if let Some(value) = header("x-auth-token") {
        let malformed = Error::MalformedCredentials {
            header: "x-auth-token",
            expected: AUTH_TOKEN_FORM,
        };
        return read_auth_token(value.trim()).ok_or(malformed).map(Some);
    }
    if let Some(value) = header("x-auth-data") {
        let malformed = Error::MalformedCredentials {
            header: "x-auth-data",
            expected: AUTH_DATA_FORM,
        };
        return read_auth_data(value.trim()).ok_or(malformed).map(Some);
    }
    Ok(None)
}

/// A bearer token that is not `Basic` in disguise opens this server and is not for Mixpanel: it is passed over.
fn read_authorization(value: &str) -> Result<Option<Credentials>, Error> {
    let malformed = || Error::MalformedCredentials {
        header: "authorization",
        expected: AUTHORIZATION_FORM,
    };
    let (scheme, mut rest) = split_word(value);
    if scheme.eq_ignore_ascii_case("bearer") {
        let (inner, credentials) = split_word(rest);
        if !inner.eq_ignore_ascii_case("basic") {
            return Ok(None);
        }
        rest = credentials;
    } else if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let text = decode(rest).ok_or_else(malformed)?;
    let (username, secret) = text.split_once(':').ok_or_else(malformed)?;
    let account = account(username, secret).ok_or_else(malformed)?;
    Ok(Some((account, None)))
}

/// `user:secret` or `user:secret:project`. Mixpanel's secrets have no colon.
fn read_auth_token(value: &str) -> Option<Credentials> {
    if value.len() > HEADER_BYTES_MAX {
        return None;
    }
    let mut parts = value.splitn(3, ':');
    let account = account(parts.next()?, parts.next()?)?;
    let project = match parts.next() {
        Some(text) => Some(ProjectId::parse(text)?),
        None => None,
    };
    Some((account, project))
}

fn read_auth_data(value: &str) -> Option<Credentials> {
    #[derive(Deserialize)]
    struct AuthData {
        serviceaccount_username: String,
        serviceaccount_secret: String,
        project_id: Option<serde_json::Value>,
    }

    let data: AuthData = serde_json::from_slice(decode(value)?.as_bytes()).ok()?;
    let account = account(&data.serviceaccount_username, &data.serviceaccount_secret)?;
    let project = match data.project_id {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::String(text)) => Some(ProjectId::parse(&text)?),
        Some(serde_json::Value::Number(number)) => Some(ProjectId::parse(&number.to_string())?),
        Some(_) => return None,
    };
    Some((account, project))
}

fn account(username: &str, secret: &str) -> Option<ServiceAccount> {
    let (username, secret) = (username.trim(), secret.trim());
    let sound = !username.is_empty() && !secret.is_empty() && !username.contains(char::is_control);
    sound.then(|| ServiceAccount {
        username: username.to_owned(),
        secret: Secret::new(secret),
    })
}

fn decode(base64: &str) -> Option<String> {
    if base64.len() > HEADER_BYTES_MAX {
        return None;
    }
    String::from_utf8(BASE64_STANDARD.decode(base64.trim()).ok()?).ok()
}

/// The first word, and what follows it without the spaces between.
fn split_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whom the headers name: username, secret, project; or the kind of the error.
    #[track_caller]
    fn check(headers: &[(&str, &str)], expected: Result<(&str, &str, Option<&str>), &str>) {
        let environment = Environment {
            account: account("env", "env-secret").map(Signer::new),
            project: ProjectId::parse("1"),
            token: Some(Secret::new("env-token")),
            ..Environment::default()
        };
        let found = read(headers, Some(&environment));
        let named = found.as_ref().map(|caller| {
            let account = caller.account().unwrap();
            (
                account.username.as_str(),
                account.secret.expose(),
                caller.project.as_ref().map(ProjectId::as_str),
            )
        });
        assert_eq!(named.map_err(|error| error.kind()), expected);
    }

    fn read(headers: &[(&str, &str)], environment: Option<&Environment>) -> Result<Caller, Error> {
        let header = |name: &str| {
            headers
                .iter()
                .find(|(given, _)| *given == name)
                .map(|(_, value)| *value)
        };
        Caller::read(&header, environment, Region::Us)
    }

    fn base64(text: &str) -> String {
        BASE64_STANDARD.encode(text)
    }

    #[test]
    fn each_form_names_the_account() {
        let basic = format!("Basic {}", base64("me:pass:word"));
        check(&[("authorization", &basic)], Ok(("me", "pass:word", None)));
        let bearer = format!("bearer  basic {}", base64("me:pass"));
        check(&[("authorization", &bearer)], Ok(("me", "pass", None)));
        check(&[("x-auth-token", "me:pass")], Ok(("me", "pass", None)));
        check(
            &[("x-auth-token", " me:pass:77 ")],
            Ok(("me", "pass", Some("77"))),
        );
        let data = r#"{"serviceaccount_username": "me", "serviceaccount_secret": "pass", "project_id": 77}"#;
        check(
            &[("x-auth-data", &base64(data))],
            Ok(("me", "pass", Some("77"))),
        );
        let data = r#"{"serviceaccount_username": "me", "serviceaccount_secret": "pass", "x": 1}"#;
        check(&[("x-auth-data", &base64(data))], Ok(("me", "pass", None)));
    }

    #[test]
    fn the_first_header_wins_and_the_environment_comes_last() {
        let basic = format!("Basic {}", base64("a:1"));
        check(
            &[("x-auth-token", "b:2:9"), ("authorization", &basic)],
            Ok(("a", "1", None)),
        );
        let data = base64(r#"{"serviceaccount_username": "c", "serviceaccount_secret": "3"}"#);
        check(
            &[("x-auth-data", &data), ("x-auth-token", "b:2:9")],
            Ok(("b", "2", Some("9"))),
        );
        check(&[], Ok(("env", "env-secret", None)));
    }

    #[test]
    fn a_bearer_token_for_this_server_is_passed_over() {
        check(
            &[("authorization", "Bearer abc")],
            Ok(("env", "env-secret", None)),
        );
        check(
            &[("authorization", "Bearer abc"), ("x-auth-token", "b:2")],
            Ok(("b", "2", None)),
        );
    }

    #[test]
    fn a_malformed_header_is_an_error_and_the_environment_does_not_step_in() {
        let malformed = Err("malformed_credentials");
        let empty_secret = format!("Basic {}", base64("me:"));
        let no_colon = format!("Basic {}", base64("mepass"));
        for value in [
            "Basic",
            "Basic !!!",
            "Digest x",
            "",
            &empty_secret,
            &no_colon,
            "Bearer Basic x",
        ] {
            check(
                &[("authorization", value), ("x-auth-token", "b:2")],
                malformed,
            );
        }
        for value in [
            "",
            "me",
            "me:",
            ":pass",
            "me:pass:",
            "me:pass:x7",
            "me:pass:7:8",
        ] {
            check(&[("x-auth-token", value)], malformed);
        }
        let wrong_project =
            r#"{"serviceaccount_username": "c", "serviceaccount_secret": "3", "project_id": [1]}"#;
        for value in [
            "",
            "{}",
            &base64("{}"),
            &base64("[]"),
            &base64(wrong_project),
        ] {
            check(&[("x-auth-data", value)], malformed);
        }
        let long = format!("me:{}", "x".repeat(HEADER_BYTES_MAX));
        check(&[("x-auth-token", &long)], malformed);
    }

    #[test]
    fn an_error_names_the_header_and_the_form_but_not_the_value() {
        let error = read(&[("x-auth-token", "s3cretwithoutcolon")], None)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "the header `x-auth-token` is not well formed: it must be username:secret or username:secret:project_id"
        );
    }

    #[test]
    fn without_the_environment_a_caller_must_bring_credentials() {
        assert_eq!(read(&[], None).unwrap_err(), Error::NoCredentials);
        assert_eq!(
            read(&[("authorization", "Bearer abc")], None).unwrap_err(),
            Error::NoCredentials
        );
        assert_eq!(
            read(&[], Some(&Environment::default())).unwrap_err(),
            Error::NoCredentials
        );
        assert!(read(&[("x-auth-token", "b:2")], None).is_ok());
    }

    #[test]
    fn a_callers_own_account_is_never_joined_with_the_environments_token() {
        let environment = Environment {
            token: Some(Secret::new("t")),
            ..Environment::default()
        };
        assert_eq!(
            read(&[("x-auth-token", "b:2")], Some(&environment))
                .unwrap()
                .token,
            None
        );
        let caller = read(&[], Some(&environment)).unwrap();
        assert_eq!(
            (caller.account(), caller.token.clone()),
            (None, Some(Secret::new("t")))
        );
    }

    #[test]
    fn an_oauth_token_is_the_headers_or_the_environments_but_not_for_a_caller_with_an_account() {
        let environment = Environment {
            account: account("env", "env-secret").map(Signer::new),
            oauth_token: Some(Secret::new("env-oauth")),
            ..Environment::default()
        };
        let account = ("x-auth-token", "b:2");
        let oauth = ("x-mixpanel-oauth-token", " own-oauth ");
        let none: &[(&str, &str)] = &[];
        for (headers, expected) in [
            (none, Some("env-oauth")),
            (&[oauth], Some("own-oauth")),
            (&[account], None),
            (&[account, oauth], Some("own-oauth")),
        ] {
            let caller = read(headers, Some(&environment)).unwrap();
            assert_eq!(caller.oauth_token.as_ref().map(Secret::expose), expected);
        }
        let alone = read(&[oauth], None).unwrap();
        assert_eq!((alone.account(), &alone.token), (None, &None));
        let spaced = ("x-mixpanel-oauth-token", "Bearer own-oauth");
        let error = read(&[spaced], None).unwrap_err();
        assert_eq!(error.kind(), "malformed_credentials");
    }

    #[test]
    fn the_region_is_the_requests_and_never_guessed() {
        let token = ("x-auth-token", "b:2");
        assert_eq!(read(&[token], None).unwrap().region(), Region::Us);
        assert_eq!(
            read(&[token, ("x-mixpanel-region", "EU")], None)
                .unwrap()
                .region(),
            Region::Eu
        );
        assert_eq!(
            read(&[token, ("x-mixpanel-region", "mars")], None).unwrap_err(),
            Error::InvalidRegion
        );
    }

    #[test]
    fn a_secret_shows_itself_nowhere() {
        let caller = read(&[("x-auth-token", "me:s3cret:7")], None).unwrap();
        let secret = &caller.account().unwrap().secret;
        assert_eq!(format!("{secret} {secret:?}"), "[redacted] [redacted]");
        assert!(!format!("{caller:?}").contains("s3cret"));
    }

    #[test]
    fn a_project_id_is_digits_and_nothing_else() {
        assert_eq!(ProjectId::parse(" 42 ").unwrap().as_str(), "42");
        assert_eq!(
            ["", "4a", "-1", "4/2", "12345678901234567890"].map(ProjectId::parse),
            [const { None }; 5]
        );
    }
}
