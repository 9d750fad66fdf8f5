//! The recipe behind the `errors` view: the rows that fallible operators rejected in the same pass.
//!
//! Its barrier is always the last of a dataflow, so that every other one has run when it is driven.

use super::linear_operators::Front;
use super::record_batch_pass::Pass;
use super::weight::{Signed, Weight};
use diptych_base::time::Epoch;

/// The name of the view, and of its accumulation.
pub(super) const NAME: &str = "errors";

/// The recipe; `RETAINED` where a stream of the dataflow has `retain`.
#[derive(Clone)]
pub(super) struct Rejections<const RETAINED: bool>;

impl<const RETAINED: bool> Front for Rejections<RETAINED> {
    type Item<'a> = (Epoch, String, String);
    type Sign = Signed;
    const RETAINED: bool = RETAINED;

    fn drive<S>(&self, pass: &Pass<'_>, sink: &mut S)
    where
        S: for<'a> FnMut(Self::Item<'a>, Weight),
    {
        for rejected in pass.take_rejected() {
            pass.expire_with(rejected.expiry);
            sink((rejected.epoch, rejected.stream, rejected.reason), rejected.weight);
        }
        pass.expire_with(super::retention::Expiry::NEVER);
    }

    fn claim(&self, _barrier: usize) -> bool {
        false
    }
}
