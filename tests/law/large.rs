//! The law where state is large: combiners that are emptied early, accumulations of many blocks,
//! segments of several parts.

use dataflows::Line;

use crate::naive::History;
use crate::naive::facts::Mark;
use crate::naive::program::{Change, Expr, Kind, Program, Shape, Test};
use crate::run::Log;
use crate::subject::Subject;

const EPOCHS: usize = 3;

/// Beyond `limits::COMBINER_KEYS_MAX` in one worker, and beyond `limits::ACCUMULATION_BLOCK_BYTES`
/// when written.
const KEYS: usize = 300_000;

const _: () = assert!(KEYS > diptych::limits::COMBINER_KEYS_MAX);

fn holds(subject: &Subject, history: History) -> Result<(), String> {
    let log = Log::new(subject, history);
    let system = log.in_memory(EPOCHS - 1)?;
    log.batch(&system, EPOCHS - 1, 1)?;
    log.check_restored(&system, EPOCHS - 1, 2)?;
    log.batch(&system, EPOCHS, 2)?;
    log.check_restored(&system, EPOCHS, 1)?;
    log.check_in_place(&system, EPOCHS - 1, 1)
}

/// Two workers once waited for ever: entries flushed early stayed in the buffers of an exchange.
#[test]
fn many_words() -> Result<(), String> {
    let text = |line: usize| {
        let words = (0..20).map(|n| format!("w{}", (line * 20 + n) % KEYS));
        words.collect::<Vec<_>>().join(" ")
    };
    // Most words in the first epoch, some of them again, and one word of its own, in the others.
    let lines = [0..KEYS / 20, 0..500, KEYS / 20..KEYS / 20 + 500];
    let line = |line| Line { text: text(line) }.into();
    let mut history: History = lines.into_iter().map(|lines| lines.map(line).collect()).collect();
    for (epoch, facts) in history.iter_mut().enumerate() {
        facts.push(Line { text: format!("only{epoch}") }.into());
    }
    holds(&Subject::Builtin("word_count".into()), history)
}

#[test]
fn many_rows_of_both_signs() -> Result<(), String> {
    let program = Program {
        barriers: vec![(Shape::Signed(Change::Same, Test::Always, Change::Same), Kind::Collect)],
        rest: Expr::Sum(Box::new(Expr::Barrier(0))),
    };
    // Twice as many rows as are copied at a time while an arrangement is written.
    let rows = 2 * diptych::limits::DUMP_ROWS as i64;
    let mark = |n: i64, weight| Mark { key: format!("k{}", n % 1000), value: n, weight }.into();
    let history = vec![
        (0..rows).map(|n| mark(n, if n % 3 == 0 { -1 } else { 1 })).collect(),
        (0..rows).step_by(5).map(|n| mark(n, -1)).collect(),
        (0..rows).step_by(7).map(|n| mark(n, 2)).collect(),
    ];
    holds(&Subject::Random(program), history)
}
