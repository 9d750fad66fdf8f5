//! `token`: makes secrets for clients, shown once.

use std::io::Read;
use std::process::ExitCode;

use super::token_command_args::{TokenArgs, TokenCommand};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::append_private;
use diptych_site::auth::{NewToken, new_token, new_user};

/// The longest password on standard input, in bytes.
const PASSWORD_BYTES_MAX: u64 = 1024;

/// Makes a token or a user: the secret goes to standard output, and the lines of the credentials
/// file into that file when it is named, else to standard error.
///
/// # Errors
/// When the system gives no random bytes, the password cannot be read, or the file not written.
pub(super) fn run(args: &TokenArgs) -> Result<ExitCode> {
    let (made, into) = match &args.what {
        TokenCommand::New(args) => {
            let name = args.name.as_deref().unwrap_or("unnamed");
            (new_token(name, &args.role)?, &args.into)
        }
        TokenCommand::User(args) => {
            let password = args.password_stdin.then(password).transpose()?;
            (new_user(&args.name, password, args.role)?, &args.into)
        }
    };
    let NewToken { secret, lines } = made;
    match into {
        Some(path) => append_private(path, &format!("\n{lines}"))?,
        None => eprintln!("for the credentials file:\n{lines}\nthe secret, shown only now:"),
    }
    println!("{secret}");
    Ok(ExitCode::SUCCESS)
}

fn password() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .take(PASSWORD_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| Error::io("reading the password from standard input", error))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Error::new(Kind::Input, "the password on standard input is empty"));
    }
    Ok(password.to_owned())
}
