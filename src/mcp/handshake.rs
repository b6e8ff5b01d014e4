//! What is remembered of a handshake: its revision, and what its client said it can be asked. The rest is forgotten.

use serde_json::{Map, Value, json};

use super::revision::Revision;

/// What a server may ask a client: the request's method, and the capability that the client must declare for it.
const QUESTIONS: [(&str, &str); 3] = [
    ("elicitation/create", "elicitation"),
    ("sampling/createMessage", "sampling"),
    ("roots/list", "roots"),
];

/// What a handshake settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handshake {
    pub(super) revision: Revision,
    /// One bit for each of the questions.
    asked: u8,
}

impl Handshake {
    /// Of a client that settled on this revision and declared these capabilities. A question that the revision does not
    /// know counts as one that it cannot be asked.
    pub(super) fn of(revision: Revision, capabilities: Option<&Value>) -> Handshake {
        let declared = |name: &str| match (name, capabilities.and_then(|all| all.get(name))) {
            (_, None) => false,
            ("elicitation", Some(elicitation)) => {
                revision.has_elicitation() && takes_forms(elicitation)
            }
            (_, Some(capability)) => capability.is_object(),
        };
        let bits = QUESTIONS.iter().enumerate();
        Handshake {
            revision,
            asked: bits.fold(0, |asked, (place, (_, capability))| {
                asked | u8::from(declared(capability)) << place
            }),
        }
    }

    /// The same as two digits.
    pub(super) fn digits(self) -> String {
        format!("{}{}", self.revision as u8, self.asked)
    }

    /// Out of [`Handshake::digits`]. `None`: these are others.
    pub(super) fn from_digits(digits: &str) -> Option<Handshake> {
        let mut numbers = digits.bytes().map(|byte| byte.wrapping_sub(b'0'));
        let (revision, asked) = (numbers.next()?, numbers.next()?);
        let is_known = asked < 1 << QUESTIONS.len() && numbers.next().is_none();
        let revision = *Revision::ALL.get(usize::from(revision))?;
        is_known.then_some(Handshake { revision, asked })
    }

    /// The capabilities, as far as they are remembered.
    pub(super) fn capabilities(self) -> Map<String, Value> {
        let all = QUESTIONS.iter().enumerate();
        all.filter(|(place, _)| self.asked & 1 << place != 0)
            .map(|(_, (_, capability))| ((*capability).to_owned(), json!({})))
            .collect()
    }
}

/// Whether a client with these capabilities can be sent a request with this method.
pub(super) fn can_be_asked(method: &str, capabilities: &Map<String, Value>) -> bool {
    let needed = QUESTIONS.iter().find(|(known, _)| *known == method);
    needed.is_some_and(|(_, capability)| capabilities.contains_key(*capability))
}

/// Whether a client with this `elicitation` capability puts forms before its user: an empty one means just that.
pub(super) fn takes_forms(elicitation: &Value) -> bool {
    let ways = elicitation.as_object();
    ways.is_some_and(|ways| ways.is_empty() || ways.contains_key("form"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(revision: Revision, capabilities: Value, remembered: &[&str]) {
        let handshake = Handshake::of(revision, Some(&capabilities));
        let names: Vec<String> = handshake.capabilities().keys().cloned().collect();
        assert_eq!(names, remembered, "{revision:?} {capabilities}");
        assert_eq!(Handshake::from_digits(&handshake.digits()), Some(handshake));
    }

    #[test]
    fn a_handshake_remembers_what_the_client_can_be_asked_in_its_revision() {
        let all =
            json!({"elicitation": {}, "sampling": {}, "roots": {"listChanged": true}, "x": {}});
        check(Revision::V2025_03_26, all.clone(), &["roots", "sampling"]);
        check(
            Revision::V2025_06_18,
            all,
            &["elicitation", "roots", "sampling"],
        );
        let newest = Revision::V2025_11_25;
        for (elicitation, is_remembered) in [
            (json!({"form": {}, "url": {}}), true),
            (json!({"url": {}}), false),
            (json!(true), false),
            (Value::Null, false),
        ] {
            let names: &[&str] = if is_remembered { &["elicitation"] } else { &[] };
            check(newest, json!({"elicitation": elicitation}), names);
        }
        check(newest, Value::Null, &[]);
    }

    #[test]
    fn digits_of_nobody_are_no_handshake() {
        for digits in ["", "3", "50", "38", "3/", "311", "é"] {
            assert_eq!(Handshake::from_digits(digits), None, "{digits}");
        }
    }
}
