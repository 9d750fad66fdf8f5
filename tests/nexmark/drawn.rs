//! Made-up events, cut into epochs, in a log.

use dataflows::nexmark::{Auction, Bid, Nexmark, Person, SideInput, draw};
use diptych::System;
use diptych::log::Append;

use crate::stream;

/// All events up to some epoch.
pub(crate) struct Seen<'a> {
    pub(crate) people: &'a [Person],
    pub(crate) auctions: &'a [Auction],
    pub(crate) bids: &'a [Bid],
    pub(crate) side_inputs: &'a [SideInput],
}

/// Events, with the number of their epochs.
pub(crate) struct Drawn {
    pub(crate) all: Nexmark,
    pub(crate) epochs: usize,
}

impl Drawn {
    pub(crate) fn new(events: usize, epochs: usize) -> Drawn {
        Drawn { all: draw(20, events), epochs }
    }

    fn stream<'e, E>(&self, stream: &'static str, events: &'e [E]) -> stream::Drawn<'e, E> {
        stream::Drawn { stream, events, epochs: self.epochs }
    }

    /// The events of all epochs up to this one.
    pub(crate) fn until(&self, epoch: usize) -> Seen<'_> {
        Seen {
            people: self.stream("people", &self.all.people).until(epoch),
            auctions: self.stream("auctions", &self.all.auctions).until(epoch),
            bids: self.stream("bids", &self.all.bids).until(epoch),
            side_inputs: self.stream("side_inputs", &self.all.side_inputs).until(epoch),
        }
    }

    /// A log of these events.
    pub(crate) fn log(&self) -> System {
        let system = System::in_memory();
        let writer = system.writer().expect("an empty log");
        for epoch in 0..self.epochs {
            let batches = vec![
                self.stream("people", &self.all.people).rows(epoch),
                self.stream("auctions", &self.all.auctions).rows(epoch),
                self.stream("bids", &self.all.bids).rows(epoch),
                self.stream("side_inputs", &self.all.side_inputs).rows(epoch),
            ];
            let request = Append { batches, ..Append::default() };
            let written = writer.append(request).expect("accepted").wait().expect("durable");
            assert_eq!(written.epoch, epoch as u64);
        }
        writer.close().expect("a whole log");
        system
    }
}
