//! Every operator says what it means, shows it in an example, and is compared with a naive twin in
//! both layers; so is every monoid.

use super::{Source, files, none};

/// Property tests that compute in both layers; the random programs of `program_draw.rs` and the
/// built-in `reachability` are those of `tests/law.rs`.
const COMPARED: &[&str] = &[
    "tests/operators.rs",
    "tests/timed.rs",
    "tests/retention/flow.rs",
    "tests/dedup.rs",
    "tests/naive/program_draw.rs",
    "dataflows/reachability.rs",
];

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
    let compared = all.iter().filter(|file| COMPARED.contains(&&*file.path));
    let compared: Vec<&Source> = compared.collect();
    assert_eq!(compared.len(), COMPARED.len(), "a property test has moved");
    let mut objections = Vec::new();
    let mut names = Vec::new();
    let files = all.iter().filter(|file| file.path.starts_with("src/dataflow/"));
    for operator in files.flat_map(operators) {
        objections.extend(operator.objections());
        let Documented { path, line, name, .. } = operator;
        let calls = [format!(".{name}("), format!(".{name}::<")];
        if !compared.iter().any(|file| calls.iter().any(|call| file.text.contains(call))) {
            objections.push(format!("{path}:{line}: {name} is compared with no twin"));
        }
        names.push(name);
    }
    for known in ["map", "count", "retain", "join", "top_k", "sessions", "running_sum", "slide"] {
        assert!(names.contains(&known), "{known} was not found among {names:?}");
    }
    none(objections);
}

#[test]
fn monoids_have_a_meaning_an_example_and_a_twin() {
    let all = files();
    let text = |path: &str| all.iter().find(|file| file.path == path).map(|file| &*file.text);
    let module = text("src/folds/mod.rs").expect("the monoids");
    let laws = ["tests/folds.rs", "tests/floats.rs"].map(|path| text(path).expect("their test"));
    let mut objections = Vec::new();
    let mut count = 0;
    let public = |name: &str| {
        let named = module.lines().filter(|line| line.starts_with("pub use "));
        named.flat_map(|line| line.split(|c: char| !c.is_alphanumeric())).any(|word| word == name)
    };
    for file in all.iter().filter(|file| file.path.starts_with("src/folds/")) {
        let lines: Vec<&str> = file.text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let starts = ["pub struct ", "pub type "].into_iter();
            let Some(start) = starts.into_iter().find(|start| line.starts_with(start)) else {
                continue;
            };
            let monoid = Documented::new(file, &lines, index, start);
            if public(monoid.name) {
                objections.extend(monoid.objections());
                if !laws.iter().any(|law| law.contains(monoid.name)) {
                    let (path, line, name) = (monoid.path, monoid.line, monoid.name);
                    objections.push(format!("{path}:{line}: {name} is in no test of the law"));
                }
                count += 1;
            }
        }
    }
    assert!(count >= 14, "only {count} monoids were found");
    none(objections);
}
