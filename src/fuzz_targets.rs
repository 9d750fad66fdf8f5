//! Every decoder of bytes from outside, for tests and fuzzers. No part of the interface.

pub use diptych_base::fuzz_target::Decoder;

/// All of them.
pub fn decoders() -> Vec<Decoder> {
    let mut all = diptych_log::hostile();
    all.extend(diptych_batch_view::hostile());
    all.extend(diptych_row::hostile());
    all.extend(diptych_sources::hostile());
    #[cfg(feature = "servers")]
    {
        all.extend(diptych_site::hostile());
        all.extend(diptych_http::hostile());
    }
    #[cfg(feature = "cli")]
    all.extend(diptych_cli::hostile());
    all
}
