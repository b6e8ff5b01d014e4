//! Mixpanel's expression language, for `where` and `on`, as far as a text can be seen to be no expression.

/// What cannot be right in an expression: quotes and brackets that do not close (a value pasted in unescaped), and
/// the operators of other languages.
pub(super) fn fault(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some("an expression must not be empty".into());
    }
    let mut open = Vec::new();
    let mut quote = None;
    let mut characters = text.chars().peekable();
    let mut previous = ' ';
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => {
                characters.next();
            }
            (Some(mark), _) if mark == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '(' | '[') => open.push(character),
            (None, ')') if open.pop() != Some('(') => {
                return Some("a parenthesis closes that is not open".into());
            }
            (None, ']') if open.pop() != Some('[') => {
                return Some("a bracket closes that is not open".into());
            }
            (None, '{' | '}') => return Some("an expression is not JSON".into()),
            (None, '&' | '|') => return Some(format!("{character} is not an operator (and, or)")),
            (None, '=') if characters.next_if_eq(&'=').is_none() && !"!<>".contains(previous) => {
                return Some("= is not an operator (==)".into());
            }
            (None, _) => {}
        }
        previous = character;
    }
    match (quote, open.last()) {
        (Some(mark), _) => Some(format!("a {mark} does not close")),
        (None, Some(bracket)) => Some(format!("a {bracket} does not close")),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(fault(text).as_deref(), expected, "for {text}");
    }

    #[test]
    fn an_expression_that_cannot_be_right_is_told() {
        for right in [
            "properties[\"plan\"] == \"a \\\" ] b\" and number(properties[\"n\"]) >= 2",
            "\"x\" in properties['list'] or not defined(user[\"$email\"])",
            "properties[\"a\"] != 1 and properties[\"b\"] <= 3",
            "plan",
        ] {
            check(right, None);
        }
        for (wrong, expected) in [
            (" ", "an expression must not be empty"),
            ("properties[\"a\"] = 1", "= is not an operator (==)"),
            ("properties[\"a\"] === 1", "= is not an operator (==)"),
            (
                "properties[\"a\"] == 1 && true",
                "& is not an operator (and, or)",
            ),
            ("{\"a\": 1}", "an expression is not JSON"),
            ("properties[\"a\"] == \"b", "a \" does not close"),
            ("(properties[\"a\"]", "a ( does not close"),
            (
                "properties[\"a\")]",
                "a parenthesis closes that is not open",
            ),
            ("a]", "a bracket closes that is not open"),
        ] {
            check(wrong, Some(expected));
        }
    }
}
