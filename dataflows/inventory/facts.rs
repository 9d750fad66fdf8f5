//! The events: changes of two tables, and movements of stock.

use diptych::prelude::*;
use serde::{Deserialize, Serialize};

/// The kind of a change.
#[derive(Event, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// The row has the values of the change.
    Upsert,
    /// The row is deleted; only its key and its LSN count.
    Delete,
}

/// A change of the table of products.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct ProductChange {
    /// The kind of the change.
    pub op: Op,
    /// The log sequence number, which orders the changes of one key.
    pub lsn: i64,
    /// The key.
    pub product: String,
    /// The name of the product.
    pub name: String,
    /// The level to reorder at: when no more than this is available in a warehouse.
    pub reorder_at: i64,
}

/// A change of the table of reservations.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct ReservationChange {
    /// The kind of the change.
    pub op: Op,
    /// The log sequence number, which orders the changes of one key.
    pub lsn: i64,
    /// The key.
    pub reservation: i64,
    /// The warehouse it will be taken from.
    pub warehouse: String,
    /// The product.
    pub product: String,
    /// The reserved quantity.
    pub quantity: i64,
}

/// Goods came in or went out; a correction is a movement in the other direction. Of several with
/// one id the least counts, in the order of the fields.
#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Movement {
    /// The id of the movement.
    pub movement: i64,
    /// The warehouse.
    pub warehouse: String,
    /// The product.
    pub product: String,
    /// The quantity that came in; negative when it went out.
    pub quantity: i64,
    /// The time of the movement.
    pub at: Timestamp,
}
