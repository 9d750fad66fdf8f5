//! How soon memory that nobody uses any more goes back to the system.
//!
//! mimalloc, which the binaries of this crate allocate with, keeps what was freed for a second, in
//! case that it is wanted again. A server that takes all that its clients can send frees as much in
//! a second as it is to hold at all, so its memory would be twice what it uses.
//!
//! The code is not safe to the compiler because it calls a C library. The call writes one number
//! of that library's table of options, at the beginning of the program.
#![expect(unsafe_code, reason = "options of the allocator have no safe calls")]

use libmimalloc_sys::{mi_option_set_default, mi_option_t};

/// The place of `mi_option_purge_delay` in mimalloc's table of options (`mimalloc.h` of 3.3); the
/// crate that wraps it has no name for it.
const PURGE_DELAY: mi_option_t = 15;

/// Milliseconds that what was freed is kept: less than it takes to free a large part of the memory
/// there is, and long enough that what is freed for each request is found again by the next. What
/// version 2 of the library does by itself.
const KEPT_MS: i64 = 10;

/// Makes mimalloc give back what is freed within a hundredth of a second, unless
/// `MIMALLOC_PURGE_DELAY` says otherwise. Without effect where something else allocates.
pub fn give_back_soon() {
    // SAFETY: the number is an option of the library, which takes any value for it.
    unsafe { mi_option_set_default(PURGE_DELAY, KEPT_MS) }
}

/// Makes this process use small pages only, where the platform has others (`prctl(2)`,
/// `PR_SET_THP_DISABLE`).
///
/// The allocator gives back 64 KiB at a time. Of a page of 2 MiB the rest stays, and at the next
/// touch the system makes all of it memory again: a server under load had twice the memory that it
/// used. Small pages cost lookups in large states some time, which a server waits for its disk
/// anyway; batch runs keep theirs.
pub fn small_pages_only() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!("pages of 2 MiB stay: {error}");
    }
}

#[cfg(test)]
mod tests {
    use libmimalloc_sys::mi_option_get;

    use super::*;

    /// The number of the option is its own: the library's default of a second stands there.
    #[test]
    fn the_option_is_the_one_that_is_meant() {
        // SAFETY: as above.
        let now = || unsafe { mi_option_get(PURGE_DELAY) };
        let before = now();
        give_back_soon();
        if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
            assert_eq!((before, now()), (1000, KEPT_MS));
        }
    }
}
