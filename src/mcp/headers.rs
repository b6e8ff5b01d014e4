//! The header fields that came with a message; none on stdio.

use std::sync::Arc;

/// Header fields, names in lower case, values trimmed; and whether their sender is trusted. Cheap to clone.
#[derive(Clone, Default)]
pub struct Headers {
    fields: Arc<[(String, String)]>,
    trusted: bool,
}

impl Headers {
    /// Takes the fields in the order in which they came.
    pub fn new<T: AsRef<str>>(fields: impl IntoIterator<Item = (T, T)>) -> Headers {
        let trimmed = |(name, value): (T, T)| {
            (
                name.as_ref().to_ascii_lowercase(),
                value.as_ref().trim_matches([' ', '\t']).to_owned(),
            )
        };
        Headers {
            fields: fields.into_iter().map(trimmed).collect(),
            trusted: false,
        }
    }

    /// The same from a sender for whom the transport vouches: it may use what the server itself was given.
    pub fn trusted(self, trusted: bool) -> Headers {
        Headers { trusted, ..self }
    }

    /// Whether the transport vouches for the sender.
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// The first value of a field; `name` in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of a field, since some may come only once.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields
            .iter()
            .filter(move |(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }
}
