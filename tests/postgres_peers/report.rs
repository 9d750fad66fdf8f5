//! Gathers differences by class, and tells those that are known from new ones.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::compare::{Difference, Kind};

/// Differences that are meant, or not mended yet: a kind and the beginning of a class or statement.
struct Known {
    kind: String,
    class: String,
}

/// What a run has found.
pub(crate) struct Report {
    meant: Vec<Known>,
    open: Vec<Known>,
    answers: usize,
    found: BTreeMap<(Kind, String), Vec<Difference>>,
}

fn read(text: &str) -> Vec<Known> {
    let line = |line: &str| {
        let mut words = line.split('|').map(str::trim);
        let known = (words.next()?.to_owned(), words.next()?.to_owned());
        let is_row = !known.0.is_empty() && !known.0.starts_with('#');
        is_row.then_some(Known { kind: known.0, class: known.1 })
    };
    text.lines().filter_map(line).collect()
}

impl Known {
    fn is(&self, kind: Kind, class: &str, sql: &str) -> bool {
        let is_kind = self.kind == kind.word() || self.kind == "any";
        let begins = |text: &str| match self.class.strip_prefix('~') {
            Some(part) => text.contains(part),
            None => text.starts_with(&self.class),
        };
        // A bar separates the columns of the lists, so one inside a statement is a question mark.
        is_kind && (begins(&class.replace('|', "?")) || begins(&sql.replace('|', "?")))
    }
}

impl Report {
    pub(crate) fn read() -> Report {
        let meant = read(include_str!("meant.txt"));
        assert!(meant.len() <= 20, "more differences are meant than a table of the book holds");
        let open = read(include_str!("open.txt"));
        Report { meant, open, answers: 0, found: BTreeMap::new() }
    }

    /// Counts an answer that was compared.
    pub(crate) fn ran(&mut self) {
        self.answers += 1;
    }

    pub(crate) fn answers(&self) -> usize {
        self.answers
    }

    pub(crate) fn add(&mut self, differences: Vec<Difference>) {
        for difference in differences {
            let key = (difference.kind, difference.class.clone());
            self.found.entry(key).or_default().push(difference);
        }
    }

    /// Adds the silent differences that nobody knows to `open.txt`.
    fn renew(&self) {
        use std::io::Write;
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres_peers/open.txt");
        let file = std::fs::OpenOptions::new().append(true).open(path);
        let mut file = file.expect("the list of open differences");
        let is_of = |list: &[Known], one: &Difference| {
            list.iter().any(|known| known.is(one.kind, &one.class, &one.sql))
        };
        let mut lines = std::collections::BTreeSet::new();
        for one in self.found.values().flatten().filter(|one| one.kind.is_silent()) {
            if !is_of(&self.meant, one) && !is_of(&self.open, one) {
                // A class of random statements says nothing, so the statement itself is listed.
                let is_random = matches!(one.class.as_str(), "where" | "value" | "aggregate");
                let what = if is_random { &one.sql } else { &one.class };
                lines.insert(format!("{} | {}", one.kind.word(), what.replace('|', "?")));
            }
        }
        for line in lines {
            writeln!(file, "{line}").expect("written");
        }
    }

    /// Prints what was found, and fails where a difference is not known.
    pub(crate) fn end(self, part: &str) {
        let mut classes: Vec<_> = self.found.iter().collect();
        classes.sort_by_key(|((kind, class), all)| {
            (*kind, std::cmp::Reverse(all.len()), class.clone())
        });
        let mut text = String::new();
        let mut new = Vec::new();
        let mut counts: BTreeMap<Kind, (usize, usize)> = BTreeMap::new();
        for ((kind, class), all) in classes {
            let is_of = |list: &[Known], one: &Difference| {
                list.iter().any(|known| known.is(*kind, class, &one.sql))
            };
            let is_new = |one: &&Difference| !is_of(&self.meant, one) && !is_of(&self.open, one);
            let unknown = all.iter().find(is_new);
            let (word, first) = match unknown {
                Some(unknown) => ("NEW", unknown),
                None if is_of(&self.meant, &all[0]) => ("meant", &all[0]),
                None => ("open", &all[0]),
            };
            let short = |text: &str| text.chars().take(300).collect::<String>();
            let _ = writeln!(
                text,
                "{word} {} | {class} | {} times | {}\n    {}\n    ours: {}\n    PostgreSQL: {}",
                kind.word(),
                all.len(),
                first.way,
                short(&first.sql),
                short(&first.ours),
                short(&first.real),
            );
            let count = counts.entry(*kind).or_default();
            count.0 += 1;
            count.1 += all.len();
            if unknown.is_some() && kind.is_silent() {
                new.push(format!("{} | {class} | {}", kind.word(), first.sql));
            }
        }
        for (kind, (classes, all)) in &counts {
            println!("{}: {classes} classes, {all} answers", kind.word());
        }
        if let Some(path) = std::env::var_os("DIPTYCH_PEERS_REPORT") {
            let path = std::path::PathBuf::from(path).with_extension(part);
            std::fs::write(&path, &text).expect("written");
            let line = |one: &Difference| {
                let flat = |text: &str| text.replace(['\t', '\n'], " ");
                let parts = [&one.class, &one.sql, &one.way, &one.ours, &one.real];
                let parts: Vec<_> = parts.map(|part| flat(part)).to_vec();
                format!("{}\t{}\n", one.kind.word(), parts.join("\t"))
            };
            let lines: String = self.found.values().flatten().map(line).collect();
            std::fs::write(path.with_added_extension("tsv"), lines).expect("written");
        }
        if std::env::var_os("RENEW_PEERS").is_some() {
            return self.renew();
        }
        assert!(
            new.is_empty(),
            "{} silent differences that nobody knows:\n{}\n{text}",
            new.len(),
            new.join("\n")
        );
    }
}
