//! Everything that a file with a dataflow needs: `use diptych::prelude::*;`.
//!
//! The types of events and their fields, the dataflow and what its operators return, the traits
//! with the operators on collections, and [`folds`] for accumulations that are computed by hand.
//!
//! ```
//! use diptych::prelude::*;
//!
//! #[derive(Event, Clone)]
//! struct Order {
//!     at: Timestamp,
//!     product: String,
//! }
//!
//! fn orders(df: &mut Dataflow) {
//!     let orders = df.events::<Order>("orders");
//!     let days = orders.map(|order| (order.at.date(), order.product.to_owned()));
//!     df.view("orders_by_day", days.count("orders"));
//! }
//! # let _ = ("orders", orders as fn(&mut Dataflow));
//! ```

pub use diptych_base::time::Epoch;
pub use diptych_dataflow::folds;
pub use diptych_dataflow::operators::*;
pub use diptych_dataflow::{
    Collection, Dataflow, Events, Front, Inside, Keep, Keyed, Moment, Monoid, Newest, Retained,
    Summand, Window, Windows,
};
pub use diptych_event::{Date, Decimal, Event, Float, Timestamp};
pub use diptych_row::Columns;
