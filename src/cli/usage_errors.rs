//! Errors of the command line's grammar.
//!
//! Such an error repeats text that was typed, or that a script has passed: a name, a record, a
//! title for the terminal's window. Control characters in it are shown escaped, as in any other
//! error.

use std::ffi::{OsStr, OsString};

use diptych_base::escaped_text::escaped;

/// Parses a command line; an error repeats the arguments with control characters escaped.
///
/// # Errors
/// When the grammar refuses them.
pub(super) fn matches(
    parse: impl Fn(&[OsString]) -> Result<clap::ArgMatches, clap::Error>,
    args: &[OsString],
) -> Result<clap::ArgMatches, clap::Error> {
    let error = match parse(args) {
        Ok(matches) => return Ok(matches),
        Err(error) => error,
    };
    if args.iter().all(|arg| shown(arg) == *arg) {
        return Err(error);
    }
    let args: Vec<OsString> = args.iter().map(|arg| shown(arg)).collect();
    // The escaped arguments are refused, too: control characters are not part of a name, a number
    // or a choice.
    parse(&args).map_or_else(Err, |_| Err(error))
}

fn shown(arg: &OsStr) -> OsString {
    match arg.to_str() {
        Some(text) => escaped(text).into_owned().into(),
        None => escaped(&arg.to_string_lossy()).into_owned().into(),
    }
}

/// Prints the error to the proper stream, in the colours of the grammar.
pub(super) fn print(error: &clap::Error) {
    let text = error.to_string();
    let acts = text.lines().any(|line| escaped(line) != line);
    if acts && error.use_stderr() {
        text.lines().for_each(|line| eprintln!("{}", escaped(line)));
    } else {
        // A closed standard output is no error here.
        let _ = error.print();
    }
}
