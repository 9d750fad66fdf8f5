//! Compiler messages for operators that are used in front of a barrier by mistake.
//!
//! [`Events`] has no join and no ranking, because history in front of a barrier is not kept. A
//! missing method gives a message with a type and without a remedy; the methods here exist, do not
//! compile, and their message says what to write instead. No type implements [`BehindBarrier`].

use super::events::Events;

/// A type with state to join, rank or iterate over: none in front of a barrier.
#[diagnostic::on_unimplemented(
    message = "events in front of a barrier cannot be joined, ranked, reduced or iterated: nothing \
               there keeps rows",
    label = "end the front first",
    note = "`.keyed(\"name\")` or `.collect(\"name\")` keeps all rows, `.count(\"name\")`, \
            `.sum(\"name\")`, `.latest(\"name\", order)` and others what they say; behind it \
            stands a `Collection`, which has this operator"
)]
pub trait BehindBarrier {}

macro_rules! refused {
    ($($method:ident($($other:ident),*);)*) => {
        impl<P> Events<'_, P> {$(
            #[doc(hidden)]
            pub fn $method<T, $($other),*>(self, $(_: $other),*) -> T
            where
                Self: BehindBarrier,
            {
                unreachable!("nothing is behind a barrier and in front of it")
            }
        )*}
    };
}

refused! {
    join(A);
    join_map(A, B);
    left_join(A);
    asof_join(A);
    antijoin(A);
    semijoin(A);
    reduce(A);
    top_k(A, B);
    top_k_with_ties(A, B);
    reach(A);
    grow(A, B);
    iterate(A);
    sessions(A);
    interval_join(A, B, C);
    funnel(A, B);
    running_sum();
    slide(A);
    sum_values();
    distinct_count();
    count_total();
    components();
}
