//! Room for large messages, used again. musl's allocator asks the system for each piece of more than 26 KB and gives it
//! back at once, which costs a list of tools half of its time.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Less than this is quick to get.
const KEPT_BYTES_MIN: usize = 16 << 10;
/// More than this is not kept.
const KEPT_BYTES_MAX: usize = 128 << 10;
/// The most that are kept.
const KEPT_MAX: usize = 4;

static KEPT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// An empty string with room for so many bytes.
pub(super) fn of(bytes: usize) -> String {
    if bytes >= KEPT_BYTES_MIN {
        let mut kept = kept();
        let fitting = kept.iter().position(|room| room.capacity() >= bytes);
        if let Some(place) = fitting {
            return kept.swap_remove(place);
        }
    }
    String::with_capacity(bytes)
}

/// Gives back the room of a message that was sent.
pub fn give_back(mut message: String) {
    if (KEPT_BYTES_MIN..=KEPT_BYTES_MAX).contains(&message.capacity()) {
        let mut kept = kept();
        if kept.len() < KEPT_MAX {
            message.clear();
            kept.push(message);
        }
    }
}

fn kept() -> MutexGuard<'static, Vec<String>> {
    // Nothing under this lock can panic and leave it half changed.
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_empty_and_large_enough_however_often_it_is_given_back() {
        for bytes in [1, KEPT_BYTES_MIN, KEPT_BYTES_MAX, 2 * KEPT_BYTES_MAX] {
            for _ in 0..2 * KEPT_MAX {
                let mut rooms: Vec<String> = (0..2 * KEPT_MAX).map(|_| of(bytes)).collect();
                for room in &mut rooms {
                    assert_eq!(room, "");
                    assert!(room.capacity() >= bytes, "{}", room.capacity());
                    room.push_str("told before");
                }
                rooms.into_iter().for_each(give_back);
            }
            assert!(kept().len() <= KEPT_MAX);
        }
        assert!(kept().iter().all(|room| room.capacity() <= KEPT_BYTES_MAX));
    }
}
