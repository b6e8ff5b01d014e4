//! Strings kept once, and values in 16 bytes: a month of events takes a few megabytes.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

/// An interned string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Symbol(u32);

/// Strings, each kept once.
#[derive(Default)]
pub(super) struct Names {
    texts: Vec<Arc<str>>,
    symbols: HashMap<Arc<str>, Symbol>,
}

impl Names {
    pub(super) fn intern(&mut self, text: &str) -> Symbol {
        if let Some(symbol) = self.symbols.get(text) {
            return *symbol;
        }
        let symbol = Symbol(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.symbols.insert(text, symbol);
        symbol
    }

    /// The symbol of a string that has been seen.
    pub(super) fn symbol(&self, text: &str) -> Option<Symbol> {
        self.symbols.get(text).copied()
    }

    pub(super) fn text(&self, symbol: Symbol) -> &str {
        self.texts.get(symbol.0 as usize).map_or("", |text| text)
    }

    /// Packs a value.
    pub(super) fn pack(&mut self, value: &Value) -> Stored {
        match value {
            Value::Null => Stored::Null,
            Value::Bool(boolean) => Stored::Boolean(*boolean),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Stored::Integer(integer),
                None => Stored::Real(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => Stored::Text(self.intern(text)),
            Value::Array(_) | Value::Object(_) => Stored::Json(self.intern(&value.to_string())),
        }
    }

    pub(super) fn unpack(&self, stored: Stored) -> Value {
        match stored {
            Stored::Null => Value::Null,
            Stored::Boolean(boolean) => Value::Bool(boolean),
            Stored::Integer(integer) => json!(integer),
            Stored::Real(real) => json!(real),
            Stored::Text(text) => json!(self.text(text)),
            Stored::Json(text) => {
                serde_json::from_slice(self.text(text).as_bytes()).unwrap_or_default()
            }
        }
    }
}

/// A property's value in 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stored {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Text(Symbol),
    /// A list or an object, as its JSON text.
    Json(Symbol),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_takes_16_bytes() {
        assert_eq!(size_of::<Stored>(), 16);
    }

    #[test]
    fn what_is_packed_comes_out_as_it_was() {
        let mut names = Names::default();
        for value in [
            json!(null),
            json!(true),
            json!(-7),
            json!(1.5),
            json!("a"),
            json!([1, {"b": []}]),
        ] {
            let stored = names.pack(&value);
            assert_eq!(names.unpack(stored), value);
        }
    }
}
