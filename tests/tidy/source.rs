//! The package's files as text, and the little of Rust's syntax that the checks need.

use std::path::Path;

/// A text file of the package.
pub(crate) struct Source {
    /// Its path from the package's root, with `/`.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// A function: where it starts, and how many lines it has.
pub(crate) struct Function {
    /// Counted from 1.
    pub(crate) line: usize,
    /// From its first line to its closing brace.
    pub(crate) lines: usize,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file, without what building and version control put there.
pub(crate) fn files() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).expect("a readable folder");
        for path in entries.map(|entry| entry.expect("a readable entry").path()) {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() {
                if name != ".git" && !name.starts_with("target") {
                    folders.push(path);
                }
            } else if name == ".git" {
                // In a linked working tree: a file that says where the repository is.
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                found.push(Source { path: relative(&path), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 20, "only {} files below {}", found.len(), root().display());
    found
}

fn relative(path: &Path) -> String {
    let below = path.strip_prefix(root()).expect("a path below the root");
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

impl Source {
    pub(crate) fn is_rust(&self) -> bool {
        has_extension(&self.path, "rs")
    }

    pub(crate) fn is_markdown(&self) -> bool {
        has_extension(&self.path, "md")
    }

    /// The file's name without its extension.
    pub(crate) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default()
    }

    /// The lines without comments, numbered from 1. A `//` inside a string ends its line too.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| {
            let end = line.find("//").unwrap_or(line.len());
            (index + 1, &line[..end])
        })
    }

    /// [`Source::code`] up to the unit tests at the end.
    pub(crate) fn code_outside_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines.windows(2).position(|pair| {
            pair[0].trim() == "#[cfg(test)]" && pair[1].contains("mod ") && pair[1].ends_with('{')
        });
        self.code().take(tests.unwrap_or(usize::MAX))
    }

    /// All functions with a body. Relies on the formatter: a body ends with a brace that is
    /// indented like the function's first line.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let lines: Vec<&str> = self.text.lines().collect();
        let mut found = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            if !starts_function(line.trim_start()) {
                continue;
            }
            let indent = &line[..line.len() - line.trim_start().len()];
            let signature = lines[index..].iter().position(|line| line.ends_with(['{', ';', '}']));
            let Some(opening) = signature.map(|lines| index + lines) else { continue };
            if !lines[opening].ends_with('{') {
                continue;
            }
            let closing = format!("{indent}}}");
            let body = lines[opening..].iter().position(|line| *line == closing);
            let end = body.map_or(lines.len() - 1, |lines| opening + lines);
            found.push(Function { line: index + 1, lines: end - index + 1 });
        }
        found
    }

    /// Names of the types that the file defines.
    pub(crate) fn types(&self) -> Vec<String> {
        let defines = |line: &str| {
            let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
            let keyword = words.next()?;
            let name = words.next()?;
            let end = name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len());
            matches!(keyword, "struct" | "enum" | "trait" | "type").then(|| name[..end].to_owned())
        };
        self.code().filter_map(|(_, line)| defines(line)).collect()
    }

    /// The lines of a Markdown file that can be broken, numbered from 1: no code, no rows of
    /// tables, no definitions of links.
    pub(crate) fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut code = false;
        self.text.lines().enumerate().filter_map(move |(index, line)| {
            let fence = line.trim_start().starts_with("```");
            code ^= fence;
            let defines = line.starts_with('[') && line.contains("]: ");
            let whole = code || fence || defines || line.trim_start().starts_with('|');
            (!whole).then_some((index + 1, line))
        })
    }

    /// Where the Markdown links of the file lead, as written.
    pub(crate) fn links(&self) -> Vec<&str> {
        let starts = self.text.match_indices("](").map(|(at, _)| &self.text[at + 2..]);
        starts.filter_map(|rest| rest.split([')', ' ', '\n']).next()).collect()
    }
}

/// Does a path end with the extension?
pub(crate) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

fn starts_function(line: &str) -> bool {
    let line = line.strip_prefix("pub").map_or(line, |rest| {
        let rest =
            rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |p| p.1);
        rest.trim_start()
    });
    let words = line.split_whitespace();
    let mut words = words.skip_while(|word| matches!(*word, "const" | "async" | "unsafe"));
    words.next() == Some("fn")
}
