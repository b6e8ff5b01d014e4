//! The data of an answer: members by name, each a value, or JSON text where a tool wrote it at once.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::jsonrpc::{write_onto, written};
use super::object::Object;

/// Room for members that come later: a quota, the age of an answer.
const ADDED: usize = 2;

/// The members of a JSON object, in the order of their names.
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
        let mut data = Data(Vec::with_capacity(N + ADDED));
        for (name, member) in members {
            data.insert(name, member);
        }
        data
    }

    /// Adds a member, in place of one of the same name.
    pub fn insert(&mut self, name: impl Into<Cow<'static, str>>, member: impl Into<Member>) {
        let (name, member) = (name.into(), member.into());
        match self.0.binary_search_by(|(known, _)| known.cmp(&name)) {
            Ok(place) => {
                if let Some((_, known)) = self.0.get_mut(place) {
                    *known = member;
                }
            }
            Err(place) => self.0.insert(place, (name, member)),
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
    pub(super) fn put_into(self, object: &mut Object<'_>) {
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
        Member::Text(written(text))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_written_in_the_order_of_their_names_and_the_last_of_a_name_counts() {
        let mut data = Data::of([("b", 1.into()), ("c", json!(["x"]).into()), ("a", 2.into())]);
        data.insert("b", "new \"b\"");
        data.insert("aa", true);
        assert!(data.has("aa") && !data.has("d"));
        let mut text = Vec::new();
        let mut object = Object::begin(&mut text);
        data.put_into(&mut object);
        object.end();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            r#"{"a":2,"aa":true,"b":"new \"b\"","c":["x"]}"#
        );
    }

    #[track_caller]
    fn check_rows(items: &[&str], bytes_max: usize, text: &str, is_whole: bool) {
        let (rows, whole) = Rows::fitting(items, bytes_max);
        let count = rows.count();
        let Member::Text(json) = rows.into() else {
            panic!("rows are text")
        };
        let parsed: Vec<String> = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (json.as_str(), whole, count),
            (text, is_whole, parsed.len())
        );
    }

    #[test]
    fn rows_are_a_list_that_ends_with_the_last_one_that_fits() {
        check_rows(&[], 0, "[]", true);
        check_rows(&["ab", "c"], 9, r#"["ab","c"]"#, true);
        check_rows(&["ab", "c"], 8, r#"["ab"]"#, false);
        check_rows(&["ab", "c"], 4, "[]", false);
    }
}
