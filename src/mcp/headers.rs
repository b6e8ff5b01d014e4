//! The header fields that came with a message; none on stdio.

/// Header fields, names in lower case, values trimmed.
#[derive(Clone, Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Takes the fields in the order in which they came.
    pub fn new(fields: impl IntoIterator<Item = (String, String)>) -> Headers {
        let trimmed = |(name, value): (String, String)| {
            (
                name.to_ascii_lowercase(),
                value.trim_matches([' ', '\t']).to_owned(),
            )
        };
        Headers(fields.into_iter().map(trimmed).collect())
    }

    /// The first value of a field; `name` in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a field, since some may come only once.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }
}
