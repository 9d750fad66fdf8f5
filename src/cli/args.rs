//! The command line's arguments: commands, options, units and defaults.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::logging::LogsArgs;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::Epoch;
use diptych_engine::Cluster;
use diptych_site::{ClearText, MaxLag, ServersOptions};
use diptych_system::{Checkpoints, System};

/// The format of printed rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// Aligned columns, for people
    #[default]
    Table,
    /// One JSON object per line; its keys are the columns
    Json,
    /// RFC 4180 with a header line
    Csv,
}

/// The data directory.
#[derive(Args, Clone, Debug)]
pub(super) struct DataArgs {
    /// Data directory: the log in DIR/log, batch views in DIR/views
    #[arg(long = "data", value_name = "DIR")]
    pub(super) dir: PathBuf,
}

impl DataArgs {
    pub(super) fn system(&self) -> System {
        System::open(&self.dir)
    }
}

/// The format of the output.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct FormatArgs {
    /// How rows are printed
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: OutputFormat,
}

/// Worker threads of one process.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct WorkerArgs {
    /// Worker threads
    #[arg(short = 'w', long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) workers: u16,
}

impl WorkerArgs {
    pub(super) fn cluster(self) -> Cluster {
        Cluster::local(usize::from(self.workers))
    }
}

/// Worker threads and processes.
#[derive(Args, Clone, Debug)]
pub(super) struct ClusterArgs {
    /// Worker threads of each process
    #[arg(short = 'w', long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: u16,
    /// Processes; without -p all of them are started here, on loopback
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) processes: u16,
    /// The number of this process, from 0; start the others yourself, with the same arguments
    #[arg(short = 'p', long, value_name = "I", requires = "hostfile")]
    pub(super) process: Option<u16>,
    /// One HOST:PORT a line, one line a process; the ports are plaintext: keep them private
    #[arg(long, value_name = "FILE", requires = "process")]
    hostfile: Option<PathBuf>,
    /// Whether the process ends when the process that started it does.
    #[arg(long, hide = true)]
    pub(super) attached: bool,
}

impl ClusterArgs {
    /// Whether this process has to start the other processes.
    pub(super) fn is_launcher(&self) -> bool {
        self.processes > 1 && self.process.is_none()
    }

    /// Whether this process is one of several.
    pub(super) fn is_member(&self) -> bool {
        self.process.is_some()
    }

    /// The cluster configuration for timely.
    ///
    /// # Errors
    /// When the hostfile is unreadable or does not name enough hosts.
    pub(super) fn cluster(&self) -> Result<Cluster> {
        let workers = usize::from(self.workers);
        match (self.process, &self.hostfile) {
            (Some(process), Some(hostfile)) if self.processes > 1 => {
                let processes = usize::from(self.processes);
                Cluster::from_hostfile(workers, processes, usize::from(process), hostfile)
            }
            (Some(process), _) if process > 0 => {
                let message = format!("process {process} of 1: they count from 0");
                Err(Error::new(Kind::Input, message).remedy("say how many there are with -n"))
            }
            _ => Ok(Cluster::local(workers)),
        }
    }
}

/// Parses a duration: `500ms`, `10s`, `2m`; a plain number is seconds.
pub(super) fn duration(text: &str) -> std::result::Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().map_err(|_| format!("{text:?} is no length of time"))?;
    let seconds = match &text[digits.len()..] {
        "ms" => number / 1e3,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        unit => return Err(format!("unit {unit:?} is none of ms, s, m, h")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Parses a count, with underscores allowed: `1_000_000`.
pub(super) fn count(text: &str) -> std::result::Result<u64, String> {
    text.replace('_', "").parse().map_err(|_| format!("{text:?} is no count"))
}

/// Parses a number of bytes: `500KB`, `2MB`, `64MiB`; a plain number is bytes.
fn byte_count(text: &str) -> std::result::Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| format!("{text:?} is no number of bytes"))?;
    let unit: u64 = match &text[digits.len()..] {
        "" | "B" => 1,
        "KB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        unit => return Err(format!("unit {unit:?} is none of B, KB, KiB, MB, MiB, GB, GiB")),
    };
    Ok(number.saturating_mul(unit))
}

/// Parses a number of bytes that one append may hold.
pub(super) fn size(text: &str) -> std::result::Result<u64, String> {
    let bytes = byte_count(text)?;
    let most = diptych_base::limits::APPEND_BYTES_MAX as u64;
    if bytes > most { Err(format!("{text} is above {most} bytes")) } else { Ok(bytes) }
}

/// Parses an amount of memory: `512MiB`, `4GiB`.
fn memory(text: &str) -> std::result::Result<u64, String> {
    let bytes = byte_count(text)?;
    let least = diptych_base::limits::STATE_MEMORY_BYTES_MIN;
    if bytes < least { Err(format!("{text} is below {least} bytes")) } else { Ok(bytes) }
}

/// Parses a bound on a dataflow's lag: `30s`; a plain number is epochs.
fn max_lag(text: &str) -> std::result::Result<MaxLag, String> {
    count(text).map(MaxLag::Epochs).or_else(|_| duration(text).map(MaxLag::Time))
}

/// Parses which clients of the Postgres port may do without TLS.
fn pg_tls(text: &str) -> std::result::Result<ClearText, String> {
    match text {
        "require" => Ok(ClearText::Refused),
        "allow" => Ok(ClearText::Allowed),
        _ => Err("write require or allow".to_owned()),
    }
}

#[derive(Args, Debug)]
pub(super) struct FlowsArgs {
    /// Only this dataflow
    pub(super) dataflow: Option<String>,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

#[derive(Args, Debug)]
pub(super) struct BatchArgs {
    /// The dataflows
    #[arg(required = true, value_name = "DATAFLOW")]
    pub(super) dataflows: Vec<String>,
    #[command(flatten)]
    pub(super) data: DataArgs,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    /// History ends before this epoch [default: the log's end]
    #[arg(long, value_name = "EPOCH")]
    pub(super) upto: Option<Epoch>,
    /// Continue the newest batch view and read only the events since, instead of all
    #[arg(long)]
    pub(super) incremental: bool,
    /// Have about so much of views and accumulations in memory, and the rest in files, where that
    /// is possible: history is read in steps then (512MiB, 4GiB) [default: all]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub(super) memory: Option<u64>,
}

#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    /// The dataflows
    #[arg(required = true, value_name = "DATAFLOW")]
    pub(super) dataflows: Vec<String>,
    #[command(flatten)]
    pub(super) data: DataArgs,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    /// Append NDJSON lines from standard input to this stream, as the log's writer; without it
    /// the directory is followed, which another process may be writing
    #[arg(long, value_name = "STREAM")]
    pub(super) stdin: Option<String>,
    /// What becomes of a line of standard input that is no record
    #[arg(long, value_enum, default_value_t = OnErrorArg::Skip)]
    pub(super) on_error: OnErrorArg,
    #[command(flatten)]
    pub(super) servers: ServersArgs,
    /// Settings that are not given here (TOML; its keys are the names of these options, and
    /// `dataflows`)
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) logs: LogsArgs,
    /// While serving, leave a batch view whenever the newest is older than this; `auto`: when
    /// 10,000 epochs, 16 MiB of events or ten minutes are behind it (a state of over 1 GiB: never)
    #[arg(long, value_name = "TIME|auto|never", value_parser = checkpoints, default_value = "auto")]
    pub(super) checkpoint_every: Checkpoints,
    /// Keep views, and accumulations where that is possible, in the files of batch views: memory
    /// holds what changed since the last one
    #[arg(long)]
    pub(super) state_in_files: bool,
    /// Have about so much of views and accumulations in memory, and the rest in files, where that
    /// is possible; more in memory makes a checkpoint due (512MiB, 4GiB) [default: any]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub(super) memory: Option<u64>,
    /// Have a newer batch view that differs from what is served take its place
    #[arg(long)]
    pub(super) accept: bool,
    /// While serving, recompute every dataflow from the events alone and compare, with this pause
    #[arg(long, value_name = "every=TIME", value_parser = every)]
    pub(super) verify: Option<Duration>,
    /// Stop after this time: 500ms, 10s, 2m [default: on Ctrl-C or SIGTERM]
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(super) time: Option<Duration>,
    /// Print this view (VIEW or DATAFLOW.VIEW) as it is in the index at the end
    #[arg(long, value_name = "VIEW")]
    pub(super) print: Option<String>,
    #[command(flatten)]
    pub(super) format: FormatArgs,
    /// Start at this epoch instead of the log's end, when history is fed in place.
    #[arg(long, hide = true)]
    pub(super) start: Option<Epoch>,
}

#[derive(Args, Debug)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    pub(super) what: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print the settings of `serve` with the origin of each: flag, file or default
    Show(Box<ServeArgs>),
}

/// Addresses of the servers, and access to them.
#[derive(Args, Clone, Debug)]
pub(super) struct ServersArgs {
    /// Answer HTTP here, and append what is posted, as the log's writer
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) listen: Option<SocketAddr>,
    /// Answer the Postgres protocol here (read only; in a binary built with `--features sql`)
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) pg_listen: Option<SocketAddr>,
    /// Follow the log that another process writes, and refuse appends
    #[arg(long)]
    pub(super) follow: bool,
    /// Certificate chain (PEM); both ports speak TLS then
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,
    /// Clients of the Postgres port without TLS, when there is a certificate: `require` refuses
    /// all, `allow` admits all [default: only those of this machine]
    #[arg(long, value_name = "require|allow", value_parser = pg_tls)]
    pub(super) pg_tls: Option<ClearText>,
    /// Tokens and passwords (TOML); read again when it changes
    #[arg(long, value_name = "FILE")]
    pub(super) credentials: Option<PathBuf>,
    /// A name that this server may be asked by over HTTP, beside addresses, localhost and the names
    /// of the certificate; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub(super) allow_host: Vec<String>,
    /// Connections that each port holds at once; more are refused
    #[arg(long, value_name = "N", default_value_t = diptych_base::limits::CONNECTIONS_MAX)]
    pub(super) max_connections: usize,
    /// The largest body of a request: 500KB, 2MB, 64MiB
    #[arg(long, value_name = "SIZE", default_value = "2MiB", value_parser = size)]
    pub(super) max_body: u64,
    /// Readers that are behind the log for longer are a concern: /readyz says so
    #[arg(long, value_name = "TIME", default_value = "4s", value_parser = duration)]
    pub(super) lag_bound: Duration,
    /// Refuse events (503) while a dataflow that reads them is farther behind the log: 30s, 5m, or
    /// a number of epochs [default: never]
    #[arg(long, value_name = "TIME|EPOCHS", value_parser = max_lag)]
    pub(super) max_lag: Option<MaxLag>,
}

impl ServersArgs {
    /// Whether a server listens at any address.
    pub(super) fn any(&self) -> bool {
        self.listen.is_some() || self.pg_listen.is_some()
    }

    /// Whether posted events go into the log.
    pub(super) fn appends(&self) -> bool {
        self.listen.is_some() && !self.follow
    }

    pub(super) fn options(&self) -> ServersOptions {
        ServersOptions {
            listen: self.listen,
            pg_listen: self.pg_listen,
            tls_cert: self.tls_cert.clone(),
            tls_key: self.tls_key.clone(),
            pg_tls: self.pg_tls,
            credentials: self.credentials.clone(),
            allow_host: self.allow_host.clone(),
            max_connections: Some(self.max_connections),
            max_body: Some(self.max_body),
            max_lag: self.max_lag,
            lag_bound: Some(self.lag_bound),
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct DiffArgs {
    /// Before: DATAFLOW of this binary, DATAFLOW@VERSION of a batch view that is there, or
    /// BINARY:DATAFLOW of another binary made with the library
    #[arg(value_name = "BEFORE")]
    pub(super) left: String,
    /// After, as well
    #[arg(value_name = "AFTER")]
    pub(super) right: String,
    #[command(flatten)]
    pub(super) data: DataArgs,
    /// Compare below this epoch [default: the log's end]
    #[arg(long, value_name = "EPOCH")]
    pub(super) upto: Option<Epoch>,
    /// Show so many differing keys of each view
    #[arg(long, value_name = "KEYS", default_value_t = 10)]
    pub(super) samples: usize,
    #[command(flatten)]
    pub(super) workers: WorkerArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

#[derive(Args, Debug)]
pub(super) struct CopyArgs {
    /// The data directory (backup), or the backup (restore)
    #[arg(value_name = "FROM")]
    pub(super) from: PathBuf,
    /// A directory that is empty or not there
    #[arg(value_name = "TO")]
    pub(super) to: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct BenchArgs {
    /// The dataflow
    pub(super) dataflow: String,
    #[command(flatten)]
    pub(super) data: DataArgs,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    /// The directory in which the processes of one measurement meet.
    #[arg(long, hide = true, value_name = "DIR", requires = "process")]
    pub(super) scratch: Option<PathBuf>,
    /// Live epochs to measure, of each size
    #[arg(long, value_name = "N", default_value = "200", value_parser = count)]
    pub(super) epochs: u64,
    /// Events of each live epoch; several sizes separated by commas
    #[arg(long, value_name = "EVENTS", default_value = "1_000", value_parser = count,
          value_delimiter = ',')]
    pub(super) epoch_size: Vec<u64>,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// Events before the live ones
    #[arg(long, value_name = "EVENTS", default_value = "1_000_000", value_parser = count)]
    pub(super) history: u64,
    /// Live events per second
    #[arg(long, value_name = "EVENTS", default_value = "20_000", value_parser = count)]
    pub(super) rate: u64,
    #[command(flatten)]
    pub(super) workers: WorkerArgs,
    /// How long events keep coming: 500ms, 10s, 2m; Ctrl-C ends it earlier
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(super) time: Duration,
    /// Keep the data in this directory, which has no log yet [default: a temporary one, removed]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
}

/// Parses the option that says when checkpoints are made.
pub(super) fn checkpoints(text: &str) -> Result<Checkpoints, String> {
    match text {
        "auto" => Ok(Checkpoints::Automatic),
        "never" => Ok(Checkpoints::Never),
        time => {
            let wrong = |error| format!("{error}; give a time, `auto` or `never`");
            duration(time).map(Checkpoints::Every).map_err(wrong)
        }
    }
}

/// Parses `every=1h`.
pub(super) fn every(text: &str) -> std::result::Result<Duration, String> {
    let length = text.strip_prefix("every=").ok_or("it is said as every=1h")?;
    match duration(length)? {
        Duration::ZERO => Err("a processor would do nothing else".to_owned()),
        length => Ok(length),
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum OnErrorArg {
    /// Nothing more is appended (of files: nothing at all); the error names line and column
    #[default]
    Stop,
    /// The record is reported (of files: it goes to FILE.errors.ndjson), the others are appended
    Skip,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        crate::command::Cli::command().debug_assert();
    }

    #[test]
    fn lengths_of_time_have_units() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert!(duration("soon").is_err() && duration("5y").is_err() && duration("-1s").is_err());
    }
}
