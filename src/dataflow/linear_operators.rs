//! The linear front: a recipe of stateless operators from rows of a stream to weighted values.
//!
//! Every operator here commutes with addition: applying it to the union of two sets of rows gives
//! the union of its results. That is why the consolidated contents behind a barrier stand for the
//! whole history before it. A recipe is not a stream: nothing is materialised between operators.
//! The closures are monomorphised into one loop per (record batch, barrier), which runs on each
//! borrowed row straight into the barrier's combiner.
//!
//! Not checked: that a user's closure is deterministic. `diptych verify` catches closures that read
//! a clock, a random source or mutable state.

use std::cell::Cell;
use std::fmt::Display;
use std::marker::PhantomData;
use std::rc::Rc;

use super::record_batch_pass::Pass;
use super::weight::{Or, Plain, Sign, Signed, Weight, times};
use diptych_event::Event;

/// A linear recipe. Implemented by the operators of [`Events`](super::Events) only.
pub trait Front: Clone + 'static {
    /// The items of the recipe: a borrowed row directly behind a stream, owned values further on.
    type Item<'a>;
    /// The sign of the weights: whether they may be negative.
    type Sign: Sign;
    /// Whether a stream of the recipe has `retain`: the barrier behind lets contributions expire.
    /// A constant, so that only the barrier that is needed is compiled.
    #[doc(hidden)]
    const RETAINED: bool;

    /// Runs the recipe over the rows of `pass`, giving each result with its weight to `sink`.
    #[doc(hidden)]
    fn drive<S>(&self, pass: &Pass<'_>, sink: &mut S)
    where
        S: for<'a> FnMut(Self::Item<'a>, Weight);

    /// Makes `barrier` the reporter of every fallible operator that no barrier has claimed yet.
    #[doc(hidden)]
    fn claim(&self, barrier: usize) -> bool;
}

/// The barrier that reports the rows a fallible operator rejects: the first that claims it, so that
/// a row is reported once when several barriers follow.
#[derive(Clone, Default)]
struct Reporter(Rc<Cell<Option<usize>>>);

impl Reporter {
    fn claim(&self, barrier: usize) -> bool {
        self.0.set(self.0.get().or(Some(barrier)));
        true
    }

    /// A function that records the rejected rows of one pass, if the present barrier reports them.
    fn within<R: Display>(&self, pass: &Pass<'_>) -> impl Fn(&R, Weight) {
        let reports = self.0.get() == Some(pass.barrier());
        move |reason, weight| {
            if reports {
                pass.fail(reason.to_string(), weight);
            }
        }
    }
}

/// The rows of one stream, read in place.
pub struct Source<E> {
    stream: Rc<str>,
    event: PhantomData<fn() -> E>,
}

impl<E> Source<E> {
    pub(super) fn new(stream: &str) -> Self {
        Source { stream: stream.into(), event: PhantomData }
    }

    pub(super) fn stream(&self) -> &str {
        &self.stream
    }
}

impl<E> Clone for Source<E> {
    fn clone(&self) -> Self {
        Source { stream: Rc::clone(&self.stream), event: PhantomData }
    }
}

impl<E: Event> Front for Source<E> {
    type Item<'a> = E::Row<'a>;
    type Sign = Plain;
    const RETAINED: bool = false;

    fn drive<S>(&self, pass: &Pass<'_>, sink: &mut S)
    where
        S: for<'a> FnMut(E::Row<'a>, Weight),
    {
        if pass.stream() != &*self.stream {
            return;
        }
        let Some(columns) = pass.columns::<E>() else { return };
        let weight = pass.weight();
        for index in pass.rows() {
            pass.enter(index);
            sink(E::row(&columns, index), weight);
        }
    }

    fn claim(&self, _barrier: usize) -> bool {
        false
    }
}

/// The recipe of [`Events::map`](super::Events::map).
pub struct Map<P, F, T> {
    input: P,
    logic: Rc<F>,
    output: PhantomData<fn() -> T>,
}

/// The recipe of [`Events::flat_map`](super::Events::flat_map).
pub struct FlatMap<P, F, T> {
    input: P,
    logic: Rc<F>,
    output: PhantomData<fn() -> T>,
}

/// The recipe of [`Events::try_map`](super::Events::try_map).
pub struct TryMap<P, F, T> {
    input: P,
    logic: Rc<F>,
    reporter: Reporter,
    output: PhantomData<fn() -> T>,
}

/// The recipe of [`Events::filter`](super::Events::filter).
pub struct Filter<P, F> {
    input: P,
    logic: Rc<F>,
}

/// The recipe of [`Events::check`](super::Events::check).
pub struct Check<P, F> {
    input: P,
    logic: Rc<F>,
    reporter: Reporter,
}

/// The recipe of [`Events::weighted`](super::Events::weighted).
pub struct Weighted<P, F> {
    input: P,
    logic: Rc<F>,
}

/// The recipe of [`Events::concat`](super::Events::concat).
#[derive(Clone)]
pub struct Concat<A, B> {
    first: A,
    second: B,
}

impl<P, F, T> Map<P, F, T> {
    pub(super) fn new(input: P, logic: F) -> Self {
        Map { input, logic: Rc::new(logic), output: PhantomData }
    }
}

impl<P, F, T> FlatMap<P, F, T> {
    pub(super) fn new(input: P, logic: F) -> Self {
        FlatMap { input, logic: Rc::new(logic), output: PhantomData }
    }
}

impl<P, F, T> TryMap<P, F, T> {
    pub(super) fn new(input: P, logic: F) -> Self {
        TryMap { input, logic: Rc::new(logic), reporter: Reporter::default(), output: PhantomData }
    }
}

impl<P, F> Filter<P, F> {
    pub(super) fn new(input: P, logic: F) -> Self {
        Filter { input, logic: Rc::new(logic) }
    }
}

impl<P, F> Check<P, F> {
    pub(super) fn new(input: P, logic: F) -> Self {
        Check { input, logic: Rc::new(logic), reporter: Reporter::default() }
    }
}

impl<P, F> Weighted<P, F> {
    pub(super) fn new(input: P, logic: F) -> Self {
        Weighted { input, logic: Rc::new(logic) }
    }
}

impl<A, B> Concat<A, B> {
    pub(super) fn new(first: A, second: B) -> Self {
        Concat { first, second }
    }
}

impl<P: Clone, F, T> Clone for Map<P, F, T> {
    fn clone(&self) -> Self {
        let input = self.input.clone();
        let logic = Rc::clone(&self.logic);
        Map { input, logic, output: PhantomData }
    }
}

impl<P: Clone, F, T> Clone for FlatMap<P, F, T> {
    fn clone(&self) -> Self {
        let input = self.input.clone();
        let logic = Rc::clone(&self.logic);
        FlatMap { input, logic, output: PhantomData }
    }
}

impl<P: Clone, F, T> Clone for TryMap<P, F, T> {
    fn clone(&self) -> Self {
        let input = self.input.clone();
        let logic = Rc::clone(&self.logic);
        TryMap { input, logic, reporter: self.reporter.clone(), output: PhantomData }
    }
}

impl<P: Clone, F> Clone for Filter<P, F> {
    fn clone(&self) -> Self {
        Filter { input: self.input.clone(), logic: Rc::clone(&self.logic) }
    }
}

impl<P: Clone, F> Clone for Check<P, F> {
    fn clone(&self) -> Self {
        let input = self.input.clone();
        let logic = Rc::clone(&self.logic);
        Check { input, logic, reporter: self.reporter.clone() }
    }
}

impl<P: Clone, F> Clone for Weighted<P, F> {
    fn clone(&self) -> Self {
        Weighted { input: self.input.clone(), logic: Rc::clone(&self.logic) }
    }
}

impl<P, F, T> Front for Map<P, F, T>
where
    P: Front,
    T: 'static,
    F: for<'a> Fn(P::Item<'a>) -> T + 'static,
{
    type Item<'a> = T;
    type Sign = P::Sign;
    const RETAINED: bool = P::RETAINED;

    fn drive<S>(&self, pass: &Pass<'_>, sink: &mut S)
    where
        S: for<'a> FnMut(T, Weight),
    {
        let logic = &*self.logic;
        self.input.drive(pass, &mut |item: P::Item<'_>, weight| sink(logic(item), weight));
    }

    fn claim(&self, barrier: usize) -> bool {
        self.input.claim(barrier)
    }
}

impl<P, F, T> Front for FlatMap<P, F, T>
where
    P: Front,
    T: 'static,
    F: for<'a, 'b> Fn(P::Item<'a>, &'b mut Vec<T>) + 'static,
{
    type Item<'a> = T;
    type Sign = P::Sign;
    const RETAINED: bool = P::RETAINED;

    fn drive<S>(&self, pass: &Pass<'_>, sink: &mut S)
    where
        S: for<'a> FnMut(T, Weight),
    {
        let logic = &*self.logic;
        // One scratch vector per pass: it holds the results of one row only.
        let mut scratch = Vec::new();
        self.input.drive(pass, &mut |item: P::Item<'_>, weight| {
            logic(item, &mut scratch);
            for value in scratch.drain(..) {
                sink(value, weight);
            }
        });
    }

    fn claim(&self, barrier: usize) -> bool {
        self.input.claim(barrier)
    }
}

impl<P, F, T, R> Front for TryMap<P, F, T>
where
    P: Front,
    T: 'static,
    R: Display,
    F: for<'a> Fn(P::Item<'a>) -> Result<T, R> + 'static,
{
    type Item<'a> = T;
    type Sign = P::Sign;
    const RETAINED: bool = P::RETAINED;

    fn drive<S>(&self, pass: &Pass<'_>, sink: &mut S)
    where
        S: for<'a> FnMut(T, Weight),
    {
        let logic = &*self.logic;
        let report = self.reporter.within(pass);
        self.input.drive(pass, &mut |item: P::Item<'_>, weight| match logic(item) {
            Ok(value) => sink(value, weight),
            Err(reason) => report(&reason, weight),
        });
    }

    fn claim(&self, barrier: usize) -> bool {
        self.input.claim(barrier);
        self.reporter.claim(barrier)
    }
}

impl<P, F> Front for Filter<P, F>
where
    P: Front,
    F: for<'a, 'b> Fn(&'b P::Item<'a>) -> bool + 'static,
{
    type Item<'a> = P::Item<'a>;
    type Sign = P::Sign;
    const RETAINED: bool = P::RETAINED;

    fn drive<S>(&self, pass: &Pass<'_>, sink: &mut S)
    where
        S: for<'a> FnMut(P::Item<'a>, Weight),
    {
        let logic = &*self.logic;
        self.input.drive(pass, &mut |item: P::Item<'_>, weight| {
            if logic(&item) {
                sink(item, weight);
            }
        });
    }

    fn claim(&self, barrier: usize) -> bool {
        self.input.claim(barrier)
    }
}

impl<P, R, F> Front for Check<P, F>
where
    P: Front,
    R: Display,
    F: for<'a, 'b> Fn(&'b P::Item<'a>) -> Result<(), R> + 'static,
{
    type Item<'a> = P::Item<'a>;
    type Sign = P::Sign;
    const RETAINED: bool = P::RETAINED;

    fn drive<S>(&self, pass: &Pass<'_>, sink: &mut S)
    where
        S: for<'a> FnMut(P::Item<'a>, Weight),
    {
        let logic = &*self.logic;
        let report = self.reporter.within(pass);
        self.input.drive(pass, &mut |item: P::Item<'_>, weight| match logic(&item) {
            Ok(()) => sink(item, weight),
            Err(reason) => report(&reason, weight),
        });
    }

    fn claim(&self, barrier: usize) -> bool {
        self.input.claim(barrier);
        self.reporter.claim(barrier)
    }
}

impl<P, F> Front for Weighted<P, F>
where
    P: Front,
    F: for<'a, 'b> Fn(&'b P::Item<'a>) -> i64 + 'static,
{
    type Item<'a> = P::Item<'a>;
    type Sign = Signed;
    const RETAINED: bool = P::RETAINED;

    fn drive<S>(&self, pass: &Pass<'_>, sink: &mut S)
    where
        S: for<'a> FnMut(P::Item<'a>, Weight),
    {
        let logic = &*self.logic;
        self.input.drive(pass, &mut |item: P::Item<'_>, weight| {
            let weight = times(weight, logic(&item));
            if weight != 0 {
                sink(item, weight);
            }
        });
    }

    fn claim(&self, barrier: usize) -> bool {
        self.input.claim(barrier)
    }
}

impl<A, B> Front for Concat<A, B>
where
    A: Front,
    B: for<'a> Front<Item<'a> = A::Item<'a>>,
    A::Sign: Or<B::Sign>,
{
    type Item<'a> = A::Item<'a>;
    type Sign = <A::Sign as Or<B::Sign>>::Sign;
    const RETAINED: bool = A::RETAINED || B::RETAINED;

    fn drive<S>(&self, pass: &Pass<'_>, sink: &mut S)
    where
        S: for<'a> FnMut(A::Item<'a>, Weight),
    {
        self.first.drive(pass, sink);
        self.second.drive(pass, sink);
    }

    fn claim(&self, barrier: usize) -> bool {
        // No short circuit: both sides must be claimed.
        self.first.claim(barrier) | self.second.claim(barrier)
    }
}
