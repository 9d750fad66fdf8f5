//! Copies of batch views: the parts first, then the manifest that makes them a batch view.

use std::path::Path;
use std::sync::Arc;

use super::paths;
use super::reader::BatchView;
use diptych_base::error::Result;
use diptych_base::io::{Disk, Open, replace};
use diptych_base::limits::COPY_BYTES;

impl BatchView {
    /// Copies this batch view below `root` of `disk`, where there is none at its boundary. Gives
    /// the bytes of its parts.
    ///
    /// # Errors
    /// What the disks report; damage when a part does not have the length in the manifest.
    pub fn copy_to(&self, disk: &Arc<dyn Disk>, root: &Path) -> Result<u64> {
        let dir = self.identity().dir(root);
        disk.create_dir(&dir)?;
        let mut bytes = 0;
        for (name, part) in self.mapped_parts()? {
            let file = disk.open(&dir.join(name), Open::Create)?;
            for (number, some) in part.chunks(COPY_BYTES as usize).enumerate() {
                file.write_at(number as u64 * COPY_BYTES, some)?;
            }
            file.sync_data()?;
            bytes += part.len() as u64;
        }
        if let Some(clock) = self.sealed_us() {
            super::last_epoch_stamp::write(&**disk, &dir, self.boundary(), (clock, self.branch()))?;
        }
        disk.sync_dir(&dir)?;
        replace(&**disk, &dir.join(paths::manifest(self.boundary())), &self.manifest_bytes()?)?;
        Ok(bytes)
    }
}
