use super::*;
use crate::engine::{Cluster, Gather};
use crate::event::{Append, Event};
use crate::log::{Chunk, Epochs, Reader, Sealed};
use crate::serving::{Index, IndexOptions, Publish, ViewInfo};
use std::sync::Arc;
use crate::dataflows::{Line, word_count};

#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn cpu() -> f64 { let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime); t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9 }

#[test]
fn perf() {
    let def = crate::Definition::new("word_count", word_count);
    let mut sealed = Vec::new();
    let mut z = 1u64;
    for e in 0..20u64 {
        let mut a = <Line as Event>::Appender::default();
        for _ in 0..65536 {
            let mut t = String::new();
            for _ in 0..4 { z = z.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407); let r=(z>>33) as f64/(1u64<<31) as f64; let w=(r*r*50000.0) as u64; t.push_str(&format!("word{w} ")); }
            a.push(&Line { text: t });
        }
        sealed.push(Sealed { epoch: e, clock_us: 0, chunks: vec![Chunk { stream: "lines".into(), rows: a.finish(), epochs: Epochs::One(e) }] });
    }
    let reader = Arc::new(Reader(sealed));
    let d = def.describe().unwrap();
    for _ in 0..3 {
        let c = cpu();
        let mut m: std::collections::HashMap<String, i64> = Default::default();
        for s in &reader.0 { let cols = Line::columns(&s.chunks[0].rows).unwrap(); for i in 0..65536 { for w in Line::row(&cols, i).text.split_whitespace() { *m.entry(w.to_owned()).or_default() += 1; } } }
        let a = cpu() - c;
        let c = cpu();
        let mut m: hashbrown::HashMap<String, i64, foldhash::fast::FixedState> = Default::default();
        for s in &reader.0 { let cols = Line::columns(&s.chunks[0].rows).unwrap(); for i in 0..65536 { for w in Line::row(&cols, i).text.split_whitespace() { *m.entry(w.to_owned()).or_default() += 1; } } }
        let a2 = cpu() - c;
        let views: Vec<_> = d.views.iter().map(|v| ViewInfo { name: v.name.clone(), schema: v.schema.clone() }).collect();
        let c = cpu();
        let index = Index::new("1", views, 1, IndexOptions::default()).unwrap();
        let publisher: Arc<dyn Publish> = Arc::new(Gather::new(index.clone(), 20));
        let progress = Arc::default();
        let live = Live::start(&Cluster::local(1), vec![LiveDataflow { definition: def.clone(), publisher, start: Start::History(20), status: Arc::default(), progress: Arc::clone(&progress) }], &reader, Tail::Until(20)).unwrap();
        index.wait_beyond(19, std::time::Duration::from_secs(100));
        let b = cpu() - c;
        println!("std hashmap {a:.3} fold {a2:.3} ours {b:.3} ratio {:.2} {:.2} front {:?} keys {}", b / a, b/a2, progress.front(), m.len());
        live.stop().unwrap();
    }
    // live
    let views: Vec<_> = d.views.iter().map(|v| ViewInfo { name: v.name.clone(), schema: v.schema.clone() }).collect();
    let mut tail = reader.0.clone();
    for e in 20..2020u64 {
        let src = &reader.0[(e % 20) as usize].chunks[0].rows;
        tail.push(Sealed { epoch: e, clock_us: 0, chunks: vec![Chunk { stream: "lines".into(), rows: src.slice((e as usize * 7) % 60000, 250), epochs: Epochs::One(e) }] });
    }
    let reader = Arc::new(Reader(tail));
    let index = Index::new("1", views, 1, IndexOptions::default()).unwrap();
    let publisher: Arc<dyn Publish> = Arc::new(Gather::new(index.clone(), 20));
    let live = Live::start(&Cluster::local(1), vec![LiveDataflow { definition: def.clone(), publisher, start: Start::History(20), status: Arc::default(), progress: Arc::default() }], &reader, Tail::Until(2020)).unwrap();
    index.wait_beyond(19, std::time::Duration::from_secs(100));
    let (c, t) = (cpu(), std::time::Instant::now());
    index.wait_beyond(2019, std::time::Duration::from_secs(100));
    println!("live: {:.1} us cpu per epoch of 250 lines x 4, wall {:?}", (cpu() - c) / 2000.0 * 1e6, t.elapsed() / 2000);
    live.stop().unwrap();
}
