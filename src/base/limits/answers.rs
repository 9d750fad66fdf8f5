//! Bounds of the memory that answers may hold.

use super::{FEED_BYTES, FEED_UPDATES, PAGE_BYTES, SUBSCRIPTIONS_MAX};

/// Bytes of all answers that wait for their readers' sockets. A stalled reader holds a page or a
/// chunk; when the bound is reached, the next answer is refused or cut.
pub const ANSWERS_BYTES_MAX: usize = 48 << 20;

/// Bytes of each answer that are exempt from the bound above: probes and short reads go on.
pub const ANSWER_BYTES_FREE: usize = 4 << 10;

/// Pages that are built at once on threads that may wait for a disk: each holds rows and their
/// text.
pub const PAGES_MADE_MAX: usize = 16;

/// Reads of the log for requests at once: when a disk does not answer, at most so many threads wait
/// for it, whatever the number of clients.
pub const LOG_READS_MAX: usize = 16;

/// Bytes of the rows of several keys in one answer, which has no second page.
pub const KEYS_BYTES_MAX: usize = 8 << 20;

/// Bytes of an update that count as one update when a page of changes is closed; longer updates
/// count as several.
pub const UPDATE_BYTES: usize = 256;

const _: () = {
    assert!(SUBSCRIPTIONS_MAX * FEED_BYTES <= ANSWERS_BYTES_MAX, "a chunk for each subscriber");
    assert!(PAGES_MADE_MAX * PAGE_BYTES <= ANSWERS_BYTES_MAX && KEYS_BYTES_MAX < ANSWERS_BYTES_MAX);
    assert!(FEED_UPDATES * UPDATE_BYTES <= PAGE_BYTES, "a part is no larger than a page");
};
