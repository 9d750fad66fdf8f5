//! Queries over people and their auctions.

use std::time::Duration;

use diptych::prelude::*;

use super::Auction;

/// A person who sells and bids.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Person {
    /// The id of the person.
    pub id: i64,
    /// First and last name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// The credit card: four groups of four digits.
    pub credit_card: String,
    /// The city where the person lives.
    pub city: String,
    /// The state the city is in, as two letters.
    pub state: String,
    /// The time at which the person registered.
    pub date_time: Timestamp,
    /// Arbitrary text, as padding.
    pub extra: String,
}

/// The sellers of items of category 10 in Oregon, Idaho or California.
/// `items`: (auction) -> name, city, state.
#[inline]
pub fn q3(df: &mut Dataflow<'_>) {
    let sellers = df
        .events::<Person>("people")
        .filter(|p| ["OR", "ID", "CA"].contains(&p.state))
        .map(|p| (p.id, (p.name.to_owned(), p.city.to_owned(), p.state.to_owned())))
        .keyed("sellers");
    let auctions = df
        .events::<Auction>("auctions")
        .filter(|a| a.category == 10)
        .map(|a| (a.seller, a.id))
        .keyed("auctions");
    let items = sellers.join(auctions).map(|(_, (seller, auction))| (auction, seller));
    df.view("items", items).columns(&["auction", "name", "city", "state"]);
}

/// The people who registered and opened an auction within the same ten seconds.
/// `new_users`: (id, start, end) -> name.
#[inline]
pub fn q8(df: &mut Dataflow<'_>) {
    let windows = Windows::tumbling(Duration::from_secs(10));
    let people = df
        .events::<Person>("people")
        .map(move |p| ((p.id, windows.at(p.date_time)), p.name.to_owned()))
        .distinct("people");
    let sellers = df
        .events::<Auction>("auctions")
        .map(move |a| (a.seller, windows.at(a.date_time)))
        .distinct("sellers");
    df.view("new_users", people.semijoin(sellers)).columns(&["id", "start", "end", "name"]);
}
