//! The catalog: finds a binary's dataflows by name, and the stream that a name means.

use arrow_schema::SchemaRef;

use crate::made_up_events::MadeUp;
use diptych_base::error::{Error, Kind, Result};
use diptych_dataflow::{Definition, Description};
use diptych_event::ReadAs;

/// The dataflows of this binary.
pub(super) struct Dataflows {
    all: Vec<Definition>,
    made_up: Option<MadeUp>,
}

/// A stream, with the columns of its event type.
#[derive(Clone, Debug)]
pub(super) struct StreamTarget {
    pub(super) stream: String,
    pub(super) schema: SchemaRef,
}

impl Dataflows {
    pub(super) fn new(all: Vec<Definition>, made_up: Option<MadeUp>) -> Self {
        Dataflows { all, made_up }
    }

    /// The made-up events that this binary has, if any.
    pub(super) fn made_up(&self) -> Option<&MadeUp> {
        self.made_up.as_ref()
    }

    /// All dataflows, in the order given.
    pub(super) fn all(&self) -> &[Definition] {
        &self.all
    }

    /// The dataflow called `name`.
    ///
    /// # Errors
    /// When there is none; the error lists the known dataflows.
    pub(super) fn get(&self, name: &str) -> Result<&Definition> {
        self.all.iter().find(|definition| definition.name() == name).ok_or_else(|| {
            Error::new(Kind::Missing, format!("there is no dataflow {name:?} in this binary"))
                .remedy(format!("it has {}{}", self.names(), self.elsewhere(name)))
        })
    }

    /// The dataflows called `names`.
    ///
    /// # Errors
    /// When one is unknown, or named twice.
    pub(super) fn select(&self, names: &[String]) -> Result<Vec<Definition>> {
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(Error::new(Kind::Input, format!("dataflow {name:?} is named twice")));
            }
        }
        names.iter().map(|name| self.get(name).cloned()).collect()
    }

    /// Resolves `name` to a stream: that of a dataflow with one stream, a stream of any dataflow,
    /// or `DATAFLOW.STREAM`. `stream` chooses among the streams of a dataflow.
    ///
    /// # Errors
    /// When no stream matches, or several do; the error lists them.
    pub(super) fn target(&self, name: &str, stream: Option<&str>) -> Result<StreamTarget> {
        let (dataflow, stream) = match (name.split_once('.'), stream) {
            (Some((dataflow, stream)), None) => (dataflow, Some(stream)),
            _ => (name, stream),
        };
        if self.all.iter().any(|definition| definition.name() == dataflow) {
            return stream_of(&self.get(dataflow)?.describe()?, stream);
        }
        for definition in &self.all {
            let description = definition.describe()?;
            if description.streams.iter().any(|info| info.name == name) {
                return stream_of(&description, stream.or(Some(name)));
            }
        }
        Err(Error::new(Kind::Missing, format!("no dataflow and no stream is called {name:?}"))
            .remedy(format!("the dataflows are {}; see `flows` for streams", self.names())))
    }

    /// The schemas under which the dataflows of this binary read `stream`.
    ///
    /// # Errors
    /// When a dataflow cannot be described.
    pub(super) fn readers(&self, stream: &str) -> Result<Vec<ReadAs>> {
        let mut readers = Vec::new();
        for definition in &self.all {
            let streams = definition.describe()?.streams.into_iter();
            readers.extend(streams.filter(|info| info.name == stream).map(|info| info.read));
        }
        Ok(readers)
    }

    /// A hint at the binary that has a built-in dataflow which this one lacks.
    fn elsewhere(&self, name: &str) -> String {
        let example = match name {
            _ if name.starts_with("nexmark") => "nexmark",
            _ if self.made_up.is_some_and(|made_up| made_up.sampled.contains(&name)) => "gallery",
            _ => return String::new(),
        };
        format!(
            "; more of diptych's own are in `cargo run --release --example {example} --`, and in a \
             binary that gives them to `diptych::main`"
        )
    }

    fn names(&self) -> String {
        self.all.iter().map(Definition::name).collect::<Vec<_>>().join(", ")
    }
}

fn stream_of(description: &Description, stream: Option<&str>) -> Result<StreamTarget> {
    let name = &description.name;
    let known = || {
        let names: Vec<_> = description.streams.iter().map(|info| info.name.as_str()).collect();
        names.join(", ")
    };
    let info = match (stream, description.streams.as_slice()) {
        (Some(stream), streams) => {
            streams.iter().find(|info| info.name == stream).ok_or_else(|| {
                let message = format!("dataflow {name:?} reads no stream {stream:?}");
                Error::new(Kind::Missing, message).remedy(format!("it reads {}", known()))
            })?
        }
        (None, [info]) => info,
        (None, _) => {
            let message = format!("dataflow {name:?} reads several streams");
            return Err(Error::new(Kind::Input, message).remedy(format!(
                "say which with --stream or {name}.STREAM; they are {}",
                known()
            )));
        }
    };
    Ok(StreamTarget { stream: info.name.clone(), schema: info.schema.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Dataflows {
        Dataflows::new(dataflows::all(), None)
    }

    #[test]
    fn a_stream_is_found_by_dataflow_by_name_or_by_both() {
        let find = |name, stream| catalog().target(name, stream).map(|target| target.stream);
        assert_eq!(find("word_count", None).ok().as_deref(), Some("lines"));
        assert_eq!(find("lines", None).ok().as_deref(), Some("lines"));
        assert_eq!(find("orders.customers", None).ok().as_deref(), Some("customers"));
        assert_eq!(find("reachability", Some("roots")).ok().as_deref(), Some("roots"));
    }

    #[test]
    fn what_is_unclear_is_refused_with_the_choices() {
        let refuse = |name, stream| match catalog().target(name, stream) {
            Ok(target) => panic!("{name} stands for {target:?}"),
            Err(error) => error.to_string(),
        };
        let several = refuse("reachability", None);
        assert!(several.contains("edges, roots") && several.contains("--stream"), "{several}");
        let unknown = refuse("nothing", None);
        assert!(unknown.contains("word_count, tweets"), "{unknown}");
        let stream = refuse("orders", Some("tweets"));
        assert!(stream.contains("orders, customers"), "{stream}");
    }
}
