//! Mixpanel's segmentation expressions, as `where` and `on` take them.
//! <https://developer.mixpanel.com/reference/segmentation-expressions>
//!
//! `written` makes text of values; `parse` makes a tree of a text, `evaluate` asks a [`Subject`] (an event, a profile)
//! for its properties. What Mixpanel can filter it is asked to filter; the tree is for what it cannot, and for the
//! sandbox.

mod evaluate;
mod moment;
mod operand;
mod parse;
mod written;

pub use evaluate::Subject;
pub use moment::{parse_day, parse_moment};
pub use operand::Operand;
pub use parse::SyntaxError;
pub use written::{boolean, number, property, string, user_property};

/// A parsed expression.
#[derive(Debug, PartialEq)]
pub struct Expression {
    root: Node,
}

/// Where a property is looked up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
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

impl Expression {
    /// The properties that it looks up; a name as often as it stands there.
    pub fn properties(&self) -> Vec<(Source, &str)> {
        let mut found = Vec::new();
        // A stack of its own: a chain may be long.
        let mut nodes = vec![&self.root];
        while let Some(node) = nodes.pop() {
            match node {
                Node::Literal(_) => (),
                Node::Property(source, name) => found.push((*source, name.as_str())),
                Node::Not(inner) | Node::Negative(inner) | Node::Call(_, inner) => {
                    nodes.push(inner)
                }
                Node::List(parts) | Node::And(parts) | Node::Or(parts) => nodes.extend(parts),
                Node::Chain(first, rest) => {
                    nodes.push(first);
                    nodes.extend(rest.iter().map(|(_, part)| part));
                }
            }
        }
        found
    }
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
