//! The plan builder: collects the streams, barriers and views that a user's function draws.

use std::cell::RefCell;
use std::hash::BuildHasher;
use std::rc::Rc;
use std::sync::Arc;

use arrow_schema::{FieldRef, Schema, SchemaRef};
use timely::dataflow::Scope;

use super::assign_expiry::Retention;
use super::barrier::Barrier;
use super::linear_operators::Front;
use super::newest_event_time::Newest;
use super::retention::Keep;
use super::vec_collection::Collection;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::Epoch;
use diptych_event::{ReadAs, UNIT_KEY};
use diptych_row::ViewInfo;

/// A stream that a dataflow reads.
#[derive(Clone, Debug)]
pub struct StreamInfo {
    /// The name of the stream in the log.
    pub name: String,
    /// The columns of the event type.
    pub schema: SchemaRef,
    /// Does a retention follow the times of its events?
    pub timed: bool,
    /// The way events from outside are read into the columns.
    pub read: ReadAs,
}

/// The rows of a view as bytes, before they are published.
pub(crate) type ByteCollection<'s> = Collection<'s, (Vec<u8>, Vec<u8>)>;

/// Draws the end of a view, once all its options are known.
type End<'s> = Box<dyn FnOnce() -> ByteCollection<'s> + 's>;

/// The plan drawn so far, shared by everything the user's function holds.
#[derive(Clone)]
pub(super) struct Sketch<'s> {
    scope: Scope<'s, Epoch>,
    drawn: Rc<RefCell<Drawn<'s>>>,
}

#[derive(Default)]
struct Drawn<'s> {
    version: Option<String>,
    streams: Vec<StreamInfo>,
    barriers: Vec<Box<dyn Barrier>>,
    views: Vec<(ViewInfo, End<'s>)>,
    retentions: Vec<Retention<'s>>,
    retained: Vec<String>,
    fallible: bool,
    error: Option<Error>,
}

/// A finished plan on one worker.
pub struct Plan<'s> {
    /// The version that the function pins, if any.
    pub version: Option<String>,
    /// The streams that it reads.
    pub streams: Vec<StreamInfo>,
    /// Its accumulations.
    pub barriers: Vec<Box<dyn Barrier>>,
    /// Its views, and the collections behind them.
    pub views: Vec<(ViewInfo, ByteCollection<'s>)>,
    /// The retentions, as text: what is kept, and how long.
    pub retained: Vec<String>,
}

impl<'s> Sketch<'s> {
    pub(super) fn new(scope: Scope<'s, Epoch>) -> Self {
        Sketch { scope, drawn: Rc::default() }
    }

    pub(super) fn scope(&self) -> Scope<'s, Epoch> {
        self.scope
    }

    pub(super) fn set_version(&self, version: &str) {
        self.drawn.borrow_mut().version = Some(version.to_owned());
    }

    pub(super) fn add_stream(&self, name: &str, read: ReadAs) {
        let mut drawn = self.drawn.borrow_mut();
        match drawn.streams.iter().find(|stream| stream.name == name) {
            None => {
                let name = name.to_owned();
                let schema = read.schema.clone();
                drawn.streams.push(StreamInfo { name, schema, timed: false, read });
            }
            Some(known) if known.schema == read.schema => {}
            Some(_) => drawn.refuse(
                format!("stream {name:?} is read as two different event types"),
                "read one stream with one #[derive(Event)] type".to_owned(),
            ),
        }
    }

    /// Adds a barrier and makes it the reporter of `front`'s unclaimed failures.
    pub(super) fn add_barrier(&self, front: &impl Front, barrier: Box<dyn Barrier>) {
        let mut drawn = self.drawn.borrow_mut();
        if drawn.barriers.iter().any(|known| known.name() == barrier.name()) {
            drawn.refuse(
                format!("two accumulations are called {:?}", barrier.name()),
                "give each count, sum, keyed, … of a dataflow its own name".to_owned(),
            );
        }
        drawn.fallible |= front.claim(drawn.barriers.len());
        drawn.barriers.push(barrier);
    }

    pub(super) fn add_view(&self, info: ViewInfo, end: End<'s>) {
        let mut drawn = self.drawn.borrow_mut();
        if drawn.views.iter().any(|(known, _)| known.name == info.name) {
            drawn.refuse(
                format!("two views are called {:?}", info.name),
                "give each view of a dataflow its own name".to_owned(),
            );
        }
        drawn.views.push((info, end));
    }

    /// Replaces the end of the view with number `index` by one that keeps its rows for a limited
    /// time.
    pub(super) fn retain_view(
        &self,
        index: usize,
        keep: Keep,
        newest: &Newest<'s>,
        end: impl FnOnce(&str) -> End<'s>,
    ) {
        let mut drawn = self.drawn.borrow_mut();
        let (info, old) = &mut drawn.views[index];
        *old = end(&info.name);
        let name = info.name.clone();
        let view = format!("view {name}: ");
        if drawn.retained.iter().any(|retained| retained.starts_with(&view)) {
            drawn.refuse(
                format!("view {name:?} is retained twice"),
                "say once how long it keeps its rows".to_owned(),
            );
        }
        drawn.retained.push(format!("{view}{keep}, by stream {}", newest.stream));
    }

    /// Adds a retention of `keep` behind the newest event; gives its number.
    pub(super) fn add_retention(&self, newest: &Newest<'s>, keep: Keep) -> u32 {
        let mut drawn = self.drawn.borrow_mut();
        // No plan has so many.
        let of = u32::try_from(drawn.retentions.len()).unwrap_or(u32::MAX);
        drawn.retentions.push(Retention { of, keep, told: newest.told.clone() });
        drawn.retained.push(format!("stream {}: {keep}", newest.stream));
        of
    }

    /// The retentions with these numbers.
    pub(super) fn retentions(&self, of: &[u32]) -> Vec<Retention<'s>> {
        let drawn = self.drawn.borrow();
        drawn.retentions.iter().filter(|one| of.contains(&one.of)).cloned().collect()
    }

    /// The numbers of all retentions.
    pub(super) fn all_retentions(&self) -> Vec<u32> {
        self.drawn.borrow().retentions.iter().map(|one| one.of).collect()
    }

    /// A name for a barrier that follows the newest event of a stream. Marks the stream as one
    /// whose clocks are needed.
    pub(super) fn name_newest(&self, stream: &str) -> String {
        let mut drawn = self.drawn.borrow_mut();
        drawn.streams.iter_mut().filter(|one| one.name == stream).for_each(|one| one.timed = true);
        let number = drawn.barriers.len();
        format!("newest.{stream}.{number}")
    }

    /// Names the columns of the view with number `index`.
    pub(super) fn name_columns(&self, index: usize, names: &[&str]) {
        let mut drawn = self.drawn.borrow_mut();
        let (info, _) = &mut drawn.views[index];
        match info.schema.clone().named(names) {
            Ok(schema) => info.schema = schema,
            Err(error) => {
                let error = error.within(format!("view {:?}", info.name));
                drawn.error.get_or_insert(error);
            }
        }
    }

    pub(super) fn views(&self) -> usize {
        self.drawn.borrow().views.len()
    }

    pub(super) fn is_fallible(&self) -> bool {
        self.drawn.borrow().fallible
    }

    /// The finished plan, or the first error of the drawing.
    pub(super) fn finish(&self) -> Result<Plan<'s>> {
        let drawn = std::mem::take(&mut *self.drawn.borrow_mut());
        if let Some(error) = drawn.error {
            return Err(error);
        }
        if drawn.views.is_empty() {
            return Err(Error::new(Kind::Input, "the dataflow publishes no view")
                .remedy("end it with `df.view(\"name\", rows)`"));
        }
        let Drawn { version, streams, barriers, views, retained, .. } = drawn;
        let views = views.into_iter().map(|(info, end)| (info, end())).collect();
        Ok(Plan { version, streams, barriers, views, retained })
    }
}

impl Drawn<'_> {
    fn refuse(&mut self, message: String, remedy: String) {
        self.error.get_or_insert_with(|| Error::new(Kind::Input, message).remedy(remedy));
    }
}

impl Plan<'_> {
    /// A hash of streams, barriers, views with their types, and retentions: equal plans have equal
    /// hashes. The hash does not cover closures; the version vouches for those.
    pub fn fingerprint(&self) -> u64 {
        let hasher = foldhash::quality::FixedState::default();
        let barriers: Vec<_> =
            self.barriers.iter().map(|barrier| (barrier.name(), barrier.signature())).collect();
        let views: Vec<_> = self
            .views
            .iter()
            .map(|(info, _)| (info.name.as_str(), format!("{:?}", info.schema)))
            .collect();
        let streams: Vec<_> = self
            .streams
            .iter()
            .map(|stream| (stream.name.as_str(), format!("{:?}", without_units(&stream.schema))))
            .collect();
        let plan = hasher.hash_one((barriers, views, streams));
        // Plans without retentions have the fingerprints from before there were any.
        if self.retained.is_empty() { plan } else { hasher.hash_one((plan, &self.retained)) }
    }
}

/// The schema without the units of its times: the way an ingest reads numbers does not change the
/// events that a function reads from the log.
fn without_units(schema: &Schema) -> Schema {
    let plain = |field: &FieldRef| {
        let mut metadata = field.metadata().clone();
        match metadata.remove(UNIT_KEY) {
            Some(_) => Arc::new(field.as_ref().clone().with_metadata(metadata)),
            None => Arc::clone(field),
        }
    };
    let fields: Vec<_> = schema.fields().iter().map(plain).collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}
