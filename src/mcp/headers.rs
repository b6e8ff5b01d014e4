//! The header fields that came with a message; none on stdio.

/// Header fields, names in lower case, values trimmed; and whether their sender is trusted. Two pieces of memory, however many
/// fields there are.
#[derive(Clone, Default)]
pub struct Headers {
    /// Names and values, one behind the other.
    text: String,
    /// Where in `text` each name ends, and its value.
    ends: Vec<(usize, usize)>,
    trusted: bool,
}

impl Headers {
    /// Takes the fields in the order in which they came. Goes through them twice.
    pub fn new<'f>(fields: impl Iterator<Item = (&'f str, &'f str)> + Clone) -> Headers {
        let (count, bytes) = fields
            .clone()
            .fold((0, 0), |(count, bytes), (name, value)| {
                (count + 1, bytes + name.len() + value.len())
            });
        let mut text = String::with_capacity(bytes);
        let mut ends = Vec::with_capacity(count);
        for (name, value) in fields {
            let start = text.len();
            text.push_str(name);
            if let Some(name) = text.get_mut(start..) {
                name.make_ascii_lowercase();
            }
            let name_end = text.len();
            text.push_str(value.trim_matches([' ', '\t']));
            ends.push((name_end, text.len()));
        }
        Headers {
            text,
            ends,
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
        self.iter()
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    }

    /// Every value of a field, since some may come only once.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter()
            .filter(move |(field, _)| *field == name)
            .map(|(_, value)| value)
    }

    /// All fields, as names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let piece = |start, end| self.text.get(start..end).unwrap_or_default();
        let starts = [0].into_iter().chain(self.ends.iter().map(|(_, end)| *end));
        starts
            .zip(&self.ends)
            .map(move |(start, &(middle, end))| (piece(start, middle), piece(middle, end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_names_in_lower_case_and_keep_their_order() {
        let headers = Headers::new(
            [("Accept", " a/b\t"), ("X-Empty", ""), ("ACCEPT", "c d")]
                .iter()
                .copied(),
        );
        assert_eq!(headers.get("accept"), Some("a/b"));
        assert_eq!(headers.all("accept").collect::<Vec<_>>(), ["a/b", "c d"]);
        assert_eq!(headers.get("x-empty"), Some(""));
        assert_eq!(headers.get("Accept"), None);
        assert_eq!(
            headers.iter().collect::<Vec<_>>(),
            [("accept", "a/b"), ("x-empty", ""), ("accept", "c d")]
        );
        assert_eq!(Headers::default().iter().next(), None);
    }
}
