//! Style is a test: which crate may depend on which, how long things may be, what they are called,
//! what may not be written.
//!
//! Each test lists everything it objects to, with file and line.

#[path = "tidy/idiom.rs"]
mod idiom;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/kinds.rs"]
mod kinds;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/operators.rs"]
mod operators;
#[path = "tidy/public_face.rs"]
mod public_face;
#[path = "tidy/source.rs"]
mod source;

use source::{Source, files, has_extension, root};

/// Crates that embedders get without a server.
const CORE: &[&str] = &[
    "base",
    "event",
    "row",
    "log",
    "serving",
    "batch_view",
    "dataflow",
    "engine",
    "batch",
    "speed",
    "sources",
    "system",
    "testing",
];

/// What none of them depends on.
const NOT_IN_CORE: &[&str] = &["tokio", "axum", "clap", "ratatui", "rustls", "hyper", "pgwire"];

/// Crates of `src/`, and what they must not depend on though Cargo would let them.
const MUST_NOT_DEPEND: &[(&str, &[&str])] = &[
    ("log", &["timely", "differential-dataflow"]),
    ("dataflow", &["diptych-serving"]),
    ("batch", &["diptych-speed"]),
    ("speed", &["diptych-batch", "diptych-batch-view"]),
    ("site", &["diptych-engine", "diptych-batch", "diptych-speed"]),
    ("http", &["diptych-engine", "diptych-batch", "diptych-speed", "datafusion"]),
    ("pg", &["diptych-http", "diptych-engine"]),
];

/// The outside world, which only `io/` touches.
const OUTSIDE_WORLD: &[&str] =
    &["std::fs", "fs::File", "SystemTime", "rand::", "getrandom", "RandomState", "Utc::now"];

/// Part names that say nothing.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "manager", "helper", "helpers", "misc"];

const FILE_LINES_SOFT: usize = 300;
const FILE_LINES_HARD: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const EXAMPLE_LINES_MAX: usize = 80;
const COLUMNS_MAX: usize = 100;
const README_LINES_MAX: usize = 200;

/// Fails with everything that was objected to.
fn none(objections: Vec<String>) {
    assert!(objections.is_empty(), "\n{}\n", objections.join("\n"));
}

fn rust() -> Vec<Source> {
    files().into_iter().filter(Source::is_rust).collect()
}

/// Is this file a module of unit tests: is it declared as one above?
fn is_test_module(file: &Source, all: &[Source]) -> bool {
    let declared = format!("#[cfg(test)]\nmod {};", file.stem());
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let above = [format!("{folder}/mod.rs"), format!("{folder}/lib.rs")];
    all.iter().any(|other| above.contains(&other.path) && other.text.contains(&declared))
}

/// The names of a crate's dependencies, without those of its tests.
fn dependencies(all: &[Source], folder: &str) -> Vec<String> {
    let path = format!("src/{folder}/Cargo.toml");
    let manifest = all.iter().find(|file| file.path == path);
    let manifest = manifest.unwrap_or_else(|| panic!("{path} has moved"));
    let mut sections = manifest.text.split("\n[");
    let section = sections.find(|section| section.starts_with("dependencies]"));
    let lines = section.unwrap_or_default().lines().skip(1);
    let names = lines.filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Cargo keeps crates apart that do not depend on one another; here is which must not begin to.
#[test]
fn crates_depend_only_on_what_they_may() {
    let all = files();
    let mut objections = Vec::new();
    let core = CORE.iter().map(|folder| (*folder, NOT_IN_CORE));
    for (folder, unwanted) in core.chain(MUST_NOT_DEPEND.iter().copied()) {
        let found = dependencies(&all, folder);
        assert!(found.len() > 1, "{folder} has hardly any dependencies: {found:?}");
        for name in found.iter().filter(|name| unwanted.contains(&&***name)) {
            objections.push(format!("src/{folder}/Cargo.toml: depends on {name}"));
        }
    }
    none(objections);
}

#[test]
fn only_io_touches_the_outside_world() {
    let mut objections = Vec::new();
    let all = rust();
    for file in &all {
        let inside = file.path.starts_with("src/") && !file.path.starts_with("src/event/derive/");
        if !inside || file.path.starts_with("src/base/io/") || is_test_module(file, &all) {
            continue;
        }
        for (line, code) in file.code_outside_tests() {
            let whole =
                |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let named = |world: &&&str| code.match_indices(**world).any(|(at, _)| whole(at));
            for world in OUTSIDE_WORLD.iter().filter(named) {
                objections.push(format!("{}:{line}: {world} belongs to src/base/io", file.path));
            }
        }
    }
    none(objections);
}

#[test]
fn unsafe_code_is_announced() {
    let keyword = ["un", "safe"].concat();
    let mut objections = Vec::new();
    for file in rust() {
        let announced = file.text.contains(&format!("#![expect({keyword}_code, reason"))
            || file.text.contains(&format!("#![expect(\n    {keyword}_code,\n    reason"));
        for (line, code) in file.code() {
            let uses = [" {", " fn", " impl", "(no_mangle)"].map(|end| format!("{keyword}{end}"));
            if uses.iter().any(|used| code.contains(used)) && !announced {
                objections.push(format!("{}:{line}: {keyword} is not announced", file.path));
            }
        }
    }
    none(objections);
}

#[test]
fn files_functions_and_lines_are_short() {
    let mut objections = Vec::new();
    for file in rust() {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_HARD {
            objections.push(format!("{}: {lines} lines, at most {FILE_LINES_HARD}", file.path));
        } else if lines > FILE_LINES_SOFT {
            println!("long: {} has {lines} lines, better {FILE_LINES_SOFT}", file.path);
        }
        for function in file.functions().iter().filter(|f| f.lines > FUNCTION_LINES_MAX) {
            let (at, lines) = (function.line, function.lines);
            objections.push(format!("{}:{at}: a function of {lines} lines", file.path));
        }
        for (index, line) in file.text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > COLUMNS_MAX {
                objections.push(format!("{}:{}: {columns} columns", file.path, index + 1));
            }
        }
        let example = ["dataflows/", "examples/"].iter().any(|dir| file.path.starts_with(dir));
        if example && lines > EXAMPLE_LINES_MAX {
            objections.push(format!("{}: {lines} lines, at most {EXAMPLE_LINES_MAX}", file.path));
        }
    }
    none(objections);
}

#[test]
fn functions_are_found() {
    let text = "impl A {\n    pub(crate) const fn a(\n        x: u8,\n    ) {\n    }\n}\n\
                trait T {\n    fn none(&self);\n}\nfn b() {}\nfn c() {\n}\n";
    let file = Source { path: "a.rs".into(), text: text.into() };
    let found: Vec<_> = file.functions().iter().map(|f| (f.line, f.lines)).collect();
    assert_eq!(found, [(2, 4), (11, 2)]);
}

#[test]
fn names_say_something() {
    let mut objections = Vec::new();
    let empty = |word: &str| EMPTY_NAMES.contains(&word.to_lowercase().as_str());
    for file in rust() {
        let folders = file.path.split('/').map(|part| part.trim_end_matches(".rs"));
        if folders.clone().any(|part| part.split(['_', '-']).any(empty)) {
            objections.push(format!("{}: the name says nothing", file.path));
        }
        for name in file.types() {
            let mut words: Vec<String> = Vec::new();
            for c in name.chars() {
                if c.is_uppercase() || words.is_empty() {
                    words.push(String::new());
                }
                words.last_mut().expect("a word").push(c);
            }
            if words.iter().any(|word| empty(word)) {
                objections.push(format!("{}: the name of {name} says nothing", file.path));
            }
        }
    }
    none(objections);
}

#[test]
fn nothing_is_left_for_later() {
    let later = [["to", "do!("], ["unimple", "mented!("], ["#[ig", "nore"], ["db", "g!("]];
    let mut objections = Vec::new();
    for file in rust() {
        for (line, code) in file.code() {
            for word in later.iter().map(|parts| parts.concat()) {
                if code.contains(&word) {
                    objections.push(format!("{}:{line}: {word}", file.path));
                }
            }
        }
        for (at, _) in file.text.match_indices(&["[al", "low("].concat()) {
            let end = file.text[at..].find(']').map_or(file.text.len(), |end| at + end);
            if !file.text[at..end].contains("reason") {
                let line = file.text[..at].lines().count();
                objections.push(format!("{}:{line}: a lint is allowed for no reason", file.path));
            }
        }
    }
    none(objections);
}

#[test]
fn no_file_names_a_machine() {
    let places = [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"], ["/Us", "ers/"]];
    let mut objections = Vec::new();
    for file in files() {
        for (index, line) in file.text.lines().enumerate() {
            for place in places.iter().map(|parts| parts.concat()) {
                if line.contains(&place) {
                    objections.push(format!("{}:{}: {place}", file.path, index + 1));
                }
            }
        }
    }
    none(objections);
}

#[test]
fn links_lead_to_files() {
    let mut objections = Vec::new();
    for file in files().iter().filter(|file| file.is_markdown()) {
        let folder = root().join(&file.path);
        let folder = folder.parent().expect("a folder");
        for link in file.links() {
            let outside = ["http://", "https://", "mailto:", "#"];
            let path = link.split('#').next().unwrap_or_default();
            let inside = !outside.iter().any(|scheme| link.starts_with(scheme));
            // Items of the crate's documentation are checked by rustdoc.
            if inside && !path.contains("::") && !folder.join(path).exists() {
                objections.push(format!("{}: {link} leads nowhere", file.path));
            }
        }
    }
    none(objections);
}

#[test]
fn the_readme_is_short_and_prose_has_lines() {
    let mut objections = Vec::new();
    for file in files().iter().filter(|file| file.is_markdown()) {
        let lines = file.text.lines().count();
        if file.path == "README.md" && lines > README_LINES_MAX {
            objections.push(format!("README.md: {lines} lines, at most {README_LINES_MAX}"));
        }
        let readme = ["README.md", "benches/README.md"].contains(&&*file.path);
        if !readme && !file.path.starts_with("src/book/") {
            continue;
        }
        for (line, text) in file.prose() {
            let columns = text.chars().count();
            if columns > COLUMNS_MAX {
                objections.push(format!("{}:{line}: {columns} columns", file.path));
            }
        }
    }
    none(objections);
}

#[test]
fn chapters_are_in_the_book() {
    let all = files();
    let book = all.iter().find(|file| file.path == "src/book/mod.rs").expect("the book");
    let mut objections = Vec::new();
    for file in all.iter().filter(|file| file.is_markdown()) {
        let Some(chapter) = file.path.strip_prefix("src/book/") else { continue };
        let listed = book.text.contains(&format!("//! | [`{}`] |", file.stem()));
        if !listed || !book.text.contains(&format!("include_str!(\"{chapter}\")")) {
            objections.push(format!("{}: is no chapter of src/book/mod.rs", file.path));
        }
    }
    none(objections);
}

/// Every example begins with its question, is listed in the gallery, and its output is checked.
#[test]
fn examples_are_questions_that_are_listed_and_run() {
    let all = files();
    let text = |path: &str| all.iter().find(|file| file.path == path).map(|file| &*file.text);
    let gallery = text("src/book/gallery.md").expect("the chapter of the gallery");
    let tests = text("tests/examples.rs").expect("tests of examples");
    let mut objections = Vec::new();
    for file in all.iter().filter(|file| file.is_rust() && file.path.starts_with("examples/")) {
        let first = file.text.lines().next().unwrap_or_default();
        if !first.starts_with("//! ") || !first.contains('?') {
            objections.push(format!("{}:1: begins with no question", file.path));
        }
        if !gallery.contains(&format!("[`{}`](../../{})", file.stem(), file.path)) {
            objections.push(format!("src/book/gallery.md: does not list {}", file.path));
        }
        if !tests.contains(&format!("(\"{}\")", file.stem())) {
            objections.push(format!("tests/examples.rs: does not run {}", file.stem()));
        }
    }
    none(objections);
}

/// Where every promise stands, in a table with its tests.
const PROMISES: &str = "src/book/guarantees.md";

/// A row of a table of promises.
struct Promise {
    number: u32,
    text: String,
    /// The tests that prove it.
    tests: Vec<String>,
}

impl Promise {
    /// The promise of a row, or nothing for the head of the table.
    fn of(row: &str) -> Option<Promise> {
        let mut cells = row.split('|').map(str::trim).skip(1);
        let number = cells.next()?.parse().ok()?;
        let text = cells.next()?.to_owned();
        let words = row.split(|c: char| !c.is_alphanumeric() && !"_/.".contains(c));
        let tests = words.filter(|word| word.starts_with("tests/") && has_extension(word, "rs"));
        Some(Promise { number, text, tests: tests.map(str::to_owned).collect() })
    }
}

/// The table below the heading `## Promises` of a file.
fn promises(all: &[Source], path: &str) -> Vec<Promise> {
    let file = all.iter().find(|file| file.path == path);
    let file = file.unwrap_or_else(|| panic!("there is no {path}"));
    let mut sections = file.text.split("\n## ");
    let table = sections.find(|section| section.starts_with("Promises\n"));
    let table = table.unwrap_or_else(|| panic!("{path} has no heading `## Promises`"));
    let rows = table.lines().filter(|line| line.starts_with('|'));
    let found: Vec<Promise> = rows.filter_map(Promise::of).collect();
    assert!(!found.is_empty(), "the table of promises of {path} is empty");
    found
}

/// Row `n` of the table of promises names the tests that say `Promise n` in their first lines, and
/// every test that says so is named by that row.
#[test]
fn promises_and_tests_name_each_other() {
    let all = files();
    let mut promised = Vec::new();
    let mut objections = Vec::new();
    for Promise { number, tests, .. } in promises(&all, PROMISES) {
        if tests.is_empty() {
            objections.push(format!("{PROMISES}: promise {number} names no test"));
        }
        promised.extend(tests.into_iter().map(|test| (number, test)));
    }
    let claimed = all.iter().filter(|file| file.path.starts_with("tests/")).flat_map(claims);
    let claimed: Vec<(u32, String)> = claimed.collect();
    for promise in promised.iter().filter(|promise| !claimed.contains(promise)) {
        objections
            .push(format!("{PROMISES}: promise {} is not claimed by {}", promise.0, promise.1));
    }
    for claim in claimed.iter().filter(|claim| !promised.contains(claim)) {
        objections.push(format!("{}: promise {} does not name it", claim.1, claim.0));
    }
    none(objections);
}

/// The README shows some of the promises: in the same words, with tests that prove them.
#[test]
fn the_readme_promises_what_the_book_promises() {
    let all = files();
    let book = promises(&all, PROMISES);
    let mut objections = Vec::new();
    for Promise { number, text, tests } in promises(&all, "README.md") {
        let same = book.iter().find(|other| other.number == number && other.text == text);
        let Some(same) = same else {
            objections.push(format!("README.md: promise {number} is not that of {PROMISES}"));
            continue;
        };
        if tests.is_empty() || tests.iter().any(|test| !same.tests.contains(test)) {
            objections.push(format!("README.md: promise {number} names other tests"));
        }
    }
    none(objections);
}

/// The promises that a test's module documentation claims: `Promise 6`.
fn claims(file: &Source) -> Vec<(u32, String)> {
    let documentation = file.text.lines().take_while(|line| line.starts_with("//!"));
    let text = documentation.collect::<Vec<_>>().join(" ");
    let numbers = text.match_indices("Promise ").filter_map(|(at, word)| {
        let rest = &text[at + word.len()..];
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    });
    numbers.map(|number| (number, file.path.clone())).collect()
}
