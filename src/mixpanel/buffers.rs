//! The buffers of one connection: small until an answer is long, and one for both directions as long as that does.
//!
//! ureq's own take their full sizes from the first byte on, 24 KB a connection, twice that where it is encrypted; a GET
//! sends some hundred bytes, and its answer has one or two KB.

use ureq::unversioned::transport::Buffers;

/// What a connection sends from one buffer, an answer, and a request while it is written. An address must fit into it.
const BYTES_MIN: usize = 8 * 1024;

/// Buffers for a connection. Nothing is taken before the first use.
#[derive(Debug)]
pub(super) struct GrowingBuffers {
    /// What came in; and what goes out, while nothing that came in is left.
    shared: Vec<u8>,
    filled: usize,
    consumed: usize,
    /// What goes out where `shared` is in use.
    spare: Vec<u8>,
    /// Which of the two was given out to be sent.
    sends_spare: bool,
    /// The last use of the input took some of it.
    progress: bool,
    /// As large as `shared` may be.
    input_bytes_max: usize,
}

impl GrowingBuffers {
    pub(super) fn new(input_bytes_max: usize) -> GrowingBuffers {
        GrowingBuffers {
            shared: Vec::new(),
            filled: 0,
            consumed: 0,
            spare: Vec::new(),
            sends_spare: false,
            progress: false,
            input_bytes_max,
        }
    }

    /// The beginning of what was written to be sent.
    pub(super) fn written(&self, bytes: usize) -> &[u8] {
        let written = match self.sends_spare {
            true => &self.spare,
            false => &self.shared,
        };
        written.get(..bytes).unwrap_or_default()
    }

    /// Makes room for more input where what was consumed stood.
    fn make_room(&mut self) {
        if self.consumed > 0 {
            self.shared.copy_within(self.consumed..self.filled, 0);
            self.filled -= self.consumed;
            self.consumed = 0;
        }
        if self.shared.is_empty() {
            self.shared.resize(BYTES_MIN, 0);
        }
    }
}

impl Buffers for GrowingBuffers {
    fn output(&mut self) -> &mut [u8] {
        self.sends_spare = self.consumed < self.filled;
        let output = match self.sends_spare {
            true => &mut self.spare,
            false => &mut self.shared,
        };
        if output.len() < BYTES_MIN {
            output.resize(BYTES_MIN, 0);
        }
        output
    }

    fn input(&self) -> &[u8] {
        self.shared
            .get(self.consumed..self.filled)
            .unwrap_or_default()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.make_room();
        self.shared.get_mut(self.filled..).unwrap_or_default()
    }

    fn input_appended(&mut self, amount: usize) {
        let room = self.shared.len() - self.filled;
        self.filled += amount.min(room);
        // There is more to come than fits at once.
        if self.filled == self.shared.len() && self.filled < self.input_bytes_max {
            self.shared
                .resize((2 * self.filled).min(self.input_bytes_max), 0);
        }
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.consumed += amount.min(self.filled - self.consumed);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.make_room();
        if self.filled == self.shared.len() {
            // Only a server that says much before it has read the request brings this about.
            self.shared.resize(self.filled + BYTES_MIN, 0);
        }
        if self.spare.is_empty() {
            self.spare.resize(BYTES_MIN, 0);
        }
        self.sends_spare = true;
        let tmp = self.shared.get_mut(self.filled..).unwrap_or_default();
        (tmp, &mut self.spare)
    }

    fn can_use_input(&self) -> bool {
        self.consumed < self.filled && self.progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 4 * BYTES_MIN;

    /// Takes in as much as there is room for.
    fn fill(buffers: &mut GrowingBuffers, byte: u8) -> usize {
        let room = buffers.input_append_buf();
        room.fill(byte);
        let amount = room.len();
        buffers.input_appended(amount);
        amount
    }

    #[test]
    fn a_request_and_its_short_answer_take_one_small_buffer() {
        let mut buffers = GrowingBuffers::new(MAX);
        assert_eq!(buffers.shared.len() + buffers.spare.len(), 0);
        buffers.output()[..3].copy_from_slice(b"GET");
        assert_eq!(buffers.written(3), b"GET");
        buffers.input_append_buf()[..6].copy_from_slice(b"answer");
        buffers.input_appended(6);
        assert_eq!(buffers.input(), b"answer");
        buffers.input_consume(2);
        assert!(buffers.can_use_input());
        assert_eq!(buffers.input(), b"swer");
        buffers.input_consume(4);
        assert!(!buffers.can_use_input());
        buffers.output()[..3].copy_from_slice(b"PUT");
        assert_eq!(buffers.written(3), b"PUT");
        assert_eq!((buffers.shared.len(), buffers.spare.len()), (BYTES_MIN, 0));
    }

    #[test]
    fn what_is_not_consumed_yet_is_kept_while_more_comes_or_something_is_sent() {
        let mut buffers = GrowingBuffers::new(MAX);
        buffers.input_append_buf()[..4].copy_from_slice(b"left");
        buffers.input_appended(4);
        buffers.input_consume(1);
        buffers.output()[..4].copy_from_slice(b"sent");
        assert_eq!(
            (buffers.input(), buffers.written(4)),
            (&b"eft"[..], &b"sent"[..])
        );
        let (tmp, output) = buffers.tmp_and_output();
        tmp.fill(b'x');
        output[..4].copy_from_slice(b"body");
        assert!(!tmp.is_empty());
        assert_eq!(
            (buffers.input(), buffers.written(4)),
            (&b"eft"[..], &b"body"[..])
        );
        fill(&mut buffers, b'y');
        assert!(buffers.input().starts_with(b"efty"));
    }

    #[test]
    fn a_buffer_that_was_full_grows_up_to_its_limit() {
        let mut buffers = GrowingBuffers::new(MAX);
        let mut sizes = Vec::new();
        for _ in 0..4 {
            sizes.push(fill(&mut buffers, b'x'));
            let all = buffers.input().len();
            buffers.input_consume(all);
        }
        assert_eq!(sizes, [BYTES_MIN, 2 * BYTES_MIN, MAX, MAX]);
        // Nothing is consumed: there is no room for more than the limit, and what came is all there.
        let mut buffers = GrowingBuffers::new(MAX);
        while fill(&mut buffers, b'x') > 0 {}
        assert_eq!(buffers.input(), [b'x'; MAX]);
        let (tmp, _) = buffers.tmp_and_output();
        assert!(!tmp.is_empty());
        assert_eq!(buffers.input(), [b'x'; MAX]);
    }
}
