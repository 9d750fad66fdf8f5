//! The event: a line of an invoice.

use diptych::prelude::*;

/// One line of an invoice, or of the cancellation of one.
#[derive(Event, Clone, Debug, PartialEq)]
pub struct InvoiceLine {
    /// The id of the invoice; a cancellation's begins with `C`.
    #[event(name = "InvoiceNo")]
    pub invoice: String,
    /// The id of the product.
    #[event(name = "StockCode")]
    pub product: String,
    /// The quantity; negative in a cancellation.
    #[event(name = "Quantity")]
    pub quantity: i64,
    /// The time of the invoice.
    #[event(name = "InvoiceDate")]
    pub at: Timestamp,
    /// The price of one.
    #[event(name = "UnitPrice")]
    pub price: Decimal<3>,
    /// The customer; empty when unknown.
    #[event(name = "CustomerID")]
    pub customer: String,
    /// The country where the customer lives.
    #[event(name = "Country")]
    pub country: String,
}
