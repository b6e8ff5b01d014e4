//! Lines of bounded length from a stream of bytes.

use std::io::{self, BufRead as _, BufReader, Read};

/// A buffer that one long line has made larger than this is not kept for the next.
const KEPT_BYTES: usize = 64 * 1024;

/// Reads line by line; holds one line at most.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    bytes_max: usize,
}

/// One line, without the line feed at its end.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// As it came; the last one may have had no line feed.
    Whole(&'a [u8]),
    /// Longer than the limit. It was passed over.
    TooLong,
}

impl<R: Read> Lines<R> {
    /// The lines of `input`, of at most `bytes_max` bytes each.
    pub(super) fn new(input: R, bytes_max: usize) -> Lines<R> {
        Lines {
            input: BufReader::new(input),
            line: Vec::new(),
            bytes_max,
        }
    }

    /// The next line. `None`: there is none left.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        self.line.shrink_to(KEPT_BYTES);
        let mut fits = true;
        loop {
            let came = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                came => came?,
            };
            if came.is_empty() {
                return Ok(match fits {
                    true if self.line.is_empty() => None,
                    true => Some(Line::Whole(&self.line)),
                    false => Some(Line::TooLong),
                });
            }
            let end = memchr::memchr(b'\n', came);
            let part = end.and_then(|end| came.get(..end)).unwrap_or(came);
            fits = fits && self.line.len() + part.len() <= self.bytes_max;
            match fits {
                true => self.line.extend_from_slice(part),
                false => self.line = Vec::new(),
            }
            let taken = part.len() + usize::from(end.is_some());
            self.input.consume(taken);
            if end.is_some() {
                return Ok(Some(match fits {
                    true => Line::Whole(&self.line),
                    false => Line::TooLong,
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte a read, as the slowest peer would.
    struct ByteByByte<'a>(&'a [u8]);

    impl Read for ByteByByte<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let one = buffer.len().min(1);
            self.0.read(&mut buffer[..one])
        }
    }

    fn all(input: impl Read) -> Vec<Option<String>> {
        let mut lines = Lines::new(input, 4);
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(match line {
                Line::Whole(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
                Line::TooLong => None,
            });
        }
        all
    }

    #[track_caller]
    fn check(text: &str, expected: &[Option<&str>]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|line| line.map(str::to_owned))
            .collect();
        assert_eq!(all(text.as_bytes()), expected, "at once");
        assert_eq!(all(ByteByByte(text.as_bytes())), expected, "byte by byte");
    }

    #[test]
    fn lines_come_without_their_ends_and_the_last_needs_none() {
        check("", &[]);
        check("a\n\nbc\n", &[Some("a"), Some(""), Some("bc")]);
        check("a\nbc", &[Some("a"), Some("bc")]);
    }

    #[test]
    fn a_line_over_the_limit_is_passed_over_and_the_next_is_read() {
        check("abcd\n", &[Some("abcd")]);
        check("abcde\nf\n", &[None, Some("f")]);
        check("abcdefghijkl", &[None]);
    }

    #[test]
    fn the_buffer_of_a_long_line_is_given_back() {
        let text = format!("{}\n{}\na\n", "x".repeat(900_000), "y".repeat(1_100_000));
        let mut lines = Lines::new(text.as_bytes(), 1_000_000);
        assert!(matches!(lines.next().unwrap(), Some(Line::Whole(line)) if line.len() == 900_000));
        assert_eq!(lines.next().unwrap(), Some(Line::TooLong));
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"a")));
        assert!(lines.line.capacity() <= KEPT_BYTES);
    }
}
