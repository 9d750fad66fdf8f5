//! Runs a check over random cases, each made from one number that repeats it.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// The time after which a case is named on standard error: it may have stalled.
const SLOW: Duration = Duration::from_secs(2);

/// Checks `count` cases of `strategy`, numbered from `DIPTYCH_FIRST_SEED` (0 by default), or only
/// the case `DIPTYCH_SEED`. A case that fails is made smaller; then the test panics with the
/// smallest failing case and one command that repeats it.
pub(crate) fn cases<S: Strategy>(
    binary: &str,
    test: &str,
    count: u64,
    strategy: S,
    check: impl Fn(&S::Value) -> Result<(), String>,
) where
    S::Value: Debug,
{
    let number = |name: &str| {
        let given = std::env::var(name).ok()?;
        Some(given.parse::<u64>().unwrap_or_else(|_| panic!("{name}={given} is not a number")))
    };
    let first = number("DIPTYCH_FIRST_SEED").unwrap_or(0);
    let seeds = match number("DIPTYCH_SEED") {
        Some(seed) => seed..seed + 1,
        None => first..first + count,
    };
    for seed in seeds {
        let begun = Instant::now();
        let outcome = one(seed, &strategy, &check);
        if begun.elapsed() > SLOW {
            eprintln!("{test}: case {seed} took {:.1} s", begun.elapsed().as_secs_f64());
        }
        if let Err(failure) = outcome {
            panic!(
                "{failure}\nrepeat it with: DIPTYCH_SEED={seed} cargo test --test {binary} {test}"
            );
        }
    }
}

fn one<S: Strategy>(
    seed: u64,
    strategy: &S,
    check: &impl Fn(&S::Value) -> Result<(), String>,
) -> Result<(), String>
where
    S::Value: Debug,
{
    let config = Config {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: 400,
        max_shrink_time: 20_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, random(seed));
    let outcome = runner.run(strategy, |case| check(&case).map_err(TestCaseError::fail));
    outcome.map_err(|error| match error {
        TestError::Fail(reason, case) => format!("{reason}\nthe smallest case: {case:?}"),
        TestError::Abort(reason) => format!("the case cannot be made: {reason}"),
    })
}

fn random(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// The value that a seed generates.
pub(crate) fn sample<S: Strategy>(strategy: &S, seed: u64) -> S::Value {
    let mut runner = TestRunner::new_with_rng(Config::default(), random(seed));
    strategy.new_tree(&mut runner).expect("a value").current()
}
