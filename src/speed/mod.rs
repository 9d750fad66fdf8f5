//! **The speed layer**: the same function, continuing at the boundary F, one epoch after another.
//!
//! It reads no event below F (asserted). Epochs come sealed from the log, over bounded channels;
//! each worker takes its even share of an epoch's rows, and takes the next epoch only while few
//! are in flight, so that a burst waits in the log and not in memory. timely has no flow control
//! of its own.
//!
//! ```text
//! log ─► driver ─► bounded channel per worker ─► front ─► … ─► publish ─► index
//!          ▲ admission: epochs and bytes in flight against the probe
//! ```

mod commands;
mod driver;
mod live;
mod status;
mod worker;

pub(crate) use driver::Tail;
pub(crate) use live::{Live, LiveDataflow, Start};
pub(crate) use status::LaneStatus;

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod smoke {
    use super::*;
    use crate::engine::{Cluster, Gather};
    use crate::event::{Append, Event};
    use crate::log::{Chunk, Epochs, Reader, Sealed};
    use crate::serving::{Index, IndexOptions, Publish, Read, ViewInfo};
    use std::sync::Arc;

    #[test]
    fn smoke() {
        use crate::dataflows::{Line, word_count};
        let def = crate::Definition::new("word_count", word_count);
        let mut epochs = Vec::new();
        for e in 0..20u64 {
            let mut a = <Line as Event>::Appender::default();
            for i in 0..100 {
                a.push(&Line { text: format!("a w{} e{e}", i % 7) });
            }
            let rows = a.finish();
            epochs.push(Sealed {
                epoch: e,
                clock_us: 0,
                chunks: vec![Chunk { stream: "lines".into(), rows, epochs: Epochs::One(e) }],
            });
        }
        let reader = Arc::new(Reader(epochs));
        let d = def.describe().unwrap();
        for w in [1, 2, 4] {
            let views: Vec<_> = d
                .views
                .iter()
                .map(|v| ViewInfo { name: v.name.clone(), schema: v.schema.clone() })
                .collect();
            let index = Index::new("1", views, w, IndexOptions::default()).unwrap();
            let publisher: Arc<dyn Publish> = Arc::new(Gather::new(index.clone(), 7));
            let live = Live::start(
                &Cluster::local(w),
                vec![LiveDataflow {
                    definition: def.clone(),
                    publisher,
                    start: Start::History(7),
                    status: Arc::default(),
                }],
                &reader,
                Tail::Until(20),
            )
            .unwrap();
            assert_eq!(index.wait_beyond(19, std::time::Duration::from_secs(10)), 20);
            let snap = index.snapshot(Read::Latest).unwrap();
            let got = snap.get(0, &crate::row::encode(&"a".to_owned())).unwrap();
            println!("{w} {got:?} {:?}", crate::row::decode::<i64>(&got[0].0));
            assert_eq!(crate::row::decode::<i64>(&got[0].0).unwrap(), 2000);
            live.stop().unwrap();
        }
    }
}
