//! The columns of the catalog's tables, as `PostgreSQL` 16 has them, and the encoder of their rows.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arrow_array::builder::{Int64Builder, ListBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};

use super::super::procedures;
use super::super::types::{PgType, TYPE_KEY};

/// A table of the catalog.
pub(super) struct CatalogTable {
    /// The name; tables of `information_schema` have that prefix with a point.
    pub(super) name: &'static str,
    pub(super) columns: Vec<(&'static str, &'static str)>,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Int(i64),
    Bool(bool),
    Text(String),
    Ints(Vec<i64>),
    Texts(Vec<String>),
}

impl From<i64> for Cell {
    fn from(value: i64) -> Cell {
        Cell::Int(value)
    }
}

impl From<u32> for Cell {
    fn from(value: u32) -> Cell {
        Cell::Int(value.into())
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Cell {
        Cell::Bool(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Cell {
        Cell::Text(value.to_owned())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Cell {
        Cell::Text(value)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell::Null, Into::into)
    }
}

/// The values of a row that are not the default; columns left out are zero, false or absent.
pub(super) type CatalogRow = Vec<(&'static str, Cell)>;

const PG_CATALOG: &str = include_str!("pg_catalog.txt");
const INFORMATION_SCHEMA: &str = include_str!("information_schema.txt");

/// All tables.
pub(super) fn tables() -> impl Iterator<Item = &'static CatalogTable> {
    known().0.iter()
}

/// The table called `name`.
pub(super) fn table(name: &str) -> Option<&'static CatalogTable> {
    let (tables, places) = known();
    places.get(name).map(|at| &tables[*at])
}

fn known() -> &'static (Vec<CatalogTable>, HashMap<&'static str, usize>) {
    static KNOWN: OnceLock<(Vec<CatalogTable>, HashMap<&'static str, usize>)> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let mut tables = parse(PG_CATALOG);
        tables.extend(parse(INFORMATION_SCHEMA));
        let places = tables.iter().enumerate().map(|(at, table)| (table.name, at)).collect();
        (tables, places)
    })
}

/// Parses tables of a name and its columns; a line that begins with a space continues the table.
fn parse(text: &'static str) -> Vec<CatalogTable> {
    let mut tables: Vec<CatalogTable> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        if !line.starts_with(' ') {
            let name = words.next().unwrap_or_default();
            tables.push(CatalogTable { name, columns: Vec::new() });
        }
        if let Some(table) = tables.last_mut() {
            table.columns.extend(words.filter_map(|word| word.split_once(':')));
        }
    }
    tables
}

impl CatalogTable {
    /// The columns as an Arrow schema.
    pub(super) fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|(name, of)| field(name, of));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Encodes rows of the table.
    ///
    /// # Errors
    /// When a value is not of its column's type.
    pub(super) fn batch(&self, rows: &[CatalogRow]) -> Result<RecordBatch, ArrowError> {
        let column = |(name, of): &(&'static str, &'static str)| {
            let cell = |row: &CatalogRow| {
                let found = row.iter().find(|(column, _)| column == name);
                found.map_or_else(|| usual(of), |(_, cell)| cell.clone())
            };
            array(of, rows.iter().map(cell).collect())
        };
        let columns = self.columns.iter().map(column).collect();
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(self.schema(), columns, &options)
    }
}

/// The Arrow type behind a type's short name.
pub(super) fn data_type(of: &str) -> DataType {
    let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
    match of {
        "oid" | "int8" | "regproc" | "xid" => DataType::Int64,
        "int2" => DataType::Int16,
        "int4" => DataType::Int32,
        "bool" => DataType::Boolean,
        "float4" => DataType::Float32,
        "float8" => DataType::Float64,
        "timestamptz" => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        "int2s" | "int2vector" => list(DataType::Int16),
        "int4s" => list(DataType::Int32),
        "oids" | "oidvector" => list(DataType::Int64),
        "texts" | "acls" | "chars" | "names" => list(DataType::Utf8),
        _ => DataType::Utf8,
    }
}

/// A column of the type with this short name.
pub(super) fn field(name: &str, of: &str) -> Field {
    let field = Field::new(name, data_type(of), true);
    match PgType::of_name(of) {
        Some(_) => field.with_metadata(HashMap::from([(TYPE_KEY.to_owned(), of.to_owned())])),
        None => field,
    }
}

/// The default value of a column.
fn usual(of: &str) -> Cell {
    match of {
        "oid" | "regproc" | "xid" | "int2" | "int4" | "int8" | "float4" | "float8" => Cell::Int(0),
        "bool" => Cell::Bool(false),
        "char" => Cell::Text("-".into()),
        _ => Cell::Null,
    }
}

fn array(of: &str, cells: Vec<Cell>) -> ArrayRef {
    let int = |cell: &Cell| match cell {
        Cell::Int(value) => Some(*value),
        // A function of the catalog is stored by its number.
        Cell::Text(name) if of == "regproc" => procedures::number(name).map(i64::from),
        _ => None,
    };
    let ints = cells.iter().map(int);
    match data_type(of) {
        DataType::Int64 => Arc::new(ints.collect::<Int64Array>()),
        DataType::Int32 => {
            Arc::new(ints.map(|value| value.map(|value| value as i32)).collect::<Int32Array>())
        }
        DataType::Int16 => {
            Arc::new(ints.map(|value| value.map(|value| value as i16)).collect::<Int16Array>())
        }
        DataType::Float32 => {
            Arc::new(ints.map(|value| value.map(|value| value as f32)).collect::<Float32Array>())
        }
        DataType::Float64 => {
            Arc::new(ints.map(|value| value.map(|value| value as f64)).collect::<Float64Array>())
        }
        DataType::Timestamp(..) => {
            Arc::new(ints.collect::<TimestampMicrosecondArray>().with_timezone("+00:00"))
        }
        DataType::Boolean => {
            let bool = |cell: &Cell| if let Cell::Bool(value) = cell { Some(*value) } else { None };
            Arc::new(cells.iter().map(bool).collect::<BooleanArray>())
        }
        DataType::List(item) if *item.data_type() == DataType::Int64 => lists(&cells),
        DataType::List(item) if *item.data_type() == DataType::Int16 => {
            let wide = lists(&cells);
            // Numbers of columns are small, so the cast succeeds.
            arrow_cast::cast(&wide, &data_type(of)).unwrap_or(wide)
        }
        DataType::List(_) => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            cells.iter().for_each(|_| lists.append(false));
            Arc::new(lists.finish())
        }
        _ => {
            let text = |cell: &Cell| match cell {
                Cell::Text(text) => Some(text.clone()),
                _ => None,
            };
            Arc::new(cells.iter().map(text).collect::<StringArray>())
        }
    }
}

fn lists(cells: &[Cell]) -> ArrayRef {
    let mut lists = ListBuilder::new(Int64Builder::new());
    for cell in cells {
        if let Cell::Ints(values) = cell {
            values.iter().for_each(|value| lists.values().append_value(*value));
        }
        lists.append(matches!(cell, Cell::Ints(_)));
    }
    Arc::new(lists.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_can_be_made() {
        for table in tables() {
            let batch = table.batch(&[Vec::new()]).expect(table.name);
            assert_eq!(batch.num_rows(), 1, "{}", table.name);
            assert_eq!(batch.num_columns(), table.columns.len());
        }
        assert!(table("pg_class").is_some_and(|table| table.columns.len() == 33));
        assert!(table("information_schema.columns").is_some());
    }
}
