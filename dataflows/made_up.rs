//! Made-up events for the commands `sample` and `demo`.

use diptych::arrow::RecordBatch;
use diptych::cli::{EventSource, MadeUp};
use diptych::dataflow::Definition;
use diptych::event::EventAppender as _;
use diptych::prelude::*;

use super::{MadeUpTweets, SAMPLED, Tweet, sample, tweets};

/// The generators of this crate; `demo` uses that of [`tweets`].
pub fn made_up() -> MadeUp {
    let demo = || Definition::new("tweets", tweets);
    let source = |seed, history| {
        let source: Box<dyn EventSource> = Box::new(MadeUpTweets::new(seed, history));
        source
    };
    MadeUp { demo, source, sampled: &SAMPLED, sample }
}

impl EventSource for MadeUpTweets {
    fn rows(&mut self, count: u64) -> RecordBatch {
        let mut rows = <Tweet as Event>::Appender::default();
        (0..count).for_each(|_| rows.push(&self.tweet()));
        rows.finish()
    }

    fn now(&self) -> Timestamp {
        MadeUpTweets::now(self)
    }
}
