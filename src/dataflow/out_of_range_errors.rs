//! Refusals: results that are out of range, as rows of the view `errors`.
//!
//! Behind a barrier a result may be out of the range of its type, though all its inputs were in
//! range. It then has no row, but one in `errors`, which is removed when the result is back in
//! range. Both depend on the contents at an epoch alone. So unlike the rows that a front rejects,
//! these are derived, and need no accumulation.
//!
//! Operators that may refuse are extensions of differential's own collections, which do not know
//! the dataflow. Such an operator finds the dataflow that is being drawn on its thread, and holds a
//! capability of the source of these rows for as long as it may give some.

use std::cell::RefCell;
use std::fmt::{self, Debug, Write as _};
use std::rc::Rc;

use differential_dataflow::AsCollection;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Scope;
use timely::dataflow::operators::ActivateCapability;
use timely::dataflow::operators::core::{UnorderedHandle, UnorderedInput};

use super::vec_collection::Collection;
use diptych_base::limits;
use diptych_base::time::Epoch;

/// A row of the view: epoch, stream or operator, reason; and its count.
pub(super) type ErrorsRow = ((Epoch, String, String), i64);

/// The value of the column `epoch` for a result, which does not belong to one epoch.
pub(super) const NO_EPOCH: Epoch = Epoch::MAX;

type Handle = UnorderedHandle<Epoch, CapacityContainerBuilder<Vec<(ErrorsRow, Epoch, isize)>>>;

/// The input of `errors` in the dataflow that is being drawn.
struct Way {
    handle: Rc<RefCell<Handle>>,
    capability: ActivateCapability<Epoch>,
    /// The names of the operators that may refuse.
    names: Vec<String>,
}

thread_local! {
    static DRAWN: RefCell<Option<Way>> = const { RefCell::new(None) };
}

/// Begins a drawing on this thread; gives the collection of its operators' refusals.
pub(super) fn open(scope: Scope<'_, Epoch>) -> Collection<'_, ErrorsRow> {
    let ((handle, capability), rows) = scope.new_unordered_input();
    let handle = Rc::new(RefCell::new(handle));
    let way = Way { handle, capability, names: Vec::new() };
    DRAWN.with(|drawn| drawn.replace(Some(way)));
    rows.as_collection()
}

/// Ends the drawing on this thread; tells whether an operator in it may refuse.
pub(super) fn close() -> bool {
    let way = DRAWN.with(RefCell::take);
    way.is_some_and(|way| !way.names.is_empty())
}

/// The refusals of one operator.
pub(super) struct Refusals {
    /// The name of the operator.
    name: String,
    /// The input of `errors`; none outside of a drawing, and after the last refusal.
    way: Option<(Rc<RefCell<Handle>>, ActivateCapability<Epoch>)>,
}

impl Refusals {
    /// The refusals of an operator with a name that is unique in the dataflow.
    pub(super) fn of(name: &str) -> Refusals {
        Refusals::named(name, |_| name.to_owned())
    }

    /// The refusals of an operator without a name of its own: named by its kind, with a number from
    /// the second of a kind on.
    pub(super) fn of_operator(name: &str) -> Refusals {
        Refusals::named(name, |before| match before {
            0 => name.to_owned(),
            _ => format!("{name} {}", before + 1),
        })
    }

    fn named(name: &str, full: impl FnOnce(usize) -> String) -> Refusals {
        DRAWN.with(|drawn| {
            let mut drawn = drawn.borrow_mut();
            let Some(way) = drawn.as_mut() else {
                return Refusals { name: name.to_owned(), way: None };
            };
            let name_before = way.names.iter().filter(|known| *known == name).count();
            way.names.push(name.to_owned());
            let name = full(name_before);
            let capability = way.capability.delayed(way.capability.time());
            Refusals { name, way: Some((Rc::clone(&way.handle), capability)) }
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Refuses the result for `key` from `epoch` on, or, with a negative `times`, withdraws the
    /// refusal.
    ///
    /// # Panics
    /// Outside of a drawing, where there is no view of the refusals.
    pub(super) fn give(&mut self, key: &dyn Debug, reason: &str, epoch: Epoch, times: isize) {
        let Some((handle, capability)) = &self.way else {
            panic!("{}, key {}: {reason}", self.name, Shown(key));
        };
        let mut reason = format!("key {}: {reason}", Shown(key));
        reason.truncate(reason.floor_char_boundary(limits::ERROR_REASON_BYTES));
        let row = ((NO_EPOCH, self.name.clone(), reason), 1);
        handle.borrow_mut().activate().session(capability).give((row, epoch, times));
    }

    /// Advances the refusals to `frontier`: none below it follows.
    pub(super) fn advance(&mut self, frontier: Option<Epoch>) {
        match (frontier, &mut self.way) {
            (Some(epoch), Some((_, capability))) if *capability.time() < epoch => {
                *capability = capability.delayed(&epoch);
            }
            (None, way) => *way = None,
            _ => {}
        }
    }
}

/// A key as text, cut to the length of an error row.
struct Shown<'k>(&'k dyn Debug);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Cut(String::new());
        if write!(text, "{:?}", self.0).is_err() {
            text.0.push('…');
        }
        f.write_str(&text.0)
    }
}

/// Text with a greatest length; writing more is an error.
struct Cut(String);

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = limits::ERROR_KEY_BYTES.saturating_sub(self.0.len());
        let kept = text.floor_char_boundary(room);
        self.0.push_str(&text[..kept]);
        if kept < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_in_bounds() {
        assert_eq!(Shown(&("a", 7)).to_string(), "(\"a\", 7)");
        let shown = Shown(&"ä".repeat(1 << 20)).to_string();
        assert!(shown.starts_with("\"ää") && shown.ends_with("ä…"), "{shown}");
        assert!(shown.len() <= limits::ERROR_KEY_BYTES + '…'.len_utf8(), "{}", shown.len());
    }
}
