//! Cases in which the law was once broken, kept as they were found.

use dataflows::IdentifiedTweet;
use diptych::event::Timestamp;

use crate::naive::History;
use crate::naive::facts::Mark;
use crate::naive::program::{Change, Expr, Kind, Program, Shape, Test};
use crate::run::Log;
use crate::subject::Subject;

fn holds(subject: Subject, history: History) -> Result<(), String> {
    let log = Log::new(&subject, history);
    let system = log.in_memory(1)?;
    log.check_speed_alone(&system, 2)
}

/// A lesser copy of a message replaces the one that counted, whose hashtags no longer count then.
/// (`distinct_total` did not take rows back before 0.26 of differential.)
#[test]
fn a_lesser_copy_takes_hashtags_back() -> Result<(), String> {
    let copy = |hours: i64, content: &str| IdentifiedTweet {
        id: 6,
        publish_date: Timestamp::from_seconds(hours * 3600),
        author_id: String::new(),
        content: content.into(),
    };
    let history = vec![vec![copy(3, "#É").into()], vec![copy(0, "").into()]];
    holds(Subject::Builtin("tweets_dedup".into()), history)
}

/// A count that changes is one distinct value afterwards, not two.
#[test]
fn distinct_count_takes_values_back() -> Result<(), String> {
    let mark = Mark { key: "a".into(), value: -9, weight: 1 };
    let program = Program {
        barriers: vec![(Shape::Signed(Change::Same, Test::Always, Change::Same), Kind::Count)],
        rest: Expr::DistinctCount(Box::new(Expr::Barrier(0))),
    };
    holds(Subject::Random(program), vec![vec![mark.clone().into()], vec![mark.into()]])
}
