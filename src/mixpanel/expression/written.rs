//! Values inside of segmentation expressions, which Mixpanel reads from `where` and `on`.
//!
//! A value that is pasted in unescaped can change what the expression asks. The language documents no escapes; a
//! backslash before `"` and `\` is what it understands.

/// `properties["name"]`: a property of an event.
pub fn property(name: &str) -> String {
    format!("properties[{}]", string(name))
}

/// `user["name"]`: a property of the profile behind an event.
pub fn user_property(name: &str) -> String {
    format!("user[{}]", string(name))
}

/// A text in double quotes. Control characters have no escape in the language and become spaces.
pub fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            _ if character.is_control() => quoted.push(' '),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// A number, written without an exponent. Infinity and not-a-number have no literal: nothing.
pub fn number(value: f64) -> Option<String> {
    value.is_finite().then(|| value.to_string())
}

/// `true` or `false`.
pub fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: String, expected: &str) {
        assert_eq!(expression, expected);
    }

    #[test]
    fn a_name_stands_in_quotes_inside_of_brackets() {
        check(property("$browser"), r#"properties["$browser"]"#);
        check(user_property("Plan Type"), r#"user["Plan Type"]"#);
    }

    #[test]
    fn a_quote_cannot_end_the_text() {
        check(property(r#"na"me"#), r#"properties["na\"me"]"#);
        check(string(r#"" or 1 == 1 or ""#), r#""\" or 1 == 1 or \"""#);
    }

    #[test]
    fn a_backslash_cannot_free_the_quote_behind_it() {
        check(string(r#"\" or true"#), r#""\\\" or true""#);
        check(string(r"ends in \"), r#""ends in \\""#);
    }

    #[test]
    fn a_line_break_becomes_a_space_and_letters_of_any_script_stay() {
        check(string("a\nb\u{7f}"), r#""a b ""#);
        check(string("Größe 東京"), r#""Größe 東京""#);
    }

    #[test]
    fn a_number_is_written_without_an_exponent() {
        assert_eq!(
            [5.0, -0.25, 1e21].map(number),
            ["5", "-0.25", "1000000000000000000000"].map(|n| Some(n.into()))
        );
        assert_eq!([f64::NAN, f64::INFINITY].map(number), [None, None]);
    }

    #[test]
    fn a_boolean_is_written_in_lower_case() {
        assert_eq!([boolean(true), boolean(false)], ["true", "false"]);
    }
}
