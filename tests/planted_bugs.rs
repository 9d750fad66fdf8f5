//! Promise 22: the tests catch bugs. Each of a table of bugs is planted into a copy of the source,
//! and the test that claims what it breaks must fail.
//!
//! All bugs are in one copy, each behind a switch that the environment variable `DIPTYCH_PLANTED`
//! turns on by the bug's name. So one build serves all of them, and each bug is a run of one test.
//! The product itself has no such switches.
//!
//! On each change five bugs are run, another five every day: `DIPTYCH_SEED` repeats a day's choice.
//! `DIPTYCH_LONGTEST` runs all, and `DIPTYCH_PLANTED=NAME` one.

#[path = "planted_bugs/dataflows.rs"]
mod dataflows;
#[path = "planted_bugs/judge.rs"]
mod judge;
#[path = "planted_bugs/log.rs"]
mod log;
mod scale;
#[path = "planted_bugs/servers.rs"]
mod servers;
#[path = "planted_bugs/serving.rs"]
mod serving;
#[path = "planted_bugs/tree.rs"]
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Instant, SystemTime};

use judge::{Built, End, Outcome, judge};

/// How many bugs are run on each change.
const EACH_CHANGE: usize = 5;

/// The environment variable that turns a bug on in the copy, and that names the one to be run here.
const SWITCH: &str = "DIPTYCH_PLANTED";

/// Where every promise stands, in a table with its tests.
const PROMISES: &str = "src/book/guarantees.md";

/// A bug, and the test that must catch it.
struct Bug {
    /// Turns it on.
    name: &'static str,
    /// The row of the promise that it breaks, in the book's table.
    promise: u32,
    /// Where it is planted.
    file: &'static str,
    /// What stands there, once in the file.
    right: &'static str,
    /// What is planted in its place: in it `PLANTED` is true when the bug is turned on. It does
    /// what is right when it is not.
    wrong: &'static str,
    test: Test,
}

/// A test of the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Test {
    /// Its file below `tests/`, without the extension.
    file: &'static str,
    /// Its path inside that file.
    name: &'static str,
    /// `DIPTYCH_CASES`, where fewer cases than on each change are enough to catch the bug.
    cases: Option<u64>,
}

impl Test {
    const fn of(file: &'static str, name: &'static str) -> Test {
        Test { file, name, cases: None }
    }

    const fn cases(self, cases: u64) -> Test {
        Test { cases: Some(cases), ..self }
    }
}

/// It changes nothing, so no test fails because of it: when this is "caught", the judge is wrong.
const CANARY: Bug = Bug {
    name: "canary",
    promise: 4,
    file: "src/log/frame_file.rs",
    right: "self.offset + self.len\n",
    wrong: "if PLANTED { self.len + self.offset } else { self.offset + self.len }\n",
    test: Test::of("power_loss", "a_power_failure_takes_no_new_directory_away"),
};

/// All bugs, in an order in which neighbours share test files: five of them are few files to build.
fn bugs() -> Vec<&'static Bug> {
    [log::BUGS, dataflows::BUGS, serving::BUGS, servers::BUGS].into_iter().flatten().collect()
}

/// The bugs of this run.
fn chosen() -> Vec<&'static Bug> {
    let all = bugs();
    if let Ok(name) = std::env::var(SWITCH) {
        let one = all.iter().find(|bug| bug.name == name);
        return vec![one.unwrap_or_else(|| panic!("{SWITCH}={name}: there is no such bug"))];
    }
    if scale::is_long() {
        return all;
    }
    let seed = std::env::var("DIPTYCH_SEED").ok().map(|text| text.parse().expect("a number"));
    let seed: u64 = seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.expect("a clock").as_secs() / (24 * 3600)
    });
    println!("DIPTYCH_SEED={seed} repeats this choice");
    let first = (seed as usize).wrapping_mul(EACH_CHANGE);
    (0..EACH_CHANGE).map(|next| all[first.wrapping_add(next) % all.len()]).collect()
}

#[test]
fn planted_bugs_are_caught_by_the_tests_that_claim_them() {
    let chosen = chosen();
    let begun = Instant::now();
    let tree = tree::planted(&bugs());
    let tests = chosen.iter().map(|bug| bug.test).chain([CANARY.test]);
    let files: BTreeSet<&str> = tests.map(|test| test.file).collect();
    let built = Built::of(&tree, &files);
    println!("built {} test files after {:.0?}", files.len(), begun.elapsed());

    let (mut objections, mut known) = (Vec::new(), BTreeMap::new());
    for Bug { name, promise, test, .. } in chosen.into_iter().chain([&CANARY]) {
        // A test that fails anyhow would "catch" everything.
        if !*known.entry(test).or_insert_with(|| passes(&built, test, &mut objections)) {
            continue;
        }
        let (begun, outcome) = (Instant::now(), built.run(test, Some(name)));
        let took = begun.elapsed();
        // Whoever looks for failures only must not see any where nothing is wrong.
        if *name == CANARY.name {
            assert_eq!(outcome, Outcome::Passed, "the canary changes nothing");
        } else if outcome == Outcome::Failed {
            println!("{name}: caught by {}::{} after {took:.1?}", test.file, test.name);
        } else {
            println!("{name}: NOT caught by {}::{}", test.file, test.name);
            objections.push(format!(
                "{name}: {}::{}, which claims promise {promise}, does not catch it: {outcome:?}\n  \
                 again: {SWITCH}={name} cargo test --test planted_bugs -- --nocapture",
                test.file, test.name
            ));
        }
    }
    let nobody = built.run(&Test::of(CANARY.test.file, "no_such_test"), Some(CANARY.name));
    assert!(matches!(nobody, Outcome::Unclear(_)), "a test that there is not: {nobody:?}");
    assert!(objections.is_empty(), "\n{}\n", objections.join("\n"));
}

/// Does a test pass when no bug is turned on?
fn passes(built: &Built, test: &Test, objections: &mut Vec<String>) -> bool {
    let (begun, outcome) = (Instant::now(), built.run(test, None));
    println!("  without a bug: {}::{} after {:.1?}", test.file, test.name, begun.elapsed());
    let passed = outcome == Outcome::Passed;
    if !passed {
        objections.push(format!("{}::{} without a bug: {outcome:?}", test.file, test.name));
    }
    passed
}

/// What a run of libtest says, as far as it is believed.
#[test]
fn only_the_failure_of_the_one_test_that_was_meant_is_a_catch() {
    let said = |result: &str| format!("\nrunning 1 test\ntest a ... {result}\n\n");
    let ok = said("ok") + "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 9 filtered";
    let failed =
        said("FAILED") + "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 9 out";
    let none = "running 0 tests\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 10";
    let aborted = "\nrunning 1 test\nerror: a worker panicked\n";
    let (abort, kill) = (End::Signal(6), End::Signal(9));
    assert_eq!(judge(End::Code(0), &ok), Outcome::Passed);
    assert_eq!(judge(End::Code(101), &failed), Outcome::Failed);
    assert_eq!(judge(abort, aborted), Outcome::Failed);
    let unclear = [
        (End::Code(0), none),
        (End::Code(0), &*failed),
        (End::Code(101), &*ok),
        (End::Code(101), ""),
        (End::Code(1), &*failed),
        (abort, &*ok),
        (abort, ""),
        (kill, aborted),
    ];
    for (end, said) in unclear {
        assert!(matches!(judge(end, said), Outcome::Unclear(_)), "{end:?} {said}");
    }
}

/// Notices at once, without a build, when a change moves the place of a bug away.
#[test]
fn every_bug_has_its_place_and_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let book = std::fs::read_to_string(root.join(PROMISES)).expect("the chapter of promises");
    let table = book.split("\n## ").find(|section| section.starts_with("Promises\n"));
    let table = table.expect("the chapter has the heading `## Promises`");
    let all: Vec<&Bug> = bugs().into_iter().chain([&CANARY]).collect();
    let mut objections = Vec::new();
    for bug in &all {
        let Bug { name, promise, file, right, wrong, test } = bug;
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        match text.matches(right).count() {
            1 => {}
            times => objections.push(format!("{name}: {right:?} is {times} times in {file}")),
        }
        if !wrong.contains("PLANTED") {
            objections.push(format!("{name}: nothing turns it on"));
        }
        let row = table.lines().find(|line| line.starts_with(&format!("| {promise} |")));
        let claimed = format!("tests/{}.rs", test.file);
        if !row.is_some_and(|row| row.contains(&claimed)) {
            objections.push(format!("{name}: {PROMISES}: promise {promise} is not of {claimed}"));
        }
        let (module, function) = test.name.rsplit_once("::").unwrap_or(("", test.name));
        let within = if module.is_empty() { "" } else { &format!("/{module}") };
        let source = root.join(format!("tests/{}{within}.rs", test.file));
        let source = std::fs::read_to_string(source).unwrap_or_default();
        if !source.contains(&format!("#[test]\nfn {function}(")) {
            objections.push(format!("{name}: there is no test {}::{}", test.file, test.name));
        }
    }
    let names: BTreeSet<&str> = all.iter().map(|bug| bug.name).collect();
    assert_eq!(names.len(), all.len(), "two bugs have one name");
    for (bug, other) in overlapping(&all, root) {
        objections.push(format!("{bug} and {other} are planted over each other"));
    }
    assert!(objections.is_empty(), "\n{}\n", objections.join("\n"));
    let rows: BTreeSet<u32> = all.iter().map(|bug| bug.promise).collect();
    println!("{} bugs over {} promises", all.len() - 1, rows.len());
    assert!(all.len() > 50 && rows.len() >= 15, "{} bugs, {rows:?}", all.len());
}

/// Bugs whose places in a file have bytes in common.
fn overlapping(all: &[&Bug], root: &Path) -> Vec<(&'static str, &'static str)> {
    let mut places: BTreeMap<&str, Vec<(usize, usize, &'static str)>> = BTreeMap::new();
    for bug in all {
        let text = std::fs::read_to_string(root.join(bug.file)).unwrap_or_default();
        if let Some(at) = text.find(bug.right) {
            let place = (at, at + bug.right.len(), bug.name);
            places.entry(bug.file).or_default().push(place);
        }
    }
    let mut found = Vec::new();
    for of_file in places.values_mut() {
        of_file.sort_unstable();
        for pair in of_file.windows(2).filter(|pair| pair[1].0 < pair[0].1) {
            found.push((pair[0].2, pair[1].2));
        }
    }
    found
}
