//! The values of one key, from all batches of its shard.

use super::index_state::IndexState;
use super::sharding::{hash_key, shard_of_hash};
use diptych_base::limits::SETTLED_VALUES_MIN;
use diptych_base::time::Epoch;

/// Visits the values of one key, in order. Gives false, without a visit, when all batches together
/// have more than `most` of them.
#[inline]
pub(super) fn values_of(
    state: &IndexState,
    view: usize,
    key: &[u8],
    upper: Epoch,
    most: usize,
    visit: impl FnMut(&[u8], isize),
) -> bool {
    let hash = hash_key(key);
    let list = &state.view(view)[shard_of_hash(hash, state.shards)];
    let mut found: Vec<(&[u8], isize)> = Vec::new();
    for batch in &list.batches {
        if batch.lower_epoch() >= upper {
            break;
        }
        if batch.is_empty() {
            continue;
        }
        if let Some(position) = batch.find(key, hash) {
            let values = batch.values_of(position);
            let settled = (values.len() >= SETTLED_VALUES_MIN)
                .then(|| batch.settled(position, upper))
                .flatten();
            if found.len() + settled.map_or(values.len(), <[_]>::len) > most {
                return false;
            }
            if let Some(settled) = settled {
                found.extend(settled.iter().map(|(at, times)| (batch.value_at(*at), *times)));
                continue;
            }
            for value in values {
                found.push((batch.value_at(value), batch.multiplicity(value, upper)));
            }
        }
    }
    visit_sums(found, visit);
    true
}

/// Visits each of the values once, in order, unless its multiplicities add up to zero.
#[inline]
pub(super) fn visit_sums<V: AsRef<[u8]>>(
    mut found: Vec<(V, isize)>,
    mut visit: impl FnMut(&[u8], isize),
) {
    found.sort_unstable_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
    for values in found.chunk_by(|a, b| a.0.as_ref() == b.0.as_ref()) {
        let times: isize = values.iter().map(|(_, times)| times).sum();
        if times != 0 {
            visit(values[0].0.as_ref(), times);
        }
    }
}
