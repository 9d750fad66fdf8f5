//! Places for the connections of a port, and the choice of the connection that gives way.
//!
//! A port has a number of places. When all are taken, the connection that has been idle longest
//! gives its place to a new one: a connection of the address that has most of them, so that a
//! client that opens many closes its own. One address has a part of the places; this machine,
//! behind which a proxy may run, has all. A connection with a request under way keeps its place.
//! When every place has such a request, a new connection gets one of a few extra places, which
//! answer probes only: a monitor sees that the process lives, however busy it is.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use diptych_base::limits::PLACES_OF_ONE_PART;
use diptych_base::lock_mutex::lock;

/// How often a connection that is to give way, but has just begun a request, is checked.
const LOOK: Duration = Duration::from_secs(1);

/// The places of one port.
pub struct ConnectionPlaces {
    most: usize,
    /// Places beyond `most`, for probes.
    reserve: usize,
    /// How long a connection must have been idle before it gives way.
    patience: Duration,
    begun: Instant,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    seats: HashMap<u64, Arc<HeldPlace>>,
    /// The number of places of each peer, those for probes included.
    by_peer: HashMap<Peer, usize>,
    for_probes: usize,
}

/// The addresses whose connections are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Peer {
    Loopback,
    V4([u8; 4]),
    /// The /64 network of an IPv6 address: a client that has one address has all of them.
    V6([u8; 8]),
}

impl Peer {
    fn of(address: IpAddr) -> Peer {
        match address.to_canonical() {
            address if address.is_loopback() => Peer::Loopback,
            IpAddr::V4(address) => Peer::V4(address.octets()),
            IpAddr::V6(address) => {
                let mut network = [0; 8];
                network.copy_from_slice(&address.octets()[..8]);
                Peer::V6(network)
            }
        }
    }
}

/// The state of a connection that has a place.
pub struct HeldPlace {
    peer: Peer,
    /// Whether only probes are answered.
    pub for_probes: bool,
    /// The number of requests under way, including bodies of answers without a known end.
    running: AtomicU32,
    /// The time of the last activity, in milliseconds since the port was opened.
    since: AtomicU64,
    begun: Instant,
    leaving: AtomicBool,
    leave: Notify,
}

impl HeldPlace {
    /// Notes that a request begins; the connection keeps its place until it [ends](HeldPlace::end).
    pub fn begin(&self) {
        self.running.fetch_add(1, Relaxed);
    }

    /// Notes that a request has ended.
    pub fn end(&self) {
        self.touch();
        self.running.fetch_sub(1, Relaxed);
    }

    /// Notes activity on the connection.
    pub fn touch(&self) {
        self.since.store(millis(self.begun), Relaxed);
    }

    /// How long the connection has been idle, in milliseconds; none while a request is under way.
    fn idle(&self, now: u64) -> Option<u64> {
        let free = self.running.load(Relaxed) == 0;
        free.then(|| now.saturating_sub(self.since.load(Relaxed)))
    }

    /// Waits until the connection should give way to another and has no request under way.
    pub async fn gives_way(&self) {
        self.leave.notified().await;
        // A request may have begun meanwhile.
        while self.running.load(Relaxed) > 0 {
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A connection's hold on a place, which ends when this is dropped.
pub struct ConnectionPlace {
    places: Arc<ConnectionPlaces>,
    number: u64,
    /// The state of the connection.
    pub seat: Arc<HeldPlace>,
}

impl ConnectionPlaces {
    /// `most` places and `reserve` more for probes; a connection gives way when it has been idle
    /// for `patience`.
    pub fn new(most: usize, reserve: usize, patience: Duration) -> Arc<ConnectionPlaces> {
        let begun = Instant::now();
        let table = Mutex::default();
        Arc::new(ConnectionPlaces { most, reserve, patience, begun, table })
    }

    /// Takes a place for a connection from `address`; none when no connection gives way.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionPlace> {
        let peer = Peer::of(address);
        let now = millis(self.begun);
        let patience = u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX);
        let mut table = self.table();
        let of_one = self.most.div_ceil(PLACES_OF_ONE_PART);
        let own = table.by_peer.get(&peer).copied().unwrap_or(0);
        let mut for_probes = false;
        if peer != Peer::Loopback && own >= of_one {
            table.make_room(now, patience, |seat| seat.peer == peer).then_some(())?;
        } else if table.seats.len() - table.for_probes >= self.most
            && !table.make_room(now, patience, |seat| !seat.for_probes)
        {
            for_probes = true;
            if table.for_probes >= self.reserve {
                table.make_room(now, 0, |seat| seat.for_probes).then_some(())?;
            }
        }
        let seat = Arc::new(HeldPlace {
            peer,
            for_probes,
            running: AtomicU32::new(0),
            since: AtomicU64::new(now),
            begun: self.begun,
            leaving: AtomicBool::new(false),
            leave: Notify::new(),
        });
        let number = table.enter(&seat);
        Some(ConnectionPlace { places: Arc::clone(self), number, seat })
    }

    /// Locks the table. A panic elsewhere leaves it as it was between two calls.
    fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }
}

impl Table {
    fn enter(&mut self, seat: &Arc<HeldPlace>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.seats.insert(number, Arc::clone(seat));
        *self.by_peer.entry(seat.peer).or_default() += 1;
        self.for_probes += usize::from(seat.for_probes);
        number
    }

    fn leave(&mut self, number: u64) {
        let Some(seat) = self.seats.remove(&number) else { return };
        self.for_probes -= usize::from(seat.for_probes);
        if let Some(own) = self.by_peer.get_mut(&seat.peer) {
            *own -= 1;
            if *own == 0 {
                self.by_peer.remove(&seat.peer);
            }
        }
    }

    /// Makes the idlest connection of the peer with most places leave; false when none may.
    fn make_room(&mut self, now: u64, patience: u64, may: impl Fn(&HeldPlace) -> bool) -> bool {
        let free = self.seats.iter().filter(|(_, seat)| may(seat)).filter_map(|(number, seat)| {
            let idle = seat.idle(now).filter(|idle| *idle >= patience)?;
            let own = self.by_peer.get(&seat.peer).copied().unwrap_or(0);
            Some(((own, idle), *number))
        });
        let Some((_, number)) = free.max() else { return false };
        if let Some(seat) = self.seats.get(&number) {
            seat.leaving.store(true, Relaxed);
            seat.leave.notify_one();
        }
        self.leave(number);
        true
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        self.places.table().leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1";

    fn take(places: &Arc<ConnectionPlaces>, address: &str) -> Option<ConnectionPlace> {
        places.take(address.parse().expect("an address"))
    }

    fn is_leaving(place: &ConnectionPlace) -> bool {
        place.seat.leaving.load(Relaxed)
    }

    #[test]
    fn the_idlest_without_a_request_gives_way() {
        let places = ConnectionPlaces::new(3, 0, Duration::ZERO);
        let all: Vec<_> = (0..3).map(|_| take(&places, HERE).expect("a place")).collect();
        for (place, since) in all.iter().zip([0, 5, 7]) {
            place.seat.since.store(since, Relaxed);
        }
        all[0].seat.begin();
        std::thread::sleep(Duration::from_millis(20));
        let next = take(&places, HERE).expect("another gives way");
        assert_eq!(all.iter().map(is_leaving).collect::<Vec<_>>(), [false, true, false]);
        next.seat.begin();
        all[2].seat.begin();
        assert!(take(&places, HERE).is_none(), "all have requests");
        all[2].seat.end();
        drop(next);
        assert!(take(&places, HERE).is_some(), "one has left");
        drop(all);
        assert!(places.table().seats.is_empty() && places.table().by_peer.is_empty());
    }

    #[test]
    fn who_was_active_a_moment_ago_stays() {
        let places = ConnectionPlaces::new(1, 0, Duration::from_mins(1));
        let _one = take(&places, HERE).expect("a place");
        assert!(take(&places, HERE).is_none());
    }

    #[test]
    fn probes_have_places_when_all_others_keep_theirs() {
        let places = ConnectionPlaces::new(2, 2, Duration::from_mins(1));
        let all: Vec<_> = (0..2).map(|_| take(&places, HERE).expect("a place")).collect();
        all.iter().for_each(|place| place.seat.begin());
        let probes: Vec<_> = (0..2).map(|_| take(&places, HERE).expect("a place")).collect();
        assert!(probes.iter().all(|place| place.seat.for_probes));
        // A probe's connection that is idle gives way.
        let third = take(&places, HERE).expect("a probe gives way");
        assert!(third.seat.for_probes && probes.iter().filter(|one| is_leaving(one)).count() == 1);
        all[0].seat.end();
        drop(all);
        assert!(!take(&places, HERE).expect("a place").seat.for_probes);
    }

    #[test]
    fn who_opens_many_closes_his_own() {
        let places = ConnectionPlaces::new(8, 0, Duration::ZERO);
        let good = take(&places, "192.0.2.1").expect("a place");
        good.seat.since.store(0, Relaxed);
        let many: Vec<_> = (0..20).map(|_| take(&places, "::ffff:192.0.2.9")).collect();
        let many: Vec<_> = many.into_iter().flatten().collect();
        assert_eq!(many.iter().filter(|place| !is_leaving(place)).count(), 4, "half of them");
        many.iter().for_each(|place| place.seat.begin());
        assert!(take(&places, "192.0.2.9").is_none(), "no place of another's");
        let network: Vec<_> = (1..9).map(|n| take(&places, &format!("2001:db8::{n}"))).collect();
        assert!(network.iter().all(Option::is_some));
        assert!(!is_leaving(&good), "others have more");
        assert!(places.table().seats.len() <= 8);
    }
}
