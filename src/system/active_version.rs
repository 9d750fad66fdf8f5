//! The active version of a dataflow: after a restart the version that served before serves again,
//! if the binary has it.

use super::system::System;
use diptych_base::error::{Error, Kind, Result};
use diptych_batch_view::{record_version, recorded_version};
use diptych_dataflow::Definition;

impl System {
    /// The definitions of the dataflows called `names`, one of each: where there are several
    /// versions, the one that was deployed last ([`System::deploy`]) if it is among them, else the
    /// first. Also messages for the user: a recorded version that is missing here.
    ///
    /// The chosen version is recorded as deployed where another one was.
    ///
    /// # Errors
    /// When there is no dataflow of a name, its function cannot be drawn, or the record of the
    /// version is damaged or cannot be written.
    pub fn current_versions(
        &self,
        definitions: &[Definition],
        names: &[String],
    ) -> Result<(Vec<Definition>, Vec<String>)> {
        let mut chosen = Vec::new();
        let mut said = Vec::new();
        for name in names {
            let mut versions = definitions.iter().filter(|one| one.name() == name);
            let Some(first) = versions.clone().next() else {
                let message = format!("there is no dataflow {name:?} in this binary");
                return Err(Error::new(Kind::Missing, message).remedy("see `flows`"));
            };
            let Some(recorded) = recorded_version(&*self.disk, &self.root, name)? else {
                chosen.push(first.clone());
                continue;
            };
            let mut known = None;
            for one in versions.by_ref() {
                if one.describe()?.version == recorded {
                    known = Some(one.clone());
                    break;
                }
            }
            if known.is_none() {
                let version = first.describe()?.version;
                said.push(format!(
                    "{name}: version {recorded} served last and is not in this binary: version \
                     {version} serves"
                ));
                record_version(&*self.disk, &self.root, name, Some(&version))?;
            }
            chosen.push(known.unwrap_or_else(|| first.clone()));
        }
        Ok((chosen, said))
    }

    /// Records that this version serves from now on, where another one was recorded.
    pub fn chose(&self, definition: &Definition) -> Result<()> {
        let disk = &*self.disk;
        let root = &self.root;
        let name = definition.name();
        let version = definition.describe()?.version;
        match recorded_version(disk, root, name)? {
            Some(recorded) if recorded != version => {
                record_version(disk, root, name, Some(&version))
            }
            _ => Ok(()),
        }
    }

    /// Copies the recorded version of a dataflow to another system.
    pub(super) fn copy_record(&self, dataflow: &str, to: &System) -> Result<()> {
        match recorded_version(&*self.disk, &self.root, dataflow)? {
            None => Ok(()),
            recorded => record_version(&*to.disk, &to.root, dataflow, recorded.as_deref()),
        }
    }

    /// Records that `version` serves, then has it serve; if that fails, restores the record.
    pub(super) fn recorded_while<T>(
        &self,
        dataflow: &str,
        version: &str,
        serve: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let disk = &*self.disk;
        let root = &self.root;
        let before = recorded_version(disk, root, dataflow)?;
        // Before readers see a row of it: a restart then finds its batch view, too.
        record_version(disk, root, dataflow, Some(version))?;
        let outcome = serve();
        if outcome.is_err() {
            record_version(disk, root, dataflow, before.as_deref())?;
        }
        outcome
    }
}
