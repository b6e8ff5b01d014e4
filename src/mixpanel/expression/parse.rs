//! From text to tree.

use std::borrow::Cow;
use std::fmt;

use super::{Expression, Function, Node, Operand, Operator, Source};

/// Longer texts are refused. It also bounds the size of the tree.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// How deep parentheses, calls and signs may nest; each level costs stack.
const DEPTH_MAX: usize = 50;

/// Why a text is no expression.
#[derive(Debug, PartialEq)]
pub struct SyntaxError {
    /// In characters, from 0.
    position: usize,
    expected: &'static str,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "syntax error at position {}: expected {}",
            self.position, self.expected
        )
    }
}

impl Expression {
    /// Reads an expression. Errors: where it stops making sense.
    pub fn parse(text: &str) -> Result<Expression, SyntaxError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(SyntaxError {
                position: TEXT_BYTES_MAX,
                expected: "a shorter expression",
            });
        }
        let mut parser = Parser {
            text,
            at: 0,
            depth: 0,
        };
        let root = parser.any()?;
        parser.skip_space();
        if parser.at < text.len() {
            return Err(parser.error("an operator or the end"));
        }
        Ok(Expression { root })
    }

    /// Reads what `on` takes: an expression, or by an old habit a bare property name.
    pub fn parse_segment(text: &str) -> Result<Expression, SyntaxError> {
        let is_bare = !text.contains(['[', ']', '(', ')', '"', '\'']);
        match Expression::parse(text) {
            Err(_) if is_bare && text.len() <= TEXT_BYTES_MAX => Ok(Expression {
                root: Node::Property(Source::Event, text.trim().to_owned()),
            }),
            result => result,
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    /// In bytes, always at a character's start.
    at: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, expected: &'static str) -> SyntaxError {
        let before = self.text.get(..self.at).unwrap_or_default();
        SyntaxError {
            position: before.chars().count(),
            expected,
        }
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn takes(&mut self, sign: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    fn expects(&mut self, sign: &str, expected: &'static str) -> Result<(), SyntaxError> {
        if self.takes(sign) {
            Ok(())
        } else {
            Err(self.error(expected))
        }
    }

    /// The word that comes next, not yet taken.
    fn word(&mut self) -> &'t str {
        self.skip_space();
        let rest = self.rest();
        let end = rest
            .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
            .unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = self.word() == word;
        if found {
            self.at += word.len();
        }
        found
    }

    fn deeper<T>(
        &mut self,
        parse: impl FnOnce(&mut Parser<'t>) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        if self.depth == DEPTH_MAX {
            return Err(self.error("less nesting"));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn any(&mut self) -> Result<Node, SyntaxError> {
        self.deeper(|parser| {
            let first = parser.all()?;
            let mut parts = Vec::new();
            while parser.takes_word("or") {
                parts.push(parser.all()?);
            }
            Ok(joined(first, parts, Node::Or))
        })
    }

    fn all(&mut self) -> Result<Node, SyntaxError> {
        let first = self.negation()?;
        let mut parts = Vec::new();
        while self.takes_word("and") {
            parts.push(self.negation()?);
        }
        Ok(joined(first, parts, Node::And))
    }

    fn negation(&mut self) -> Result<Node, SyntaxError> {
        if self.takes_word("not") {
            return self.deeper(|parser| Ok(Node::Not(Box::new(parser.negation()?))));
        }
        let left = self.sum()?;
        let mut rest = Vec::new();
        while let Some(operator) = self.comparison() {
            rest.push((operator, self.sum()?));
        }
        Ok(chain(left, rest))
    }

    fn comparison(&mut self) -> Option<Operator> {
        const SIGNS: [(&str, Operator); 6] = [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        if let Some((_, operator)) = SIGNS.iter().find(|(sign, _)| self.takes(sign)) {
            return Some(*operator);
        }
        if self.takes_word("in") {
            return Some(Operator::In);
        }
        let before = self.at;
        if self.takes_word("not") {
            if self.takes_word("in") {
                return Some(Operator::NotIn);
            }
            self.at = before;
        }
        None
    }

    fn sum(&mut self) -> Result<Node, SyntaxError> {
        const SIGNS: [(&str, Operator); 2] = [("+", Operator::Add), ("-", Operator::Subtract)];
        let left = self.product()?;
        let mut rest = Vec::new();
        while let Some((_, operator)) = SIGNS.iter().find(|(sign, _)| self.takes(sign)) {
            rest.push((*operator, self.product()?));
        }
        Ok(chain(left, rest))
    }

    fn product(&mut self) -> Result<Node, SyntaxError> {
        const SIGNS: [(&str, Operator); 3] = [
            ("*", Operator::Multiply),
            ("/", Operator::Divide),
            ("%", Operator::Remainder),
        ];
        let left = self.signed()?;
        let mut rest = Vec::new();
        while let Some((_, operator)) = SIGNS.iter().find(|(sign, _)| self.takes(sign)) {
            rest.push((*operator, self.signed()?));
        }
        Ok(chain(left, rest))
    }

    fn signed(&mut self) -> Result<Node, SyntaxError> {
        if self.takes("-") {
            return self.deeper(|parser| Ok(Node::Negative(Box::new(parser.signed()?))));
        }
        self.atom()
    }

    fn atom(&mut self) -> Result<Node, SyntaxError> {
        self.skip_space();
        match self.rest().chars().next() {
            Some('(') => {
                self.at += 1;
                let inner = self.any()?;
                self.expects(")", "`)`")?;
                Ok(inner)
            }
            Some('[') => self.list(),
            Some('"' | '\'') => {
                let text = self.string()?;
                Ok(Node::Literal(Operand::Text(Cow::Owned(text))))
            }
            Some('0'..='9' | '.') => self.number(),
            _ => self.named(),
        }
    }

    fn list(&mut self) -> Result<Node, SyntaxError> {
        self.expects("[", "`[`")?;
        let mut items = Vec::new();
        if self.takes("]") {
            return Ok(Node::List(items));
        }
        loop {
            items.push(self.any()?);
            if self.takes("]") {
                return Ok(Node::List(items));
            }
            self.expects(",", "`,` or `]`")?;
        }
    }

    fn number(&mut self) -> Result<Node, SyntaxError> {
        let rest = self.rest();
        let mut end = 0;
        let mut previous = ' ';
        for character in rest.chars() {
            let is_exponent_sign = matches!(character, '+' | '-') && matches!(previous, 'e' | 'E');
            if !(character.is_ascii_digit()
                || matches!(character, '.' | 'e' | 'E')
                || is_exponent_sign)
            {
                break;
            }
            previous = character;
            end += character.len_utf8();
        }
        match rest.get(..end).unwrap_or_default().parse::<f64>() {
            Ok(number) if number.is_finite() => {
                self.at += end;
                Ok(Node::Literal(Operand::Number(number)))
            }
            _ => Err(self.error("a number")),
        }
    }

    fn string(&mut self) -> Result<String, SyntaxError> {
        self.skip_space();
        let mut characters = self.rest().char_indices();
        let Some((_, quote @ ('"' | '\''))) = characters.next() else {
            return Err(self.error("a string"));
        };
        let mut text = String::new();
        while let Some((at, character)) = characters.next() {
            if character == quote {
                self.at += at + quote.len_utf8();
                return Ok(text);
            }
            if character != '\\' {
                text.push(character);
                continue;
            }
            match characters.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, 'r')) => text.push('\r'),
                Some((_, escaped)) => text.push(escaped),
                None => break,
            }
        }
        self.at = self.text.len();
        Err(self.error("a closing quote"))
    }

    fn named(&mut self) -> Result<Node, SyntaxError> {
        let word = self.word();
        let source = match word {
            "properties" | "event" => Some(Source::Event),
            "user" => Some(Source::User),
            _ => None,
        };
        if let Some(source) = source {
            self.at += word.len();
            self.expects("[", "`[`")?;
            let name = self.string()?;
            self.expects("]", "`]`")?;
            return Ok(Node::Property(source, name));
        }
        let literal = match word {
            "true" => Some(Operand::Boolean(true)),
            "false" => Some(Operand::Boolean(false)),
            "undefined" | "null" => Some(Operand::Undefined),
            _ => None,
        };
        if let Some(literal) = literal {
            self.at += word.len();
            return Ok(Node::Literal(literal));
        }
        let function = match word {
            "defined" => Function::Defined,
            "number" => Function::Number,
            "string" => Function::Text,
            "boolean" => Function::Boolean,
            "datetime" => Function::Datetime,
            "floor" => Function::Floor,
            "round" => Function::Round,
            "ceil" => Function::Ceil,
            _ => return Err(self.error("a property, a literal or a function")),
        };
        self.at += word.len();
        self.expects("(", "`(`")?;
        let argument = self.any()?;
        self.expects(")", "`)`")?;
        Ok(Node::Call(function, Box::new(argument)))
    }
}

fn joined(first: Node, mut parts: Vec<Node>, join: fn(Vec<Node>) -> Node) -> Node {
    if parts.is_empty() {
        return first;
    }
    parts.insert(0, first);
    join(parts)
}

fn chain(first: Node, rest: Vec<(Operator, Node)>) -> Node {
    if rest.is_empty() {
        first
    } else {
        Node::Chain(Box::new(first), rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixpanel::expression::Subject;
    use crate::sandbox::random::Random;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(Expression::parse(text).unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_syntax_error_says_where_and_what_was_expected() {
        check(
            "",
            "syntax error at position 0: expected a property, a literal or a function",
        );
        check(
            r#"properties["a"] = 1"#,
            "syntax error at position 16: expected an operator or the end",
        );
        check(
            r#"properties["a" == 1"#,
            "syntax error at position 15: expected `]`",
        );
        check(
            r#""é" == "a"#,
            "syntax error at position 9: expected a closing quote",
        );
        check(
            "1 +",
            "syntax error at position 3: expected a property, a literal or a function",
        );
        check("[1 2]", "syntax error at position 3: expected `,` or `]`");
        check(
            "true && false",
            "syntax error at position 5: expected an operator or the end",
        );
        check("1.2.3", "syntax error at position 0: expected a number");
    }

    #[test]
    fn nesting_is_bounded_and_length_is_too() {
        let parens = "(".repeat(DEPTH_MAX + 1);
        check(
            &parens,
            &format!(
                "syntax error at position {}: expected less nesting",
                DEPTH_MAX
            ),
        );
        assert!(Expression::parse(&"not ".repeat(4_000)).is_err());
        assert!(Expression::parse(&"-".repeat(16_000)).is_err());
        assert!(Expression::parse(&"[".repeat(16_000)).is_err());
        assert!(Expression::parse(&" ".repeat(TEXT_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn a_bare_name_is_a_property_to_segment_by() {
        for (text, name) in [
            ("plan", "plan"),
            ("$browser", "$browser"),
            ("Plan Type", "Plan Type"),
        ] {
            let expected = Expression {
                root: Node::Property(Source::Event, name.into()),
            };
            assert_eq!(Expression::parse_segment(text), Ok(expected));
        }
        let expected = Expression {
            root: Node::Property(Source::Event, "a".into()),
        };
        assert_eq!(
            Expression::parse_segment(r#"properties["a"]"#),
            Ok(expected)
        );
        assert!(Expression::parse_segment(r#"properties["a"#).is_err());
    }

    struct Nothing;

    impl<'a> Subject<'a> for Nothing {
        fn property(&self, _source: Source, name: &str) -> Operand<'a> {
            Operand::Number(name.len() as f64)
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        const PIECES: [&str; 36] = [
            "properties[\"a\"]",
            "user['b']",
            "event[",
            "]",
            "[",
            "(",
            ")",
            "\"",
            "'",
            "\\",
            "not ",
            "and ",
            "or ",
            "in ",
            "==",
            "!=",
            "<",
            ">=",
            "+",
            "-",
            "*",
            "/",
            "%",
            "1",
            ".5",
            "1e9",
            "e",
            "true",
            "é",
            "\u{0}",
            ",",
            "number(",
            "defined(",
            "datetime(",
            "\"x\"",
            " ",
        ];
        let mut random = Random::new(7);
        for _ in 0..20_000 {
            let length = random.below(12);
            let text: String = (0..length)
                .filter_map(|_| {
                    PIECES
                        .get(random.below(PIECES.len() as u64) as usize)
                        .copied()
                })
                .collect();
            if let Ok(expression) = Expression::parse(&text) {
                let _ = expression.value(&Nothing).label();
            }
        }
    }

    #[test]
    fn a_long_chain_costs_no_stack() {
        let text = format!("1{}", "+1".repeat(8_000));
        let expression = Expression::parse(&text).unwrap();
        assert_eq!(expression.value(&Nothing), Operand::Number(8_001.0));
    }
}
