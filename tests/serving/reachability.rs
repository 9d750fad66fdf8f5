//! A stream that came half from files and half over HTTP, in random order, deletions before and
//! after their insertions, with a kill in between: the view equals a plain search.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::process::Command;

use super::resume::Draw;
use super::server::Server;

const NODES: u64 = 400;
const EDGES: usize = 6_000;

/// Random edges; about a third is taken away again, in random order.
fn edges(draw: &mut Draw) -> Vec<(u64, u64, i64)> {
    let mut edges = Vec::new();
    for _ in 0..EDGES {
        // Some nodes are hard to reach.
        let (src, dst) = (draw.below(NODES), draw.below(NODES));
        if src % 3 == 0 && draw.below(50) > 0 {
            continue;
        }
        edges.push((src, dst, 1));
        if draw.below(10) < 7 {
            edges.push((src, dst, -1));
        }
    }
    for place in (1..edges.len()).rev() {
        edges.swap(place, draw.below(place as u64 + 1) as usize);
    }
    edges
}

fn lines(edges: &[(u64, u64, i64)]) -> String {
    edges.iter().fold(String::new(), |mut text, (src, dst, diff)| {
        let _ = writeln!(text, "{{\"src\":{src},\"dst\":{dst},\"diff\":{diff}}}");
        text
    })
}

/// Everything that can be reached along edges that are there, from the roots.
fn search(edges: &[(u64, u64, i64)], roots: &[u64]) -> Vec<String> {
    let mut there: BTreeMap<(u64, u64), i64> = BTreeMap::new();
    for (src, dst, diff) in edges {
        *there.entry((*src, *dst)).or_default() += diff;
    }
    let mut reached: BTreeSet<u64> = roots.iter().copied().collect();
    let mut next: Vec<u64> = roots.to_vec();
    while let Some(node) = next.pop() {
        let from_here = there.range((node, 0)..=(node, u64::MAX)).filter(|(_, times)| **times > 0);
        for ((_, dst), _) in from_here {
            if reached.insert(*dst) {
                next.push(*dst);
            }
        }
    }
    let mut rows: Vec<_> = reached.iter().map(|node| format!("{{\"node\":{node}}}")).collect();
    rows.sort();
    rows
}

fn run(dir: &std::path::Path, line: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diptych"));
    let output = command.current_dir(dir).args(line.split_whitespace()).output();
    let output = output.expect("the binary runs");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn half_by_files_half_over_http_with_a_kill_is_a_plain_search() {
    let place = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text);
    let mut draw = Draw(3);
    let edges = edges(&mut draw);
    let roots = [1, 2];
    let (files, posts) = edges.split_at(edges.len() / 2);
    write("edges.ndjson", &lines(files)).expect("a file");
    write("roots.ndjson", "{\"node\":1}\n{\"node\":2}\n").expect("a file");
    run(place.path(), "ingest edges edges.ndjson --data D");
    run(place.path(), "ingest roots roots.ndjson --data D");
    run(place.path(), "batch reachability --data D -w 2");
    let data = place.path().join("D");
    let data = data.to_str().expect("a path");
    let start = || Server::start(&["reachability", "--data", data, "-w", "2"]);
    let mut server = Some(start());
    let chunks: Vec<_> = posts.chunks(25).collect();
    let mut last = 0;
    for (sequence, chunk) in chunks.iter().enumerate() {
        let path = format!("/v1/streams/edges?producer=test&sequence={sequence}");
        if sequence == chunks.len() / 2 {
            // One request is under way when the server dies. It was taken or not: the repeat below
            // is applied once either way.
            let dying = server.take().expect("a server");
            let url = dying.url(&path);
            let text = lines(chunk);
            let under_way = std::thread::spawn(move || {
                let request = ureq::post(&url).header("content-type", "application/x-ndjson");
                request.send(&text).is_ok()
            });
            std::thread::sleep(std::time::Duration::from_millis(3));
            dying.kill();
            under_way.join().expect("an answer or none");
            server = Some(start());
        }
        let server = server.as_ref().expect("a server");
        last = server.post(&path, &lines(chunk)).expect("an append");
    }
    let server = server.expect("a server");
    let (rows, _) = server.rows("reachability", "reached", &format!("at_least={last}"));
    assert_eq!(rows, search(&edges, &roots));
    let all = search(&[], &(0..NODES).collect::<Vec<_>>());
    assert!(rows.len() > 20 && rows.len() < all.len(), "{} are reached", rows.len());
    server.stop();
}
