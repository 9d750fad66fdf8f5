//! Derive macros of `diptych`; see `diptych::Event`.
