//! Recipes that yield rows of a stream as they are: what [`Events::owned`](super::Events::owned)
//! takes.

use std::fmt::Display;

use super::front::{Check, Filter, Front, Source, Weighted};
use super::keep::Moment;
use super::retained::Retained;
use crate::event::Event;

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

impl<P, F> Rows for Filter<P, F>
where
    P: Rows,
    F: for<'a, 'b> Fn(&'b P::Item<'a>) -> bool + 'static,
{
    type Event = P::Event;

    fn own(row: P::Item<'_>) -> P::Event {
        P::own(row)
    }
}

impl<P, R, F> Rows for Check<P, F>
where
    P: Rows,
    R: Display,
    F: for<'a, 'b> Fn(&'b P::Item<'a>) -> Result<(), R> + 'static,
{
    type Event = P::Event;

    fn own(row: P::Item<'_>) -> P::Event {
        P::own(row)
    }
}

impl<P, F> Rows for Weighted<P, F>
where
    P: Rows,
    F: for<'a, 'b> Fn(&'b P::Item<'a>) -> i64 + 'static,
{
    type Event = P::Event;

    fn own(row: P::Item<'_>) -> P::Event {
        P::own(row)
    }
}

impl<P, F, M> Rows for Retained<P, F>
where
    P: Rows,
    F: for<'a, 'b> Fn(&'b P::Item<'a>) -> M + 'static,
    M: Moment,
{
    type Event = P::Event;

    fn own(row: P::Item<'_>) -> P::Event {
        P::own(row)
    }
}
