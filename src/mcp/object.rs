//! A JSON object that is written member by member, without a tree of values before it.

use serde::Serialize;

use super::jsonrpc::write_onto;

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
        write_onto(self.0, name);
        self.0.push(b':');
        self.0
    }

    /// Writes a member.
    pub(super) fn put(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        write_onto(self.member(name), value);
    }

    /// Ends the object.
    pub(super) fn end(self) {
        self.0.push(b'}');
    }
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
