//! What is appended of a file, given what is known of those before it: never twice in silence.

use super::known::{Known, LeftOut, Past, past};
use super::options::OnKnown;
use super::prefixes::Seen;
use super::sink::AppendTo;
use diptych_base::error::{Error, Kind, Result};

/// How a file is appended.
pub(super) struct Decision {
    /// What its producer's name ends in.
    pub(super) part: String,
    /// What of it is not appended.
    pub(super) left_out: LeftOut,
    /// Whether it is to be remembered.
    pub(super) is_new: bool,
    /// The other file of the same content, whose events are in the stream.
    pub(super) same_as: Option<String>,
}

impl Decision {
    fn new(part: String, left_out: LeftOut) -> Self {
        Decision { part, left_out, is_new: true, same_as: None }
    }
}

/// What is decided upon.
pub(super) struct Case<'a> {
    pub(super) stream: &'a str,
    pub(super) on_known: &'a OnKnown,
    pub(super) known: &'a [Known],
    /// The number of the first file of this command; those from it on are not appended yet.
    pub(super) first: u64,
    /// What would be remembered of the file.
    pub(super) this: &'a Known,
    pub(super) seen: &'a Seen,
}

impl Case<'_> {
    /// Decides, by content first.
    ///
    /// # Errors
    /// A conflict that says what is known and what can be asked for, when the file has events that
    /// would count twice; what the sink says.
    pub(super) fn decide(&self, sink: &impl AppendTo) -> Result<Decision> {
        let Case { this, seen, known, .. } = *self;
        let base = producer(self.stream, &this.digest, "");
        let is_known = known.iter().any(|known| known.digest == this.digest);
        if !is_known && sink.next_sequence(&base)? > 0 {
            // It was forgotten, or a release appended it that remembered no files.
            let name = this.name.clone();
            let appends = seen.ends.len() as u64;
            return self.same(sink, Known { name, appends, ..Known::default() });
        }
        match past(known, &this.name, seen) {
            Past::New => Ok(Decision::new(String::new(), LeftOut::default())),
            Past::Same(same) => self.same(sink, same),
            Past::More(before, rest) => match self.on_known {
                OnKnown::NewLines => Ok(Decision::new(rest.part(), rest)),
                OnKnown::Again(_) if before.digest == this.digest => Ok(self.copy()),
                OnKnown::Again(_) => Ok(Decision::new(String::new(), LeftOut::default())),
                OnKnown::Ask => Err(self.would_repeat(&before, &rest)),
            },
            Past::Alike(before, common) => match self.on_known {
                OnKnown::Again(_) => Ok(Decision::new(String::new(), LeftOut::default())),
                OnKnown::Ask | OnKnown::NewLines => Err(self.begins_alike(&before, common)),
            },
        }
    }

    /// The content is that of a known file.
    fn same(&self, sink: &impl AppendTo, same: Known) -> Result<Decision> {
        let Case { this, stream, on_known, .. } = *self;
        if same.number >= self.first && !same.digest.is_empty() {
            return match on_known {
                OnKnown::Again(_) => Ok(self.copy()),
                OnKnown::Ask | OnKnown::NewLines => {
                    let message = format!("its content is that of {}, named before it", same.name);
                    Err(Error::new(Kind::Conflict, message).remedy(
                        "nothing was appended: leave one out, or say that they are two files: \
                         --again",
                    ))
                }
            };
        }
        let due = sink.next_sequence(&producer(stream, &this.digest, &same.part))?;
        let complete = due >= same.appends;
        let other = same.name != this.name;
        if let OnKnown::Again(label) = on_known
            && complete
            && (other || label.is_some())
        {
            return Ok(self.copy());
        }
        // Two pipes have one name.
        let same_as = (complete && (other || this.name == "-")).then_some(same.name);
        Ok(Decision { part: same.part, left_out: same.left_out, is_new: false, same_as })
    }

    /// The same content as another file: named by path, and by label if there is one, so that
    /// saying it twice appends it once.
    fn copy(&self) -> Decision {
        let label = match self.on_known {
            OnKnown::Again(Some(label)) => label.as_str(),
            _ => "",
        };
        let part = super::known::copy(&self.this.name, label);
        let of = |known: &&Known| known.digest == self.this.digest && known.part == part;
        let is_new = !self.known.iter().any(|known| of(&known));
        Decision { is_new, ..Decision::new(part, LeftOut::default()) }
    }

    fn would_repeat(&self, before: &Known, rest: &LeftOut) -> Error {
        let all = self.this.records;
        let name = &before.name;
        let stream = self.stream;
        let new = rest.but.len() + all.saturating_sub(rest.before);
        let message = format!(
            "all but {new} of its {all} records are those of {name}, which is in stream {stream} \
             already"
        );
        Error::new(Kind::Conflict, message).remedy(
            "nothing was appended: --append-new-lines appends the others, --again all of it",
        )
    }

    fn begins_alike(&self, before: &Known, common: u64) -> Error {
        let name = &before.name;
        let all = before.records;
        let stream = self.stream;
        let message = format!(
            "it begins with the first {common} of the {all} records of {name}, which is in stream \
             {stream} already, and goes on differently"
        );
        Error::new(Kind::Conflict, message).remedy(
            "nothing was appended: ingest a file of what is new, or --again appends all of this",
        )
    }
}

/// The producer that appends a file to a stream, or a part of it.
pub(super) fn producer(stream: &str, digest: &str, part: &str) -> String {
    format!("file/{stream}/{digest}{part}")
}
