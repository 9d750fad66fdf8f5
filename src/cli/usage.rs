//! What is wrong with a command line, as its grammar says it.
//!
//! Such an error repeats what was typed, or what a script has put there: a name, a record, a title
//! for the terminal's window. What acts in it is shown, as in any other error.

use std::ffi::{OsStr, OsString};

use diptych_base::harmless::harmless;

/// The matches of a command line; an error is about the arguments as they are shown.
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
    // It refuses these, too: what acts is no part of a name, of a number or of a choice.
    parse(&args).map_or_else(Err, |_| Err(error))
}

fn shown(arg: &OsStr) -> OsString {
    match arg.to_str() {
        Some(text) => harmless(text).into_owned().into(),
        None => harmless(&arg.to_string_lossy()).into_owned().into(),
    }
}

/// Prints the error where it belongs, in the colours of the grammar.
pub(super) fn print(error: &clap::Error) {
    let text = error.to_string();
    let acts = text.lines().any(|line| harmless(line) != line);
    if acts && error.use_stderr() {
        text.lines().for_each(|line| eprintln!("{}", harmless(line)));
    } else {
        // A closed standard output is nobody's concern here.
        let _ = error.print();
    }
}
