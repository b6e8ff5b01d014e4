//! What an event must fulfil to count: a name, a filter. An export has one filter only, so each event is looked at here
//! again, as Mixpanel would.

use crate::mixpanel::expression::{Expression, Source};
use crate::tools::stream::Event;

/// A name and a filter; either may be missing.
pub(super) struct Condition {
    name: Option<String>,
    filter: Option<(String, Expression)>,
}

impl Condition {
    /// Reads one. Errors: a sentence that begins with `argument`, the filter's place among the arguments.
    pub(super) fn new(
        argument: &str,
        name: Option<&str>,
        filter: Option<&str>,
    ) -> Result<Condition, String> {
        let filter = filter
            .map(|text| match Expression::parse(text) {
                Err(error) => Err(format!("{argument}: {error}")),
                Ok(expression) => {
                    let of_users = |(source, _): &(Source, &str)| *source == Source::User;
                    if expression.properties().iter().any(of_users) {
                        return Err(format!(
                            "{argument}: user[..] is not in an export; take properties of the event"
                        ));
                    }
                    Ok((text.to_owned(), expression))
                }
            })
            .transpose()?;
        Ok(Condition {
            name: name.map(str::to_owned),
            filter,
        })
    }

    /// Whether the event fulfils it.
    pub(super) fn holds(&self, event: &Event<'_>) -> bool {
        self.name.as_ref().is_none_or(|name| *name == event.name)
            && self
                .filter
                .as_ref()
                .is_none_or(|(_, filter)| filter.value(event).is_true())
    }

    /// The properties that it looks at.
    pub(super) fn properties(&self) -> impl Iterator<Item = &str> {
        let filter = self.filter.iter();
        filter.flat_map(|(_, filter)| filter.properties().into_iter().map(|(_, name)| name))
    }
}

/// The names of events that fulfil any of these; none means all.
pub(super) fn names<'c>(conditions: impl IntoIterator<Item = &'c Condition>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for condition in conditions {
        match &condition.name {
            None => return Vec::new(),
            Some(name) if !names.contains(name) => names.push(name.clone()),
            Some(_) => (),
        }
    }
    names
}

/// The filter that lets through whatever fulfils any of these and `all` besides.
pub(super) fn filter<'c>(
    conditions: impl IntoIterator<Item = &'c Condition>,
    all: Option<&str>,
) -> Option<String> {
    let mut any: Vec<String> = Vec::new();
    let mut is_open = false;
    for condition in conditions {
        match &condition.filter {
            None => is_open = true,
            Some((text, _)) => {
                let part = format!("({text})");
                if !any.contains(&part) {
                    any.push(part);
                }
            }
        }
    }
    let any = (!is_open && !any.is_empty()).then(|| any.join(" or "));
    match (all, any) {
        (None, any) => any,
        (Some(all), None) => Some(all.to_owned()),
        (Some(all), Some(any)) => Some(format!("({all}) and ({any})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::stream::Wanted;

    fn condition(name: Option<&str>, filter: Option<&str>) -> Condition {
        Condition::new("where", name, filter).unwrap()
    }

    #[track_caller]
    fn check(conditions: &[Condition], all: Option<&str>, expected: (&[&str], Option<&str>)) {
        let found = (names(conditions), filter(conditions, all));
        assert_eq!(
            (found.0.as_slice(), found.1.as_deref()),
            (
                expected
                    .0
                    .iter()
                    .map(|name| (*name).to_owned())
                    .collect::<Vec<_>>()
                    .as_slice(),
                expected.1
            )
        );
    }

    #[test]
    fn mixpanel_is_asked_for_no_more_than_any_condition_needs() {
        let a = || condition(Some("A"), Some(r#"properties["x"] == 1"#));
        let b = || {
            condition(
                Some("B"),
                Some(r#"properties["y"] == 2 or properties["z"]"#),
            )
        };
        let both = r#"(properties["x"] == 1) or (properties["y"] == 2 or properties["z"])"#;
        check(&[a(), b(), a()], None, (&["A", "B"], Some(both)));
        let with_all = format!("(true) and ({both})");
        check(&[a(), b()], Some("true"), (&["A", "B"], Some(&with_all)));
        check(
            &[a(), condition(Some("C"), None)],
            None,
            (&["A", "C"], None),
        );
        check(
            &[a(), condition(None, None)],
            Some("true"),
            (&[], Some("true")),
        );
    }

    #[test]
    fn an_event_fulfils_name_and_filter() {
        let one = condition(Some("A"), Some(r#"properties["x"] > 1"#));
        let wanted = Wanted::new(one.properties());
        let holds = |name: &str, x: &str| {
            let line = format!(r#"{{"event":"{name}","properties":{{"time":1,"x":{x}}}}}"#);
            one.holds(&Event::read(line.as_bytes(), &wanted).unwrap())
        };
        assert!(holds("A", "2"));
        assert!(!holds("A", "1"));
        assert!(!holds("A", "null"));
        assert!(!holds("B", "2"));
    }

    #[test]
    fn a_filter_that_cannot_be_followed_is_refused_with_its_place() {
        let fault = |filter| {
            Condition::new("steps[1].where", None, Some(filter))
                .err()
                .unwrap()
        };
        assert_eq!(
            fault("x ="),
            "steps[1].where: syntax error at position 0: expected a property, a literal or a function"
        );
        assert_eq!(
            fault(r#"defined(user["plan"])"#),
            "steps[1].where: user[..] is not in an export; take properties of the event"
        );
    }
}
