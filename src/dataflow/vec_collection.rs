//! Differential dataflow's collections, at the logical time of epochs.

use differential_dataflow::VecCollection;
use timely::order::Product;

use diptych_base::time::Epoch;

/// A collection of rows `D` that changes from epoch to epoch; differential's own type.
pub type Collection<'s, D> = VecCollection<'s, Epoch, D, isize>;

/// A collection inside [`CollectionExt::grow`]: its times count the rounds, too.
pub type Inside<'i, D> = VecCollection<'i, Product<Epoch, u64>, D, isize>;
