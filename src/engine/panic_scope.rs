//! A scope that contains the operators of one dataflow, so that a panic in it ends this dataflow
//! only.
//!
//! timely cannot lose one worker: a panic that unwinds through `Worker::step` ends the thread with
//! all its dataflows, and the other workers wait for its progress for ever. So a dataflow is drawn
//! in an inner scope, which is scheduled by the operator of this module: a panic inside, of a
//! user's closure, comparison or codec as much as of an operator of differential, stops here. The
//! scope is then not scheduled any more: it makes no progress, and readers stay at the epoch
//! before. Everything else on the worker goes on. All workers then drop the dataflow, with the
//! epochs in flight.
//!
//! Half-updated state after a panic is dropped under the same guard. One limit is Rust's own: a
//! destructor that panics while another panic unwinds aborts the process.

use std::cell::RefCell;
use std::rc::Rc;

use timely::dataflow::Scope;
use timely::progress::Operate;
use timely::progress::operate::{Connectivity, FrontierInterest, SharedProgress};
use timely::scheduling::Schedule;

use diptych_base::panics::{PanicPlace, caught_at};
use diptych_base::time::Epoch;

/// The panic message of a dataflow on this worker; the first panic is kept.
#[derive(Clone, Default)]
pub(super) struct FirstPanic(Rc<RefCell<Option<String>>>);

impl FirstPanic {
    /// Records a panic, unless there was one before.
    pub(super) fn set(&self, panic: String) {
        self.0.borrow_mut().get_or_insert(panic);
    }

    /// The panic, if there was one.
    pub(super) fn get(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// Was there a panic?
    pub(super) fn is_set(&self) -> bool {
        self.0.borrow().is_some()
    }
}

/// Draws in an inner scope of `root`, called `name`; a panic of an operator in it is kept in
/// `fault`, and a panic that cannot be caught names `place`.
pub(super) fn contained<R>(
    root: Scope<'_, Epoch>,
    name: &str,
    fault: &FirstPanic,
    place: &PanicPlace,
    draw: impl FnOnce(Scope<'_, Epoch>) -> R,
) -> R {
    let (drawn, scope, slot) = root.scoped_raw::<Epoch, _, _>(name, draw);
    slot.install(Box::new(Container {
        scope,
        fault: fault.clone(),
        place: PanicPlace::clone(place),
    }));
    drawn
}

/// The scope before it runs.
struct Container<O> {
    scope: O,
    fault: FirstPanic,
    place: PanicPlace,
}

impl<O: Operate<Epoch>> Operate<Epoch> for Container<O> {
    fn local(&self) -> bool {
        self.scope.local()
    }

    fn inputs(&self) -> usize {
        self.scope.inputs()
    }

    fn outputs(&self) -> usize {
        self.scope.outputs()
    }

    fn initialize(
        self: Box<Self>,
    ) -> (Connectivity<Epoch>, Rc<RefCell<SharedProgress<Epoch>>>, Box<dyn Schedule>) {
        let Container { scope, fault, place } = *self;
        let (connectivity, progress, operator) = Box::new(scope).initialize();
        (connectivity, progress, Box::new(Contained { operator: Some(operator), fault, place }))
    }

    fn notify_me(&self) -> &[FrontierInterest] {
        self.scope.notify_me()
    }
}

/// The scope as it runs.
struct Contained {
    /// The operator; none once it has been dropped.
    operator: Option<Box<dyn Schedule>>,
    fault: FirstPanic,
    place: PanicPlace,
}

impl Schedule for Contained {
    fn name(&self) -> &str {
        self.operator.as_ref().map_or("", |operator| operator.name())
    }

    fn path(&self) -> &[usize] {
        self.operator.as_ref().map_or(&[], |operator| operator.path())
    }

    fn schedule(&mut self) -> bool {
        let Some(operator) = self.operator.as_mut().filter(|_| !self.fault.is_set()) else {
            // The scope is not complete, and never will be.
            return true;
        };
        caught_at(&self.place, || operator.schedule()).unwrap_or_else(|panic| {
            self.fault.set(panic);
            true
        })
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        let operator = self.operator.take();
        if let Err(panic) = caught_at(&self.place, || drop(operator)) {
            tracing::debug!("dropping a dataflow panics: {panic}");
        }
    }
}
