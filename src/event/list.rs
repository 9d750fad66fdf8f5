//! `Vec<T>`: a list array, read as a [`List`] that borrows its items.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer};
use arrow_schema::{DataType, FieldRef};
use std::fmt;
use std::sync::Arc;

use super::column_path::ColumnPath;
use super::derived;
use super::field::{Field, Item, PlainField};
use super::widen::{conform, refuse};
use diptych_base::error::Result;

/// The list of one row, borrowed from the column.
pub struct List<'a, T: Item> {
    items: &'a T::Column,
    start: usize,
    end: usize,
}

impl<'a, T: Item> List<'a, T> {
    /// The number of items.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The item at `index`; none beyond the end.
    pub fn get(&self, index: usize) -> Option<T::Row<'a>> {
        (index < self.len()).then(|| T::row(self.items, self.start + index))
    }

    /// The items in order.
    pub fn iter(&self) -> ListIter<'a, T> {
        ListIter(*self)
    }
}

#[expect(clippy::expl_impl_clone_on_copy, reason = "a derive would ask for `T: Clone + Copy`")]
impl<T: Item> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Item> Copy for List<'_, T> {}

impl<T: Item> PartialEq for List<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other.iter()).all(|(a, b)| a == b)
    }
}

impl<T: Item> fmt::Debug for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a, T: Item> IntoIterator for List<'a, T> {
    type Item = T::Row<'a>;
    type IntoIter = ListIter<'a, T>;

    fn into_iter(self) -> ListIter<'a, T> {
        self.iter()
    }
}

impl<'a, T: Item> IntoIterator for &List<'a, T> {
    type Item = T::Row<'a>;
    type IntoIter = ListIter<'a, T>;

    fn into_iter(self) -> ListIter<'a, T> {
        self.iter()
    }
}

/// The items of a [`List`], in order.
pub struct ListIter<'a, T: Item>(List<'a, T>);

impl<'a, T: Item> Iterator for ListIter<'a, T> {
    type Item = T::Row<'a>;

    fn next(&mut self) -> Option<T::Row<'a>> {
        let item = self.0.get(0)?;
        self.0.start += 1;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), Some(self.0.len()))
    }
}

impl<T: Item> ExactSizeIterator for ListIter<'_, T> {}

/// The column of a `Vec<T>`: `items` starts at the item of the first offset.
pub struct ListColumn<T: Item> {
    offsets: OffsetBuffer<i32>,
    items: T::Column,
}

impl<T: Item> Clone for ListColumn<T> {
    fn clone(&self) -> Self {
        ListColumn { offsets: self.offsets.clone(), items: self.items.clone() }
    }
}

/// The builder that collects lists for an array.
pub struct ListBuilder<T: Item> {
    lengths: Vec<usize>,
    nulls: NullBufferBuilder,
    items: T::Builder,
}

impl<T: Item> Default for ListBuilder<T> {
    fn default() -> Self {
        ListBuilder {
            lengths: Vec::new(),
            nulls: NullBufferBuilder::new(0),
            items: T::Builder::default(),
        }
    }
}

fn item_field<T: Item>() -> FieldRef {
    Arc::new(derived::field::<T>("item", false))
}

impl<T: Item> PlainField for Vec<T> {}
impl<T: Item> Item for Vec<T> {}

impl<T: Item> Field for Vec<T> {
    type Row<'a> = List<'a, T>;
    type Column = ListColumn<T>;
    type Builder = ListBuilder<T>;

    fn data_type() -> DataType {
        DataType::List(item_field::<T>())
    }
    fn column(array: ArrayRef, at: &ColumnPath<'_>) -> Result<Self::Column> {
        at.refuse_nulls(&array)?;
        // The item type checks its own array, whichever list form with 32-bit offsets holds it.
        let array = match array.data_type() {
            DataType::List(_) => array,
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                let list = DataType::List(Arc::clone(item));
                conform(array, &list, at)?
            }
            other => return Err(refuse(other, &Self::data_type(), at)),
        };
        let lists = array.as_list::<i32>();
        let offsets = lists.offsets().clone();
        // Items outside the lists of this (perhaps sliced) array belong to no row.
        let first = offsets[0] as usize;
        let last = offsets[offsets.len() - 1] as usize;
        let items = lists.values().slice(first, last - first);
        Ok(ListColumn { offsets, items: T::column(items, &at.items())? })
    }
    #[inline]
    fn row(column: &Self::Column, index: usize) -> Self::Row<'_> {
        let first = column.offsets[0];
        let start = (column.offsets[index] - first) as usize;
        let end = (column.offsets[index + 1] - first) as usize;
        List { items: &column.items, start, end }
    }
    fn own(row: Self::Row<'_>) -> Self {
        row.iter().map(T::own).collect()
    }
    fn push(builder: &mut Self::Builder, value: &Self) {
        for item in value {
            T::push(&mut builder.items, item);
        }
        builder.lengths.push(value.len());
        builder.nulls.append_non_null();
    }
    fn push_row(builder: &mut Self::Builder, row: Self::Row<'_>) {
        for item in row {
            T::push_row(&mut builder.items, item);
        }
        builder.lengths.push(row.len());
        builder.nulls.append_non_null();
    }
    fn push_null(builder: &mut Self::Builder) {
        builder.lengths.push(0);
        builder.nulls.append_null();
    }
    fn finish(builder: &mut Self::Builder) -> ArrayRef {
        let offsets = OffsetBuffer::from_lengths(builder.lengths.drain(..));
        let items = T::finish(&mut builder.items);
        Arc::new(ListArray::new(item_field::<T>(), offsets, items, builder.nulls.finish()))
    }
}
