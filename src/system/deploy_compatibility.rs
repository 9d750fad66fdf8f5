//! Checks whether a version may take the place of the one that serves.

use super::deploy::DeployOptions;
use super::version_registry::Running;
use diptych_base::error::{Error, Kind, Result};
use diptych_dataflow::Description;
use diptych_serving::same_columns;

/// Refuses a version that could not serve in the place of `before`, beside all `running` ones.
pub(super) fn check(
    description: &Description,
    before: Option<&Running>,
    running: &[Running],
    options: &DeployOptions,
) -> Result<()> {
    if before.is_some_and(|before| *before.index().version() == description.version) {
        return Err(Error::new(Kind::Conflict, "this version serves already")
            .remedy("change `df.version` together with the function"));
    }
    let spread = running.iter().any(|one| one.processes > 1) || options.cluster.processes() > 1;
    if spread {
        let message = "versions cannot be exchanged while several processes serve";
        return Err(Error::new(Kind::Conflict, message)
            .remedy("stop them, and start the new version; its batch view may be made before"));
    }
    if !options.other_columns && !options.diff_only {
        let known = before.map(|before| &before.description.views[..]).unwrap_or_default();
        same_columns(known, &description.views)?;
    }
    let known = || running.iter().flat_map(|one| &one.description.streams);
    let other = description.streams.iter().find(|stream| {
        known().any(|known| known.name == stream.name && known.schema != stream.schema)
    });
    match other {
        Some(stream) => {
            let message =
                format!("it reads stream {:?} with other columns than are served", stream.name);
            Err(Error::new(Kind::Conflict, message)
                .remedy("an append can have one type: restart with the new version"))
        }
        None => Ok(()),
    }
}
