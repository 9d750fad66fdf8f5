//! The streams that served dataflows read, as servers know them.

use arrow_schema::SchemaRef;

use diptych_dataflow::StreamInfo;
use diptych_event::ReadAs;

/// A stream that a served dataflow reads.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The name of the stream in the log.
    pub name: String,
    /// The columns of its events.
    pub schema: SchemaRef,
    /// The way events from outside are read into the columns.
    pub read: ReadAs,
}

impl Stream {
    /// The stream of a dataflow's description.
    pub fn of(info: &StreamInfo) -> Stream {
        let name = info.name.clone();
        let schema = SchemaRef::clone(&info.schema);
        Stream { name, schema, read: info.read.clone() }
    }
}
