//! Generator of links: most accounts have a card and an address of their own; some share one.

use diptych::io::{Random, SimRandom};

use super::super::super::Link;

pub(super) fn links(random: &SimRandom, accounts: u64, events: usize) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::with_capacity(events + 1);
    while links.len() < events {
        let earlier = random.below(1 + links.len() as u64) as usize;
        let known = links.get(earlier).filter(|link| link.diff > 0);
        if let (0..3, Some(link)) = (random.below(10), known) {
            links.push(Link { diff: -1, ..link.clone() });
            continue;
        }
        let account = random.below(accounts);
        let shared = match random.below(12) {
            0..2 => format!("device {}", random.below(1 + accounts / 8)),
            2..4 => format!("address {}", account / 2),
            4..8 => format!("address of {account}"),
            _ => format!("card {account}"),
        };
        let link = Link { account: account as i64, shared, diff: 1 };
        if random.below(30) == 0 {
            links.push(Link { diff: -1, ..link.clone() });
        }
        links.push(link);
    }
    links.truncate(events);
    links
}
