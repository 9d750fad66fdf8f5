//! The cost of a change of a graph: `components()` and `reach()` against hand-written differential.
//!
//! `cargo bench --bench graphs [-- NAME] [--edges N] [--nodes N] [--changes N] [--epochs N]`
//!
//! All programs have the same accumulation in front (edges that come and go, `distinct`) and the
//! same view behind; the hand-written part between them is differential's own: its prioritised
//! propagation with the nodes' numbers as labels, and the loop of its documentation for
//! reachability. Each program runs in a process of its own, with one worker; a change removes
//! existing edges and adds others. Runs take turns, and the median change of each counts. The cost
//! of a change depends on where in the graph the winning label is, which is chance for both: so
//! several graphs are tried, each once, and the sums are compared.

use std::process::{Command, ExitCode};
use std::time::Instant;

use dataflows::{Edge, Root};
use differential_dataflow::algorithms::graphs::propagate::propagate_at;
use differential_dataflow::operators::Iterate;
use diptych::Dataflow;
use diptych::dataflow::{Collection, EdgesExt, PairsExt};
use diptych::testing::Live;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The most that a change may cost, as a multiple of the hand-written program's cost.
const AT_MOST: f64 = 1.1;
const GRAPHS: u64 = 10;

/// The comparisons: a name, the operator, and the hand-written program.
const COMPARED: [(&str, fn(&mut Dataflow), fn(&mut Dataflow)); 2] =
    [("components", components, components_by_hand), ("reach", reach, reach_by_hand)];

fn edges<'s>(df: &mut Dataflow<'s>) -> Collection<'s, (i64, i64)> {
    let edges = df.events::<Edge>("edges").weighted(|e| e.diff).map(|e| (e.src, e.dst));
    edges.distinct("edges")
}

fn roots<'s>(df: &mut Dataflow<'s>) -> Collection<'s, i64> {
    df.events::<Root>("roots").map(|r| r.node).distinct("roots")
}

fn components(df: &mut Dataflow) {
    let ends = edges(df).flat_map(|(src, dst)| [(src, (src, dst)), (dst, (src, dst))]);
    df.view("found", ends.components());
}

fn components_by_hand(df: &mut Dataflow) {
    let both = edges(df).flat_map(|(src, dst)| [(src, dst), (dst, src)]);
    let nodes = both.clone().map(|(node, _)| (node, node));
    df.view("found", propagate_at(both, nodes, |label| label.unsigned_abs()));
}

fn reach(df: &mut Dataflow) {
    let roots = roots(df);
    let reached = edges(df).reach(roots);
    df.view("found", reached.map(|node| (node, ())));
}

fn reach_by_hand(df: &mut Dataflow) {
    let (edges, roots) = (edges(df).arrange_by_key(), roots(df));
    let reached = roots.clone().iterate(|scope, reached| {
        let (edges, roots) = (edges.enter(scope), roots.enter(scope));
        let there = reached.map(|node| (node, ())).arrange_by_key();
        there.join_core(edges, |_, (), to| Some(*to)).concat(roots).distinct()
    });
    df.view("found", reached.map(|node| (node, ())));
}

/// The size of a run.
#[derive(Clone, Copy)]
struct Size {
    /// The seed of the graph.
    graph: u64,
    edges: usize,
    nodes: usize,
    changes: usize,
    epochs: usize,
}

/// The cost of a run.
#[derive(Default)]
struct Took {
    change_ms: f64,
    load_s: f64,
    memory_mb: f64,
    digest: String,
}

/// A generator of numbers, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % end
    }

    fn edge(&mut self, nodes: usize) -> (i64, i64) {
        (self.below(nodes) as i64, self.below(nodes) as i64)
    }
}

/// Runs one program in this process, and prints its cost.
fn run(flow: fn(&mut Dataflow), size: Size) -> diptych::Result<()> {
    let mut numbers = Numbers(size.graph);
    let mut there: Vec<(i64, i64)> = (0..size.edges).map(|_| numbers.edge(size.nodes)).collect();
    let event = |(src, dst): (i64, i64), diff| Edge { src, dst, diff };
    let mut live = Live::start(("graphs", flow))?;
    live.feed("roots", &[Root { node: 0 }])?;
    let start = Instant::now();
    live.feed("edges", &there.iter().map(|edge| event(*edge, 1)).collect::<Vec<_>>())?;
    let load_s = start.elapsed().as_secs_f64();
    let mut times = Vec::new();
    for _ in 0..size.epochs {
        let mut changes = Vec::new();
        for _ in 0..size.changes / 2 {
            let place = numbers.below(there.len());
            let new = numbers.edge(size.nodes);
            changes.push(event(std::mem::replace(&mut there[place], new), -1));
            changes.push(event(new, 1));
        }
        let start = Instant::now();
        live.feed("edges", &changes)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let digest = live.snapshot(diptych::serving::Read::Latest)?.digest(0)?;
    println!("{} {load_s} {} {digest}", times[times.len() / 2], memory_mb());
    Ok(())
}

/// The peak memory of this process in megabytes.
fn memory_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is there");
    let kb: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kb / 1e3
}

/// Runs one program in a process of its own.
fn measure(name: &str, by_hand: bool, size: Size) -> Took {
    let Size { graph, edges, nodes, changes, epochs } = size;
    let output = Command::new(std::env::current_exe().expect("this executable"))
        .args(["--run", name, if by_hand { "by_hand" } else { "ours" }])
        .args(["--edges", &edges.to_string(), "--nodes", &nodes.to_string()])
        .args(["--changes", &changes.to_string(), "--epochs", &epochs.to_string()])
        .args(["--graph", &graph.to_string()])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let took = || {
        let mut parts = text.trim().splitn(4, ' ');
        let mut number = || parts.next()?.parse().ok();
        let (change_ms, load_s, memory_mb) = (number()?, number()?, number()?);
        Some(Took { change_ms, load_s, memory_mb, digest: parts.next()?.to_owned() })
    };
    took().unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Compares one operator with its hand-written program; gives whether it is cheap enough.
fn compare(name: &str, size: Size) -> bool {
    let Size { edges, nodes, changes, epochs, .. } = size;
    println!("{name}: {edges} edges of {nodes} nodes, {epochs} changes of {changes} edges");
    let mut sums = [Took::default(), Took::default()];
    for graph in 1..=GRAPHS {
        let [ours, theirs] = [false, true].map(|by_hand| {
            let took = measure(name, by_hand, Size { graph, ..size });
            let Took { change_ms, load_s, memory_mb, .. } = took;
            let who = if by_hand { "by hand" } else { "ours" };
            println!("  {who:<8} {change_ms:8.2} ms   history {load_s:6.2} s   {memory_mb:6.0} MB");
            took
        });
        assert_eq!(ours.digest, theirs.digest, "{name}: another answer");
        println!("  graph {graph}: a change {:.2} times", ours.change_ms / theirs.change_ms);
        for (sum, took) in sums.iter_mut().zip([ours, theirs]) {
            sum.change_ms += took.change_ms;
            sum.load_s += took.load_s;
            sum.memory_mb += took.memory_mb;
        }
    }
    let [ours, theirs] = sums;
    let times = ours.change_ms / theirs.change_ms;
    let met = times <= AT_MOST;
    let verdict = if met { "met" } else { "MISSED" };
    println!(
        "  a change {times:.2} times, history {:.2}, memory {:.2}; at most {AT_MOST}: {verdict}\n",
        ours.load_s / theirs.load_s,
        ours.memory_mb / theirs.memory_mb,
    );
    met
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut wanted, mut only) = (String::new(), None);
    let (mut graph, mut edges, mut nodes, mut changes, mut epochs) = (1, None, None, 200, 100);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let given = arguments.next().and_then(|n| n.replace('_', "").parse::<usize>().ok());
            given.unwrap_or_else(|| panic!("{argument} needs a number"))
        };
        match argument.as_str() {
            "--bench" => {}
            "--graph" => graph = number() as u64,
            "--edges" => edges = Some(number()),
            "--nodes" => nodes = Some(number()),
            "--changes" => changes = number(),
            "--epochs" => epochs = number(),
            "--run" => {
                let name = arguments.next().unwrap_or_default();
                only = Some((name, arguments.next().as_deref() == Some("by_hand")));
            }
            name => name.clone_into(&mut wanted),
        }
    }
    let size =
        |edges: usize| Size { graph, edges, nodes: nodes.unwrap_or(edges / 2), changes, epochs };
    if let Some((name, by_hand)) = only {
        let (_, ours, theirs) =
            COMPARED.into_iter().find(|(known, ..)| *known == name).expect("known");
        let flow = if by_hand { theirs } else { ours };
        run(flow, size(edges.expect("--edges"))).expect("it runs");
        return ExitCode::SUCCESS;
    }
    let mut met = true;
    for (name, ..) in COMPARED.into_iter().filter(|(name, ..)| name.contains(&wanted)) {
        for edges in edges.map_or_else(|| vec![100_000, 1_000_000], |edges| vec![edges]) {
            met &= compare(name, size(edges));
        }
    }
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
