//! Test histories: the events of each epoch.

use std::fmt;
use std::sync::Arc;

use arrow_array::{RecordBatch, UInt64Array};
use arrow_select::take::take_record_batch;

use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Random as _, SimRandom};
use diptych_event::{Event, EventAppender as _, cell_text};

/// Rows by stream.
pub(crate) type Batches = Vec<(Arc<str>, RecordBatch)>;

/// A history for tests: the events of each epoch, of one stream or of several.
///
/// ```
/// use dataflows::{Edge, Root};
/// use diptych::testing::Story;
///
/// let story = Story::default()
///     .epoch()
///     .with("roots", &[Root { node: 1 }])
///     .with("edges", &[Edge { src: 1, dst: 2, diff: 1 }])
///     .epoch() // an empty one
///     .epoch()
///     .with("edges", &[Edge { src: 1, dst: 2, diff: -1 }]);
/// assert_eq!(story.epochs(), 3);
/// ```
#[derive(Clone, Default)]
pub struct Story(Vec<Batches>);

impl Story {
    /// Makes a history of one stream, epoch by epoch.
    pub fn of<E: Event>(stream: &str, epochs: &[Vec<E>]) -> Story {
        let each = |story: Story, events: &Vec<E>| story.epoch().with(stream, events);
        epochs.iter().fold(Story::default(), each)
    }

    /// Adds an empty epoch.
    #[must_use]
    pub fn epoch(mut self) -> Story {
        self.0.push(Vec::new());
        self
    }

    /// Adds events of a stream to the last epoch; creates a first one if there is none.
    #[must_use]
    pub fn with<E: Event>(mut self, stream: &str, events: &[E]) -> Story {
        if self.0.is_empty() {
            self = self.epoch();
        }
        if let (Some(last), false) = (self.0.last_mut(), events.is_empty()) {
            last.push((stream.into(), rows(events)));
        }
        self
    }

    /// Spreads events of a stream over the existing epochs, in order: number k of n goes to epoch
    /// `k * epochs / n`. Without epochs, all go to a first one.
    ///
    /// ```
    /// use dataflows::Root;
    /// use diptych::testing::Story;
    ///
    /// let roots: Vec<Root> = (0..5).map(|node| Root { node }).collect();
    /// let story = Story::default().epoch().epoch().spread("roots", &roots);
    /// let same = Story::of("roots", &[roots[..3].to_vec(), roots[3..].to_vec()]);
    /// assert_eq!(format!("{story:?}"), format!("{same:?}"));
    /// ```
    #[must_use]
    pub fn spread<E: Event>(mut self, stream: &str, events: &[E]) -> Story {
        if self.0.is_empty() {
            self = self.epoch();
        }
        let epochs = self.0.len();
        for (epoch, batches) in self.0.iter_mut().enumerate() {
            let [from, to] = [epoch, epoch + 1].map(|at| (at * events.len()).div_ceil(epochs));
            if from < to {
                batches.push((stream.into(), rows(&events[from..to])));
            }
        }
        self
    }

    /// The number of epochs.
    pub fn epochs(&self) -> usize {
        self.0.len()
    }

    /// The epochs: the rows of each stream.
    pub fn parts(&self) -> &[Batches] {
        &self.0
    }

    /// The same epochs, with the events of each in reverse order.
    pub(super) fn reversed(&self) -> Result<Story> {
        let mut story = self.clone();
        for batches in &mut story.0 {
            for (_, rows) in batches.iter_mut() {
                *rows = taken(rows, (0..rows.num_rows() as u64).rev().collect())?;
            }
            batches.reverse();
        }
        Ok(story)
    }

    /// The same epochs, with the events of each in another order.
    pub(super) fn shuffled(&self, random: &SimRandom) -> Result<Story> {
        let mut story = self.clone();
        for batches in &mut story.0 {
            for (_, rows) in batches.iter_mut() {
                let mut order: Vec<u64> = (0..rows.num_rows() as u64).collect();
                shuffle(&mut order, random);
                *rows = taken(rows, order)?;
            }
            shuffle(batches, random);
        }
        Ok(story)
    }

    /// The same events, each in a newly drawn epoch: some early, some late.
    pub(super) fn recut(&self, random: &SimRandom) -> Result<Story> {
        let epochs = random.below(self.0.len() as u64 + 2) + 1;
        let mut story = Story((0..epochs).map(|_| Vec::new()).collect());
        for (stream, rows) in self.0.iter().flatten() {
            let mut places = vec![Vec::new(); story.0.len()];
            for row in 0..rows.num_rows() as u64 {
                places[random.below(epochs) as usize].push(row);
            }
            for (batches, order) in story.0.iter_mut().zip(places) {
                if !order.is_empty() {
                    batches.push((Arc::clone(stream), taken(rows, order)?));
                }
            }
        }
        Ok(story)
    }
}

fn rows<E: Event>(events: &[E]) -> RecordBatch {
    let mut rows = E::Appender::default();
    for event in events {
        rows.push(event);
    }
    rows.finish()
}

fn taken(rows: &RecordBatch, order: Vec<u64>) -> Result<RecordBatch> {
    take_record_batch(rows, &UInt64Array::from(order))
        .map_err(|error| Error::new(Kind::Input, format!("putting events in order: {error}")))
}

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (epoch, batches) in self.0.iter().enumerate() {
            write!(f, "\nepoch {epoch}:")?;
            if batches.is_empty() {
                write!(f, " nothing")?;
            }
            for (stream, rows) in batches {
                let schema = rows.schema();
                for row in 0..rows.num_rows() {
                    let columns = schema.fields().iter().zip(rows.columns());
                    let cells = columns.map(|(field, column)| {
                        let text = cell_text(column, row, "");
                        format!("{}: {}", field.name(), text.unwrap_or_else(|e| e.to_string()))
                    });
                    write!(f, "\n  {stream} {{{}}}", cells.collect::<Vec<_>>().join(", "))?;
                }
            }
        }
        Ok(())
    }
}

fn shuffle<T>(list: &mut [T], random: &SimRandom) {
    for end in (1..list.len()).rev() {
        list.swap(end, random.below(end as u64 + 1) as usize);
    }
}
