//! The functions of `PostgreSQL` to which its catalog refers, by number and by name.

use std::collections::HashMap;
use std::sync::OnceLock;

/// A function, as `pg_proc` describes it.
pub(super) struct Procedure {
    pub(super) oid: u32,
    /// Number, name, type of the result, volatility, strictness, whether it gives a set, and the
    /// types of the arguments between commas.
    pub(super) words: Vec<&'static str>,
}

impl Procedure {
    pub(super) fn name(&self) -> &'static str {
        self.words.get(1).copied().unwrap_or_default()
    }
}

struct Known {
    all: Vec<Procedure>,
    by_oid: HashMap<u32, usize>,
    by_name: HashMap<&'static str, usize>,
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let parse = |line: &'static str| {
            let words: Vec<&str> = line.split(' ').collect();
            Some(Procedure { oid: words.first()?.parse().ok()?, words })
        };
        let all: Vec<Procedure> =
            include_str!("procedures.txt").lines().filter_map(parse).collect();
        let by_oid = all.iter().enumerate().map(|(at, one)| (one.oid, at)).collect();
        let by_name = all.iter().enumerate().map(|(at, one)| (one.name(), at)).collect();
        Known { all, by_oid, by_name }
    })
}

/// All functions.
pub(super) fn all() -> &'static [Procedure] {
    &known().all
}

/// The text of a `regproc`: the name, `-` for none, or the number of an unknown function.
pub(super) fn shown(oid: i64) -> String {
    if oid == 0 {
        return "-".to_owned();
    }
    let found = u32::try_from(oid).ok().and_then(|oid| known().by_oid.get(&oid));
    found.map_or_else(|| oid.to_string(), |at| known().all[*at].name().to_owned())
}

/// The number of the function that is written as `array_in`, `pg_catalog.array_in` or
/// `array_in(cstring,oid,integer)`.
pub(super) fn number(written: &str) -> Option<u32> {
    let name = written.split('(').next().unwrap_or(written).trim();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    if name == "-" {
        return Some(0);
    }
    known().by_name.get(name).map(|at| known().all[*at].oid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_a_number_and_a_name() {
        assert_eq!(number("pg_catalog.array_in(cstring,oid,integer)"), Some(750));
        assert_eq!(shown(750), "array_in");
        assert_eq!((number("-"), shown(0).as_str()), (Some(0), "-"));
        assert_eq!((number("nonsense"), shown(99).as_str()), (None, "99"));
    }
}
