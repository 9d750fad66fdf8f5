//! Made-up events, cut into epochs, in a log.

use std::ops::Range;

use diptych::System;
use diptych::dataflows::nexmark::{Auction, Bid, Nexmark, Person, SideInput, draw};
use diptych::event::{Append as _, Event};
use diptych::log::Append;

/// Everything that has happened until some epoch.
pub(crate) struct Seen<'a> {
    pub(crate) people: &'a [Person],
    pub(crate) auctions: &'a [Auction],
    pub(crate) bids: &'a [Bid],
    pub(crate) side_inputs: &'a [SideInput],
}

/// Events, and in how many epochs they came.
pub(crate) struct Drawn {
    pub(crate) all: Nexmark,
    pub(crate) epochs: usize,
}

impl Drawn {
    pub(crate) fn new(events: usize, epochs: usize) -> Drawn {
        Drawn { all: draw(20, events), epochs }
    }

    /// Event `k` of `n` belongs to epoch `k * epochs / n`.
    fn cut<'a, E>(&self, all: &'a [E], epochs: Range<usize>) -> &'a [E] {
        let first = |epoch: usize| (epoch * all.len()).div_ceil(self.epochs);
        &all[first(epochs.start)..first(epochs.end)]
    }

    /// What has come in these epochs.
    pub(crate) fn seen(&self, epochs: Range<usize>) -> Seen<'_> {
        Seen {
            people: self.cut(&self.all.people, epochs.clone()),
            auctions: self.cut(&self.all.auctions, epochs.clone()),
            bids: self.cut(&self.all.bids, epochs.clone()),
            side_inputs: self.cut(&self.all.side_inputs, epochs),
        }
    }

    /// A log of it.
    pub(crate) fn log(&self) -> System {
        let system = System::in_memory();
        let writer = system.writer().expect("an empty log");
        for epoch in 0..self.epochs {
            let seen = self.seen(epoch..epoch + 1);
            let batches = vec![
                ("people".into(), batch(seen.people)),
                ("auctions".into(), batch(seen.auctions)),
                ("bids".into(), batch(seen.bids)),
                ("side_inputs".into(), batch(seen.side_inputs)),
            ];
            let request = Append { batches, ..Append::default() };
            let written = writer.append(request).expect("accepted").wait().expect("durable");
            assert_eq!(written.epoch, epoch as u64);
        }
        writer.close().expect("a whole log");
        system
    }
}

fn batch<E: Event>(events: &[E]) -> arrow_array::RecordBatch {
    let mut rows = E::Appender::default();
    events.iter().for_each(|event| rows.push(event));
    rows.finish()
}
