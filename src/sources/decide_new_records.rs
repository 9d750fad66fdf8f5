//! Decides which records of a file are appended, given the files known before: never twice in
//! silence.

use super::file_prefix_digests::FileDigests;
use super::ingest_options::OnKnown;
use super::known_files::{FileHistory, KnownFile, LeftOut, past};
use super::sink::AppendTo;
use diptych_base::error::{Error, Kind, Result};

/// The decision on how a file is appended.
pub(super) struct Decision {
    /// The suffix of its producer's name.
    pub(super) part: String,
    /// The records that are not appended.
    pub(super) left_out: LeftOut,
    /// Whether the file is to be remembered.
    pub(super) is_new: bool,
    /// Another file of the same content, whose events are in the stream.
    pub(super) same_as: Option<String>,
}

impl Decision {
    fn new(part: String, left_out: LeftOut) -> Self {
        Decision { part, left_out, is_new: true, same_as: None }
    }
}

/// The input of a decision: a file and the known files.
pub(super) struct Case<'a> {
    pub(super) stream: &'a str,
    pub(super) on_known: &'a OnKnown,
    pub(super) known: &'a [KnownFile],
    /// The number of the first file of this command; the files from it on are not appended yet.
    pub(super) first: u64,
    /// The description of the file that would be remembered.
    pub(super) this: &'a KnownFile,
    pub(super) seen: &'a FileDigests,
}

impl Case<'_> {
    /// Decides how the file is appended, by content first.
    ///
    /// # Errors
    /// A conflict that names the known file and the options, when the file has events that would
    /// count twice; errors of the sink.
    pub(super) fn decide(&self, sink: &impl AppendTo) -> Result<Decision> {
        let Case { this, seen, known, .. } = *self;
        let base = producer(self.stream, &this.digest, "");
        let is_known = known.iter().any(|known| known.digest == this.digest);
        if !is_known && sink.next_sequence(&base)? > 0 {
            // The file was forgotten, or appended by a release that remembered no files.
            let name = this.name.clone();
            let appends = seen.ends.len() as u64;
            return self.same(sink, KnownFile { name, appends, ..KnownFile::default() });
        }
        match past(known, &this.name, seen) {
            FileHistory::New => Ok(Decision::new(String::new(), LeftOut::default())),
            FileHistory::Same(same) => self.same(sink, same),
            FileHistory::More(before, rest) => match self.on_known {
                OnKnown::NewLines => Ok(Decision::new(rest.part(), rest)),
                OnKnown::Again(_) if before.digest == this.digest => Ok(self.copy()),
                OnKnown::Again(_) => Ok(Decision::new(String::new(), LeftOut::default())),
                OnKnown::Ask => Err(self.would_repeat(&before, &rest)),
            },
            FileHistory::Alike(before, common) => match self.on_known {
                OnKnown::Again(_) => Ok(Decision::new(String::new(), LeftOut::default())),
                OnKnown::Ask | OnKnown::NewLines => Err(self.begins_alike(&before, common)),
            },
        }
    }

    /// Decides on a file with the content of a known one.
    fn same(&self, sink: &impl AppendTo, same: KnownFile) -> Result<Decision> {
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
        // All pipes share one name.
        let same_as = (complete && (other || this.name == "-")).then_some(same.name);
        Ok(Decision { part: same.part, left_out: same.left_out, is_new: false, same_as })
    }

    /// The decision to append the content of another file again: identified by path, and by label
    /// if there is one, so that repeating the command appends it once.
    fn copy(&self) -> Decision {
        let label = match self.on_known {
            OnKnown::Again(Some(label)) => label.as_str(),
            _ => "",
        };
        let part = super::known_files::copy(&self.this.name, label);
        let of = |known: &&KnownFile| known.digest == self.this.digest && known.part == part;
        let is_new = !self.known.iter().any(|known| of(&known));
        Decision { is_new, ..Decision::new(part, LeftOut::default()) }
    }

    fn would_repeat(&self, before: &KnownFile, rest: &LeftOut) -> Error {
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

    fn begins_alike(&self, before: &KnownFile, common: u64) -> Error {
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

/// The name of the producer that appends a file, or a part of it, to a stream.
pub(super) fn producer(stream: &str, digest: &str, part: &str) -> String {
    format!("file/{stream}/{digest}{part}")
}
