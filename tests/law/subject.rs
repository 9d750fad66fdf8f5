//! The subject of a check: a dataflow, and its naive twin.

use std::collections::BTreeMap;
use std::fmt;

use diptych::Dataflow;
use diptych::dataflow::Definition;

use crate::naive::{ByteRows, Fact, Program, bytes_of, twins};

/// A dataflow with a twin.
#[derive(Clone)]
pub(crate) enum Subject {
    /// One of `dataflows/`, by name.
    Builtin(String),
    /// A random program.
    Random(Program),
    /// A wrong function with the name and the twin of a built-in one.
    Wrong(String, fn(&mut Dataflow<'_>)),
}

/// All views as bytes, by name.
pub(crate) type Answers = BTreeMap<String, ByteRows>;

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Builtin(name) => write!(f, "{name}"),
            Subject::Random(program) => program.fmt(f),
            Subject::Wrong(name, _) => write!(f, "not {name}"),
        }
    }
}

impl Subject {
    pub(crate) fn definition(&self) -> Definition {
        match self {
            Subject::Builtin(name) => dataflows::all()
                .into_iter()
                .find(|definition| definition.name() == name)
                .unwrap_or_else(|| panic!("there is no dataflow {name}")),
            Subject::Random(program) => {
                let program = program.clone();
                Definition::new("random", move |df| program.draw(df))
            }
            Subject::Wrong(name, function) => Definition::new(name.as_str(), *function),
        }
    }

    /// The expected rows of every view after these epochs.
    pub(crate) fn twin(&self, history: &[Vec<Fact>]) -> Answers {
        let epochs = history.iter().enumerate();
        let facts: Vec<(u64, &Fact)> = epochs
            .flat_map(|(epoch, facts)| facts.iter().map(move |fact| (epoch as u64, fact)))
            .collect();
        let answer = match self {
            Subject::Builtin(name) | Subject::Wrong(name, _) => {
                let facts: Vec<&Fact> = facts.into_iter().map(|(_, fact)| fact).collect();
                twins::twin(name, &facts)
            }
            Subject::Random(program) => program.twin(&facts),
        };
        answer.iter().map(|(name, rows)| (name.clone(), bytes_of(rows))).collect()
    }

    /// Whether answers name epochs, as rejected rows do.
    pub(crate) fn sees_epochs(&self) -> bool {
        matches!(self, Subject::Random(_))
    }
}
