//! Budgets for the bytes that clients make the process hold, over all ports and protocols.
//!
//! A bound on one client multiplies with the number of clients, connections and streams. So code
//! that keeps bytes for a client claims them here first, as they arrive: the claim counts the bytes
//! allocated, not those announced or used. Dropping the claim gives the bytes back.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;

use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{
    ANSWER_BYTES_FREE, ANSWERS_BYTES_MAX, APPEND_BYTES_MAX, BODIES_BYTES_MAX, BODY_PIECE_BYTES,
    BODY_WINDOWS_BYTES_MAX,
};

/// The budget of requests: bodies, long heads, messages and statements on the Postgres port.
pub static REQUESTS: Budget = Budget::new(BODIES_BYTES_MAX);

/// The budget of answers, held until the readers have taken them.
static ANSWERS: Budget = Budget::new(ANSWERS_BYTES_MAX);

/// A bound on bytes, shared by many claims.
#[derive(Debug)]
pub struct Budget {
    held: AtomicUsize,
    most: AtomicUsize,
}

/// Raises the budget of requests to fit a body of `bytes` bytes twice, compressed and decoded, with
/// the windows of the decoder.
pub fn allow_bodies_of(bytes: u64) {
    let body = usize::try_from(bytes).unwrap_or(usize::MAX).min(APPEND_BYTES_MAX);
    REQUESTS.most.fetch_max(2 * body + BODY_WINDOWS_BYTES_MAX, Relaxed);
}

/// The most bytes that a compressed body may have once decoded: what the budget holds beside the
/// compressed form.
pub fn decoded_bytes_max() -> u64 {
    let most = (REQUESTS.most() - BODY_WINDOWS_BYTES_MAX) / 2;
    most.min(APPEND_BYTES_MAX) as u64
}

impl Budget {
    const fn new(most: usize) -> Budget {
        Budget { held: AtomicUsize::new(0), most: AtomicUsize::new(most) }
    }

    fn most(&self) -> usize {
        self.most.load(Relaxed)
    }

    /// An empty claim on this budget.
    pub const fn claim(&'static self) -> Claim {
        Claim { of: self, bytes: 0 }
    }

    /// The bytes that all claims hold.
    #[cfg(test)]
    fn held(&self) -> usize {
        self.held.load(Relaxed)
    }
}

/// A share of a budget, given back when dropped.
#[derive(Debug)]
pub struct Claim {
    of: &'static Budget,
    bytes: usize,
}

impl Claim {
    /// Raises the claim to `bytes`; a claim never shrinks.
    ///
    /// # Errors
    /// When the budget has no room now, or can never have it; the claim is unchanged then.
    pub fn grow_to(&mut self, bytes: usize) -> Result<()> {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else {
            return Ok(());
        };
        let most = self.of.most();
        if bytes > most {
            let message = format!("it takes {bytes} bytes, of {most} that all requests may take");
            return Err(Error::new(Kind::Input, message).remedy("send it in smaller pieces"));
        }
        let within = |held: usize| held.checked_add(more).filter(|held| *held <= most);
        // Relaxed: the counter orders nothing, other means pass the bytes between threads.
        if self.of.held.fetch_update(Relaxed, Relaxed, within).is_err() {
            let message = format!(
                "what clients send, or have not yet read, fills the {most} bytes there are for it"
            );
            return Err(Error::new(Kind::Busy, message).remedy("try again in a moment"));
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.of.held.fetch_sub(self.bytes, Relaxed);
    }
}

/// An answer, or a chunk of one, as bytes. A long one holds its share of the answers' budget until
/// its last byte is handed to the socket.
///
/// # Errors
/// When there is no room for it.
pub fn answer(mut text: Vec<u8>) -> Result<Bytes> {
    /// Bytes with the claim that they hold.
    struct Placed(Vec<u8>, #[expect(dead_code, reason = "given back with the bytes")] Claim);

    impl AsRef<[u8]> for Placed {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    text.shrink_to_fit();
    if text.len() <= ANSWER_BYTES_FREE {
        return Ok(Bytes::from(text));
    }
    let mut claim = ANSWERS.claim();
    claim.grow_to(text.capacity())?;
    Ok(Bytes::from_owner(Placed(text, claim)))
}

/// A buffer for bytes that arrive in pieces, all of them claimed.
///
/// The buffer consists of blocks of one size, which are reused for the next body when they are
/// given back. One area that grew by moving would leave holes in the heap, and one of full size
/// from the start would be memory before it is written to.
#[derive(Debug)]
pub struct ClaimedBytes {
    pieces: Vec<Vec<u8>>,
    len: usize,
    claim: Claim,
    /// The number of bytes expected.
    expected: usize,
}

impl ClaimedBytes {
    /// An empty buffer; `expected` keeps the last block from being larger than needed.
    pub fn new(claim: Claim, expected: Option<usize>) -> ClaimedBytes {
        ClaimedBytes { pieces: Vec::new(), len: 0, claim, expected: expected.unwrap_or(usize::MAX) }
    }

    /// Appends a copy of `bytes`, so that the buffer they are in can be reused.
    ///
    /// # Errors
    /// When there is no room for them.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let room = self.pieces.last().map_or(0, |last| last.capacity() - last.len());
            if room == 0 {
                let rest = self.expected.saturating_sub(self.len).max(bytes.len());
                let capacity = rest.min(BODY_PIECE_BYTES);
                self.claim.grow_to(self.claim.bytes + capacity)?;
                self.pieces.push(Vec::with_capacity(capacity));
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            if let Some(last) = self.pieces.last_mut() {
                last.extend_from_slice(now);
            }
            (self.len, bytes) = (self.len + now.len(), later);
        }
        Ok(())
    }

    /// The bytes in one vector, with their claim. Several blocks are copied together, and each is
    /// given back when it is copied.
    pub fn finish(mut self) -> (Vec<u8>, Claim) {
        if self.pieces.len() <= 1 {
            return (self.pieces.pop().unwrap_or_default(), self.claim);
        }
        let mut all = Vec::with_capacity(self.len);
        self.pieces.into_iter().for_each(|piece| all.extend_from_slice(&piece));
        (all, self.claim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_bounded_and_given_back() {
        static SMALL: Budget = Budget::new(100);
        let mut one = SMALL.claim();
        let mut other = SMALL.claim();
        one.grow_to(60).expect("room");
        one.grow_to(10).expect("less is there already");
        assert_eq!(SMALL.held(), 60);
        let refused = other.grow_to(41).expect_err("no room");
        assert!(refused.is_busy(), "{refused}");
        assert!(refused.to_string().contains("again"), "{refused}");
        assert_eq!(SMALL.held(), 60, "a refused claim holds nothing");
        assert!(other.grow_to(101).is_err_and(|never| never.kind() == Kind::Input));
        other.grow_to(40).expect("the rest");
        drop(one);
        assert_eq!(SMALL.held(), 40);
        drop(other);
        assert_eq!(SMALL.held(), 0);
    }

    #[test]
    fn an_answer_holds_its_place_until_the_last_of_it_is_gone() {
        let long = vec![7; ANSWERS_BYTES_MAX / 4];
        assert!(answer(vec![7; ANSWER_BYTES_FREE]).is_ok_and(|short| !short.is_empty()));
        let fill = || std::iter::from_fn(|| answer(long.clone()).ok()).take(5).collect();
        let mut all: Vec<Bytes> = fill();
        // Other tests may hold a little.
        assert!((3..=4).contains(&all.len()), "{}", all.len());
        assert!(answer(long.clone()).is_err());
        let mut rest = all.pop().expect("an answer");
        let piece = rest.split_to(1000);
        drop(rest);
        assert!(answer(long.clone()).is_err(), "a piece holds all of it");
        drop(piece);
        assert!(answer(long.clone()).is_ok());
    }

    #[test]
    fn what_is_gathered_is_claimed_as_it_is_held() {
        static LARGE: Budget = Budget::new(1 << 20);
        let whole = 300_000;
        for expected in [None, Some(whole)] {
            let mut gathered = ClaimedBytes::new(LARGE.claim(), expected);
            for _ in 0..300 {
                gathered.push(&[7; 1000]).expect("room");
                let held: usize = gathered.pieces.iter().map(Vec::capacity).sum();
                assert_eq!(LARGE.held(), held);
            }
            assert!(LARGE.held() < whole + BODY_PIECE_BYTES);
            if expected.is_some() {
                assert_eq!(LARGE.held(), whole);
            }
            let (bytes, claim) = gathered.finish();
            assert_eq!(bytes, vec![7; whole]);
            drop((bytes, claim));
            assert_eq!(LARGE.held(), 0);
        }
        let mut gathered = ClaimedBytes::new(LARGE.claim(), Some(usize::MAX));
        gathered.push(&[1]).expect("what is announced is not claimed");
        assert!(LARGE.held() <= BODY_PIECE_BYTES);
    }
}
