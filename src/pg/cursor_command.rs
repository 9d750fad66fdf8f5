//! Parser of the statements on cursors: DECLARE, FETCH and MOVE.

use super::classify_statement::{PgCommand, Words, cut};
use super::error::Failure;

/// A DECLARE statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Declare {
    pub(super) cursor: String,
    /// The query whose rows the cursor reads.
    pub(super) sql: String,
    /// Whether FETCH sends values in the binary format.
    pub(super) is_binary: bool,
    /// Whether the cursor goes backward, too.
    pub(super) scrolls: bool,
    /// Whether the cursor outlives its transaction.
    pub(super) is_held: bool,
}

/// The rows that a FETCH or MOVE passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Direction {
    /// The next rows, or all that are left.
    Forward(Option<u64>),
    /// The rows before the cursor, the nearest first, or all of them.
    Backward(Option<u64>),
    /// The row of this number, counted from 1, or from the end with -1.
    Absolute(i64),
    /// The row this far from the cursor.
    Relative(i64),
}

/// Parses DECLARE name … CURSOR … FOR query.
///
/// # Errors
/// When a part is missing, or a word has no meaning there.
pub(super) fn declare(sql: &str, words: &mut Words) -> Result<Declare, Failure> {
    let cursor = words.name()?;
    let mut declared =
        Declare { cursor, sql: String::new(), is_binary: false, scrolls: false, is_held: false };
    loop {
        match words.next().as_str() {
            "" => return Err(cut()),
            "for" => break,
            "binary" => declared.is_binary = true,
            "scroll" => declared.scrolls = true,
            "insensitive" | "asensitive" | "cursor" => {}
            "no" => {
                words.skip("scroll");
            }
            held @ ("with" | "without") => {
                declared.is_held = held == "with";
                words.skip("hold");
            }
            other => {
                let message = format!("syntax error at or near \"{other}\"");
                return Err(Failure::new("42601", message));
            }
        }
    }
    let query = words.rest.get(words.at).ok_or_else(cut)?;
    // The word is a slice of the statement, so its address gives the position.
    let start = query.as_ptr() as usize - sql.as_ptr() as usize;
    Ok(Declare { sql: sql[start..].to_owned(), ..declared })
}

/// Parses what follows FETCH or MOVE.
///
/// # Errors
/// When there is no cursor's name, or a number is none.
pub(super) fn fetch(words: &mut Words, is_sent: bool) -> Result<PgCommand, Failure> {
    let mut direction = Direction::Forward(Some(1));
    match words.peek().as_str() {
        "next" => words.at += 1,
        "prior" => {
            words.at += 1;
            direction = Direction::Backward(Some(1));
        }
        "first" => {
            words.at += 1;
            direction = Direction::Absolute(1);
        }
        "last" => {
            words.at += 1;
            direction = Direction::Absolute(-1);
        }
        "absolute" => {
            words.at += 1;
            direction = Direction::Absolute(number(words)?.ok_or_else(cut)?);
        }
        "relative" => {
            words.at += 1;
            direction = Direction::Relative(number(words)?.ok_or_else(cut)?);
        }
        "all" => {
            words.at += 1;
            direction = Direction::Forward(None);
        }
        "forward" => {
            words.at += 1;
            direction = counted(words, Direction::Forward, Direction::Backward)?;
        }
        "backward" => {
            words.at += 1;
            direction = counted(words, Direction::Backward, Direction::Forward)?;
        }
        _ => {
            if let Some(number) = number(words)? {
                direction = directed(number, Direction::Forward, Direction::Backward);
            }
        }
    }
    if !words.skip("from") {
        words.skip("in");
    }
    Ok(PgCommand::Fetch { cursor: words.name()?, direction, is_sent })
}

type Directed = fn(Option<u64>) -> Direction;

fn counted(words: &mut Words, ahead: Directed, back: Directed) -> Result<Direction, Failure> {
    if words.skip("all") {
        return Ok(ahead(None));
    }
    Ok(number(words)?.map_or(ahead(Some(1)), |number| directed(number, ahead, back)))
}

fn directed(number: i64, ahead: Directed, back: Directed) -> Direction {
    if number < 0 { back(Some(number.unsigned_abs())) } else { ahead(Some(number.unsigned_abs())) }
}

/// A number with its sign; none when the next word is none.
fn number(words: &mut Words) -> Result<Option<i64>, Failure> {
    let start = words.at;
    let is_negative = words.skip("-");
    if !is_negative {
        words.skip("+");
    }
    let word = words.peek();
    if !word.starts_with(|c: char| c.is_ascii_digit()) {
        words.at = start;
        return Ok(None);
    }
    words.at += 1;
    let number: i64 =
        word.parse().map_err(|_| Failure::new("42601", format!("\"{word}\" is no number")))?;
    Ok(Some(if is_negative { -number } else { number }))
}

#[cfg(test)]
mod tests {
    use super::super::classify_statement::{StatementKind, kind};
    use super::*;

    fn fetched(sql: &str) -> Direction {
        match kind(sql) {
            Ok(StatementKind::Command(PgCommand::Fetch { cursor, direction, .. })) => {
                assert_eq!(cursor, "c", "{sql}");
                direction
            }
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn cursors_are_declared_in_all_ways() {
        let declared = |sql: &str| match kind(sql) {
            Ok(StatementKind::Declare(declared)) => declared,
            other => panic!("{sql}: {other:?}"),
        };
        let plain = declared("declare C no scroll cursor without hold for select 1 for x");
        assert_eq!((plain.cursor.as_str(), plain.sql.as_str()), ("c", "select 1 for x"));
        assert!(!plain.scrolls && !plain.is_held);
        let held = declared("declare \"SQL_CUR1\" binary scroll cursor with hold for select 1");
        assert!(held.scrolls && held.is_held && held.is_binary);
        assert!(kind("declare c cursor").is_err());
        assert!(kind("declare c sideways cursor for select 1").is_err());
    }

    #[test]
    fn fetches_go_every_way() {
        use Direction as D;
        for (sql, direction) in [
            ("fetch c", D::Forward(Some(1))),
            ("FETCH FORWARD 10 FROM c", D::Forward(Some(10))),
            ("fetch all in \"c\"", D::Forward(None)),
            ("fetch forward all from c", D::Forward(None)),
            ("fetch next from c", D::Forward(Some(1))),
            ("fetch -3 c", D::Backward(Some(3))),
            ("fetch prior from c", D::Backward(Some(1))),
            ("move backward all in c", D::Backward(None)),
            ("move backward -2 c", D::Forward(Some(2))),
            ("fetch first c", D::Absolute(1)),
            ("fetch last c", D::Absolute(-1)),
            ("fetch absolute -2 from c", D::Absolute(-2)),
            ("fetch relative 0 from c", D::Relative(0)),
        ] {
            assert_eq!(fetched(sql), direction, "{sql}");
        }
        assert!(kind("fetch absolute from").is_err());
        assert!(kind("fetch 99999999999999999999 from c").is_err());
    }
}
