//! Converts rows by their schema alone: to values, JSON and CSV, and from text to key bytes.

use serde_json::{Map, Value};

use super::schema::{Column, RowSchema};
use super::{ByteRange, Datum, order_codec};
use diptych_base::error::{Error, Kind, Result};

impl RowSchema {
    /// Decodes the values of a row: those of its key, then those of its value.
    ///
    /// # Errors
    /// When the bytes are not a row of this schema.
    pub fn decode(&self, key: &[u8], value: &[u8]) -> Result<Vec<Datum>> {
        let mut row = decode_columns(&self.key, key)?;
        row.extend(decode_columns(&self.value, value)?);
        Ok(row)
    }

    /// The row as a JSON object, in column order.
    ///
    /// # Errors
    /// When the bytes are not a row of this schema.
    pub fn json(&self, key: &[u8], value: &[u8]) -> Result<Map<String, Value>> {
        let row = self.decode(key, value)?;
        let names = self.columns().map(|column| column.name.clone());
        Ok(names.zip(row.iter().map(Datum::to_json)).collect())
    }

    /// The names of the columns as a line of CSV, without a line end.
    pub fn csv_header(&self) -> String {
        let names = self.columns().map(|column| csv_field(&column.name));
        names.collect::<Vec<_>>().join(",")
    }

    /// The row as a line of CSV, without a line end. An absent value is an empty field, an empty
    /// text is `""`.
    ///
    /// # Errors
    /// When the bytes are not a row of this schema.
    pub fn csv(&self, key: &[u8], value: &[u8]) -> Result<String> {
        let field = |datum: Datum| match datum {
            Datum::Null => String::new(),
            other => csv_field(&other.to_string()),
        };
        let fields: Vec<_> = self.decode(key, value)?.into_iter().map(field).collect();
        Ok(fields.join(","))
    }

    /// Encodes the first columns of a key: the common prefix of all keys with these values; a whole
    /// key when all are given.
    ///
    /// # Errors
    /// When there are too many values, or one is not of its column's type.
    pub fn encode_key(&self, values: &[Datum]) -> Result<Vec<u8>> {
        self.check_count(values.len())?;
        let mut out = Vec::new();
        for (column, value) in self.key.iter().zip(values) {
            value.encode(column, &mut out)?;
        }
        Ok(out)
    }

    /// Encodes a key like [`RowSchema::encode_key`] from text as a user types it: no value is
    /// absent.
    ///
    /// # Errors
    /// When there are too many values, or one is not of its column's type.
    pub fn parse_key<S: AsRef<str>>(&self, values: &[S]) -> Result<Vec<u8>> {
        self.check_count(values.len())?;
        let texts = values.iter().map(AsRef::as_ref);
        let parsed = self.key.iter().zip(texts).map(|(column, text)| Datum::parse(column, text));
        self.encode_key(&parsed.collect::<Result<Vec<_>>>()?)
    }

    /// The range of keys whose first columns are `values` and whose next column, a text, starts
    /// with `prefix`.
    ///
    /// # Errors
    /// When a value is not of its column's type, or the next column is not text.
    pub fn text_range<S: AsRef<str>>(&self, values: &[S], prefix: &str) -> Result<ByteRange> {
        let bytes = self.parse_key(values)?;
        self.text_range_behind(bytes, values.len(), prefix)
    }

    /// The range of [`RowSchema::text_range`] for values that are already parsed.
    ///
    /// # Errors
    /// As [`RowSchema::text_range`].
    pub fn text_range_of(&self, values: &[Datum], prefix: &str) -> Result<ByteRange> {
        let bytes = self.encode_key(values)?;
        self.text_range_behind(bytes, values.len(), prefix)
    }

    fn text_range_behind(
        &self,
        mut bytes: Vec<u8>,
        given: usize,
        prefix: &str,
    ) -> Result<ByteRange> {
        let next = self.key.get(given);
        let Some(column) = next.filter(|column| column.ty == super::ColumnType::String) else {
            let found = next.map_or("there is none".into(), |column| {
                format!("\"{}\" holds {}", column.name, column.ty)
            });
            return Err(Error::new(
                Kind::Input,
                format!("key column {given} cannot be read by prefix: {found}"),
            )
            .remedy("read by prefix on a text column, with all columns before it given"));
        };
        if column.nullable {
            bytes.push(order_codec::PRESENT);
        }
        order_codec::put_bytes_prefix(prefix.as_bytes(), &mut bytes);
        Ok(ByteRange::prefix(&bytes))
    }

    pub(super) fn check_count(&self, given: usize) -> Result<()> {
        let columns = self.key.len();
        if given <= columns {
            return Ok(());
        }
        let names: Vec<_> = self.key.iter().map(|column| column.name.as_str()).collect();
        Err(Error::new(Kind::Input, format!("{given} values for a key of {columns} columns"))
            .remedy(format!("give at most these: {}", names.join(", "))))
    }
}

fn decode_columns(columns: &[Column], mut bytes: &[u8]) -> Result<Vec<Datum>> {
    let values = columns.iter().map(|column| Datum::decode(column, &mut bytes)).collect();
    if bytes.is_empty() {
        values
    } else {
        values.and_then(|_| {
            Err(order_codec::malformed(format!("{} bytes follow the last column", bytes.len())))
        })
    }
}

/// Quotes a field as in RFC 4180.
fn csv_field(text: &str) -> String {
    let special = |c: char| matches!(c, ',' | '"' | '\n' | '\r');
    if text.is_empty() || text.contains(special) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
