//! Views: the published rows at the end of a dataflow.

use super::accumulation_monoids::Key;
use super::accumulation_monoids::Value;
use super::arranged_barrier::Keyed;
use super::builder::Sketch;
use super::newest_event_time::Newest;
use super::out_of_range_errors::Refusals;
use super::retained_view;
use super::retention::{Keep, Moment};
use super::split_out_of_range::in_range;
use super::vec_collection::Collection;
use diptych_base::limits;
use diptych_row::{self as row, Columns, RowSchema, ViewInfo};

/// A source of a view's rows: a [`Collection`], or [`Keyed`] rows.
#[diagnostic::on_unimplemented(
    message = "a view shows rows that are kept, which is what a `Collection` has",
    label = "no collection",
    note = "events in front of a barrier are not kept: end the front first, with \
            `.count(\"name\")`, `.sum(\"name\")`, `.latest(\"name\", order)`, \
            `.collect(\"name\")` or others"
)]
pub trait Viewed<'s> {
    /// The rows.
    type Row;

    /// The rows, as a collection.
    #[doc(hidden)]
    fn into_collection(self) -> Collection<'s, Self::Row>;
}

impl<'s, R: Clone + 'static> Viewed<'s> for Collection<'s, R> {
    type Row = R;

    fn into_collection(self) -> Collection<'s, R> {
        self
    }
}

impl<'s, K: Key, V: Key> Viewed<'s> for Keyed<'s, K, V> {
    type Row = (K, V);

    fn into_collection(self) -> Collection<'s, (K, V)> {
        self.collection()
    }
}

/// A row of a view: a key and a value.
#[diagnostic::on_unimplemented(
    message = "the rows of a view are pairs of a key and a value, not `{Self}`",
    label = "no pairs",
    note = "`.map(|row| (row, ()))` makes pairs that are all key"
)]
pub trait Pair: Clone + 'static {
    /// The key, by which rows are found and sorted.
    type Key;
    /// The value of a key.
    type Value;

    /// Both parts.
    fn parts(&self) -> (&Self::Key, &Self::Value);
}

impl<K: Clone + 'static, V: Clone + 'static> Pair for (K, V) {
    type Key = K;
    type Value = V;

    fn parts(&self) -> (&K, &V) {
        (&self.0, &self.1)
    }
}

/// The bytes of a row: its key and its value.
type Bytes = (Vec<u8>, Vec<u8>);

/// The result of `of` for each row and its bytes. A row whose key is too long is refused instead.
fn encoded<R, D>(
    rows: Collection<'_, R>,
    refusals: Option<Refusals>,
    of: impl Fn(&R, Bytes) -> D + 'static,
) -> Collection<'_, D>
where
    R: Pair,
    R::Key: Value + Columns,
    R::Value: Value + Columns,
    D: Clone + 'static,
{
    let bytes = |row: &R| {
        let (key, value) = row.parts();
        (row::encode(key), row::encode(value))
    };
    let Some(refusals) = refusals else {
        return rows.map(move |row| of(&row, bytes(&row)));
    };
    in_range(rows, refusals, move |row| {
        let (key, value) = bytes(&row);
        match key.len() {
            ..=limits::KEY_BYTES_MAX => Ok(of(&row, (key, value))),
            bytes => Err((
                row.parts().0.clone(),
                format!(
                    "a key of {bytes} bytes, a view takes {}: shorten or hash it",
                    limits::KEY_BYTES_MAX
                ),
            )),
        }
    })
}

/// The refusals of a view; none where no key can be too long.
fn refusals(name: &str, schema: &RowSchema) -> Option<Refusals> {
    let long = schema.key.iter().any(|column| column.ty.is_unbounded());
    long.then(|| Refusals::of(&format!("view {name}")))
}

/// A published view, whose columns can be named and whose rows can be kept for a limited time.
pub struct View<'s, R: 'static> {
    sketch: Sketch<'s>,
    index: usize,
    rows: Collection<'s, R>,
}

impl<'s, R: Pair> View<'s, R>
where
    R::Key: Value + Columns,
    R::Value: Value + Columns,
{
    pub(super) fn publish(sketch: &Sketch<'s>, name: &str, rows: Collection<'s, R>) -> Self {
        let refusals = refusals(name, &RowSchema::of::<R::Key, R::Value>());
        View::refusing(sketch, name, rows, refusals)
    }

    /// Publishes rows whose keys are known to be short.
    pub(super) fn unchecked(sketch: &Sketch<'s>, name: &str, rows: Collection<'s, R>) -> Self {
        View::refusing(sketch, name, rows, None)
    }

    fn refusing(
        sketch: &Sketch<'s>,
        name: &str,
        rows: Collection<'s, R>,
        refusals: Option<Refusals>,
    ) -> Self {
        let schema = RowSchema::of::<R::Key, R::Value>();
        let info = ViewInfo { name: name.to_owned(), schema };
        let index = sketch.views();
        let all = rows.clone();
        sketch.add_view(info, Box::new(move || encoded(all, refusals, |_, bytes| bytes)));
        View { sketch: sketch.clone(), index, rows }
    }

    /// Keeps only rows that are not dated before `keep` behind the newest event: at every epoch the
    /// view holds those of its rows that `time` dates at or above the horizon. Later changes of a
    /// row below it are not shown any more. A row without a date (`None`) never expires.
    ///
    /// `newest` is the newest event time of a stream: see
    /// [`Events::newest`](super::Events::newest). (The rows themselves cannot give it: rows come
    /// and go, and history collapsed to one epoch never shows those that went.) This bounds the
    /// view; the accumulations behind it are bounded by [`Events::retain`](super::Events::retain).
    ///
    /// State: a second copy of every row above the horizon, as bytes; derived, and not persisted.
    ///
    /// ```
    /// use diptych::prelude::*;
    ///
    /// #[derive(Event, Clone, Debug)]
    /// struct Visit {
    ///     page: String,
    ///     at: Timestamp,
    /// }
    ///
    /// /// Visits of each page and hour: those of all hours in the log, published for two days.
    /// fn visits(df: &mut Dataflow) {
    ///     let visits = df.events::<Visit>("visits");
    ///     let newest = visits.newest(|v| v.at);
    ///     let hours = visits.map(|v| (v.at.hour(), v.page.to_owned())).count("hours");
    ///     df.view("visits", hours)
    ///         .retain(&newest, |(hour, _page), _n| *hour, Keep::days(2))
    ///         .columns(&["hour", "page", "n"]);
    /// }
    /// # let described = diptych::dataflow::Definition::new("visits", visits).describe().unwrap();
    /// # let told = "view visits: 2 days in steps of 1 hour, by stream visits";
    /// # assert_eq!(described.retained, [told]);
    /// ```
    #[expect(
        clippy::return_self_not_must_use,
        reason = "the view is published already; its columns may keep their names"
    )]
    pub fn retain<M, F>(self, newest: &Newest<'s>, time: F, keep: Keep) -> Self
    where
        M: Moment,
        F: Fn(&R::Key, &R::Value) -> M + 'static,
    {
        let rows = self.rows.clone();
        let told = newest.told.clone();
        self.sketch.retain_view(self.index, keep, newest, |view| {
            let view = view.to_owned();
            let refusals = refusals(&view, &RowSchema::of::<R::Key, R::Value>());
            Box::new(move || {
                let dated = encoded(rows, refusals, move |row: &R, bytes| {
                    let (key, value) = row.parts();
                    (time(key, value).moment_us(), bytes)
                });
                retained_view::age(dated, told, keep, &view)
            })
        });
        self
    }

    /// Names the view's columns, those of the key first. The number must fit, or the dataflow is
    /// refused when it is compiled.
    pub fn columns(self, names: &[&str]) {
        self.sketch.name_columns(self.index, names);
    }
}
