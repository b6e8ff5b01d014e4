//! Room for messages, used again. musl's allocator, which the program for ARM has, has one lock for all threads; it asks the
//! system for each piece of more than 26 KB and gives it back at once, which costs a list of tools half of its time, and it does
//! the same with pages for pieces of some KB that come and go.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Pieces of one order of size.
struct Shelf {
    /// Less than this is quick to get, or on another shelf.
    bytes_min: usize,
    /// More than this is not kept here.
    bytes_max: usize,
    /// The most that are kept.
    kept_max: usize,
    kept: Mutex<Vec<String>>,
}

/// By size.
static SHELVES: [Shelf; 2] = [
    // Answers of most calls: two pieces for each that is made at the same time.
    Shelf {
        bytes_min: 1 << 10,
        bytes_max: 16 << 10,
        kept_max: 16,
        kept: Mutex::new(Vec::new()),
    },
    // Lists of tools, and long answers.
    Shelf {
        bytes_min: 16 << 10,
        bytes_max: 128 << 10,
        kept_max: 4,
        kept: Mutex::new(Vec::new()),
    },
];

impl Shelf {
    fn of(bytes: usize) -> Option<&'static Shelf> {
        SHELVES
            .iter()
            .find(|shelf| (shelf.bytes_min..shelf.bytes_max).contains(&bytes))
    }

    fn kept(&self) -> MutexGuard<'_, Vec<String>> {
        // Nothing under this lock can panic and leave it half changed.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An empty string with room for so many bytes.
pub(super) fn of(bytes: usize) -> String {
    let Some(shelf) = Shelf::of(bytes) else {
        return String::with_capacity(bytes);
    };
    let mut kept = shelf.kept();
    // What was given back last is in the processor's cache.
    let fitting = kept.iter().rposition(|room| room.capacity() >= bytes);
    if let Some(place) = fitting {
        return kept.swap_remove(place);
    }
    drop(kept);
    // A little more than is wanted now may be enough for the next.
    String::with_capacity(bytes.next_multiple_of(shelf.bytes_min))
}

/// Gives back the room of a message that was sent.
pub fn give_back(mut message: String) {
    if let Some(shelf) = Shelf::of(message.capacity()) {
        let mut kept = shelf.kept();
        if kept.len() < shelf.kept_max {
            message.clear();
            kept.push(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_empty_and_large_enough_however_often_it_is_given_back() {
        let bytes_max = SHELVES.iter().map(|shelf| shelf.bytes_max).max().unwrap();
        for bytes in [
            1,
            1_000,
            1_024,
            3_000,
            16_383,
            16_384,
            100_000,
            bytes_max,
            2 * bytes_max,
        ] {
            for _ in 0..3 {
                let mut rooms: Vec<String> = (0..40).map(|_| of(bytes)).collect();
                for room in &mut rooms {
                    assert_eq!(room, "");
                    assert!(room.capacity() >= bytes, "{}", room.capacity());
                    room.push_str("told before");
                }
                rooms.into_iter().for_each(give_back);
            }
        }
        for shelf in &SHELVES {
            let kept = shelf.kept();
            assert!(kept.len() <= shelf.kept_max, "{}", kept.len());
            let sizes = shelf.bytes_min..shelf.bytes_max;
            assert!(kept.iter().all(|room| sizes.contains(&room.capacity())));
        }
    }
}
