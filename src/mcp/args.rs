//! Argument structs: a field's type is its shape, its doc comment is its description.

use serde_json::{Map, Value};

use super::day::Day;
use super::shape::Shape;

/// A value that a tool takes. `read` sees only what `SHAPE` has passed, so it does not fail.
pub trait Arg: Sized {
    /// What is published and checked.
    const SHAPE: Shape;
    /// Whether the argument must be given.
    const REQUIRED: bool = true;
    /// The typed value of a JSON value that fits the shape.
    fn read(checked: &Value) -> Self;
}

/// A string of 1 to `MAX` characters.
pub struct Text<const MAX: usize>(pub String);
/// An integer from `MIN` to `MAX`.
pub struct Int<const MIN: i64, const MAX: i64>(pub i64);
/// A calendar day, or a word for one.
pub struct Date(pub Day);
/// A decimal id, as a string.
pub struct Id(pub String);
/// A list of `MIN` to `MAX` items.
pub struct List<T, const MIN: usize, const MAX: usize>(pub Vec<T>);

impl Id {
    /// As a number, which an id always is: it has at most 19 digits.
    pub fn number(&self) -> u64 {
        self.0.parse().unwrap_or_default()
    }
}

impl<const MAX: usize> Arg for Text<MAX> {
    const SHAPE: Shape = Shape::Text { max: MAX };
    fn read(checked: &Value) -> Text<MAX> {
        Text(text(checked))
    }
}

impl<const MIN: i64, const MAX: i64> Arg for Int<MIN, MAX> {
    const SHAPE: Shape = Shape::Int { min: MIN, max: MAX };
    fn read(checked: &Value) -> Int<MIN, MAX> {
        Int(checked.as_i64().unwrap_or(MIN))
    }
}

impl Arg for Date {
    const SHAPE: Shape = Shape::Date;
    fn read(checked: &Value) -> Date {
        let day = checked.as_str().and_then(Day::parse);
        Date(day.unwrap_or(Day::On(jiff::civil::Date::default())))
    }
}

impl Arg for Id {
    const SHAPE: Shape = Shape::Id;
    fn read(checked: &Value) -> Id {
        Id(match checked {
            Value::Number(id) => id.to_string(),
            id => text(id),
        })
    }
}

impl Arg for bool {
    const SHAPE: Shape = Shape::Flag;
    fn read(checked: &Value) -> bool {
        checked.as_bool().unwrap_or_default()
    }
}

/// Any JSON.
impl Arg for Value {
    const SHAPE: Shape = Shape::Any;
    fn read(checked: &Value) -> Value {
        checked.clone()
    }
}

/// An object whose members are the caller's own.
impl Arg for Map<String, Value> {
    const SHAPE: Shape = Shape::MapOf(&Shape::Any);
    fn read(checked: &Value) -> Map<String, Value> {
        checked.as_object().cloned().unwrap_or_default()
    }
}

impl<T: Arg, const MIN: usize, const MAX: usize> Arg for List<T, MIN, MAX> {
    const SHAPE: Shape = Shape::List {
        item: &T::SHAPE,
        min: MIN,
        max: MAX,
    };
    fn read(checked: &Value) -> List<T, MIN, MAX> {
        List(
            checked
                .as_array()
                .into_iter()
                .flatten()
                .map(T::read)
                .collect(),
        )
    }
}

impl<T: Arg> Arg for Option<T> {
    const SHAPE: Shape = T::SHAPE;
    const REQUIRED: bool = false;
    fn read(checked: &Value) -> Option<T> {
        (!checked.is_null()).then(|| T::read(checked))
    }
}

/// The name behind a raw identifier: `r#where`, which Rust keeps for itself, is published as `where`.
pub const fn plain(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// The argument of this name; null where it was not given. There once, not once for each argument of each tool.
#[inline(never)]
pub fn member<'a>(checked: &'a Value, name: &str) -> &'a Value {
    checked.get(name).unwrap_or(&Value::Null)
}

#[inline(never)]
fn text(checked: &Value) -> String {
    checked.as_str().unwrap_or_default().to_owned()
}

/// Declares a tool's arguments. What is written here is published, checked and read.
///
/// The struct is itself an [`Arg`], so that a list of them can be an argument.
#[macro_export]
macro_rules! args {
    ($(#[$meta:meta])* struct $Args:ident { $($(#[doc = $about:literal])+ $name:ident: $Type:ty,)* }) => {
        $(#[$meta])*
        struct $Args { $($(#[doc = $about])+ $name: $Type,)* }

        impl $Args {
            const FIELDS: &'static [$crate::mcp::shape::Field] = &[$($crate::mcp::shape::Field {
                name: $crate::mcp::args::plain(stringify!($name)),
                about: concat!($($about),+),
                shape: <$Type as $crate::mcp::args::Arg>::SHAPE,
                required: <$Type as $crate::mcp::args::Arg>::REQUIRED,
            },)*];
        }

        impl $crate::mcp::args::Arg for $Args {
            const SHAPE: $crate::mcp::shape::Shape = $crate::mcp::shape::Shape::Object($Args::FIELDS);
            fn read(checked: &serde_json::Value) -> $Args {
                $Args { $($name: $crate::mcp::args::Arg::read(
                    $crate::mcp::args::member(checked, const { $crate::mcp::args::plain(stringify!($name)) }),
                ),)* }
            }
        }
    };
}

/// Declares an argument that takes one of a few words.
#[macro_export]
macro_rules! choice {
    ($(#[$meta:meta])* $vis:vis enum $Choice:ident { $($Variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq)]
        $vis enum $Choice { $($Variant,)+ }

        impl $Choice {
            const ALL: &'static [$Choice] = &[$($Choice::$Variant),+];

            $vis fn word(self) -> &'static str {
                match self { $($Choice::$Variant => $word,)+ }
            }
        }

        impl $crate::mcp::args::Arg for $Choice {
            const SHAPE: $crate::mcp::shape::Shape = $crate::mcp::shape::Shape::OneOf(&[$($word),+]);
            fn read(checked: &serde_json::Value) -> $Choice {
                let word = checked.as_str().unwrap_or_default();
                *$Choice::ALL.iter().find(|choice| choice.word() == word).unwrap_or(&$Choice::ALL[0])
            }
        }
    };
}

pub use {args, choice};
