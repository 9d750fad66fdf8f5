//! Options of the allocator: how soon freed memory goes back to the system.
//!
//! mimalloc, the allocator of this crate's binaries, keeps freed memory for a second in case it is
//! needed again. A server under full client load frees about its whole memory bound each second, so
//! its resident memory would be twice what it uses.
//!
//! The code is `unsafe` because it calls a C library. The call writes one number into that
//! library's table of options at the start of the program.
#![expect(unsafe_code, reason = "options of the allocator have no safe calls")]

use libmimalloc_sys::{mi_option_set_default, mi_option_t};

/// The index of `mi_option_purge_delay` in mimalloc's table of options (`mimalloc.h` of 3.3); the
/// wrapper crate has no name for it.
const PURGE_DELAY: mi_option_t = 15;

/// Milliseconds that freed memory is kept: less than it takes to free a large part of memory, and
/// long enough that memory freed by one request is reused by the next. Version 2 of the library has
/// this delay by default.
const KEPT_MS: i64 = 10;

/// Makes mimalloc return freed memory within a hundredth of a second, unless `MIMALLOC_PURGE_DELAY`
/// says otherwise. Has no effect with another allocator.
pub fn give_back_soon() {
    // SAFETY: the number is an option of the library, which takes any value for it.
    unsafe { mi_option_set_default(PURGE_DELAY, KEPT_MS) }
}

/// Makes this process use small pages only, where the platform has others (`prctl(2)`,
/// `PR_SET_THP_DISABLE`).
///
/// The allocator gives back 64 KiB at a time. The rest of a page of 2 MiB stays, and at the next
/// touch the system makes all of it resident again: a server under load had twice the memory that
/// it used. Small pages make lookups in large states slower, by less than a server waits for its
/// disk; batch runs keep large pages.
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

    /// The option's number is right when the library's default of a second is found there.
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
