//! The bound of all memory of a serving process beside the state of its dataflows.

use super::{
    ANSWERS_BYTES_MAX, BODIES_BYTES_MAX, BYTES_IN_FLIGHT_MAX, BYTES_QUEUED_MAX, EPOCH_BYTES_MAX,
    FOLLOWER_BYTES_MAX, HISTORY_BYTES, LEASED_BYTES_MAX, RECENT_BYTES_MAX,
};

/// Bytes of memory in which a process with default settings serves one dataflow over HTTP, whatever
/// its clients do, as long as its rows fit the rest ([`STATE_BYTES_FREE`]).
///
/// Not included are recomputations (`as_of`, `verify`, rebuilds, deployments), which hold another
/// state each; SQL, which has bounds of its own; pages of mapped files, which the system reclaims
/// when it needs them; and the moment in which a client's text becomes rows
/// ([`BODIES_PARSED_MAX`](super::BODIES_PARSED_MAX)).
pub const MEMORY_BYTES: usize = 512 << 20;

/// Bytes of [`MEMORY_BYTES`] for the program, its threads, a segment that is being sealed, freed
/// memory that the allocator still keeps (a quarter of the rest, measured), and rows.
pub const STATE_BYTES_FREE: usize = MEMORY_BYTES - CLIENTS_BYTES - EVENTS_BYTES - PAST_BYTES;

/// Requests of clients and answers that they have not read.
const CLIENTS_BYTES: usize = BODIES_BYTES_MAX + ANSWERS_BYTES_MAX;

/// Events in flight: an epoch as a batch and as the bytes of its frame, the epochs queued for the
/// dataflow, and the epochs it is processing.
const EVENTS_BYTES: usize =
    2 * EPOCH_BYTES_MAX + FOLLOWER_BYTES_MAX + BYTES_QUEUED_MAX + BYTES_IN_FLIGHT_MAX;

/// Epochs before the last one, twice while batches are merged.
const PAST_BYTES: usize = 2 * HISTORY_BYTES + LEASED_BYTES_MAX + RECENT_BYTES_MAX;

const _: () = {
    assert!(STATE_BYTES_FREE >= 192 << 20, "the program, a segment being sealed and a state fit");
};
