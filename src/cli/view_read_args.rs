//! The arguments of commands that read views: `query`, `changes`, `top`.

use clap::Args;

use super::args::{FormatArgs, WorkerArgs};
use super::as_of::AsOf;
use super::data_dir_or_server::PlaceArgs;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::{At, Epoch};

#[derive(Args, Debug)]
pub(super) struct QueryArgs {
    /// The dataflow
    pub(super) dataflow: String,
    /// One of its views
    pub(super) view: String,
    #[command(flatten)]
    pub(super) place: PlaceArgs,
    #[command(flatten)]
    pub(super) keys: KeyArgs,
    /// Print at most so many rows
    #[arg(long, value_name = "ROWS")]
    pub(super) limit: Option<usize>,
    /// Answer as of the end of this epoch (its number, or EPOCH~BRANCH as an answer said), or of
    /// the last at this time (RFC 3339) [default: the last in the log]
    #[arg(long, value_name = "EPOCH|TIME")]
    pub(super) as_of: Option<AsOf>,
    #[command(flatten)]
    pub(super) workers: WorkerArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// The selection of rows by key; all rows by default.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct KeyArgs {
    /// Values of the first key columns, separated by commas; a key of one column is taken whole
    #[arg(long, value_name = "A,B")]
    #[arg(conflicts_with_all = ["key_json", "from", "from_json", "to", "to_json"])]
    pub(super) key: Option<String>,
    /// Values of the first key columns as a JSON list: ["a,b", 1, null]
    #[arg(long, value_name = "LIST", conflicts_with_all = ["from", "from_json", "to", "to_json"])]
    pub(super) key_json: Option<String>,
    /// Rows whose key columns begin with these values, or with greater ones
    #[arg(long, value_name = "A,B", conflicts_with = "from_json")]
    pub(super) from: Option<String>,
    /// The same, as a JSON list
    #[arg(long, value_name = "LIST")]
    pub(super) from_json: Option<String>,
    /// Rows before those whose key columns begin with these values
    #[arg(long, value_name = "A,B", conflicts_with = "to_json")]
    pub(super) to: Option<String>,
    /// The same, as a JSON list
    #[arg(long, value_name = "LIST")]
    pub(super) to_json: Option<String>,
    /// Rows whose next key column, a text, starts with this
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["from", "from_json", "to", "to_json"])]
    pub(super) prefix: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct ChangesArgs {
    /// The dataflow
    pub(super) dataflow: String,
    /// One of its views
    pub(super) view: String,
    #[command(flatten)]
    pub(super) place: PlaceArgs,
    /// The first epoch whose changes are printed, or a token of a server,
    /// VERSION@EPOCH~BRANCH; without it, all rows come first
    #[arg(long, value_name = "EPOCH", required_unless_present = "follow", value_parser = token)]
    pub(super) from: Option<String>,
    /// Stop before this epoch [default: the log's end]
    #[arg(long, value_name = "EPOCH")]
    pub(super) to: Option<Epoch>,
    /// Go on with what happens from now on, until interrupted; a table is printed as JSON then
    #[arg(long, requires = "server", conflicts_with = "to")]
    pub(super) follow: bool,
    #[command(flatten)]
    pub(super) workers: WorkerArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

impl ChangesArgs {
    /// The first epoch that is asked for.
    ///
    /// # Errors
    /// When it was left out.
    pub(super) fn first(&self) -> Result<Epoch> {
        self.from.as_deref().and_then(epoch_of).ok_or_else(|| {
            Error::new(Kind::Input, "no first epoch is given").remedy("give one with --from EPOCH")
        })
    }
}

/// The epoch of a token `VERSION@EPOCH~BRANCH`, or of a number.
pub(super) fn epoch_of(token: &str) -> Option<Epoch> {
    token.rsplit('@').next()?.parse::<At>().ok().map(|at| at.epoch)
}

fn token(text: &str) -> std::result::Result<String, String> {
    match epoch_of(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("neither an epoch nor a token VERSION@EPOCH~BRANCH".to_owned()),
    }
}

#[derive(Args, Debug)]
pub(super) struct TopArgs {
    #[command(flatten)]
    pub(super) place: PlaceArgs,
    /// Print one picture and end
    #[arg(long)]
    pub(super) once: bool,
}
