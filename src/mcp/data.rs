//! The data of an answer: members by name, each a value, or JSON text where a tool wrote it at once.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::jsonrpc::write_onto;
use super::object::Object;

/// The members of a JSON object, in the order of their names when they are written.
#[derive(Debug, Default)]
pub struct Data(Vec<(Cow<'static, str>, Member)>);

/// One member's value.
#[derive(Debug)]
pub enum Member {
    /// As a value.
    Value(Value),
    /// As JSON text, for lists: a value of each item costs more than all else that is done for it.
    Text(String),
}

impl Data {
    /// These members.
    pub fn of<const N: usize>(members: [(&'static str, Member); N]) -> Data {
        let named = |(name, member): (&'static str, Member)| (name.into(), member);
        Data(members.into_iter().map(named).collect())
    }

    /// Adds a member, in place of one of the same name.
    pub fn insert(&mut self, name: impl Into<Cow<'static, str>>, member: impl Into<Member>) {
        let (name, member) = (name.into(), member.into());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = member,
            None => self.0.push((name, member)),
        }
    }

    /// Whether there is a member of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// About how many bytes they take as JSON text.
    pub(super) fn bytes(&self) -> usize {
        const VALUE_BYTES: usize = 64;
        let bytes_of = |(name, member): &(Cow<'static, str>, Member)| {
            name.len()
                + match member {
                    Member::Value(_) => VALUE_BYTES,
                    Member::Text(text) => text.len(),
                }
        };
        self.0.iter().map(bytes_of).sum()
    }

    /// Writes the members.
    pub(super) fn put_into(mut self, object: &mut Object<'_>) {
        self.0.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, member) in self.0 {
            match member {
                Member::Value(value) => object.put(&name, &value),
                Member::Text(text) => object.member(&name).extend_from_slice(text.as_bytes()),
            }
        }
    }
}

impl<T: Into<Value>> From<T> for Member {
    fn from(value: T) -> Member {
        Member::Value(value.into())
    }
}

/// A list that is written item by item: a JSON array as text.
#[derive(Debug)]
pub struct Rows {
    text: Vec<u8>,
    count: usize,
}

impl Rows {
    /// The first of `items` that take at most so many bytes, and whether these are all.
    pub fn fitting(
        items: impl IntoIterator<Item = impl Serialize>,
        bytes_max: usize,
    ) -> (Rows, bool) {
        const BYTES: usize = 1024;
        let mut rows = Rows {
            text: Vec::with_capacity(BYTES),
            count: 0,
        };
        for item in items {
            let end = rows.text.len();
            rows.text.push(if end == 0 { b'[' } else { b',' });
            write_onto(&mut rows.text, &item);
            if rows.text.len() > bytes_max {
                rows.text.truncate(end);
                return (rows, false);
            }
            rows.count += 1;
        }
        (rows, true)
    }

    /// How many items there are.
    pub fn count(&self) -> usize {
        self.count
    }
}

impl From<Rows> for Member {
    fn from(rows: Rows) -> Member {
        let mut text = rows.text;
        if text.is_empty() {
            text.push(b'[');
        }
        text.push(b']');
        // All of it came out of serde_json.
        Member::Text(String::from_utf8(text).unwrap_or_default())
    }
}
