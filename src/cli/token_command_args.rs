//! The arguments of `token`, which makes tokens and passwords.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use diptych_site::auth::Role;

#[derive(Args, Debug)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    pub(super) what: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// A token for HTTP: printed once, with the lines that let it in
    New(NewTokenArgs),
    /// A user of the Postgres port, with a new password or one from standard input
    User(NewUserArgs),
}

#[derive(Args, Debug)]
pub(super) struct NewTokenArgs {
    /// What it may do: read, append, admin (everything); several separated by commas
    #[arg(long, required = true, value_delimiter = ',', value_parser = role)]
    pub(super) role: Vec<Role>,
    /// What logs call it
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Add the lines to this credentials file, and print the token alone
    #[arg(long, value_name = "FILE")]
    pub(super) into: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct NewUserArgs {
    /// The user's name
    pub(super) name: String,
    /// What it may do: read or admin
    #[arg(long, default_value = "read", value_parser = role)]
    pub(super) role: Role,
    /// Take the password from standard input
    #[arg(long)]
    pub(super) password_stdin: bool,
    /// Add the lines to this credentials file, and print the password alone
    #[arg(long, value_name = "FILE")]
    pub(super) into: Option<PathBuf>,
}

fn role(name: &str) -> Result<Role, String> {
    name.parse().map_err(|()| format!("{name:?} is none of read, append, admin"))
}
