//! Which files of a crate import which, read from `use` declarations and from paths that begin with
//! `super`, `crate` or `self`. A re-export leads to the file that defines the name.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::Source;

/// Re-exports of re-exports that are followed.
const DEPTH_MAX: usize = 16;

/// The files of one crate, by their paths.
pub(crate) struct Crate {
    files: BTreeMap<String, File>,
}

/// One file of a crate.
#[derive(Default)]
struct File {
    parent: Option<String>,
    /// The modules that it declares: names and files.
    children: BTreeMap<String, String>,
    imports: Vec<Import>,
    /// Paths outside of `use` declarations.
    paths: Vec<Vec<String>>,
    /// Names of the items that it defines.
    items: BTreeSet<String>,
}

/// One name of a `use` declaration.
#[derive(Debug, PartialEq)]
pub(crate) struct Import {
    /// It begins with `pub`.
    exports: bool,
    pub(crate) path: Vec<String>,
    /// The name that it gets here; `*` for all names.
    pub(crate) name: String,
}

impl Crate {
    /// Reads the crate whose root is the file `root`.
    pub(crate) fn read(root: &str, sources: &[Source]) -> Crate {
        let by_path = sources.iter().map(|source| (source.path.as_str(), source)).collect();
        let mut found = Crate { files: BTreeMap::new() };
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        found.add(root, folder, None, &by_path);
        found
    }

    fn add(
        &mut self,
        path: &str,
        folder: &str,
        parent: Option<String>,
        sources: &BTreeMap<&str, &Source>,
    ) {
        let lines: Vec<&str> = sources[path].code_outside_tests().map(|(_, line)| line).collect();
        let code = lines.join("\n");
        let mut file = File { parent, ..File::read(&code) };
        for name in modules(&lines) {
            let places = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")];
            if let Some(place) = places.into_iter().find(|place| sources.contains_key(&**place)) {
                file.children.insert(name.to_owned(), place);
            }
        }
        let children = file.children.clone();
        self.files.insert(path.to_owned(), file);
        for (name, child) in children {
            self.add(&child, &format!("{folder}/{name}"), Some(path.to_owned()), sources);
        }
    }

    /// By file: the other files that it imports, and the names.
    pub(crate) fn graph(&self) -> BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> {
        let mut graph: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
        for (from, file) in &self.files {
            let children = |path: &[String]| file.children.contains_key(&path[0]);
            // A folder's root names its modules for others with `pub use`: it uses none of them.
            let imports = file.imports.iter().filter(|i| !(i.exports && children(&i.path)));
            let paths = imports.map(|import| &import.path).chain(&file.paths);
            let edges = graph.entry(from).or_default();
            for path in paths {
                let to = self.file_of(from, path, 0).filter(|to| *to != from);
                if let (Some(to), Some(name)) = (to, path.last()) {
                    edges.entry(to).or_default().insert(name);
                }
            }
        }
        graph
    }

    /// The file that defines what `path` names in the file `from`; none outside of the crate.
    fn file_of(&self, from: &str, path: &[String], depth: usize) -> Option<&str> {
        let mut rest = path;
        let (mut at, file) = self.files.get_key_value(from)?;
        match &*path[0] {
            "crate" => {
                at = self.files.iter().find(|(_, file)| file.parent.is_none())?.0;
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    at = self.files[at].parent.as_ref()?;
                    rest = &rest[1..];
                }
            }
            first if file.children.contains_key(first) => {}
            _ => return None,
        }
        self.below(at, rest, depth)
    }

    /// The file that defines what `path` names below the module of the file `at`.
    fn below(&self, at: &str, path: &[String], depth: usize) -> Option<&str> {
        let (at, file) = self.files.get_key_value(at)?;
        let Some(first) = path.first() else { return Some(at) };
        if let Some(child) = file.children.get(first) {
            return self.below(child, &path[1..], depth);
        }
        if file.items.contains(first) || depth == DEPTH_MAX {
            return Some(at);
        }
        let exact = file.imports.iter().find(|import| import.name == *first);
        if let Some(import) = exact {
            // Behind a module's own name the path goes on; behind another item it has ended.
            let to = self.file_of(at, &import.path, depth + 1)?;
            let goes_on = self.files[to].items.contains(first) || path.len() == 1;
            return if goes_on { Some(to) } else { self.below(to, &path[1..], depth + 1) };
        }
        let mut globs = file.imports.iter().filter(|import| import.exports && import.name == "*");
        globs.find_map(|import| {
            let module = &import.path[..import.path.len() - 1];
            let to = self.file_of(at, module, depth + 1)?;
            self.files[to].items.contains(first).then_some(to)
        })
    }
}

impl File {
    fn read(code: &str) -> File {
        let mut file = File::default();
        let mut rest = String::new();
        let mut declaration: Option<(bool, String)> = None;
        for line in code.lines() {
            if declaration.is_none() {
                let (exports, bare) = without_visibility(line.trim_start());
                declaration = bare.strip_prefix("use ").map(|_| (exports, String::new()));
                if declaration.is_none() {
                    file.items.extend(item(bare));
                    rest += line;
                    rest.push('\n');
                    continue;
                }
            }
            let Some((exports, text)) = &mut declaration else { continue };
            text.push_str(line.trim());
            if let Some((tree, _)) = text.split_once(';') {
                let (_, bare) = without_visibility(tree);
                leaves(bare.trim_start_matches("use "), &[], *exports, &mut file.imports);
                declaration = None;
            }
        }
        file.paths = paths(&rest);
        file
    }
}

/// The modules that lines of code declare, without those of tests.
fn modules<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let name = without_visibility(line.trim_start()).1.strip_prefix("mod ");
        let Some(name) = name.and_then(|rest| rest.trim_end().strip_suffix(';')) else { continue };
        let attribute = index.checked_sub(1).map_or("", |above| lines[above].trim());
        if !attribute.starts_with("#[cfg(") || !attribute.contains("test") {
            found.push(name);
        }
    }
    found
}

/// Whether a line begins with `pub`, and what follows.
fn without_visibility(line: &str) -> (bool, &str) {
    let Some(rest) = line.strip_prefix("pub") else { return (false, line) };
    let inside = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let rest = inside.map_or(rest, |(_, rest)| rest);
    rest.strip_prefix(' ').map_or((false, line), |rest| (true, rest.trim_start()))
}

/// The name of the item that a line defines.
fn item(line: &str) -> Option<String> {
    let before = |word: &&str| matches!(*word, "unsafe" | "async" | "const" | "extern" | "\"C\"");
    let mut words = line.split_whitespace().peekable();
    let mut constant = None;
    while let Some(word) = words.next_if(before) {
        constant = (word == "const").then_some(());
    }
    let keyword = match constant {
        Some(()) if words.peek() != Some(&"fn") => "const",
        _ => words.next()?,
    };
    let kinds =
        ["struct", "enum", "trait", "type", "union", "fn", "const", "static", "macro_rules!"];
    let name = words.next().filter(|_| kinds.contains(&keyword))?;
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
    Some(name[..end].to_owned())
}

/// Adds the names of the tree of a `use` declaration.
pub(crate) fn leaves(tree: &str, before: &[String], exports: bool, found: &mut Vec<Import>) {
    let segments = |text: &str| -> Vec<String> {
        let segments = text.split("::").map(str::trim).filter(|segment| !segment.is_empty());
        before.iter().cloned().chain(segments.map(str::to_owned)).collect()
    };
    if let Some((start, inner)) = tree.split_once('{') {
        let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
        let start = segments(start);
        let mut depth = 0_usize;
        let outside = |c: char| {
            depth = depth + usize::from(c == '{') - usize::from(c == '}');
            c == ',' && depth == 0
        };
        for part in inner.split(outside).filter(|part| !part.trim().is_empty()) {
            leaves(part, &start, exports, found);
        }
        return;
    }
    let (path, name) = tree
        .split_once(" as ")
        .map_or((tree, None), |(path, name)| (path, Some(name.trim().to_owned())));
    let mut path = segments(path);
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let last = path.last().cloned().unwrap_or_default();
    found.push(Import { exports, name: name.unwrap_or(last), path });
}

/// The paths of code that begin in this crate.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["super::", "crate::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let inside = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            if code[..at].ends_with(|c: char| inside(c) || c == '$') {
                continue;
            }
            let end = code[at..].find(|c| !inside(c)).map_or(code.len(), |end| at + end);
            let segments = code[at..end].split("::").filter(|segment| !segment.is_empty());
            found.push(segments.map(str::to_owned).collect());
        }
    }
    found
}

/// Groups of files that import each other in a circle, the largest first.
pub(crate) fn knots<'a>(
    graph: &BTreeMap<&'a str, BTreeMap<&'a str, BTreeSet<&'a str>>>,
) -> Vec<BTreeSet<&'a str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = graph
        .keys()
        .map(|start| {
            let mut reached = BTreeSet::new();
            let mut waiting = vec![*start];
            while let Some(file) = waiting.pop() {
                let next = graph.get(file).into_iter().flat_map(BTreeMap::keys);
                waiting.extend(next.filter(|next| reached.insert(**next)));
            }
            (*start, reached)
        })
        .collect();
    let mut found: Vec<BTreeSet<&str>> = Vec::new();
    for (file, others) in &reached {
        if others.contains(file) && !found.iter().any(|knot| knot.contains(file)) {
            let back = |other: &&&str| reached.get(**other).is_some_and(|back| back.contains(file));
            found.push(others.iter().filter(back).copied().collect());
        }
    }
    found.sort_by_key(|knot| std::cmp::Reverse(knot.len()));
    found
}

#[test]
fn circles_are_found_through_re_exports() {
    let file = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
    let sources = [
        file(
            "x/lib.rs",
            "mod a;\nmod b;\npub(crate) mod c;\n#[cfg(test)]\nmod tests;\npub use a::A;",
        ),
        file(
            "x/a.rs",
            "use super::c::{self, deep::Deep as D};\npub struct A;\nfn f() { c::g() }\n",
        ),
        file("x/b.rs", "use super::A;\npub(super) fn b() { crate::c::g() }\n"),
        file("x/c.rs", "mod deep;\npub fn g() {}\n"),
        file("x/c/deep.rs", "use crate::b::b;\npub struct Deep;\n"),
        file("x/tests.rs", "use super::A;\n"),
    ];
    let found = Crate::read("x/lib.rs", &sources);
    let graph = found.graph();
    let edges: Vec<String> = graph
        .iter()
        .flat_map(|(from, to)| to.keys().map(move |to| format!("{from} {to}")))
        .collect();
    let expected = [
        "x/a.rs x/c.rs",
        "x/a.rs x/c/deep.rs",
        "x/b.rs x/a.rs",
        "x/b.rs x/c.rs",
        "x/c/deep.rs x/b.rs",
    ];
    assert_eq!(edges, expected);
    assert_eq!(knots(&graph), [BTreeSet::from(["x/a.rs", "x/b.rs", "x/c/deep.rs"])]);
}
