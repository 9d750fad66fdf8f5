//! `backup` and `restore`: copies a consistent data directory to another place.
//!
//! Both commands do the same: they make a copy that ends at one epoch, read it back and verify it.

use std::process::ExitCode;

use super::args::CopyArgs;
use super::dataflow_catalog::Dataflows;
use super::row_printer::grouped;
use diptych_base::error::Result;
use diptych_system::System;

/// Makes the copy and describes it; `what` names it.
pub(super) fn run(args: &CopyArgs, catalog: &Dataflows, what: &str) -> Result<ExitCode> {
    let copied = System::open(&args.from).backup(catalog.all(), &args.to)?;
    let to = args.to.display();
    let bytes = grouped(copied.bytes);
    eprintln!("{what}: epochs up to {} in {to}, {bytes} bytes, all verified", copied.upper);
    for (dataflow, version, boundary) in copied.batch_views {
        eprintln!("  batch view of {dataflow} version {version} at F = {boundary}");
    }
    Ok(ExitCode::SUCCESS)
}
