//! Transfers between accounts: five views that must agree with one another at every frontier.
//!
//! After Jamie Brandon, "Internal consistency in streaming systems" (2021).

use diptych::{Dataflow, Event, PairsExt};

/// Moves `amount` from one account to another.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Transfer {
    /// Names the transfer.
    pub id: i64,
    /// Debited.
    pub from_account: i64,
    /// Credited.
    pub to_account: i64,
    /// In the smallest unit of the currency.
    pub amount: i64,
    /// When, by the sender's clock; never used to order.
    pub ts: i64,
}

/// `credits`, `debits`, `balance` (accounts that have both), `balance_outer` (accounts that have
/// either), each (account) -> amount, and `total`: () -> the sum of all balances, always zero.
pub fn bank(df: &mut Dataflow) {
    let transfers = df.events::<Transfer>("transfers");
    let credits = transfers.clone().map(|t| (t.to_account, t.amount)).sum("credits");
    let debits = transfers.map(|t| (t.from_account, t.amount)).sum("debits");

    let balance = credits.clone().join(debits.clone()).map(|(account, (c, d))| (account, c - d));
    let only_credits = credits.clone().antijoin(debits.clone().map(|(account, _)| account));
    let only_debits = debits.clone().antijoin(credits.clone().map(|(account, _)| account));
    let outer =
        balance.clone().concat(only_credits).concat(only_debits.map(|(account, d)| (account, -d)));
    let total = outer.clone().map(|(_, balance)| ((), balance)).sum_values();

    df.view("credits", credits).columns(&["account", "credits"]);
    df.view("debits", debits).columns(&["account", "debits"]);
    df.view("balance", balance).columns(&["account", "balance"]);
    df.view("balance_outer", outer).columns(&["account", "balance"]);
    df.view("total", total).columns(&["total"]);
}
