//! The front of a stream with `retain`: gives each row the step of time that it expires with.
//!
//! The recipe behind is the same as without `retain`; the barrier at its end takes the expiry of
//! each item from the pass.

use std::rc::Rc;

use super::linear_operators::Front;
use super::newest_event_time::{NewestSeen, Told};
use super::record_batch_pass::Pass;
use super::retention::{Expiry, Keep, Moment};
use super::weight::Weight;

/// A stream's declared retention, on this worker.
#[derive(Clone)]
pub(super) struct Retention<'s> {
    pub(super) of: u32,
    pub(super) keep: Keep,
    pub(super) told: Told<'s>,
}

/// The rows of a recipe, each with its expiry.
pub struct Retained<P, F> {
    input: P,
    time: Rc<F>,
    of: u32,
    keep: Keep,
    seen: NewestSeen,
}

impl<P, F> Retained<P, F> {
    pub(super) fn new(input: P, time: Rc<F>, of: u32, keep: Keep, seen: NewestSeen) -> Self {
        Retained { input, time, of, keep, seen }
    }
}

impl<P: Clone, F> Clone for Retained<P, F> {
    fn clone(&self) -> Self {
        let input = self.input.clone();
        let time = Rc::clone(&self.time);
        let seen = Rc::clone(&self.seen);
        Retained { input, time, of: self.of, keep: self.keep, seen }
    }
}

impl<P, F, M> Front for Retained<P, F>
where
    P: Front,
    F: for<'a, 'b> Fn(&'b P::Item<'a>) -> M + 'static,
    M: Moment,
{
    type Item<'a> = P::Item<'a>;
    type Sign = P::Sign;
    const RETAINED: bool = true;

    fn drive<S>(&self, pass: &Pass<'_>, sink: &mut S)
    where
        S: for<'a> FnMut(P::Item<'a>, Weight),
    {
        let time = &*self.time;
        let of = self.of;
        let keep = self.keep;
        // The newest time of this worker alone gives a lower bound of the horizon: rows below
        // it need not travel.
        // (Retracted rows are not skipped: all workers must agree whether they reach a barrier.)
        let seen = self.seen.get().filter(|_| pass.weight() > 0);
        let passed = seen.map_or(i64::MIN, |newest| keep.horizon(newest));
        self.input.drive(pass, &mut |item: P::Item<'_>, weight| {
            let expiry = match time(&item).moment_us().map(|moment| keep.step_of(moment)) {
                Some(step) if step < passed => return,
                Some(step) => Expiry { of, step },
                None => Expiry::NEVER,
            };
            pass.expire_with(expiry);
            sink(item, weight);
        });
        pass.expire_with(Expiry::NEVER);
    }

    fn claim(&self, barrier: usize) -> bool {
        self.input.claim(barrier)
    }
}
