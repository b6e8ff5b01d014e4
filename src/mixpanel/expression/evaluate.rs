//! The value of an expression for one subject.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::moment::parse_moment;
use super::{Expression, Function, Node, Operand, Operator, Source};

/// What has properties: an event, a profile.
pub trait Subject<'a> {
    /// The value of a property; undefined where there is none.
    fn property(&self, source: Source, name: &str) -> Operand<'a>;
}

impl Expression {
    /// What it comes to for `subject`. Never fails: what makes no sense is undefined.
    pub fn value<'a>(&'a self, subject: &impl Subject<'a>) -> Operand<'a> {
        value(&self.root, subject)
    }
}

fn value<'a>(node: &'a Node, subject: &impl Subject<'a>) -> Operand<'a> {
    match node {
        Node::Literal(literal) => literal.clone(),
        Node::Property(source, name) => subject.property(*source, name),
        Node::List(items) => Operand::List(items.iter().map(|item| value(item, subject)).collect()),
        Node::Not(inner) => Operand::Boolean(!value(inner, subject).is_true()),
        Node::Negative(inner) => match value(inner, subject) {
            Operand::Number(number) => Operand::Number(-number),
            _ => Operand::Undefined,
        },
        Node::And(parts) => {
            Operand::Boolean(parts.iter().all(|part| value(part, subject).is_true()))
        }
        Node::Or(parts) => {
            Operand::Boolean(parts.iter().any(|part| value(part, subject).is_true()))
        }
        Node::Chain(first, rest) => {
            let mut left = value(first, subject);
            for (operator, right) in rest {
                left = apply(*operator, &left, &value(right, subject));
            }
            left
        }
        Node::Call(function, argument) => call(*function, value(argument, subject)),
    }
}

fn apply<'a>(operator: Operator, left: &Operand<'a>, right: &Operand<'a>) -> Operand<'a> {
    let ordered = |holds: fn(Ordering) -> bool| match left.order(right) {
        Some(ordering) => Operand::Boolean(holds(ordering)),
        None => Operand::Undefined,
    };
    match operator {
        Operator::Equal => Operand::Boolean(left.equals(right)),
        Operator::NotEqual => Operand::Boolean(!left.equals(right)),
        Operator::In => Operand::Boolean(left.is_in(right)),
        Operator::NotIn => Operand::Boolean(!left.is_in(right)),
        Operator::Less => ordered(Ordering::is_lt),
        Operator::LessOrEqual => ordered(Ordering::is_le),
        Operator::Greater => ordered(Ordering::is_gt),
        Operator::GreaterOrEqual => ordered(Ordering::is_ge),
        Operator::Add => match (left, right) {
            (Operand::Text(left), Operand::Text(right)) => {
                Operand::Text(Cow::Owned(format!("{left}{right}")))
            }
            _ => arithmetic(left, right, |left, right| left + right),
        },
        Operator::Subtract => arithmetic(left, right, |left, right| left - right),
        Operator::Multiply => arithmetic(left, right, |left, right| left * right),
        Operator::Divide => arithmetic(left, right, |left, right| left / right),
        Operator::Remainder => arithmetic(left, right, f64::rem_euclid),
    }
}

fn arithmetic<'a>(
    left: &Operand<'a>,
    right: &Operand<'a>,
    compute: fn(f64, f64) -> f64,
) -> Operand<'a> {
    match (left, right) {
        (Operand::Number(left), Operand::Number(right)) => finite(compute(*left, *right)),
        _ => Operand::Undefined,
    }
}

fn finite<'a>(number: f64) -> Operand<'a> {
    // A division by zero has no value.
    if number.is_finite() {
        Operand::Number(number)
    } else {
        Operand::Undefined
    }
}

fn call<'a>(function: Function, argument: Operand<'a>) -> Operand<'a> {
    match function {
        Function::Defined => Operand::Boolean(argument != Operand::Undefined),
        Function::Number => argument
            .number()
            .map_or(Operand::Undefined, Operand::Number),
        Function::Text => match argument {
            Operand::Undefined => Operand::Undefined,
            argument => Operand::Text(Cow::Owned(argument.label())),
        },
        Function::Boolean => Operand::Boolean(argument.is_true()),
        Function::Datetime => match &argument {
            Operand::Text(text) => match parse_moment(text) {
                Some(time_ms) => Operand::Number(time_ms as f64 / 1_000.0),
                None => Operand::Undefined,
            },
            Operand::Number(_) => argument,
            _ => Operand::Undefined,
        },
        Function::Floor => rounded(&argument, f64::floor),
        Function::Round => rounded(&argument, f64::round),
        Function::Ceil => rounded(&argument, f64::ceil),
    }
}

fn rounded<'a>(argument: &Operand<'a>, round: fn(f64) -> f64) -> Operand<'a> {
    match argument {
        Operand::Number(number) => finite(round(*number)),
        _ => Operand::Undefined,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    struct Sample(Value);

    impl<'a> Subject<'a> for Sample {
        fn property(&self, source: Source, name: &str) -> Operand<'a> {
            let section = if source == Source::User {
                "user"
            } else {
                "event"
            };
            self.0
                .get(section)
                .and_then(|all| all.get(name))
                .map_or(Operand::Undefined, Operand::from_json)
        }
    }

    #[track_caller]
    fn check(expression: &str, expected: Value) {
        let sample = Sample(json!({
            "event": {"amount": 12.5, "plan": "pro", "tags": ["a", "b"], "ok": true, "digits": "42", "x\"y": 1},
            "user": {"plan": "free"},
        }));
        let expression = Expression::parse(expression).unwrap();
        assert_eq!(expression.value(&sample), Operand::from_json(&expected));
    }

    #[test]
    fn comparisons_hold_within_one_kind_only() {
        check(r#"properties["plan"] == "pro""#, json!(true));
        check(r#"properties["plan"] != "pro""#, json!(false));
        check(r#"properties["digits"] == 42"#, json!(false));
        check(r#"properties["digits"] != 42"#, json!(true));
        check(r#"properties["digits"] > 1"#, json!(null));
        check(r#"number(properties["digits"]) > 1"#, json!(true));
        check(r#"properties["missing"] == "pro""#, json!(false));
        check(r#"properties["amount"] >= 12.5"#, json!(true));
    }

    #[test]
    fn in_finds_items_of_lists_and_parts_of_strings() {
        check(r#""a" in properties["tags"]"#, json!(true));
        check(r#""c" in properties["tags"]"#, json!(false));
        check(r#""c" not in properties["tags"]"#, json!(true));
        check(r#""ro" in properties["plan"]"#, json!(true));
        check(r#"properties["plan"] in ["free", "pro"]"#, json!(true));
        check(r#"properties["plan"] in []"#, json!(false));
    }

    #[test]
    fn and_binds_tighter_than_or_and_not_tighter_than_and() {
        check("true or false and false", json!(true));
        check("not true and false", json!(false));
        check("not (true and false)", json!(true));
        check(r#"not properties["plan"] == "free""#, json!(true));
    }

    #[test]
    fn arithmetic_has_the_usual_precedence() {
        check("1 + 2 * 3 - -4", json!(11.0));
        check("(1 + 2) * 3", json!(9.0));
        check("7 % 4", json!(3.0));
        check("1 / 0", json!(null));
        check(r#"properties["amount"] * 2 == 25"#, json!(true));
        check(r#""a" + "b""#, json!("ab"));
        check(r#"floor(properties["amount"])"#, json!(12.0));
        check(r#"ceil(properties["amount"])"#, json!(13.0));
        check("round(2.4)", json!(2.0));
    }

    #[test]
    fn casts_convert_and_defined_tells_what_is_there() {
        check(r#"string(properties["amount"])"#, json!("12.5"));
        check(r#"string(7)"#, json!("7"));
        check(r#"boolean(properties["missing"])"#, json!(false));
        check(r#"boolean("false")"#, json!(false));
        check(r#"number("x")"#, json!(null));
        check(r#"defined(properties["plan"])"#, json!(true));
        check(r#"not defined(properties["missing"])"#, json!(true));
        check(r#"datetime("1970-01-02") == 86400"#, json!(true));
        check(r#"datetime("1970-01-01T00:01:00") == 60"#, json!(true));
    }

    #[test]
    fn users_and_quoted_names_are_looked_up() {
        check(r#"user["plan"]"#, json!("free"));
        check(r#"event['plan']"#, json!("pro"));
        check(r#"properties["x\"y"]"#, json!(1.0));
    }
}
