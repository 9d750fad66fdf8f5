//! Every operator says what it means, shows it in an example, and is compared with a naive twin in
//! both layers; so is every monoid.

use super::{Source, files, none};

/// Operators, by the files of their property test in both layers: where they are drawn, and where
/// the twin is. Beside each is a view that shows it; both files name that view.
///
/// By hand: that a file calls `.map(` says nothing, because iterators have that, too.
const COMPARED: &[(&str, &str, &[(&str, &str)])] = &[
    (
        "tests/operators.rs",
        "tests/operators.rs",
        &[
            ("map", "latest"),
            ("filter", "collection"),
            ("weighted", "distinct"),
            ("count", "count"),
            ("distinct", "distinct"),
            ("sum", "sum"),
            ("latest", "latest"),
            ("distinct_by", "distinct_by"),
            ("check", "checked"),
            ("owned", "owned"),
            ("fold", "fold"),
            ("collect", "collect"),
            ("keyed", "collection"),
            ("collection", "collection"),
            ("arranged", "arranged"),
            ("join", "join"),
            ("join_collection", "join_collection"),
            ("distinct_count", "distinct_count"),
            ("sum_values", "sum_values"),
            ("components", "components"),
            ("reach", "reach"),
            ("grow", "grow"),
            ("top_k_with_ties", "ties"),
            ("max_by", "max_by"),
            ("min_by", "min_by"),
        ],
    ),
    (
        "tests/timed.rs",
        "tests/timed.rs",
        &[
            ("sessions", "sessions"),
            ("asof_join", "as_of"),
            ("interval_join", "near"),
            ("funnel", "funnel"),
            ("running_sum", "running"),
            ("slide", "windows"),
            ("left_join", "joined"),
            ("fold_values", "folded"),
        ],
    ),
    (
        "tests/retention/flow.rs",
        "tests/retention/flow.rs",
        &[
            ("top_k", "top"),
            ("try_map", "good"),
            ("concat", "some_kept"),
            ("retain", "counts"),
            ("newest", "minutes"),
        ],
    ),
    // Compared by `tests/law.rs`, in all ways to compute them.
    ("tests/naive/program_draw.rs", "tests/naive/program_twin.rs", &[("flat_map", "rest")]),
];

/// Monoids, by the file in which they are folded in both layers, and the view of them there.
const FOLDED: &[(&str, &str, &[&str])] = &[
    ("tests/folds.rs", "moments", &["Count", "Sum", "Mean", "Variance"]),
    ("tests/folds.rs", "ends", &["Min", "Max", "First", "Last", "Top"]),
    ("tests/folds.rs", "sets", &["Set", "Histogram"]),
    ("tests/folds.rs", "sketches", &["HyperLogLog", "Bloom", "Quantiles"]),
    ("tests/floats.rs", "sums", &["FloatSum"]),
];

/// What is listed and cannot be, and what ought to be listed and is not.
fn compare(found: &[String], listed: &[&str], list: &str) -> Vec<String> {
    let mut objections = Vec::new();
    for name in found.iter().filter(|name| !listed.contains(&&***name)) {
        objections.push(format!("{name} is compared with no twin: {list} does not list it"));
    }
    for name in listed.iter().filter(|name| !found.iter().any(|found| found == *name)) {
        objections.push(format!("{list} lists {name}, which there is no more"));
    }
    objections
}

fn text<'f>(all: &'f [Source], path: &str) -> &'f str {
    let file = all.iter().find(|file| file.path == path);
    &file.unwrap_or_else(|| panic!("{path} has moved")).text
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

/// A public item with what is written above it.
struct Documented<'f> {
    path: &'f str,
    line: usize,
    name: &'f str,
    above: Vec<&'f str>,
}

impl<'f> Documented<'f> {
    /// The item that line `index` begins, behind `start`; what is above it ends at an empty line.
    fn new(file: &'f Source, lines: &[&'f str], index: usize, start: &str) -> Documented<'f> {
        let rest = &lines[index][start.len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let above = lines[..index].iter().rev().take_while(|line| !line.trim().is_empty());
        let above = above.take_while(|line| !line.ends_with('{') || line.contains("///"));
        let above = above.map(|line| line.trim()).collect();
        Documented { path: &file.path, line: index + 1, name: &rest[..end], above }
    }

    fn objections(&self) -> Vec<String> {
        let Documented { path, line, name, above } = self;
        let mut objections = Vec::new();
        if !above.iter().any(|line| line.starts_with("/// ")) {
            objections.push(format!("{path}:{line}: {name} does not say what it means"));
        }
        if above.iter().filter(|line| line.starts_with("/// ```")).count() < 2 {
            objections.push(format!("{path}:{line}: {name} shows no example"));
        }
        objections
    }
}

/// The public methods of `Events` and `Keyed`, and those of the traits that end in `Ext`.
fn operators(file: &Source) -> Vec<Documented<'_>> {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut found = Vec::new();
    let mut begins = None;
    for (index, line) in lines.iter().enumerate() {
        let inherent = line.starts_with("impl") && !line.contains(" for ");
        let of = |name: &str| line.contains(&format!("> {name}<'s"));
        if inherent && (of("Events") || of("Keyed")) {
            begins = Some("    pub fn ");
        } else if line.starts_with("pub trait ") && line.contains("Ext<") {
            begins = Some("    fn ");
        } else if *line == "}" {
            begins = None;
        }
        if let Some(start) = begins.filter(|start| line.starts_with(start)) {
            found.push(Documented::new(file, &lines, index, start));
        }
    }
    found
}

#[test]
fn operators_have_a_meaning_an_example_and_a_twin() {
    let all = files();
    let (mut objections, mut names) = (Vec::new(), Vec::new());
    let files = all.iter().filter(|file| file.path.starts_with("src/dataflow/"));
    for operator in files.flat_map(operators) {
        objections.extend(operator.objections());
        names.push(operator.name.to_owned());
    }
    let mut listed = Vec::new();
    for (drawn, twin, operators) in COMPARED {
        let (drawing, comparing) = (text(&all, drawn), text(&all, twin));
        for (operator, view) in *operators {
            listed.push(*operator);
            let calls = [format!(".{operator}("), format!(".{operator}::<")];
            if !calls.iter().any(|call| drawing.contains(call)) {
                objections.push(format!("{drawn} does not call {operator}"));
            }
            let view = format!("\"{view}\"");
            let times = if drawn == twin { 2 } else { 1 };
            if !drawing.contains(&view) || comparing.matches(&view).count() < times {
                objections.push(format!("{operator}: {twin} compares no view {view} of {drawn}"));
            }
        }
    }
    objections.extend(compare(&names, &listed, "COMPARED"));
    none(objections);
}

#[test]
fn monoids_have_a_meaning_an_example_and_a_twin() {
    let all = files();
    let module = text(&all, "src/dataflow/folds/mod.rs");
    let public = |name: &str| {
        let named = module.lines().filter(|line| line.starts_with("pub use "));
        named.into_iter().any(|line| has_word(line, name))
    };
    let (mut objections, mut names) = (Vec::new(), Vec::new());
    for file in all.iter().filter(|file| file.path.starts_with("src/dataflow/folds/")) {
        let lines: Vec<&str> = file.text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let starts = ["pub struct ", "pub type "].into_iter();
            let Some(start) = starts.into_iter().find(|start| line.starts_with(start)) else {
                continue;
            };
            let monoid = Documented::new(file, &lines, index, start);
            if public(monoid.name) {
                objections.extend(monoid.objections());
                names.push(monoid.name.to_owned());
            }
        }
    }
    let mut listed = Vec::new();
    for (path, view, monoids) in FOLDED {
        let test = text(&all, path);
        if !test.contains(&format!("\"{view}\"")) {
            objections.push(format!("{path} has no view {view:?}"));
        }
        for monoid in *monoids {
            listed.push(*monoid);
            if !has_word(test, monoid) {
                objections.push(format!("{path} folds no {monoid}"));
            }
        }
    }
    objections.extend(compare(&names, &listed, "FOLDED"));
    none(objections);
}
