//! Classifies a statement by its first words: a command of the session, a COPY, a write, which is
//! refused, or a query, which goes to the planner.

use super::copy_command::Copy;
use super::cursor_command::{Declare, Direction, declare, fetch};
use super::error::Failure;
use super::split_statements::{name, value, words};
use super::sql_prepare::{self, ExecuteCommand, PrepareCommand};

/// The kind of a statement, as far as its first words tell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum StatementKind {
    Command(PgCommand),
    Copy(Copy),
    Declare(Declare),
    Prepare(PrepareCommand),
    Execute(ExecuteCommand),
    Query,
}

/// A command that concerns the session.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PgCommand {
    /// Its tag, and the isolation that is asked for.
    Begin(&'static str, Option<&'static str>),
    Commit,
    Rollback,
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    Set {
        name: String,
        value: Option<String>,
        is_local: bool,
    },
    Reset(String),
    ResetAll,
    Show(String),
    ShowAll,
    Discard(&'static str),
    /// A prepared statement, or all of them.
    Deallocate(Option<String>),
    Fetch {
        cursor: String,
        direction: Direction,
        is_sent: bool,
    },
    /// A cursor, or all of them.
    Close(Option<String>),
    /// A command without effect here; its tag.
    Nothing(&'static str),
}

/// Words that start a write.
const WRITES: &[&str] = &[
    "insert",
    "update",
    "delete",
    "merge",
    "create",
    "drop",
    "alter",
    "truncate",
    "grant",
    "revoke",
    "vacuum",
    "analyze",
    "reindex",
    "cluster",
    "refresh",
    "comment",
    "lock",
    "import",
    "reassign",
    "security",
    "checkpoint",
    "load",
    "call",
    "do",
];

/// Classifies `sql`, which has at least one word.
///
/// # Errors
/// When it writes, or is an unknown command.
pub(super) fn kind(sql: &str) -> Result<StatementKind, Failure> {
    let mut words = Words::new(sql);
    let first = words.next();
    let command = match first.as_str() {
        "begin" => PgCommand::Begin("BEGIN", words.isolation()),
        "start" => PgCommand::Begin("START TRANSACTION", words.isolation()),
        "commit" | "end" => {
            words.refuse("prepared", "two-phase commit")?;
            PgCommand::Commit
        }
        "rollback" | "abort" => rollback(&mut words)?,
        "savepoint" => PgCommand::Savepoint(words.name()?),
        "release" => {
            words.skip("savepoint");
            PgCommand::Release(words.name()?)
        }
        "set" => return set(&mut words).map(StatementKind::Command),
        "reset" => reset(&mut words)?,
        "show" => match show(&mut words) {
            Some(command) => command,
            None => return Ok(StatementKind::Query),
        },
        "discard" => discard(&words.next())?,
        "deallocate" => {
            words.skip("prepare");
            PgCommand::Deallocate(words.name_or_all()?)
        }
        "declare" => return declare(sql, &mut words).map(StatementKind::Declare),
        "fetch" => fetch(&mut words, true)?,
        "move" => fetch(&mut words, false)?,
        "close" => PgCommand::Close(words.name_or_all()?),
        "unlisten" => PgCommand::Nothing("UNLISTEN"),
        "listen" | "notify" => {
            let failure = Failure::new("0A000", "there are no notifications here");
            return Err(failure.hint("changes of a view are streamed over HTTP"));
        }
        "prepare" => {
            words.refuse("transaction", "two-phase commit")?;
            return sql_prepare::prepare(sql, &mut words).map(StatementKind::Prepare);
        }
        "execute" => return sql_prepare::execute(sql, &mut words).map(StatementKind::Execute),
        "copy" => return super::copy_command::parse(sql).map(StatementKind::Copy),
        _ if WRITES.contains(&first.as_str()) => return Err(read_only(&first)),
        _ => return Ok(StatementKind::Query),
    };
    Ok(StatementKind::Command(command))
}

/// The error of a statement that writes.
pub(super) fn read_only(command: &str) -> Failure {
    let command = command.to_uppercase();
    Failure::new("25006", format!("cannot execute {command}: views are read only"))
        .hint("views follow from events: append those with POST /v1/streams/{stream}")
}

/// Whether the statement ends a transaction that has failed.
pub(super) fn ends_transaction(kind: &StatementKind) -> bool {
    use PgCommand::{Commit, Rollback, RollbackTo};
    matches!(kind, StatementKind::Command(Commit | Rollback | RollbackTo(_)))
}

/// The words of a statement, one after another, in lower case.
pub(super) struct Words<'a> {
    pub(super) rest: Vec<&'a str>,
    pub(super) at: usize,
}

impl<'a> Words<'a> {
    fn new(sql: &'a str) -> Words<'a> {
        Words { rest: words(sql).collect(), at: 0 }
    }

    pub(super) fn peek(&self) -> String {
        self.rest.get(self.at).map(|word| word.to_ascii_lowercase()).unwrap_or_default()
    }

    pub(super) fn next(&mut self) -> String {
        let word = self.peek();
        self.at += 1;
        word
    }

    /// The next word in its original spelling.
    fn raw(&mut self) -> &'a str {
        self.at += 1;
        self.rest.get(self.at - 1).copied().unwrap_or_default()
    }

    pub(super) fn skip(&mut self, word: &str) -> bool {
        let found = self.peek() == word;
        self.at += usize::from(found);
        found
    }

    pub(super) fn name(&mut self) -> Result<String, Failure> {
        let word = self.raw();
        if word.is_empty() { Err(cut()) } else { Ok(name(word)) }
    }

    fn name_or_all(&mut self) -> Result<Option<String>, Failure> {
        if self.peek() == "all" { Ok(None) } else { self.name().map(Some) }
    }

    /// The isolation level in the rest of the statement.
    fn isolation(&self) -> Option<&'static str> {
        let rest = self.rest.get(self.at..).unwrap_or_default();
        let at = rest.iter().position(|word| word.eq_ignore_ascii_case("level"))?;
        let word = |at: usize| rest.get(at).map(|word| word.to_ascii_lowercase());
        match (word(at + 1)?.as_str(), word(at + 2).as_deref()) {
            ("serializable", _) => Some("serializable"),
            ("repeatable", Some("read")) => Some("repeatable read"),
            ("read", Some("committed")) => Some("read committed"),
            ("read", Some("uncommitted")) => Some("read uncommitted"),
            _ => None,
        }
    }

    fn refuse(&self, word: &str, what: &str) -> Result<(), Failure> {
        if self.peek() == word {
            return Err(Failure::new("0A000", format!("there is no {what} here")));
        }
        Ok(())
    }
}

/// The error of a statement that ends too early.
pub(super) fn cut() -> Failure {
    Failure::new("42601", "the statement ends too early")
}

fn rollback(words: &mut Words) -> Result<PgCommand, Failure> {
    words.refuse("prepared", "two-phase commit")?;
    if !words.skip("work") {
        words.skip("transaction");
    }
    if !words.skip("to") {
        return Ok(PgCommand::Rollback);
    }
    words.skip("savepoint");
    words.name().map(PgCommand::RollbackTo)
}

fn set(words: &mut Words) -> Result<PgCommand, Failure> {
    let is_local = words.skip("local");
    if words.skip("session") && words.skip("characteristics") {
        return Ok(PgCommand::Nothing("SET"));
    }
    let set = |name: &str, value| Ok(PgCommand::Set { name: name.to_owned(), value, is_local });
    match words.peek().as_str() {
        // Every isolation level asked for is weaker than what transactions have here.
        "transaction" => Ok(match words.isolation() {
            Some(level) => PgCommand::Set {
                name: "transaction_isolation".to_owned(),
                value: Some(level.to_owned()),
                is_local: true,
            },
            None => PgCommand::Nothing("SET"),
        }),
        "constraints" => Ok(PgCommand::Nothing("SET")),
        "authorization" => {
            words.next();
            set("session_authorization", given(words)?)
        }
        "time" => {
            words.next();
            words.skip("zone");
            let zone = given(words)?;
            set("TimeZone", zone.filter(|zone| !zone.eq_ignore_ascii_case("local")))
        }
        "names" => {
            words.next();
            set("client_encoding", given(words)?)
        }
        "schema" => {
            words.next();
            set("search_path", given(words)?)
        }
        "role" => {
            words.next();
            words.skip("to");
            words.skip("=");
            set("role", given(words)?)
        }
        _ => {
            let mut name = String::new();
            while !words.skip("to") && !words.skip("=") {
                if words.peek().is_empty() {
                    return Err(cut());
                }
                name.push_str(&super::split_statements::name(words.raw()));
            }
            let value = given(words)?;
            set(&name, value)
        }
    }
}

/// The rest as the value of a setting; none for DEFAULT.
fn given(words: &mut Words) -> Result<Option<String>, Failure> {
    let mut text = String::new();
    let mut is_default = false;
    let mut count = 0;
    loop {
        let word = words.raw();
        match word {
            "" if count == 0 => return Err(cut()),
            "" => return Ok((!is_default || count > 1).then_some(text)),
            "," => text.push_str(", "),
            word => text.push_str(&value(word)),
        }
        is_default |= word.eq_ignore_ascii_case("default");
        count += 1;
    }
}

fn reset(words: &mut Words) -> Result<PgCommand, Failure> {
    let name = match words.peek().as_str() {
        "all" => return Ok(PgCommand::ResetAll),
        "session" => "session_authorization".to_owned(),
        "time" => "TimeZone".to_owned(),
        _ => dotted(words)?,
    };
    Ok(PgCommand::Reset(name))
}

/// A name that may contain points.
fn dotted(words: &mut Words) -> Result<String, Failure> {
    let mut found = words.name()?;
    while !words.peek().is_empty() {
        found.push_str(&name(words.raw()));
    }
    Ok(found)
}

fn show(words: &mut Words) -> Option<PgCommand> {
    Some(match words.peek().as_str() {
        "all" => PgCommand::ShowAll,
        "time" => PgCommand::Show("TimeZone".into()),
        "session" => PgCommand::Show("session_authorization".into()),
        "transaction" => PgCommand::Show("transaction_isolation".into()),
        // These forms query tables, so they go to the planner.
        "" | "tables" | "columns" | "functions" | "create" | "databases" | "schemas" => {
            return None;
        }
        _ => PgCommand::Show(dotted(words).ok()?),
    })
}

fn discard(what: &str) -> Result<PgCommand, Failure> {
    Ok(PgCommand::Discard(match what {
        "all" => "DISCARD ALL",
        "plans" => "DISCARD PLANS",
        "sequences" => "DISCARD SEQUENCES",
        "temp" | "temporary" => "DISCARD TEMP",
        _ => return Err(Failure::new("42601", format!("cannot discard {what:?}"))),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(sql: &str) -> PgCommand {
        match kind(sql) {
            Ok(StatementKind::Command(command)) => command,
            other => panic!("{sql}: {other:?}"),
        }
    }

    fn set(name: &str, value: Option<&str>) -> PgCommand {
        let value = value.map(str::to_owned);
        PgCommand::Set { name: name.to_owned(), value, is_local: false }
    }

    #[test]
    fn commands_are_known_by_their_words() {
        assert_eq!(
            command("BEGIN ISOLATION LEVEL READ COMMITTED"),
            PgCommand::Begin("BEGIN", Some("read committed"))
        );
        assert_eq!(
            command("/* a */ rollback work to savepoint \"S\""),
            PgCommand::RollbackTo("S".into())
        );
        assert_eq!(command("ABORT"), PgCommand::Rollback);
        assert_eq!(command("set datestyle to 'ISO', MDY"), set("datestyle", Some("ISO, MDY")));
        assert_eq!(command("SET my.own = -1"), set("my.own", Some("-1")));
        assert_eq!(command("set x to default"), set("x", None));
        assert_eq!(command("reset x"), PgCommand::Reset("x".into()));
        assert_eq!(command("SET TIME ZONE 'UTC'"), set("TimeZone", Some("UTC")));
        assert_eq!(
            command("set session characteristics as transaction read write"),
            PgCommand::Nothing("SET")
        );
        assert_eq!(command("show my.own"), PgCommand::Show("my.own".into()));
        assert_eq!(command("DEALLOCATE PREPARE \"a\""), PgCommand::Deallocate(Some("a".into())));
        assert_eq!(kind("show tables").ok(), Some(StatementKind::Query));
        assert_eq!(kind("(select 1)").ok(), Some(StatementKind::Query));
    }

    #[test]
    fn writes_and_half_statements_are_refused() {
        for sql in [
            "insert into x values (1)",
            "DROP TABLE x",
            "set x",
            "savepoint",
            "set x to",
            "listen x",
            "copy x from stdin",
        ] {
            assert!(kind(sql).is_err(), "{sql}");
        }
    }
}
