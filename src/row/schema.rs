//! Names and types of the columns of a view.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Columns;
use diptych_base::error::{Error, Kind, Result};

/// The type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ColumnType {
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 64 bits.
    U64,
    /// Signed, 8 bits.
    I8,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits.
    I64,
    /// IEEE single, in the order of `total_cmp`.
    F32,
    /// IEEE double, in the order of `total_cmp`.
    F64,
    /// `false` before `true`.
    Bool,
    /// UTF-8 text, ordered by its bytes.
    String,
    /// Any bytes.
    Bytes,
    /// An exact decimal: a 128-bit integer divided by ten to the power of `scale`.
    Decimal {
        /// Digits after the point.
        scale: u8,
    },
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp,
    /// Days since 1970-01-01.
    Date,
}

impl ColumnType {
    /// Whether a value may be of any length.
    pub fn is_unbounded(self) -> bool {
        matches!(self, ColumnType::String | ColumnType::Bytes)
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ColumnType::U8 => "u8",
            ColumnType::U16 => "u16",
            ColumnType::U32 => "u32",
            ColumnType::U64 => "u64",
            ColumnType::I8 => "i8",
            ColumnType::I16 => "i16",
            ColumnType::I32 => "i32",
            ColumnType::I64 => "i64",
            ColumnType::F32 => "f32",
            ColumnType::F64 => "f64",
            ColumnType::Bool => "bool",
            ColumnType::String => "string",
            ColumnType::Bytes => "bytes",
            ColumnType::Decimal { scale } => return write!(f, "decimal({scale})"),
            ColumnType::Timestamp => "timestamp",
            ColumnType::Date => "date",
        })
    }
}

/// A column of a view: its name, type and nullability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The name, unique in the view.
    pub name: String,
    /// The type of its values.
    pub ty: ColumnType,
    /// Whether a value may be absent.
    pub nullable: bool,
}

impl Column {
    /// Makes a column that is never absent.
    pub fn new(name: impl Into<String>, ty: ColumnType) -> Self {
        Column { name: name.into(), ty, nullable: false }
    }
}

/// The name of part `part` of the value called `prefix` (empty at the top): `prefix_part`.
pub fn column_name(prefix: &str, part: &str) -> String {
    if prefix.is_empty() { part.to_owned() } else { format!("{prefix}_{part}") }
}

/// The columns of a view: those of its key, then those of its value.
///
/// ```
/// use diptych::row::RowSchema;
/// let schema = RowSchema::of::<(u64, String), i64>();
/// let names: Vec<_> = schema.columns().map(|column| column.name.as_str()).collect();
/// assert_eq!(names, ["key_0", "key_1", "value"]);
/// let schema = schema.named(&["hour", "tag", "n"])?;
/// assert_eq!(schema.value[0].name, "n");
/// # Ok::<(), diptych::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowSchema {
    /// The columns of the key, most significant first.
    pub key: Vec<Column>,
    /// The columns of the value.
    pub value: Vec<Column>,
}

/// The name and columns of a view; its position in a dataflow, an index or a batch view is its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewInfo {
    /// The name, unique in the dataflow.
    pub name: String,
    /// The columns.
    pub schema: RowSchema,
}

impl RowSchema {
    /// The schema of rows `(K, V)`. Struct fields keep their names; unnamed columns are called
    /// `key`, `value`, `key_0`, `value_1_0` after their places.
    pub fn of<K: Columns, V: Columns>() -> Self {
        let mut schema = RowSchema::default();
        K::columns("", &mut schema.key);
        V::columns("", &mut schema.value);
        for (side, columns) in [("key", &mut schema.key), ("value", &mut schema.value)] {
            for column in columns {
                if column.name.is_empty() {
                    side.clone_into(&mut column.name);
                } else if column.name.starts_with(|c: char| c.is_ascii_digit()) {
                    column.name = column_name(side, &column.name);
                }
            }
        }
        schema.tell_apart();
        schema
    }

    /// Makes column names unique: a value column with the name of a key column gets the prefix
    /// `value_`; a name that still repeats an earlier one (a field `a_b` beside the field `b` of
    /// `a`) gets a number.
    fn tell_apart(&mut self) {
        for column in &mut self.value {
            while self.key.iter().any(|key| key.name == column.name) {
                column.name = column_name("value", &column.name);
            }
        }
        let mut taken = HashSet::new();
        for column in self.key.iter_mut().chain(&mut self.value) {
            let mut name = column.name.clone();
            for number in 2.. {
                if taken.insert(name.clone()) {
                    break;
                }
                name = column_name(&column.name, &number.to_string());
            }
            column.name = name;
        }
    }

    /// Renames the columns to the user's names, key columns first.
    ///
    /// # Errors
    /// When there are more or fewer names than columns, or a name is empty or used twice.
    pub fn named<S: AsRef<str>>(mut self, names: &[S]) -> Result<Self> {
        let count = self.key.len() + self.value.len();
        if names.len() != count {
            let given = names.len();
            return Err(Error::new(
                Kind::Input,
                format!("a view of {count} columns ({self}) was given {given} names"),
            )
            .remedy("give one name per column, those of the key first"));
        }
        for (index, name) in names.iter().enumerate() {
            let name = name.as_ref();
            if name.is_empty() || names[..index].iter().any(|other| other.as_ref() == name) {
                return Err(Error::new(
                    Kind::Input,
                    format!("column {index} of the view is called \"{name}\", which is not unique"),
                )
                .remedy("give every column a name of its own"));
            }
        }
        for (column, name) in self.key.iter_mut().chain(&mut self.value).zip(names) {
            name.as_ref().clone_into(&mut column.name);
        }
        Ok(self)
    }

    /// All columns: those of the key, then those of the value.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().chain(&self.value)
    }
}

impl fmt::Display for RowSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, column) in self.columns().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let optional = if column.nullable { "?" } else { "" };
            write!(f, "{comma}{}: {}{optional}", column.name, column.ty)?;
        }
        Ok(())
    }
}
