//! stub
use super::args::TopArgs;
use crate::error::Result;
use std::process::ExitCode;
pub(super) fn run(args: &TopArgs) -> Result<ExitCode> {
    let _ = (args.once, args.place.place()?);
    Ok(ExitCode::SUCCESS)
}
