//! The rows of `information_schema`.

use super::super::settings::DATABASE;
use super::super::types::{PgType, oid};
use super::objects::{CatalogColumn, Objects, Relation};
use super::pg_catalog_rows::definition;
use super::table_schemas::{CatalogRow, Cell};

/// The rows of the table called `name`; most have none.
pub(super) fn rows(name: &str, objects: &Objects) -> Vec<CatalogRow> {
    let Some(name) = name.strip_prefix("information_schema.") else { return Vec::new() };
    let relations = objects.relations.iter();
    match name {
        "information_schema_catalog_name" => vec![vec![("catalog_name", DATABASE.into())]],
        "schemata" => objects
            .schemas
            .iter()
            .map(|schema| {
                vec![
                    ("catalog_name", DATABASE.into()),
                    ("schema_name", schema.name.as_str().into()),
                    ("schema_owner", DATABASE.into()),
                ]
            })
            .collect(),
        "tables" => relations.map(table).collect(),
        "views" => relations
            .filter(|relation| !relation.is_stream)
            .map(|relation| {
                let mut row = place(relation);
                row.extend([
                    ("view_definition", definition(relation).into()),
                    ("check_option", "NONE".into()),
                    ("is_updatable", "NO".into()),
                    ("is_insertable_into", "NO".into()),
                    ("is_trigger_updatable", "NO".into()),
                    ("is_trigger_deletable", "NO".into()),
                    ("is_trigger_insertable_into", "NO".into()),
                ]);
                row
            })
            .collect(),
        "columns" => relations
            .flat_map(|relation| {
                relation
                    .columns
                    .iter()
                    .enumerate()
                    .map(|(at, of)| column(relation, at, of, objects))
            })
            .collect(),
        "table_privileges" | "role_table_grants" => relations
            .map(|relation| {
                let mut row = place(relation);
                row.extend([
                    ("grantor", DATABASE.into()),
                    ("grantee", objects.user.as_str().into()),
                    ("privilege_type", "SELECT".into()),
                    ("is_grantable", "NO".into()),
                ]);
                row
            })
            .collect(),
        "enabled_roles" => vec![vec![("role_name", objects.user.as_str().into())]],
        "character_sets" => vec![vec![
            ("character_set_name", "UTF8".into()),
            ("character_repertoire", "UCS".into()),
            ("form_of_use", "UTF8".into()),
            ("default_collate_catalog", DATABASE.into()),
        ]],
        _ => Vec::new(),
    }
}

fn place(relation: &Relation) -> CatalogRow {
    vec![
        ("table_catalog", DATABASE.into()),
        ("table_schema", relation.schema_name.as_str().into()),
        ("table_name", relation.name.as_str().into()),
    ]
}

fn table(relation: &Relation) -> CatalogRow {
    let mut row = place(relation);
    row.extend([
        ("table_type", if relation.is_stream { "BASE TABLE" } else { "VIEW" }.into()),
        ("is_insertable_into", "NO".into()),
        ("is_typed", "NO".into()),
    ]);
    row
}

fn column(relation: &Relation, at: usize, column: &CatalogColumn, objects: &Objects) -> CatalogRow {
    let PgType { oid: number, modifier, .. } = column.kind;
    let of = objects.type_of(number.into());
    let long = of.map(super::objects::Type::long_name).unwrap_or_default();
    let is_array = long.ends_with("[]");
    let (bits, scale) = match number {
        oid::INT2 => (Some(16), Some(0)),
        oid::INT4 => (Some(32), Some(0)),
        oid::INT8 => (Some(64), Some(0)),
        oid::FLOAT4 => (Some(24), None),
        oid::FLOAT8 => (Some(53), None),
        oid::NUMERIC if modifier >= 4 => {
            (Some(i64::from(modifier - 4) >> 16), Some(i64::from(modifier - 4) & 0xffff))
        }
        _ => (None, None),
    };
    let radix = bits.map(|_| if number == oid::NUMERIC { 10i64 } else { 2 });
    let fraction = match number {
        oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::TIME | oid::INTERVAL => Some(6i64),
        oid::DATE => Some(0),
        _ => None,
    };
    let mut row = place(relation);
    row.extend([
        ("column_name", column.name.as_str().into()),
        ("ordinal_position", (at as i64 + 1).into()),
        ("is_nullable", if column.is_nullable { "YES" } else { "NO" }.into()),
        ("data_type", if is_array { Cell::from("ARRAY") } else { long.into() }),
        ("character_maximum_length", Cell::Null),
        ("character_octet_length", (number == oid::TEXT).then_some(1i64 << 30).into()),
        ("numeric_precision", bits.into()),
        ("numeric_precision_radix", radix.into()),
        ("numeric_scale", scale.into()),
        ("datetime_precision", fraction.into()),
        ("interval_precision", Cell::Null),
        ("udt_catalog", DATABASE.into()),
        ("udt_schema", "pg_catalog".into()),
        ("udt_name", of.map(super::objects::Type::name).into()),
        ("maximum_cardinality", Cell::Null),
        ("dtd_identifier", (at + 1).to_string().into()),
        ("is_self_referencing", "NO".into()),
        ("is_identity", "NO".into()),
        ("is_generated", "NEVER".into()),
        ("is_updatable", "NO".into()),
    ]);
    row
}
