//! Low scheduling priority for recomputations, so that they give way to the workers that keep the
//! views fresh.
//!
//! On Linux a thread has a priority of its own, which the threads that it starts inherit. Elsewhere
//! nothing is changed, and recomputations compete with the workers.

/// The increase of the nice value; the scheduler then gives a worker about ten times as much of a
/// processor that both want.
const NICE: i32 = 10;

/// Lowers the priority of this thread and of the threads that it starts from now on.
pub fn give_way() {
    if cfg!(target_os = "linux") {
        // Lowering one's own priority is always allowed; if it fails, workers are slower, never
        // wrong.
        let _ = rustix::process::nice(NICE);
    }
}

/// Runs `work` on a low-priority thread, and waits for it.
///
/// # Panics
/// When `work` panics.
pub fn beside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            give_way();
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn only_work_beside_gives_way() {
        // A nice value can be read only by changing it.
        let niceness = || rustix::process::nice(0).expect("readable");
        let before = niceness();
        let (own, inherited) = beside(|| (niceness(), std::thread::spawn(niceness).join()));
        assert_eq!(own, inherited.expect("no panic"));
        if cfg!(target_os = "linux") {
            assert!(own > before || before >= 19 - super::NICE, "{own} after {before}");
        }
        assert_eq!(niceness(), before);
    }
}
