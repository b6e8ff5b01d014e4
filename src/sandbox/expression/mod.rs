//! Mixpanel's segmentation expressions, as `where` and `on` take them.
//! <https://developer.mixpanel.com/reference/segmentation-expressions>
//!
//! `parse` makes a tree of the text, `evaluate` asks a [`Subject`] (an event, a profile) for its properties.

mod evaluate;
mod operand;
mod parse;

pub(super) use evaluate::Subject;
pub(super) use operand::Operand;

/// A parsed expression.
#[derive(Debug, PartialEq)]
pub(super) struct Expression {
    root: Node,
}

/// Where a property is looked up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    /// `properties[".."]` and `event[".."]`
    Event,
    /// `user[".."]`
    User,
}

#[derive(Debug, PartialEq)]
enum Node {
    Literal(Operand<'static>),
    Property(Source, String),
    List(Vec<Node>),
    Not(Box<Node>),
    Negative(Box<Node>),
    /// All of these.
    And(Vec<Node>),
    /// Any of these.
    Or(Vec<Node>),
    /// Operators of one precedence, from left to right. A chain, not a tree: its length costs no stack.
    Chain(Box<Node>, Vec<(Operator, Node)>),
    Call(Function, Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Defined,
    Number,
    Text,
    Boolean,
    Datetime,
    Floor,
    Round,
    Ceil,
}
