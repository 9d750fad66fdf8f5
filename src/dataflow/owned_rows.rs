//! Recipes that yield unchanged rows of a stream: the input of
//! [`Events::owned`](super::Events::owned).

use super::assign_expiry::Retained;
use super::linear_operators::{Check, Filter, Front, Source, Weighted};
use super::record_batch_pass::Pass;
use super::weight::Weight;
use diptych_event::Event;

/// A recipe of rows that borrow from the log, all of one type of event.
#[diagnostic::on_unimplemented(
    message = "these are no rows of a stream any more",
    label = "not rows of a stream",
    note = "write `owned` right behind `events`, or behind `filter`, `check`, `weighted` or \
            `retain`; a `map` gives owned values already"
)]
pub trait Rows: Front {
    /// The type of the events.
    type Event: Event;

    /// A row as a value that owns its data.
    #[doc(hidden)]
    fn own(row: Self::Item<'_>) -> Self::Event;
}

impl<E: Event> Rows for Source<E> {
    type Event = E;

    fn own(row: E::Row<'_>) -> E {
        E::to_owned(row)
    }
}

/// Implements [`Rows`] for recipes that yield the rows of their input unchanged.
macro_rules! rows_of_the_input {
    ($($operator:ident),*) => {$(
        impl<P, F> Rows for $operator<P, F>
        where
            P: Rows,
            $operator<P, F>: for<'a> Front<Item<'a> = P::Item<'a>>,
        {
            type Event = P::Event;

            fn own(row: P::Item<'_>) -> P::Event {
                P::own(row)
            }
        }
    )*};
}

rows_of_the_input!(Filter, Check, Weighted, Retained);

/// The recipe of [`Events::owned`](super::Events::owned).
#[derive(Clone)]
pub struct Owned<P> {
    input: P,
}

impl<P> Owned<P> {
    pub(super) fn new(input: P) -> Self {
        Owned { input }
    }
}

impl<P: Rows> Front for Owned<P> {
    type Item<'a> = P::Event;
    type Sign = P::Sign;
    const RETAINED: bool = P::RETAINED;

    fn drive<S>(&self, pass: &Pass<'_>, sink: &mut S)
    where
        S: for<'a> FnMut(P::Event, Weight),
    {
        self.input.drive(pass, &mut |row: P::Item<'_>, weight| sink(P::own(row), weight));
    }

    fn claim(&self, barrier: usize) -> bool {
        self.input.claim(barrier)
    }
}
