//! The chunked transfer coding (RFC 9112, section 7.1), read strictly, however the bytes are split.
//! Extensions and trailers are checked and dropped.

use super::refusal::Refusal;

const SIZE_DIGITS_MAX: u32 = 16;
/// All extensions of a body together, and its trailer.
const ASIDE_BYTES_MAX: usize = 8 * 1024;

/// Where in a chunked body the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Size { digits: u32 },
    ExtensionBlank,
    ExtensionStart,
    ExtensionName,
    ExtensionNameBlank,
    ExtensionEquals,
    ExtensionToken,
    ExtensionQuoted,
    ExtensionEscape,
    ExtensionQuotedEnd,
    SizeEnd,
    Data,
    DataReturn,
    DataEnd,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    LastEnd,
    Done,
}

/// The reader of one chunked body.
pub(super) struct Chunks {
    place: Place,
    /// Bytes of the present chunk still to come.
    left: u64,
    /// Bytes of data that may still be announced.
    allowed: u64,
    aside: usize,
    trailers: usize,
    trailers_max: usize,
}

impl Chunks {
    /// A body of at most `bytes_max` decoded bytes and `trailers_max` trailer fields.
    pub(super) fn new(bytes_max: u64, trailers_max: usize) -> Chunks {
        Chunks {
            place: Place::Size { digits: 0 },
            left: 0,
            allowed: bytes_max,
            aside: 0,
            trailers: 0,
            trailers_max,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// Reads `input` up to its end or the body's, hands data to `take`, and gives the number of bytes read.
    pub(super) fn read(
        &mut self,
        input: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), Refusal>,
    ) -> Result<usize, Refusal> {
        let mut rest = input;
        while let Some((&byte, after)) = rest.split_first() {
            if self.is_done() {
                break;
            }
            if self.place == Place::Data {
                let here = usize::try_from(self.left)
                    .unwrap_or(usize::MAX)
                    .min(rest.len());
                let (data, after) = rest.split_at(here);
                take(data)?;
                self.left -= here as u64;
                if self.left == 0 {
                    self.place = Place::DataReturn;
                }
                rest = after;
            } else {
                self.place = self.step(byte)?;
                rest = after;
            }
        }
        Ok(input.len() - rest.len())
    }

    fn step(&mut self, byte: u8) -> Result<Place, Refusal> {
        use Place::*;
        let bad_extension = Err(Refusal::Malformed("a chunk extension is malformed"));
        let next = match (self.place, byte) {
            (Size { digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if digits == SIZE_DIGITS_MAX {
                    return Err(Refusal::Malformed("a chunk's size has too many digits"));
                }
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                self.left = self.left << 4 | digit;
                if self.left > self.allowed {
                    return Err(Refusal::BodyTooLarge);
                }
                Size { digits: digits + 1 }
            }
            (Size { digits: 0 }, _) => {
                return Err(Refusal::Malformed(
                    "a chunk's size must be hexadecimal digits",
                ));
            }
            (ExtensionQuoted, b'\\') => ExtensionEscape,
            (ExtensionQuoted, b'"') => ExtensionQuotedEnd,
            (ExtensionQuoted | ExtensionEscape, b'\t' | b' '..=b'~' | 0x80..) => ExtensionQuoted,
            (ExtensionStart | ExtensionName, _) if is_token(byte) => ExtensionName,
            (ExtensionEquals | ExtensionToken, _) if is_token(byte) => ExtensionToken,
            (ExtensionEquals, b'"') => ExtensionQuoted,
            (ExtensionStart | ExtensionEquals, b' ' | b'\t') => self.place,
            (ExtensionName | ExtensionNameBlank, b' ' | b'\t') => ExtensionNameBlank,
            (ExtensionName | ExtensionNameBlank, b'=') => ExtensionEquals,
            (
                Size { .. }
                | ExtensionBlank
                | ExtensionName
                | ExtensionNameBlank
                | ExtensionToken
                | ExtensionQuotedEnd,
                b';',
            ) => ExtensionStart,
            (Size { .. } | ExtensionBlank | ExtensionToken | ExtensionQuotedEnd, b' ' | b'\t') => {
                ExtensionBlank
            }
            (Size { .. } | ExtensionName | ExtensionToken | ExtensionQuotedEnd, b'\r') => SizeEnd,
            (Size { .. }, _) => {
                return Err(Refusal::Malformed("a chunk's size must end with CR LF"));
            }
            (SizeEnd, b'\n') => {
                self.allowed -= self.left;
                if self.left == 0 { TrailerStart } else { Data }
            }
            (DataReturn, b'\r') => DataEnd,
            (DataEnd, b'\n') => Size { digits: 0 },
            (TrailerStart, b'\r') => LastEnd,
            (LastEnd, b'\n') => Done,
            (TrailerStart, _) if is_token(byte) => {
                self.trailers += 1;
                if self.trailers > self.trailers_max {
                    return Err(Refusal::TooManyFields);
                }
                TrailerName
            }
            (TrailerName, _) if is_token(byte) => TrailerName,
            (TrailerName, b':') => TrailerValue,
            (TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => TrailerValue,
            (TrailerValue, b'\r') => TrailerEnd,
            (TrailerEnd, b'\n') => TrailerStart,
            (TrailerStart | TrailerName | TrailerValue | TrailerEnd | LastEnd, _) => {
                return Err(Refusal::Malformed("a trailer field is malformed"));
            }
            (SizeEnd, _) => return Err(Refusal::Malformed("a chunk's size must end with CR LF")),
            (Data | DataReturn | DataEnd | Done, _) => {
                return Err(Refusal::Malformed("a chunk must end with CR LF"));
            }
            _ => return bad_extension,
        };
        if !matches!(next, Size { .. } | SizeEnd | Data | DataEnd | Done) {
            self.aside += 1;
            if self.aside > ASIDE_BYTES_MAX {
                return Err(Refusal::Malformed(
                    "chunk extensions and trailers are too long",
                ));
            }
        }
        Ok(next)
    }
}

/// `tchar` of RFC 9110, section 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the pieces in which `text` arrives, it decodes to `expected`: the data, and the bytes behind the body.
    #[track_caller]
    fn check(text: &str, expected: Result<(&str, usize), u16>) {
        let bytes = text.as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                let mut chunks = Chunks::new(20, 2);
                let mut data = Vec::new();
                let mut behind = 0;
                let read = pieces.into_iter().try_for_each(|piece| {
                    let take = |part: &[u8]| {
                        data.extend_from_slice(part);
                        Ok(())
                    };
                    behind += piece.len() - chunks.read(piece, take)?;
                    Ok(())
                });
                let read = read.map_err(|refusal: Refusal| refusal.status());
                let read = read.map(|()| (String::from_utf8(data).unwrap(), behind));
                let expected = expected.map(|(data, behind)| (data.to_owned(), behind));
                assert_eq!(read, expected, "{text:?} split at {first} and {second}");
                assert!(chunks.is_done() || expected.is_err());
            }
        }
    }

    #[test]
    fn a_body_decodes_however_it_is_split() {
        check("0\r\n\r\n", Ok(("", 0)));
        check(
            "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nGET",
            Ok(("abc0123456789", 3)),
        );
        check("1 ; a=b;c=\"\\\"\"\r\nx\r\n000;d\r\n\r\n", Ok(("x", 0)));
        check("0\r\nA: b\r\nC:\r\n\r\n", Ok(("", 0)));
    }

    #[test]
    fn a_fault_is_found_however_it_is_split() {
        for text in [
            "\r\n",
            "1\n",
            "1 \r\n",
            "1;\r\n",
            "1\r\nxy",
            "1\r\nx\n",
            "0\r\nA : b",
            "0\r\n\n",
        ] {
            check(text, Err(400));
        }
    }

    #[test]
    fn what_is_too_much_is_refused_however_it_is_split() {
        check("15\r\n", Err(413));
        check("10\r\n0123456789abcdef\r\n5\r\n", Err(413));
        check("0\r\nA: b\r\nC: d\r\nE: f", Err(431));
        check("00000000000000001", Err(400));
    }

    #[test]
    fn extensions_have_a_limit_over_all_chunks() {
        let mut chunks = Chunks::new(u64::MAX, 0);
        let chunk = format!("1;{}\r\nx\r\n", "a".repeat(1000));
        let read: Result<Vec<usize>, Refusal> = (0..9)
            .map(|_| chunks.read(chunk.as_bytes(), |_| Ok(())))
            .collect();
        assert_eq!(read.unwrap_err().status(), 400);
    }
}
