//! Messages of a serving process on standard error: as text, or one JSON object per line.

use std::fmt;
use std::sync::OnceLock;

use clap::{Args, ValueEnum};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use diptych_base::escaped_text::Escaped;

/// Libraries whose ordinary messages concern only themselves.
const LIBRARIES: [&str; 8] =
    ["hyper", "hyper_util", "h2", "rustls", "tokio", "tower", "mio", "datafusion"];

static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// The level of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogLevel {
    /// What ended the process
    Error,
    /// States that need attention
    Warn,
    /// Start, stop and what changed
    #[default]
    Info,
    /// Every request
    Debug,
    /// Everything
    Trace,
}

/// The format of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people; the journal adds the time
    #[default]
    Text,
    /// One object a line: timestamp, level, message, target
    Json,
}

/// Writes messages to standard error as `args` say from now on; only the first call has an effect.
/// A program with a tracing subscriber of its own keeps it.
pub(super) fn start(args: LogsArgs) {
    if FORMAT.set(args.log_format).is_err() {
        return;
    }
    let level = match args.log_level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let others = level.min(LevelFilter::WARN);
    let targets = LIBRARIES.iter().map(|name| (*name, others));
    let filter = Targets::new().with_default(level).with_targets(targets);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    // This is refused when there is a subscriber already.
    let _ = match args.log_format {
        LogFormat::Text => registry.with(layer.event_format(Plain)).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
}

/// Whether messages are written as JSON.
pub(super) fn are_json() -> bool {
    FORMAT.get() == Some(&LogFormat::Json)
}

/// The text format: `warning: what and where (remedy)`; ordinary messages as they are.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        writer.write_str(match level {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            Level::INFO => "",
            Level::DEBUG => "debug: ",
            Level::TRACE => "trace: ",
        })?;
        // A message is one line, whatever text it repeats.
        let mut escaped = Escaped(writer.by_ref());
        context.format_fields(Writer::new(&mut escaped), event)?;
        writeln!(writer)
    }
}

/// The options of the process's messages on standard error.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct LogsArgs {
    /// How much is said on standard error
    #[arg(long, value_enum, default_value_t)]
    pub(super) log_level: LogLevel,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    pub(super) log_format: LogFormat,
}
