//! The objects of the catalog: schemas, relations, columns and types, with their numbers (OIDs).

use std::sync::{Arc, Mutex, OnceLock};

use arrow_schema::SchemaRef;

use super::super::types::{self, PgField, PgType};
use diptych_base::lock_mutex::lock;
use diptych_row::RowSchema;
use diptych_site::site::Site;
use diptych_sql::Settings;

/// The first number that is free; those below are `PostgreSQL`'s own.
const FIRST: u32 = 16_384;
/// The first number of a relation; schemas have those before it, from `FIRST` on.
const RELATIONS: u32 = FIRST + 10_000;
/// The number of a relation's index is the relation's number plus this.
const INDEX: u32 = 1_000_000;

/// `PostgreSQL`'s own schemas.
pub(super) const PG_CATALOG: u32 = 11;
pub(super) const PUBLIC: u32 = 2_200;
pub(super) const INFORMATION_SCHEMA: u32 = 13_200;
/// The role that owns everything.
pub(super) const OWNER: u32 = 10;
/// The role of the connected user.
pub(super) const USER: u32 = 16_383;
/// The only database.
pub(super) const DATABASE: u32 = 5;

/// The objects that a session can see.
#[derive(Debug)]
pub(super) struct Objects {
    pub(super) schemas: Vec<Schema>,
    pub(super) relations: Vec<Relation>,
    pub(super) types: &'static [Type],
    pub(super) user: String,
    pub(super) settings: Arc<Mutex<Settings>>,
    /// The number of the connection.
    pub(super) pid: i32,
}

#[derive(Debug)]
pub(super) struct Schema {
    pub(super) oid: u32,
    pub(super) name: String,
}

/// A view or a stream.
#[derive(Debug)]
pub(super) struct Relation {
    pub(super) oid: u32,
    pub(super) schema: u32,
    pub(super) schema_name: String,
    pub(super) name: String,
    pub(super) columns: Vec<CatalogColumn>,
    /// The number of columns that form the key.
    pub(super) key: usize,
    pub(super) is_stream: bool,
    /// Whether the name alone, without a schema, resolves to this relation.
    pub(super) is_visible: bool,
}

#[derive(Debug)]
pub(super) struct CatalogColumn {
    pub(super) name: String,
    pub(super) kind: PgType,
    pub(super) is_nullable: bool,
}

/// A type, as `pg_type` describes it.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) oid: u32,
    pub(super) words: Vec<&'static str>,
}

impl Objects {
    pub(super) fn new(site: &Site, settings: Arc<Mutex<Settings>>, pid: i32) -> Objects {
        let named = |(oid, name): (u32, &str)| Schema { oid, name: name.to_owned() };
        let own = [
            (PG_CATALOG, "pg_catalog"),
            (PUBLIC, "public"),
            (INFORMATION_SCHEMA, "information_schema"),
        ];
        let flows = site.flows.iter().map(|flow| flow.name.as_str()).chain(["streams"]);
        let flows = flows.enumerate().map(|(at, name)| (FIRST + at as u32, name));
        let schemas: Vec<Schema> = own.into_iter().chain(flows).map(named).collect();
        let user = lock(&settings).user().to_owned();
        let mut objects =
            Objects { schemas, relations: Vec::new(), types: types(), user, settings, pid };
        for flow in &site.flows {
            for view in flow.serving.index().views() {
                let columns = of_view(&view.schema);
                objects.add(&flow.name, &view.name, columns, view.schema.key.len());
            }
        }
        for stream in &site.streams {
            objects.add("streams", &stream.name, of_stream(&stream.schema), 0);
        }
        objects.see();
        objects
    }

    fn add(&mut self, schema: &str, name: &str, columns: Vec<CatalogColumn>, key: usize) {
        let schema = self.schemas.iter().find(|known| known.name == schema);
        let Some(schema) = schema else { return };
        self.relations.push(Relation {
            oid: RELATIONS + self.relations.len() as u32,
            schema: schema.oid,
            schema_name: schema.name.clone(),
            name: name.to_owned(),
            columns,
            key,
            is_stream: schema.name == "streams",
            is_visible: false,
        });
    }

    /// Sets the visibility: a name alone resolves to the only view that has it, else to the stream.
    fn see(&mut self) {
        let views = |relations: &[Relation], name: &str| {
            relations.iter().filter(|known| !known.is_stream && known.name == name).count()
        };
        for at in 0..self.relations.len() {
            let relation = &self.relations[at];
            let count = views(&self.relations, &relation.name);
            let is_visible = count == usize::from(!relation.is_stream);
            self.relations[at].is_visible = is_visible;
        }
    }

    /// The relation with this number.
    pub(super) fn relation(&self, oid: i64) -> Option<&Relation> {
        self.relations.iter().find(|known| i64::from(known.oid) == oid)
    }

    /// The relation whose index has this number.
    pub(super) fn indexed(&self, oid: i64) -> Option<&Relation> {
        let own = |known: &&Relation| known.index().map(i64::from) == Some(oid);
        self.relations.iter().find(own)
    }

    /// The relation called `name`, with or without its schema.
    pub(super) fn named(&self, name: &str) -> Option<&Relation> {
        let plain = |part: &str| super::super::split_statements::name(part.trim());
        if let Some((schema, name)) = name.split_once('.') {
            let schema = plain(schema);
            let name = plain(name);
            self.relations.iter().find(|known| known.schema_name == schema && known.name == name)
        } else {
            let name = plain(name);
            self.relations.iter().find(|known| known.is_visible && known.name == name)
        }
    }

    /// The schema with this number.
    pub(super) fn schema(&self, oid: i64) -> Option<&Schema> {
        self.schemas.iter().find(|known| i64::from(known.oid) == oid)
    }

    /// The type with this number.
    pub(super) fn type_of(&self, oid: i64) -> Option<&Type> {
        self.types.iter().find(|known| i64::from(known.oid) == oid)
    }

    /// The type called `name`.
    pub(super) fn type_named(&self, name: &str) -> Option<&Type> {
        let name = name.trim().trim_start_matches("pg_catalog.");
        let long = LONG_NAMES.iter().find(|(_, long)| long.eq_ignore_ascii_case(name));
        let name = long.map_or(name, |(short, _)| short);
        self.types.iter().find(|known| known.name() == name)
    }
}

impl Relation {
    /// The number of the index on the relation's key.
    pub(super) fn index(&self) -> Option<u32> {
        (self.key > 0).then_some(self.oid + INDEX)
    }

    /// The name of the index on the relation's key.
    pub(super) fn index_name(&self) -> String {
        format!("{}_idx", self.name)
    }

    /// The definition of the index on the relation's key.
    pub(super) fn index_definition(&self) -> String {
        let columns: Vec<_> =
            self.columns[..self.key].iter().map(|column| quoted(&column.name)).collect();
        format!(
            "CREATE INDEX {} ON {}.{} USING btree ({})",
            quoted(&self.index_name()),
            quoted(&self.schema_name),
            quoted(&self.name),
            columns.join(", ")
        )
    }

    /// The name as a query has to write it.
    pub(super) fn written(&self) -> String {
        if self.is_visible {
            return quoted(&self.name);
        }
        format!("{}.{}", quoted(&self.schema_name), quoted(&self.name))
    }
}

impl Type {
    pub(super) fn name(&self) -> &'static str {
        self.words.get(1).copied().unwrap_or_default()
    }

    /// The name of the type in SQL.
    pub(super) fn long_name(&self) -> String {
        let name = self.name();
        let (name, is_array) = name.strip_prefix('_').map_or((name, false), |name| (name, true));
        let long = LONG_NAMES.iter().find(|(short, _)| *short == name);
        let long = long.map_or(name, |(_, long)| long);
        if is_array { format!("{long}[]") } else { long.to_owned() }
    }
}

/// Names of types as the catalog stores them, and as SQL writes them.
const LONG_NAMES: &[(&str, &str)] = &[
    ("bool", "boolean"),
    ("bpchar", "character"),
    ("char", "\"char\""),
    ("float4", "real"),
    ("float8", "double precision"),
    ("int2", "smallint"),
    ("int4", "integer"),
    ("int8", "bigint"),
    ("time", "time without time zone"),
    ("timestamp", "timestamp without time zone"),
    ("timestamptz", "timestamp with time zone"),
    ("timetz", "time with time zone"),
    ("varbit", "bit varying"),
    ("varchar", "character varying"),
];

/// A name, quoted where necessary.
pub(super) fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if starts && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

fn of_view(schema: &RowSchema) -> Vec<CatalogColumn> {
    let column = |column: &diptych_row::Column| CatalogColumn {
        name: column.name.clone(),
        kind: PgType::of_column(column),
        is_nullable: column.nullable,
    };
    schema.columns().map(column).collect()
}

fn of_stream(schema: &SchemaRef) -> Vec<CatalogColumn> {
    let fields = types::fields(schema);
    let column = |(PgField { name, kind }, field): (PgField, &Arc<arrow_schema::Field>)| {
        CatalogColumn { name, kind, is_nullable: field.is_nullable() }
    };
    let mut columns: Vec<CatalogColumn> =
        fields.into_iter().zip(schema.fields()).map(column).collect();
    // The planner appends this column to those of the events.
    let kind = PgType::of(&arrow_schema::DataType::UInt64);
    columns.push(CatalogColumn { name: "_epoch".to_owned(), kind, is_nullable: false });
    columns
}

fn types() -> &'static [Type] {
    static TYPES: OnceLock<Vec<Type>> = OnceLock::new();
    let parse = |line: &'static str| {
        let words: Vec<&str> = line.split(' ').collect();
        Some(Type { oid: words.first()?.parse().ok()?, words })
    };
    TYPES.get_or_init(|| include_str!("pg_type.txt").lines().filter_map(parse).collect())
}
