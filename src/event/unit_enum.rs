//! Unit enums as field types: stored as text, decoded to one index per row when a batch is opened.
//!
//! Text and not a dictionary, because the batches of one Arrow file must share their dictionaries,
//! and because every reader of the files then sees names. The price is one comparison of short
//! strings per row, once per record batch; a run of equal neighbours is compared once.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use std::sync::Arc;

use super::column_path::ColumnPath;
use super::widen::conform;
use diptych_base::error::{Error, Kind, Result};

/// The interface of an enum of unit variants that `#[derive(Event)]` implements.
pub trait Variants: Copy + Send + Sync + 'static {
    /// The texts that the variants are stored as, in order of declaration.
    const NAMES: &'static [&'static str];
    /// The variants, in order of declaration.
    const ALL: &'static [Self];

    /// The text that this variant is stored as.
    fn name(self) -> &'static str;

    /// The variant stored as `text`.
    fn of(text: &str) -> Option<Self>;
}

/// The variants of one column, decoded.
pub struct ChoiceColumn<E>(Arc<[E]>);

impl<E> Clone for ChoiceColumn<E> {
    fn clone(&self) -> Self {
        ChoiceColumn(Arc::clone(&self.0))
    }
}

impl<E: Variants> ChoiceColumn<E> {
    /// Decodes `array`.
    ///
    /// # Errors
    /// An input error that names the place: another type, a null, or a text of no variant.
    pub fn read(array: ArrayRef, at: &ColumnPath<'_>) -> Result<Self> {
        at.refuse_nulls(&array)?;
        let array = conform(array, &DataType::Utf8, at)?;
        let texts = array.as_string::<i32>();
        let mut last = (E::NAMES[0], E::ALL[0]);
        let mut variants = Vec::with_capacity(texts.len());
        for row in 0..texts.len() {
            let text = texts.value(row);
            if text != last.0 && texts.is_valid(row) && at.exists(row) {
                let variant = E::of(text).ok_or_else(|| unknown::<E>(text, row, at))?;
                last = (variant.name(), variant);
            }
            variants.push(last.1);
        }
        Ok(ChoiceColumn(variants.into()))
    }

    /// The variant at `index`.
    #[inline]
    pub fn get(&self, index: usize) -> E {
        self.0[index]
    }
}

fn unknown<E: Variants>(text: &str, row: usize, at: &ColumnPath<'_>) -> Error {
    let names = E::NAMES.join(", ");
    Error::new(
        Kind::Input,
        format!(
            "column `{at}`: row {row} of the record batch is `{text}`, which is none of {names}"
        ),
    )
    .remedy("add the variant to the enum, or name it with #[event(name = \"...\")]")
}
