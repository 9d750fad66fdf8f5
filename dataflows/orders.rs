//! Revenue per country and day: a fact stream joined with the latest row of a changing dimension.

use diptych::prelude::*;

/// An order of a customer.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Order {
    /// The id of the order.
    pub id: i64,
    /// The buyer's [`Customer::id`].
    pub customer: i64,
    /// The amount paid.
    pub amount: Decimal<2>,
    /// The time of the order.
    pub at: Timestamp,
}

/// The data of a customer since `at`; the latest row counts, for old orders, too.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Customer {
    /// The id of the customer.
    pub id: i64,
    /// Full name.
    pub name: String,
    /// The country where the customer lives.
    pub country: String,
    /// The time since which these data hold.
    pub at: Timestamp,
}

/// `revenue`: (country, day) -> revenue. Orders of unknown customers do not count until a row of
/// the customer arrives.
pub fn orders(df: &mut Dataflow) {
    let spent = df
        .events::<Order>("orders")
        .map(|o| ((o.customer, o.at.date()), o.amount))
        .sum("spent")
        .map(|((customer, day), amount): ((i64, Date), _)| (customer, (day, amount)));
    let country = df
        .events::<Customer>("customers")
        .map(|c| (c.id, (c.at, c.country.to_owned(), c.name.to_owned())))
        .latest("customers", |(at, _, _)| *at)
        .map(|(id, (_, country, _))| (id, country));
    let revenue = spent
        .join(country)
        .map(|(_, ((day, amount), country))| ((country, day), amount))
        .sum_values();
    df.view("revenue", revenue).columns(&["country", "day", "revenue"]);
}
