//! The master dataset: an append-only log of all streams, and the only source of time.

mod append;
mod chunk;

pub use append::{Ack, Append, Pending, Producer};
pub use chunk::{Chunk, Epochs, Sealed};
