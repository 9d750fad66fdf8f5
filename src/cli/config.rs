//! The configuration file of `serve`: one TOML file for its options, and the origin of each value.
//!
//! The keys are the names of the options, and `dataflows`; there is no second list of them. The
//! file's values are inserted before the typed options, so every check of an option also checks the
//! file, and a typed option wins.
//!
//! ```toml
//! dataflows = ["word_count"]
//! data = "D"
//! listen = "127.0.0.1:7171"
//! log-format = "json"
//! ```

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::OnceLock;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use toml::de::{DeTable, DeValue};

use super::command::Cli;
use super::usage_errors;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::read_text;

/// The commands whose options a file may give.
const COMMANDS: [&[&str]; 3] = [&["serve"], &["deploy"], &["config", "show"]];
/// The only argument that is not an option.
const DATAFLOWS: &str = "dataflows";
/// Keys that would make no sense in the file.
const NOT_IN_FILES: [&str; 2] = ["config", "help"];

/// A refused command line: by its grammar, or by its configuration file.
pub(super) enum ConfigRefusal {
    Usage(clap::Error),
    File(Error),
}

/// A setting in force, with its origin.
pub(super) struct Setting {
    name: String,
    /// The value as a file could have it; none when it is not set.
    value: Option<String>,
    origin: String,
}

/// An entry of a file: a key, its line, and its values as on a command line (none: not given).
struct Entry {
    key: String,
    line: usize,
    values: Vec<String>,
}

/// Parses a command line together with the file that it names with `--config`.
///
/// # Errors
/// When either is wrong.
pub(super) fn parse(args: Vec<OsString>) -> Result<(Cli, Vec<Setting>), ConfigRefusal> {
    let parsed =
        |matches: &ArgMatches| Cli::from_arg_matches(matches).map_err(ConfigRefusal::Usage);
    let exact = |args: &[OsString]| {
        usage_errors::matches(|args| Cli::command().try_get_matches_from(args), args)
    };
    let Some(path) = COMMANDS.into_iter().find(|path| names(&args, path)) else {
        return Ok((parsed(&exact(&args).map_err(ConfigRefusal::Usage)?)?, Vec::new()));
    };
    let command = command(path);
    // Required arguments may be in the file, so the command line may be incomplete.
    let typed = Cli::command().ignore_errors(true).try_get_matches_from(&args);
    let typed = typed.ok().and_then(|matches| below(&matches, path).cloned());
    let typed_here = |id: &str| {
        let source = typed.as_ref().and_then(|matches| matches.value_source(id));
        source == Some(ValueSource::CommandLine)
    };
    let file = typed.as_ref().and_then(|matches| matches.get_one::<std::path::PathBuf>("config"));
    let file = file.filter(|_| typed_here("config"));
    let entries =
        file.map_or(Ok(Vec::new()), |file| read(file, &command)).map_err(ConfigRefusal::File)?;
    let mut all = args;
    let mut at = 1 + path.len();
    for entry in &entries {
        if id_of(&command, &entry.key).is_none_or(|id| typed_here(&id)) {
            continue;
        }
        for value in &entry.values {
            all.insert(at, value.into());
            at += 1;
        }
    }
    let matches = exact(&all).map_err(|error| explained(error, file, &entries))?;
    let cli = parsed(&matches)?;
    let settings = below(&matches, path).map_or(Vec::new(), |matches| {
        settings(
            &command,
            matches,
            file.map(|file| (file.as_path(), entries.as_slice())),
            typed_here,
        )
    });
    Ok((cli, settings))
}

/// Whether the arguments name the command at `path`.
fn names(args: &[OsString], path: &[&str]) -> bool {
    let typed = args.iter().skip(1).map(OsString::as_os_str);
    typed.take(path.len()).eq(path.iter().map(OsStr::new))
}

fn command(path: &[&str]) -> Command {
    path.iter().fold(Cli::command(), |command, name| {
        command.find_subcommand(name).cloned().unwrap_or_default()
    })
}

fn below<'a>(matches: &'a ArgMatches, path: &[&str]) -> Option<&'a ArgMatches> {
    path.iter().try_fold(matches, |matches, name| matches.subcommand_matches(name))
}

/// The arguments that a file may give.
fn keys(command: &Command) -> impl Iterator<Item = &Arg> {
    let usable = |arg: &&Arg| {
        let name = key_of(arg);
        !arg.is_hide_set() && name.is_some_and(|name| !NOT_IN_FILES.contains(&name))
    };
    command.get_arguments().filter(usable)
}

fn key_of(arg: &Arg) -> Option<&str> {
    arg.get_long().or_else(|| (arg.get_id() == DATAFLOWS).then_some(DATAFLOWS))
}

fn id_of(command: &Command, key: &str) -> Option<String> {
    let found = keys(command).find(|arg| key_of(arg) == Some(key))?;
    Some(found.get_id().to_string())
}

fn read(path: &Path, command: &Command) -> Result<Vec<Entry>> {
    parse_file(&read_text(path)?, command).map_err(|error| error.within(path.display()))
}

/// Parses the text of a file.
fn parse_file(text: &str, command: &Command) -> Result<Vec<Entry>> {
    let line_of = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let wrong = |line: usize, what: String| Error::new(Kind::Input, format!("line {line}: {what}"));
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(span.start));
        wrong(line, error.message().to_owned())
    })?;
    let mut entries = Vec::new();
    for (key, value) in table.get_ref() {
        let line = line_of(key.span().start);
        let key = key.get_ref().as_ref();
        let Some(arg) = keys(command).find(|arg| key_of(arg) == Some(key)) else {
            let known: Vec<&str> = keys(command).filter_map(key_of).collect();
            let error = wrong(line, format!("there is no setting {key:?}"));
            return Err(match nearest(key, &known) {
                Some(near) => error.remedy(format!("did you mean {near:?}?")),
                None => error.remedy(format!("the settings are {}", known.join(", "))),
            });
        };
        let flag = |value: String| match key {
            DATAFLOWS => value,
            _ => format!("--{key}={value}"),
        };
        let values = match value.get_ref() {
            DeValue::Boolean(on) if is_switch(arg) => {
                if *on {
                    vec![format!("--{key}")]
                } else {
                    Vec::new()
                }
            }
            DeValue::Array(items) if is_list(arg) => {
                let items = items.iter().map(|item| word(item.get_ref()).map(flag));
                let items: Option<Vec<String>> = items.collect();
                items.ok_or_else(|| wrong(line, format!("{key} is a list of words")))?
            }
            value => {
                let Some(value) = word(value).filter(|_| !is_switch(arg)) else {
                    let expected = if is_switch(arg) { "true or false" } else { "one value" };
                    return Err(wrong(line, format!("{key} is {expected}")));
                };
                vec![flag(value)]
            }
        };
        entries.push(Entry { key: key.to_owned(), line, values });
    }
    Ok(entries)
}

fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse)
}

fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

fn word(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

/// Explains an error of the merged command line: where the file causes it, the error names the
/// file.
fn explained(
    error: clap::Error,
    file: Option<&std::path::PathBuf>,
    entries: &[Entry],
) -> ConfigRefusal {
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.clone(),
        _ => return ConfigRefusal::Usage(error),
    };
    let name = argument.trim_start_matches('-').split([' ', '=']).next().unwrap_or_default();
    let found = entries.iter().find(|entry| entry.key == name);
    let (Some(file), Some(entry)) = (file, found) else { return ConfigRefusal::Usage(error) };
    let rendered = error.to_string();
    let message = rendered.lines().next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let place = format!("{}: line {}", file.display(), entry.line);
    ConfigRefusal::File(Error::new(Kind::Input, format!("{place}: {message}")))
}

fn settings(
    command: &Command,
    matches: &ArgMatches,
    file: Option<(&Path, &[Entry])>,
    typed_here: impl Fn(&str) -> bool,
) -> Vec<Setting> {
    let mut found = Vec::new();
    for arg in keys(command) {
        let (id, Some(name)) = (arg.get_id().as_str(), key_of(arg)) else { continue };
        let entry = file.and_then(|(path, entries)| {
            entries.iter().find(|entry| entry.key == name).map(|entry| (path, entry.line))
        });
        let origin = match (typed_here(id), entry) {
            (true, _) => "flag".to_owned(),
            (false, Some((path, line))) => format!("{}:{line}", path.display()),
            (false, None) => "default".to_owned(),
        };
        let values = matches.get_raw(id).into_iter().flatten();
        let values: Vec<String> = values.map(|value| value.to_string_lossy().into()).collect();
        let value = match values.as_slice() {
            _ if is_switch(arg) => Some(matches.get_flag(id).to_string()),
            [] => None,
            values if is_list(arg) => {
                let items: Vec<String> = values.iter().map(|value| quoted(value)).collect();
                Some(format!("[{}]", items.join(", ")))
            }
            [value, ..] if value.parse::<i64>().is_ok() => Some(value.clone()),
            [value, ..] => Some(quoted(value)),
        };
        found.push(Setting { name: name.to_owned(), value, origin });
    }
    found
}

fn quoted(value: &str) -> String {
    toml::Value::from(value).to_string()
}

/// `config show`: prints an equivalent file, with the origin of every value. The output has no
/// secret: secrets are in the files that it names.
pub(super) fn show(settings: &[Setting]) {
    for Setting { name, value, origin } in settings {
        match value {
            Some(value) => println!("{:<44}# {origin}", format!("{name} = {value}")),
            None => println!("# {name} is not set"),
        }
    }
}

/// The decoder of these files, for the fuzz tests of [`diptych_base::fuzz_target`].
pub fn hostile() -> Vec<diptych_base::fuzz_target::Decoder> {
    let file = b"dataflows = [\"a\", 'b']\ndata = \"D\"\nworkers = 2\nfollow = true\n".to_vec();
    let run = |bytes: &[u8]| {
        static COMMAND: OnceLock<Command> = OnceLock::new();
        let command = COMMAND.get_or_init(|| command(COMMANDS[0]));
        drop(parse_file(&String::from_utf8_lossy(bytes), command));
    };
    vec![diptych_base::fuzz_target::Decoder::new("settings", vec![file], run)]
}

/// The known name that is nearest to a misspelt one.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|known| (distance(name, known), *known)).min()?;
    (near.0 <= 1 + name.chars().count() / 3).then_some(near.1)
}

/// The edit distance of two words: characters to insert, remove or replace.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
