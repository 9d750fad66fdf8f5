//! The public face: every name that users of the facade can reach, read from the sources, is in
//! `tests/public_api.txt`; a change of the API is a change of that file.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::{Import, leaves};
use crate::source::{Source, files, root};

/// The list of the public API.
const LISTED: &str = "tests/public_api.txt";

/// So many names may stand in the facade's root.
const ROOT_NAMES_MAX: usize = 25;

/// Reads the names below the facade's root.
struct Face<'a> {
    sources: BTreeMap<&'a str, &'a Source>,
    /// Paths of names.
    names: BTreeSet<String>,
    /// Items whose members are listed: the folder of their crate, their name, their path.
    items: Vec<(String, String, String)>,
}

impl Face<'_> {
    /// Adds the names of a module; `folder` is that of its crate, `inside` that of its submodules.
    fn module(&mut self, text: &str, folder: &str, inside: &str, path: &str) {
        let lines: Vec<&str> = text.lines().collect();
        let mut hidden = false;
        let mut index = 0;
        while let Some(line) = lines.get(index) {
            index += 1;
            if line.starts_with("#[doc(hidden)]") {
                hidden = true;
                continue;
            }
            let Some(rest) = line.strip_prefix("pub ") else {
                hidden &= line.starts_with(['#', '/']);
                continue;
            };
            if std::mem::take(&mut hidden) {
                continue;
            }
            if let Some(tree) = rest.strip_prefix("use ") {
                let mut tree = tree.to_owned();
                while !tree.ends_with(';') && index < lines.len() {
                    tree.push_str(lines[index].trim());
                    index += 1;
                }
                let mut imports = Vec::new();
                leaves(tree.trim_end_matches(';'), &[], true, &mut imports);
                imports.iter().for_each(|import| self.import(import, folder, inside, path));
                continue;
            }
            let mut words = rest.split(|c: char| !c.is_alphanumeric() && c != '_');
            let words: Vec<&str> = words.by_ref().filter(|word| !word.is_empty()).collect();
            let before = |word: &&&str| ["async", "const", "unsafe"].contains(&**word);
            let keyword = words.iter().find(|word| !before(word)).copied().unwrap_or_default();
            let name = words.iter().skip_while(|word| **word != keyword).nth(1);
            let name = if words.first() == Some(&"const") { words.get(1) } else { name };
            let Some(name) = name else { continue };
            let full = format!("{path}::{name}");
            self.names.insert(full.clone());
            if keyword == "mod" && line.ends_with('{') {
                let inner = lines[index..].iter().take_while(|line| **line != "}");
                let inner: Vec<&str> =
                    inner.map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
                self.module(&inner.join("\n"), folder, inside, &full);
            } else if keyword == "mod" {
                self.file(folder, &format!("{inside}/{name}"), &full);
            } else {
                self.items.push((folder.to_owned(), (*name).to_owned(), full));
            }
        }
    }

    /// Adds the names of the module whose file has this path, without `.rs`.
    fn file(&mut self, folder: &str, stem: &str, path: &str) -> bool {
        let places = ["", "/mod", "/lib"].map(|end| format!("{stem}{end}.rs"));
        let Some(source) = places.iter().find_map(|place| self.sources.get(&**place)) else {
            return false;
        };
        self.module(&source.text, folder, stem, path);
        true
    }

    fn import(&mut self, import: &Import, folder: &str, inside: &str, path: &str) {
        let segments: Vec<&str> = import.path.iter().map(String::as_str).collect();
        let (folder, stem) = match segments[0].strip_prefix("diptych_") {
            Some(name) => (format!("src/{name}"), format!("src/{name}")),
            None => (folder.to_owned(), inside.to_owned()),
        };
        let below = usize::from(segments[0].starts_with("diptych_"));
        let rest = &segments[below..];
        if import.name == "*" {
            let module = rest[..rest.len() - 1].join("/");
            self.file(&folder, format!("{stem}/{module}").trim_end_matches('/'), path);
            return;
        }
        let full = format!("{path}::{}", import.name);
        self.names.insert(full.clone());
        let module = format!("{stem}/{}", rest.join("/"));
        let is_module = rest.is_empty() || rest.iter().all(|s| s.starts_with(char::is_lowercase));
        // A name of an item that is re-exported a second time is listed without its members.
        let in_crate = below == 1 || !segments[0].starts_with(char::is_uppercase);
        let is_module = is_module && self.file(&folder, module.trim_end_matches('/'), &full);
        if !is_module && in_crate {
            self.items.push((folder, import.path.last().cloned().unwrap_or_default(), full));
        }
    }

    /// Adds public methods, fields and variants, once for each item.
    fn members(&mut self) {
        let mut seen = BTreeSet::new();
        let mut items = std::mem::take(&mut self.items);
        items.sort_by_key(|(_, _, path)| (path.contains("::prelude::"), path.clone()));
        for (folder, name, path) in items {
            if !seen.insert((folder.clone(), name.clone())) {
                continue;
            }
            let below = format!("{folder}/");
            let of_crate = self.sources.iter().filter(|(place, _)| place.starts_with(&below));
            let found: Vec<String> =
                of_crate.flat_map(|(_, source)| members(source, &name)).collect();
            self.names.extend(found.iter().map(|member| format!("{path}::{member}")));
        }
    }
}

/// The public members of the item `name` that a file defines.
fn members(source: &Source, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut kind = "";
    let mut hidden = false;
    for (_, line) in source.code_outside_tests() {
        if !line.starts_with([' ', '}', '#', ')']) && !line.is_empty() {
            kind = ["pub struct ", "pub enum ", "pub trait ", "impl"]
                .into_iter()
                .find(|kind| line.strip_prefix(kind).is_some_and(|rest| names(rest, name)))
                .filter(|_| !line.contains(" for ") && line.ends_with(['{', '>', '(']))
                .unwrap_or_default();
        }
        let Some(member) = line.strip_prefix("    ").filter(|line| !line.starts_with(' ')) else {
            continue;
        };
        if member.starts_with("#[doc(hidden)]") {
            hidden = true;
        } else if !member.starts_with('#') && !member.trim().is_empty() {
            let public = member.strip_prefix("pub ");
            let shown = match kind {
                "impl" => public.and_then(function),
                "pub struct " => public.and_then(|rest| rest.split_once(':')).map(|(name, _)| name),
                "pub trait " => function(member),
                "pub enum " => Some(member).filter(|line| line.starts_with(char::is_uppercase)),
                _ => None,
            };
            let shown = shown.filter(|_| !std::mem::take(&mut hidden));
            let word = |text: &str| {
                let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
                text[..end.unwrap_or(text.len())].to_owned()
            };
            found.extend(shown.map(word).filter(|word| !word.is_empty()));
        }
    }
    found
}

/// Does the rest of a line that begins an item name it?
fn names(rest: &str, name: &str) -> bool {
    let mut depth = 0_usize;
    let outside = rest.chars().map(|c| {
        depth = (depth + usize::from(c == '<')).saturating_sub(usize::from(c == '>'));
        if depth == 0 && c != '>' { c } else { ' ' }
    });
    let outside: String = outside.collect();
    outside.split(|c: char| !c.is_alphanumeric() && c != '_').find(|word| !word.is_empty())
        == Some(name)
}

/// What follows `fn` in a line that begins a function.
fn function(line: &str) -> Option<&str> {
    let words = ["const ", "async ", "unsafe "];
    let mut rest = line;
    while let Some(next) = words.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = next;
    }
    rest.strip_prefix("fn ")
}

fn face() -> BTreeSet<String> {
    let all = files();
    let sources = all.iter().filter(|file| file.is_rust()).map(|file| (&*file.path, file));
    let sources: BTreeMap<&str, &Source> = sources.collect();
    let facade = sources["src/lib.rs"];
    let mut face = Face { sources, names: BTreeSet::new(), items: Vec::new() };
    face.module(&facade.text, "src", "src", "diptych");
    face.members();
    face.names
}

#[test]
fn the_root_has_few_names() {
    let names = face();
    let root: Vec<&String> = names.iter().filter(|n| n.matches("::").count() == 1).collect();
    assert!(root.len() > 10, "only {} names in src/lib.rs: {root:?}", root.len());
    assert!(
        root.len() <= ROOT_NAMES_MAX,
        "{} names in src/lib.rs, at most {ROOT_NAMES_MAX} (move some into modules): {root:?}",
        root.len()
    );
}

#[test]
fn the_public_api_is_as_listed() {
    let mut text: String = face().into_iter().map(|name| name + "\n").collect();
    assert!(text.lines().count() > 500, "only {} names", text.lines().count());
    text.insert_str(0, "# Every name below the crate's root; renewed by RENEW_PUBLIC_API=1.\n");
    let path = root().join(LISTED);
    if std::env::var_os("RENEW_PUBLIC_API").is_some() {
        std::fs::write(&path, &text).expect("the list can be written");
    }
    let listed = std::fs::read_to_string(&path).unwrap_or_default();
    let (now, before): (BTreeSet<&str>, BTreeSet<&str>) =
        (text.lines().collect(), listed.lines().collect());
    let more: Vec<&&str> = now.difference(&before).collect();
    let fewer: Vec<&&str> = before.difference(&now).collect();
    assert!(
        more.is_empty() && fewer.is_empty(),
        "the public API is not that of {LISTED}: more {more:#?}, fewer {fewer:#?} (when the change \
         is meant, renew the list: RENEW_PUBLIC_API=1 cargo test --test tidy public_api)"
    );
}
