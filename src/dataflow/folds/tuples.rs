//! Tuples of monoids, which are monoids.

use crate::Monoid;

macro_rules! tuple {
    ($($name:ident . $at:tt),+) => {
        impl<$($name: Monoid),+> Monoid for ($($name,)+) {
            const BOUNDED: bool = $($name::BOUNDED)||+;

            type Item = ($($name::Item,)+);

            fn of(item: Self::Item) -> Self {
                ($($name::of(item.$at),)+)
            }

            fn merge(&mut self, other: Self) {
                $(self.$at.merge(other.$at);)+
            }

            fn refused(&self) -> Option<String> {
                None$(.or_else(|| self.$at.refused()))+
            }
        }
    };
}
tuple!(A.0);
tuple!(A.0, B.1);
tuple!(A.0, B.1, C.2);
tuple!(A.0, B.1, C.2, D.3);
tuple!(A.0, B.1, C.2, D.3, E.4);
tuple!(A.0, B.1, C.2, D.3, E.4, F.5);
