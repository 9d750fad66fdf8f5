//! The trait that encodes a key or a value of a view as columns of ordered bytes.

use super::order_codec::{self, malformed};
use super::schema::{Column, ColumnType, column_name};
use diptych_base::error::Result;
use diptych_event::{Date, Decimal, Float, Timestamp};

/// A type that is a fixed sequence of columns, encoded as bytes that sort like the values.
///
/// For all `a` and `b`, `a < b` exactly when `a.encode() < b.encode()` as bytes, and the encoding
/// of the first columns is a prefix of the whole. Implementations must write exactly the columns
/// they name, in that order.
///
/// ```
/// use diptych::row::Columns;
/// let mut small = Vec::new();
/// ("a".to_string(), -7i64).encode(&mut small);
/// let mut large = Vec::new();
/// ("a".to_string(), 3i64).encode(&mut large);
/// assert!(small < large);
/// assert_eq!(<(String, i64)>::decode(&mut &small[..])?, ("a".to_string(), -7));
/// # Ok::<(), diptych::Error>(())
/// ```
///
/// `#[derive(Columns)]` implements the trait for a struct: a field is a column of its name, a field
/// that is itself a struct or a tuple has columns called `field_inner`. The order is that of the
/// fields, as in `#[derive(Ord)]`. As a key or value of a view the struct also derives `Clone`,
/// `Debug`, `Ord` and serde's traits (and `Hash` in front of a barrier).
///
/// ```
/// use diptych::row::Columns;
/// use dataflows::Line;
/// use diptych::serving::Read;
/// use diptych::prelude::*;
/// use diptych::System;
/// use diptych::dataflow::Definition;
/// use diptych::sources::append;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Columns, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
/// struct Word {
///     length: u64,
///     #[columns(name = "word")]
///     text: String,
/// }
///
/// fn words(df: &mut Dataflow) {
///     let words = df
///         .events::<Line>("lines")
///         .flat_map(|line, out| {
///             let words = line.text.split_whitespace();
///             out.extend(words.map(|w| Word { length: w.len() as u64, text: w.to_owned() }));
///         })
///         .count("words");
///     df.view("words", words); // columns: length, word, value
/// }
///
/// # fn main() -> diptych::Result<()> {
/// let words = Definition::new("words", words);
/// let schema = &words.describe()?.views[0].schema;
/// assert_eq!(schema.to_string(), "length: u64, word: string, value: i64");
///
/// let system = System::in_memory();
/// append(&system.writer()?, "lines", &[Line { text: "to be or not".into() }])?;
/// let index = system.recompute(&words, 1, diptych::system::Cluster::default(), true)?;
/// let rows = index.snapshot(Read::Latest)?.rows::<Word, i64>("words")?;
/// let longest = rows.last().map(|((word, _), _)| word.text.as_str());
/// assert_eq!(longest, Some("not"));
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no column of a view",
    label = "no columns",
    note = "allowed: u8..u64, usize, i8..i64, isize, Float, Decimal<SCALE>, bool, String, \
            Vec<u8>, Date, Timestamp, Option of one of these, tuples, and structs that derive \
            Columns; owned: instead of &str `.to_owned()`, instead of f64 in a row `Float::new(f)`"
)]
pub trait Columns: Sized {
    /// Appends the columns of this type. `prefix` is the name of the field that holds the value,
    /// empty at the top; name parts with [`column_name`].
    fn columns(prefix: &str, out: &mut Vec<Column>);

    /// Appends the ordered bytes of this value.
    fn encode(&self, out: &mut Vec<u8>);

    /// Removes one value from the front of `bytes`.
    ///
    /// # Errors
    /// On bytes that encode no value. Never panics.
    fn decode(bytes: &mut &[u8]) -> Result<Self>;
}

/// A [`Columns`] type that is exactly one column, which may therefore be optional.
#[diagnostic::on_unimplemented(
    message = "`Option<{Self}>` is no column of a view: `{Self}` is not exactly one column",
    label = "not one column",
    note = "make each field of it an Option instead"
)]
pub trait SingleColumn: Columns {
    /// The type of the column.
    fn column_type() -> ColumnType;
}

/// Encodes one value as ordered bytes.
pub fn encode<C: Columns>(value: &C) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

/// Decodes all of `bytes` as one value.
///
/// # Errors
/// On bytes that encode no value, and when bytes are left over.
pub fn decode<C: Columns>(mut bytes: &[u8]) -> Result<C> {
    let value = C::decode(&mut bytes)?;
    if bytes.is_empty() {
        Ok(value)
    } else {
        Err(malformed(format!("{} bytes follow the last column", bytes.len())))
    }
}

macro_rules! integer {
    ($($type:ty => $column:ident, $flip:expr;)*) => {$(
        single!($type, $column);
        impl Columns for $type {
            fn columns(prefix: &str, out: &mut Vec<Column>) {
                out.push(Column::new(prefix, ColumnType::$column));
            }
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&(*self ^ $flip).to_be_bytes());
            }
            fn decode(bytes: &mut &[u8]) -> Result<Self> {
                Ok(<$type>::from_be_bytes(order_codec::take(bytes)?) ^ $flip)
            }
        }
    )*};
}

macro_rules! single {
    ($type:ty, $column:ident) => {
        impl SingleColumn for $type {
            fn column_type() -> ColumnType {
                ColumnType::$column
            }
        }
    };
}

/// Implements `Columns` for types that are encoded as another type.
macro_rules! through {
    ($($type:ty => $column:ident, $as:ty, $to:expr, $from:expr;)*) => {$(
        single!($type, $column);
        impl Columns for $type {
            fn columns(prefix: &str, out: &mut Vec<Column>) {
                out.push(Column::new(prefix, ColumnType::$column));
            }
            fn encode(&self, out: &mut Vec<u8>) {
                let to: fn(&$type) -> $as = $to;
                to(self).encode(out);
            }
            fn decode(bytes: &mut &[u8]) -> Result<Self> {
                let from: fn($as) -> Result<$type> = $from;
                from(<$as>::decode(bytes)?)
            }
        }
    )*};
}

integer! {
    u8 => U8, 0;
    u16 => U16, 0;
    u32 => U32, 0;
    u64 => U64, 0;
    i8 => I8, i8::MIN;
    i16 => I16, i16::MIN;
    i32 => I32, i32::MIN;
    i64 => I64, i64::MIN;
}

through! {
    usize => U64, u64, |value| *value as u64, |value| {
        usize::try_from(value).map_err(|_| malformed(format!("{value} is no usize here")))
    };
    isize => I64, i64, |value| *value as i64, |value| {
        isize::try_from(value).map_err(|_| malformed(format!("{value} is no isize here")))
    };
    f64 => F64, u64, |value| order_codec::f64_to_ordered(*value), |bits| {
        Ok(order_codec::f64_from_ordered(bits))
    };
    Float => F64, f64, |value| value.get(), |number| Ok(Float::new(number));
    f32 => F32, u32, |value| order_codec::f32_to_ordered(*value), |bits| {
        Ok(order_codec::f32_from_ordered(bits))
    };
    Timestamp => Timestamp, i64, |value| value.micros(), |micros| {
        Ok(Timestamp::from_micros(micros))
    };
    Date => Date, i32, |value| value.days(), |days| Ok(Date::from_days(days));
    bool => Bool, u8, |value| u8::from(*value), |byte| match byte {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(malformed(format!("byte {other:#04x} is no bool"))),
    };
}

impl<const SCALE: u8> SingleColumn for Decimal<SCALE> {
    fn column_type() -> ColumnType {
        ColumnType::Decimal { scale: SCALE }
    }
}

impl<const SCALE: u8> Columns for Decimal<SCALE> {
    fn columns(prefix: &str, out: &mut Vec<Column>) {
        out.push(Column::new(prefix, Self::column_type()));
    }
    fn encode(&self, out: &mut Vec<u8>) {
        order_codec::put_i128(self.units(), out);
    }
    fn decode(bytes: &mut &[u8]) -> Result<Self> {
        let units = order_codec::take_i128(bytes)?;
        Decimal::new(units).ok_or_else(|| malformed(format!("{units} has over 38 digits")))
    }
}

single!(String, String);
impl Columns for String {
    fn columns(prefix: &str, out: &mut Vec<Column>) {
        out.push(Column::new(prefix, ColumnType::String));
    }
    fn encode(&self, out: &mut Vec<u8>) {
        order_codec::put_bytes(self.as_bytes(), out);
    }
    fn decode(bytes: &mut &[u8]) -> Result<Self> {
        order_codec::take_string(bytes)
    }
}

single!(Vec<u8>, Bytes);
impl Columns for Vec<u8> {
    fn columns(prefix: &str, out: &mut Vec<Column>) {
        out.push(Column::new(prefix, ColumnType::Bytes));
    }
    fn encode(&self, out: &mut Vec<u8>) {
        order_codec::put_bytes(self, out);
    }
    fn decode(bytes: &mut &[u8]) -> Result<Self> {
        order_codec::take_bytes(bytes)
    }
}

impl<T: SingleColumn> Columns for Option<T> {
    fn columns(prefix: &str, out: &mut Vec<Column>) {
        out.push(Column { nullable: true, ..Column::new(prefix, T::column_type()) });
    }
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(order_codec::NULL),
            Some(value) => {
                out.push(order_codec::PRESENT);
                value.encode(out);
            }
        }
    }
    fn decode(bytes: &mut &[u8]) -> Result<Self> {
        if order_codec::take_tag(bytes)? { T::decode(bytes).map(Some) } else { Ok(None) }
    }
}

macro_rules! tuple {
    ($($name:ident $index:tt),*) => {
        impl<$($name: Columns),*> Columns for ($($name,)*) {
            #[allow(unused_variables, reason = "the empty tuple has no columns")]
            fn columns(prefix: &str, out: &mut Vec<Column>) {
                $($name::columns(&column_name(prefix, stringify!($index)), out);)*
            }
            #[allow(unused_variables, reason = "the empty tuple has no columns")]
            fn encode(&self, out: &mut Vec<u8>) {
                $(self.$index.encode(out);)*
            }
            #[allow(unused_variables, clippy::unused_unit, reason = "the empty tuple is empty")]
            fn decode(bytes: &mut &[u8]) -> Result<Self> {
                Ok(($($name::decode(bytes)?,)*))
            }
        }
    };
}

tuple!();
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
