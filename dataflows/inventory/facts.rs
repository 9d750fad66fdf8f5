//! Changes of two tables, and what is carried in and out.

use diptych::{Event, Timestamp};
use serde::{Deserialize, Serialize};

/// What a change does.
#[derive(Event, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// The row is now as it says.
    Upsert,
    /// There is no such row any more; only its key and its LSN count.
    Delete,
}

/// A change of the table of products.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct ProductChange {
    /// What it does.
    pub op: Op,
    /// Orders the changes of one key.
    pub lsn: i64,
    /// The key.
    pub product: String,
    /// What people call it.
    pub name: String,
    /// More is to be ordered when no more than this is available in a warehouse.
    pub reorder_at: i64,
}

/// A change of the table of reservations.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct ReservationChange {
    /// What it does.
    pub op: Op,
    /// Orders the changes of one key.
    pub lsn: i64,
    /// The key.
    pub reservation: i64,
    /// From where it will be taken.
    pub warehouse: String,
    /// What.
    pub product: String,
    /// How many.
    pub quantity: i64,
}

/// Something came in, or went out; a correction is a movement in the other direction. Of several
/// with one id the least counts, in the order of the fields.
#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Movement {
    /// Names the movement.
    pub movement: i64,
    /// Where.
    pub warehouse: String,
    /// What.
    pub product: String,
    /// How many came; negative when they went.
    pub quantity: i64,
    /// When.
    pub at: Timestamp,
}
