//! One word per thing, one thing per word: names of types, files of the glossary; and files that
//! need each other.

use std::collections::BTreeMap;

use crate::imports::{Crate, knots};
use crate::source::{Source, files};
use crate::{none, rust};

/// Names that every crate may give to a type of its own.
const SHARED_NAMES: &[&str] = &["Error", "Result"];

/// So many files may import each other in a circle.
const KNOT_FILES_MAX: usize = 4;

/// The chapter of the glossary.
const GLOSSARY: &str = "src/book/glossary.md";

/// The types of a file that other files can name: line and name.
fn shared_types(file: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, code) in file.code() {
        let Some(rest) = code.trim_start().strip_prefix("pub") else { continue };
        let inside = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        let mut words = inside.map_or(rest, |(_, rest)| rest).split_whitespace();
        let keyword = words.find(|word| *word != "unsafe");
        let kinds = ["struct", "enum", "trait", "type", "union"];
        if let (true, Some(name)) = (keyword.is_some_and(|k| kinds.contains(&k)), words.next()) {
            let end = name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len());
            found.push((line, name[..end].to_owned()));
        }
    }
    found
}

#[test]
fn no_two_types_have_one_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in rust().iter().filter(|file| file.path.starts_with("src/")) {
        for (line, name) in shared_types(file) {
            places.entry(name).or_default().push(format!("{}:{line}", file.path));
        }
    }
    assert!(places.len() > 400, "only {} types in src/", places.len());
    places.retain(|name, places| places.len() > 1 && !SHARED_NAMES.contains(&name.as_str()));
    let objections = places.iter().map(|(name, places)| {
        format!("{name} is the name of {} types: {}", places.len(), places.join(", "))
    });
    none(objections.collect());
}

#[test]
fn shared_types_are_found() {
    let text = "pub struct A(u8);\n    pub(super) type B<'a> = &'a u8;\nstruct C;\npub fn d() {}\n\
                pub(in crate::x) unsafe trait E {}\npub union F {}\npub use a::G;\n";
    let found = shared_types(&Source { path: "a.rs".into(), text: text.into() });
    let expected = [(1, "A"), (2, "B"), (5, "E"), (6, "F")];
    assert_eq!(found, expected.map(|(line, name)| (line, name.to_owned())));
}

#[test]
fn no_more_files_than_four_import_each_other_in_a_circle() {
    let all = rust();
    let is_root = |path: &str| path == "src/lib.rs" || path.ends_with("/lib.rs");
    let roots = all.iter().map(|file| &*file.path);
    let roots: Vec<&str> = roots.filter(|path| path.starts_with("src/") && is_root(path)).collect();
    assert!(roots.len() > 20, "only {} crates", roots.len());
    let mut objections = Vec::new();
    for root in roots {
        let read = Crate::read(root, &all);
        let graph = read.graph();
        for knot in knots(&graph).iter().filter(|knot| knot.len() > KNOT_FILES_MAX) {
            objections.push(format!(
                "{root}: {} files import each other in a circle, at most {KNOT_FILES_MAX} may \
                 (move what all of them need into a file of its own)",
                knot.len()
            ));
            for from in knot {
                for (to, names) in graph[from].iter().filter(|(to, _)| knot.contains(*to)) {
                    let names: Vec<&str> = names.iter().copied().collect();
                    objections.push(format!("    {from} imports {to}: {}", names.join(", ")));
                }
            }
        }
    }
    none(objections);
}

/// The glossary says in which file a reader finds what a word stands for.
#[test]
fn files_of_the_glossary_exist() {
    let all = files();
    let glossary = all.iter().find(|file| file.path == GLOSSARY);
    let glossary = glossary.unwrap_or_else(|| panic!("there is no {GLOSSARY}"));
    let mut objections = Vec::new();
    let mut named = 0;
    for (index, line) in glossary.text.lines().enumerate() {
        for word in line.split('`').skip(1).step_by(2).filter(|word| word.starts_with("src/")) {
            named += 1;
            let folder = word.ends_with('/');
            let exists = |file: &Source| {
                if folder { file.path.starts_with(word) } else { file.path == word }
            };
            if !all.iter().any(exists) {
                objections.push(format!("{GLOSSARY}:{}: there is no {word}", index + 1));
            }
        }
    }
    assert!(named > 40, "{GLOSSARY} names only {named} files");
    none(objections);
}
