//! A stream that a served dataflow reads, as servers know it.

use arrow_schema::SchemaRef;

use diptych_dataflow::StreamInfo;
use diptych_event::ReadAs;

/// A stream that a served dataflow reads.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Its name in the log.
    pub name: String,
    /// The columns of its events.
    pub schema: SchemaRef,
    /// How they are read.
    pub read: ReadAs,
}

impl Stream {
    /// The stream that a dataflow reads.
    pub fn of(info: &StreamInfo) -> Stream {
        let name = info.name.clone();
        let schema = SchemaRef::clone(&info.schema);
        Stream { name, schema, read: info.read.clone() }
    }
}
