//! What is paid, and what accounts use.

use diptych::{Decimal, Event, Timestamp};
use serde::{Deserialize, Serialize};

/// A payment by card. Of several with one id the least counts, in the order of the fields.
#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payment {
    /// Names the payment.
    pub id: i64,
    /// By which card.
    pub card: i64,
    /// From whose account.
    pub account: i64,
    /// How much.
    pub amount: Decimal<2>,
    /// Where.
    pub country: String,
    /// When.
    pub at: Timestamp,
}

/// An account uses a card, a device or an address (`diff` 1), or does not after all (-1).
#[derive(Event, Clone, Debug, PartialEq)]
pub struct Link {
    /// Whose.
    pub account: i64,
    /// What others may use too.
    pub shared: String,
    /// Added to the link's multiplicity.
    pub diff: i64,
}
