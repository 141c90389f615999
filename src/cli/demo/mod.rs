//! demo
use crate::failure::Failure;
use clap::Args;
/// o
#[derive(Args)]
pub(super) struct Options {}
pub(super) fn run(_options: &Options) -> Result<(), Failure> {
    Ok(())
}
