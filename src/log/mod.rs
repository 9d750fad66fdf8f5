#![doc = include_str!("README.md")]

mod append;
mod backup;
mod chunk;
mod clocks;
mod commit;
mod envelope;
mod erase;
mod frame;
mod frame_file;
mod hostile;
pub mod inspect;
mod layout;
mod manifest;
mod mark;
mod part;
mod reader;
mod recovery;
mod replay;
mod rows_file;
mod schemas;
mod sealer;
mod segment;
mod state;
mod threads;
mod view;
mod writer;

pub use append::{Ack, Append, Pending, Producer};
pub use backup::Copied;
pub use chunk::{Chunk, Epochs, Sealed};
pub(crate) use clocks::{ClockReader, Clocks};
pub use erase::{Chooser, Erased, Erasure, Places, erase};
pub(crate) use hostile::hostile;
pub use part::Part;
pub use reader::{Reader, StreamInfo};
pub use replay::Replay;
pub use writer::{Writer, WriterOptions};
