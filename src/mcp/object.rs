//! A JSON object that is written member by member, without a tree of values before it.

use serde::Serialize;

/// An object of which some members are written.
pub(super) struct Object<'a>(&'a mut Vec<u8>);

impl Object<'_> {
    /// Begins an object at the end of this JSON text.
    pub(super) fn begin(text: &mut Vec<u8>) -> Object<'_> {
        text.push(b'{');
        Object(text)
    }

    /// Begins a member, whose value whoever asks for it writes at the end of the text.
    pub(super) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        // No value ends like this.
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        write(name, self.0);
        self.0.push(b':');
        self.0
    }

    /// Writes a member.
    pub(super) fn put(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        write(value, self.member(name));
    }

    /// Ends the object.
    pub(super) fn end(self) {
        self.0.push(b'}');
    }
}

fn write(value: &(impl Serialize + ?Sized), text: &mut Vec<u8>) {
    // Only maps with keys that are no strings could fail, and whatever writes elsewhere than into memory.
    let _ = serde_json::to_writer(text, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_in_the_order_in_which_they_were_written() {
        let mut text = Vec::new();
        let mut outer = Object::begin(&mut text);
        Object::begin(outer.member("none")).end();
        outer.put("sign", "{");
        let mut inner = Object::begin(outer.member("in\"ner"));
        inner.put("list", &[1, 2]);
        inner.end();
        outer.put("last", &true);
        outer.end();
        let expected = r#"{"none":{},"sign":"{","in\"ner":{"list":[1,2]},"last":true}"#;
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
