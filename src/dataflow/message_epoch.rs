//! The epoch of a message: timely stamps a message with any number of times, and epochs are
//! totally ordered, so the least of them says all that the others do.
//!
//! A message may have no time at all; then nobody waits for it, and it may arrive when its epoch
//! is over. Differential promises that such a message holds no updates, and the inputs of this
//! crate never send one. So a message without a time is a panic here: its updates could be lost.

use timely::dataflow::operators::{Capability, InputCapability};

use diptych_base::time::Epoch;

/// The epoch of the message that came with `capability`: none of its updates has an earlier one.
pub(super) fn epoch_of(capability: &InputCapability<Epoch>) -> Epoch {
    *capability.least().expect("a message that holds updates has a time")
}

/// The capability to send at the message's epoch and later.
pub(super) fn retained(capability: &InputCapability<Epoch>) -> Capability<Epoch> {
    capability.delayed(&epoch_of(capability), 0)
}
