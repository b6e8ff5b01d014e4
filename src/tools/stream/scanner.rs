//! Where the parts of a JSON text begin and end, without a look at what is in them.
//!
//! Each line of an export passes through here byte by byte. So what is done for each name and value is told to be inlined, as
//! the program is built for size, and takes eight bytes at once. What parts mean is left to `event`.

use std::borrow::Cow;

/// A part of a JSON text.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// What stands between the quotes of a string without escapes.
    Plain(&'a [u8]),
    /// The text of anything else.
    Other(&'a [u8]),
}

/// Finds where the parts of a JSON text begin and end. Nothing: it is not one, or not a whole one.
pub(super) struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    /// One that stands before the text.
    pub(super) fn new(text: &'a [u8]) -> Scanner<'a> {
        Scanner { rest: text }
    }

    /// Whether only white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// The next byte that is not white space, of which there is hardly any.
    #[inline(always)]
    fn peek(&mut self) -> Option<u8> {
        if !matches!(self.rest.first(), Some(b'!'..)) {
            self.rest = past_space(self.rest);
        }
        self.rest.first().copied()
    }

    #[inline(always)]
    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        is_next
    }

    #[inline(always)]
    fn expects(&mut self, byte: u8) -> Option<()> {
        self.takes(byte).then_some(())
    }

    /// Begins an object: whether it has members.
    #[inline(always)]
    pub(super) fn opens(&mut self) -> Option<bool> {
        self.expects(b'{')?;
        Some(!self.takes(b'}'))
    }

    /// Goes on behind a member: whether there is another one.
    #[inline(always)]
    pub(super) fn stays_open(&mut self) -> Option<bool> {
        if self.takes(b',') {
            return Some(true);
        }
        self.expects(b'}')?;
        Some(false)
    }

    /// The name of the next member, up to its value.
    #[inline(always)]
    pub(super) fn name(&mut self) -> Option<Cow<'a, [u8]>> {
        let name = match self.string()? {
            Part::Plain(name) => Cow::Borrowed(name),
            Part::Other(escaped) => {
                let name: String = serde_json::from_slice(escaped).ok()?;
                Cow::Owned(name.into_bytes())
            }
        };
        self.expects(b':')?;
        Some(name)
    }

    /// The next value.
    #[inline(always)]
    pub(super) fn value(&mut self) -> Option<Part<'a>> {
        match self.peek()? {
            b'"' => self.string(),
            b'{' | b'[' => self.take(nested(self.rest)?).map(Part::Other),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                let (_, mut after) = self.rest.split_at_checked(digits(self.rest))?;
                // Behind its digits a number ends in most cases.
                while !matches!(after.first()?, b',' | b'}' | b']' | b' ' | b'\t' | b'\r') {
                    after = after.get(1..)?;
                }
                self.take(self.rest.len() - after.len()).map(Part::Other)
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// The next string.
    #[inline(always)]
    fn string(&mut self) -> Option<Part<'a>> {
        self.peek();
        let [b'"', inside @ ..] = self.rest else {
            return None;
        };
        let (plain, rest) = inside.split_at_checked(unescaped(inside))?;
        match rest {
            [b'"', rest @ ..] => {
                self.rest = rest;
                Some(Part::Plain(plain))
            }
            _ => self
                .take(escaped(self.rest, plain.len() + 1)?)
                .map(Part::Other),
        }
    }
}

// These take no scanner, which can so stay in registers.

#[inline(never)]
fn past_space(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = text {
        text = rest;
    }
    text
}

/// The length of the string that begins here and has an escape after so many bytes.
#[inline(never)]
fn escaped(text: &[u8], before: usize) -> Option<usize> {
    let mut length = before;
    while text.get(length)? != &b'"' {
        // What an escape hides is no end.
        length += 2;
        length += unescaped(text.get(length..)?);
    }
    Some(length + 1)
}

/// The length of the object or list that begins here.
#[inline(never)]
fn nested(text: &[u8]) -> Option<usize> {
    let mut inside = Scanner { rest: text };
    let mut depth = 0_usize;
    loop {
        let (byte, after) = inside.rest.split_first()?;
        match byte {
            b'"' => {
                inside.string()?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => (),
        }
        inside.rest = after;
        if depth == 0 {
            return Some(text.len() - after.len());
        }
    }
}

/// A word of eight bytes that are 1.
const ONES: u64 = u64::MAX / 255;

/// How many bytes stand before the next quote or backslash, or before the end.
#[inline(always)]
fn unescaped(text: &[u8]) -> usize {
    const QUOTES: u64 = ONES * b'"' as u64;
    const BACKSLASHES: u64 = ONES * b'\\' as u64;
    // Of the bytes below 128 only a zero has its high bit set when 1 is taken away; the others are left out.
    before(text, |word| {
        let (quotes, backslashes) = (word ^ QUOTES, word ^ BACKSLASHES);
        (quotes.wrapping_sub(ONES) | backslashes.wrapping_sub(ONES)) & !word
    })
}

/// How many digits stand here.
#[inline(always)]
fn digits(text: &[u8]) -> usize {
    const ZEROS: u64 = ONES * b'0' as u64;
    // Takes all above 9 to where the high bit is set.
    const ABOVE_NINE: u64 = ONES * (0x80 - 10);
    before(text, |word| {
        let values = word ^ ZEROS;
        values.wrapping_add(ABOVE_NINE) | values
    })
}

/// How many bytes stand before the first one whose high bit `marks` sets, or before the end.
///
/// It is asked about eight bytes at once, the first one lowest, and may be wrong about those above the first mark. Names and
/// values are short: this takes less than a call of memchr.
#[inline(always)]
fn before(text: &[u8], marks: impl Fn(u64) -> u64) -> usize {
    let marked = |word: [u8; 8]| marks(u64::from_le_bytes(word)) & (ONES << 7);
    let (words, rest) = text.as_chunks();
    for (place, word) in words.iter().enumerate() {
        let marked = marked(*word);
        if marked != 0 {
            return place * 8 + marked.trailing_zeros() as usize / 8;
        }
    }
    let is_marked = |byte: &u8| marked([*byte, 0, 0, 0, 0, 0, 0, 0]) & 0x80 != 0;
    let place = rest.iter().position(is_marked);
    text.len() - rest.len() + place.unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::random::Random;

    #[test]
    fn eight_bytes_at_once_are_told_apart_like_each_alone() {
        let mut random = Random::new(5);
        let near = [
            b'"', b'\\', b'!', b'#', b'[', b']', b'/', b':', 0, 0x7f, 0x80, 0xa2, 0xb0, 0xdc, 0xff,
        ];
        for _ in 0..20_000 {
            // Digits or letters, with one or two bytes among them that differ in a bit or by one from what is looked for.
            let plain: &[u8] = random.pick(&[&b"0123456789"[..], &b"abcXYZ\xc3\xa9"[..]]);
            let mut text: Vec<u8> = (0..random.below(30))
                .map(|_| plain[random.below(plain.len() as u64) as usize])
                .collect();
            for _ in 0..random.below(3) {
                if !text.is_empty() {
                    let place = random.below(text.len() as u64) as usize;
                    text[place] = random.pick(&near);
                }
            }
            let first = |ends: fn(&u8) -> bool| text.iter().position(ends).unwrap_or(text.len());
            assert_eq!(
                unescaped(&text),
                first(|byte| matches!(byte, b'"' | b'\\')),
                "{text:?}"
            );
            assert_eq!(
                digits(&text),
                first(|byte| !byte.is_ascii_digit()),
                "{text:?}"
            );
        }
    }
}
