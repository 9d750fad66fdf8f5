//! What an invoice says.

use diptych::{Decimal, Event, Timestamp};

/// One line of an invoice, or of the cancellation of one.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct InvoiceLine {
    /// Names the invoice; a cancellation's begins with `C`.
    #[event(name = "InvoiceNo")]
    pub invoice: String,
    /// Names the product.
    #[event(name = "StockCode")]
    pub product: String,
    /// How many; negative when they came back.
    #[event(name = "Quantity")]
    pub quantity: i64,
    /// When.
    #[event(name = "InvoiceDate")]
    pub at: Timestamp,
    /// What one costs.
    #[event(name = "UnitPrice")]
    pub price: Decimal<3>,
    /// Who bought; empty when nobody knows.
    #[event(name = "CustomerID")]
    pub customer: String,
    /// Where the customer lives.
    #[event(name = "Country")]
    pub country: String,
}
