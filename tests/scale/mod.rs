//! The size of a test: small on each change, large once in a while.

#![allow(dead_code, reason = "each test binary uses its part")]

/// The number of cases to run: `each_change` usually, `long` when `DIPTYCH_LONGTEST` is set, and
/// `DIPTYCH_CASES` overrides both, up to `long`: one case of some tests is a sweep of hundreds of
/// runs, and those have a small `long`.
pub(crate) fn scaled(each_change: u64, long: u64) -> u64 {
    let given = std::env::var("DIPTYCH_CASES").ok();
    let usual = if is_long() { long } else { each_change };
    given.map_or(usual, |text| {
        text.parse::<u64>().expect("DIPTYCH_CASES is a number").min(long.max(each_change))
    })
}

/// Whether to run the large profile of each test.
pub(crate) fn is_long() -> bool {
    std::env::var_os("DIPTYCH_LONGTEST").is_some()
}
