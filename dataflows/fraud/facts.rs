//! The events: payments, and the links of accounts to cards, devices and addresses.

use diptych::prelude::*;
use serde::{Deserialize, Serialize};

/// A payment by card. Of several with one id the least counts, in the order of the fields.
#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payment {
    /// The id of the payment.
    pub id: i64,
    /// The card.
    pub card: i64,
    /// The paying account.
    pub account: i64,
    /// The amount.
    pub amount: Decimal<2>,
    /// The country of the payment.
    pub country: String,
    /// The time of the payment.
    pub at: Timestamp,
}

/// An account uses a card, a device or an address (`diff` 1), or does not after all (-1).
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Link {
    /// The account.
    pub account: i64,
    /// The card, device or address, which other accounts may use, too.
    pub shared: String,
    /// Added to the link's multiplicity.
    pub diff: i64,
}
