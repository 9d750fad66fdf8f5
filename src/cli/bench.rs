//! `bench`.
use super::args::BenchArgs;
use super::catalog::Catalog;
use crate::error::Result;
use std::process::ExitCode;
pub(super) fn run(_args: &BenchArgs, _catalog: &Catalog) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
