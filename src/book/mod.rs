//! **The book.** It explains the topics that do not belong to one part of the code. The
//! chapters are Markdown files in `src/book`; `cargo test --doc book` compiles and runs every Rust
//! snippet in them.
//!
//! | chapter | answers |
//! |---|---|
//! | [`first_hour`] | How do I get from `cargo new` to a correct, tested and served dataflow? |
//! | [`tables`] | Which operator answers which question, and what may fields be? |
//! | [`gallery`] | Which dataflow or example is near to the one I need? |
//! | [`commands`] | Which commands are there, and what do they print? |
//! | [`serving`] | How do clients append and read? |
//! | [`sql_clients`] | How do I connect psql, Grafana, `DBeaver` and others? |
//! | [`retention`] | How do I keep only the last days? |
//! | [`why`] | Why is it built like this? |
//! | [`guarantees`] | What may I rely on, and how do I know? |
//! | [`on_disk`] | What is each file for? |
//! | [`performance`] | What costs what, and how do I write something fast? |
//! | [`coming_from`] | What are the words that I know from other systems called here? |
//! | [`challenges`] | Which known problems of such systems are gone, and which are left? |
//! | [`comparison`] | What do others do, and what do they do better? |
//! | [`glossary`] | What does this word mean? |
//! | [`operating`] | How do I keep a server running? |
//!
//! Links to files are paths in the repository.

#[doc = include_str!("first_hour.md")]
pub mod first_hour {}

#[doc = include_str!("tables.md")]
pub mod tables {}

#[doc = include_str!("gallery.md")]
pub mod gallery {}

#[doc = include_str!("commands.md")]
pub mod commands {}

#[doc = include_str!("serving.md")]
pub mod serving {}

#[doc = include_str!("sql_clients.md")]
pub mod sql_clients {}

#[doc = include_str!("retention.md")]
pub mod retention {}

#[doc = include_str!("why.md")]
pub mod why {}

#[doc = include_str!("guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("on_disk.md")]
pub mod on_disk {}

#[doc = include_str!("performance.md")]
pub mod performance {}

#[doc = include_str!("coming_from.md")]
pub mod coming_from {}

#[doc = include_str!("challenges.md")]
pub mod challenges {}

#[doc = include_str!("comparison.md")]
pub mod comparison {}

#[doc = include_str!("glossary.md")]
pub mod glossary {}

#[doc = include_str!("../servers/OPERATING.md")]
pub mod operating {}
