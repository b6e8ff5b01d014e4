//! Why nothing was found: names are looked up once, and the nearest are offered for one that is not known.

use crate::mixpanel::{CountType, ProjectId};

use super::ask::{Ask, quoted};

/// As many names as are looked through. They are kept, so this is one query for many calls.
const NAMES_MAX: u32 = 2_000;
/// The most names that are offered.
const OFFERED_MAX: usize = 5;
/// What is compared of a name.
const CHARS_MAX: usize = 64;

impl Ask {
    /// What to say where nothing was found of these events, as the end of a sentence.
    pub(super) fn about_events(&self, project: &ProjectId, events: &[&str]) -> String {
        let names = self.mixpanel().ok().and_then(|clients| {
            let query = clients.aside().query;
            query
                .event_names(project, CountType::General, Some(NAMES_MAX))
                .ok()
        });
        self.about(
            "event",
            "came in the last 31 days",
            "mixpanel_list_events",
            events,
            names,
        )
    }

    /// The same for a property of an event.
    pub(super) fn about_property(
        &self,
        project: &ProjectId,
        event: &str,
        property: &str,
    ) -> String {
        let properties = self.mixpanel().ok().and_then(|clients| {
            let query = clients.aside().query;
            query
                .event_properties_top(project, event, Some(NAMES_MAX))
                .ok()
        });
        let names: Option<Vec<String>> =
            properties.map(|properties| properties.into_iter().map(|one| one.name).collect());
        // An event without any property is not known itself.
        if names.as_ref().is_some_and(Vec::is_empty) {
            return self.about_events(project, &[event]);
        }
        self.about(
            "property",
            "is on that event",
            "mixpanel_list_event_properties",
            &[property],
            names,
        )
    }

    fn about(
        &self,
        what: &str,
        known_as: &str,
        list: &str,
        wanted: &[&str],
        names: Option<Vec<String>>,
    ) -> String {
        let Some(names) = names else {
            return format!("names are case-sensitive: look the {what} up with {list}");
        };
        let is_known = |name: &&&str| names.iter().any(|known| known == **name);
        let unknown: Vec<&str> = wanted
            .iter()
            .filter(|name| !is_known(name))
            .copied()
            .collect();
        if unknown.is_empty() {
            return "the name is right, so ask for other days or another filter".into();
        }
        let mut near: Vec<String> = Vec::new();
        for name in &unknown {
            for one in nearest(name, &names) {
                if near.len() < OFFERED_MAX && !near.iter().any(|known| known == one) {
                    near.push(one.to_owned());
                }
            }
        }
        let said: Vec<String> = unknown.iter().map(|name| quoted(name)).collect();
        let none = format!(
            "no {what} {} {known_as}, and names are case-sensitive",
            said.join(" or ")
        );
        if near.is_empty() {
            return format!("{none}: {list} has them");
        }
        let offered: Vec<String> = near.iter().map(|name| quoted(name)).collect();
        self.note_nearest(near);
        format!(
            "{none}: the nearest are {}, {list} has all",
            offered.join(", ")
        )
    }
}

/// The names that a slip of the pen makes of this one, the nearest first.
fn nearest<'a>(wanted: &str, names: &'a [String]) -> Vec<&'a str> {
    let wanted = plain(wanted);
    let most = (wanted.len() / 3).max(2);
    let mut near: Vec<(usize, &str)> = names
        .iter()
        .filter_map(|name| {
            let known = plain(name);
            let distance = distance(&wanted, &known);
            let is_part = wanted.len().min(known.len()) >= 3
                && (contains(&known, &wanted) || contains(&wanted, &known));
            (distance <= most || is_part).then_some((distance, name.as_str()))
        })
        .collect();
    // Stable: among equals the more common event stays first.
    near.sort_by_key(|(distance, _)| *distance);
    near.into_iter()
        .take(OFFERED_MAX)
        .map(|(_, name)| name)
        .collect()
}

/// Without what people and programs write differently: case, spaces, dashes.
fn plain(name: &str) -> Vec<char> {
    name.chars()
        .filter(|char| char.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .take(CHARS_MAX)
        .collect()
}

fn contains(whole: &[char], part: &[char]) -> bool {
    whole
        .windows(part.len().max(1))
        .any(|window| window == part)
}

/// How many letters must be put in, taken out or exchanged to make one of the other (Levenshtein).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, from) in a.iter().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(b) {
            let above = *cell;
            left = (diagonal + usize::from(from != to))
                .min(left + 1)
                .min(above + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wanted: &str, expected: &[&str]) {
        let names = [
            "Page View",
            "Sign Up",
            "Signed In",
            "Purchase",
            "Purchase Refunded",
            "Ü",
        ];
        assert_eq!(nearest(wanted, &names.map(str::to_owned)), expected);
    }

    #[test]
    fn a_slip_in_letters_case_or_dashes_finds_the_name() {
        check("sign_up", &["Sign Up"]);
        check("Pageview", &["Page View"]);
        check("purchse", &["Purchase"]);
        check("purchase", &["Purchase", "Purchase Refunded"]);
        check("refunded", &["Purchase Refunded"]);
        check("ü", &["Ü"]);
    }

    #[test]
    fn another_word_finds_nothing() {
        check("Checkout Completed", &[]);
    }

    #[test]
    fn the_distance_is_the_number_of_changed_letters() {
        let between = |a: &str, b: &str| distance(&plain(a), &plain(b));
        assert_eq!(between("kitten", "sitting"), 3);
        assert_eq!(between("", "abc"), 3);
        assert_eq!(between("abc", ""), 3);
        assert_eq!(between("Ab-C", "a b c"), 0);
    }
}
