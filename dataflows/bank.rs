//! Transfers between accounts: five views that must agree with one another at every frontier.
//!
//! After Jamie Brandon, "Internal consistency in streaming systems" (2021).

use diptych::dataflow::Key;
use diptych::prelude::*;

/// Moves `amount` from one account to another.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Transfer {
    /// The id of the transfer.
    pub id: i64,
    /// The debited account.
    pub from_account: i64,
    /// The credited account.
    pub to_account: i64,
    /// The amount in the smallest unit of the currency.
    pub amount: i64,
    /// The time by the sender's clock; never used to order.
    pub ts: i64,
}

/// `credits`, `debits`, `balance` (accounts that have both), `balance_outer` (accounts that have
/// either), each (account) -> amount, and `total`: () -> the sum of all balances, always zero.
///
/// Amounts may be any number, so their sums are wider; a sum that the column of its view cannot
/// hold is a row of `errors`.
pub fn bank(df: &mut Dataflow) {
    let transfers = df.events::<Transfer>("transfers");
    let credited = transfers.clone().map(|t| (t.to_account, i128::from(t.amount)));
    let credits = credited.sum("credits");
    let debits = transfers.map(|t| (t.from_account, i128::from(t.amount))).sum("debits");

    let balance = credits.clone().join(debits.clone()).map(|(account, (c, d))| (account, c - d));
    let only_credits = credits.clone().antijoin(debits.clone().map(|(account, _)| account));
    let only_debits = debits.clone().antijoin(credits.clone().map(|(account, _)| account));
    let outer =
        balance.clone().concat(only_credits).concat(only_debits.map(|(account, d)| (account, -d)));
    let total = outer.clone().map(|(_, balance)| ((), balance)).sum_values();

    publish(df, "credits", credits, &["account", "credits"]);
    publish(df, "debits", debits, &["account", "debits"]);
    publish(df, "balance", balance, &["account", "balance"]);
    publish(df, "balance_outer", outer, &["account", "balance"]);
    publish(df, "total", total, &["total"]);
}

fn publish<'s, K: Key + Columns>(
    df: &mut Dataflow<'s>,
    view: &str,
    sums: Collection<'s, (K, i128)>,
    columns: &[&str],
) {
    let rows = sums.try_map(view, |(key, sum)| match i64::try_from(sum) {
        Ok(sum) => Ok((key, sum)),
        Err(_) => Err("more than the column holds"),
    });
    df.view(view, rows).columns(columns);
}
