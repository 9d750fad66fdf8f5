//! The rows of `pg_catalog`.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::datasource::MemTable;

use super::super::settings::DATABASE as NAME;
use super::super::types::oid;
use super::fixed_rows::{self, BTREE, COLLATION};
use super::information_schema_rows;
use super::objects::{DATABASE, OWNER, Objects, PG_CATALOG, Relation, Type, USER};
use super::table_schemas::{self, CatalogRow, Cell};
use diptych_base::lock_mutex::lock;
use diptych_sql::ShownSetting;

/// The table called `name`, with its current rows.
pub(super) fn table(name: &str, objects: &Objects) -> Result<Option<Arc<dyn TableProvider>>> {
    let Some(table) = table_schemas::table(name) else { return Ok(None) };
    let batch = table.batch(&rows(name, objects))?;
    Ok(Some(Arc::new(MemTable::try_new(table.schema(), vec![vec![batch]])?)))
}

/// The long tables that always have rows.
const NEVER_EMPTY: &[&str] =
    &["pg_get_keywords", "pg_namespace", "pg_opclass", "pg_proc", "pg_settings", "pg_type"];

/// Whether this table has no rows.
pub(super) fn is_empty(name: &str, objects: &Objects) -> bool {
    if NEVER_EMPTY.contains(&name) {
        return false;
    }
    rows(name, objects).is_empty()
}

fn rows(name: &str, objects: &Objects) -> Vec<CatalogRow> {
    let relations = objects.relations.iter();
    match name {
        "pg_namespace" => objects
            .schemas
            .iter()
            .map(|schema| {
                vec![
                    ("oid", schema.oid.into()),
                    ("nspname", schema.name.as_str().into()),
                    ("nspowner", OWNER.into()),
                ]
            })
            .collect(),
        "pg_class" => {
            relations.clone().map(class).chain(relations.filter_map(index_class)).collect()
        }
        "pg_attribute" => relations.flat_map(|relation| attributes(relation, objects)).collect(),
        "pg_index" => relations.filter_map(index).collect(),
        "pg_type" => objects.types.iter().map(type_row).collect(),
        "pg_roles" => users(objects).map(|(oid, name)| role(oid, &name)).collect(),
        "pg_user" | "pg_shadow" => users(objects)
            .map(|(oid, name)| {
                vec![
                    ("usename", name.into()),
                    ("usesysid", oid.into()),
                    ("passwd", "********".into()),
                ]
            })
            .collect(),
        "pg_settings" => lock(&objects.settings).all().iter().map(setting).collect(),
        "pg_views" => relations
            .filter(|relation| !relation.is_stream)
            .map(|relation| {
                vec![
                    ("schemaname", relation.schema_name.as_str().into()),
                    ("viewname", relation.name.as_str().into()),
                    ("viewowner", NAME.into()),
                    ("definition", definition(relation).into()),
                ]
            })
            .collect(),
        "pg_tables" => relations.filter(|relation| relation.is_stream).map(listed_table).collect(),
        "pg_indexes" => relations
            .filter(|relation| relation.key > 0)
            .map(|relation| {
                vec![
                    ("schemaname", relation.schema_name.as_str().into()),
                    ("tablename", relation.name.as_str().into()),
                    ("indexname", relation.index_name().into()),
                    ("indexdef", relation.index_definition().into()),
                ]
            })
            .collect(),
        "pg_stat_all_tables"
        | "pg_stat_user_tables"
        | "pg_statio_all_tables"
        | "pg_statio_user_tables" => {
            relations.filter(|relation| relation.is_stream).map(statistics).collect()
        }
        "pg_stat_activity" => vec![activity(objects)],
        _ => fixed_rows::rows(name).unwrap_or_else(|| information_schema_rows::rows(name, objects)),
    }
}

/// The definition of a view: the dataflow that makes it.
pub(super) fn definition(relation: &Relation) -> String {
    format!(" -- kept by dataflow {}", relation.schema_name)
}

fn users(objects: &Objects) -> impl Iterator<Item = (u32, String)> {
    let own = (objects.user != NAME).then(|| (USER, objects.user.clone()));
    [(OWNER, NAME.to_owned())].into_iter().chain(own)
}

fn role(oid: u32, name: &str) -> CatalogRow {
    vec![
        ("oid", oid.into()),
        ("rolname", name.into()),
        ("rolinherit", true.into()),
        ("rolcanlogin", true.into()),
        ("rolconnlimit", (-1i64).into()),
        ("rolpassword", "********".into()),
    ]
}

fn setting(shown: &ShownSetting) -> CatalogRow {
    vec![
        ("name", shown.name.as_str().into()),
        ("setting", shown.raw.as_str().into()),
        ("unit", shown.unit.into()),
        ("category", "Session".into()),
        ("short_desc", shown.about.into()),
        ("context", if shown.is_settable { "user" } else { "internal" }.into()),
        ("vartype", shown.kind.into()),
        ("source", if shown.value == shown.reset { "default" } else { "session" }.into()),
        ("boot_val", shown.first.as_str().into()),
        ("reset_val", shown.reset.as_str().into()),
        ("pending_restart", false.into()),
    ]
}

fn collation(type_number: u32) -> i64 {
    if matches!(type_number, oid::TEXT | oid::VARCHAR | oid::BPCHAR) { COLLATION.into() } else { 0 }
}

fn listed_table(relation: &Relation) -> CatalogRow {
    vec![
        ("schemaname", relation.schema_name.as_str().into()),
        ("tablename", relation.name.as_str().into()),
        ("tableowner", NAME.into()),
    ]
}

fn statistics(relation: &Relation) -> CatalogRow {
    vec![
        ("relid", relation.oid.into()),
        ("schemaname", relation.schema_name.as_str().into()),
        ("relname", relation.name.as_str().into()),
    ]
}

/// The session itself; those of others are not shown.
fn activity(objects: &Objects) -> CatalogRow {
    vec![
        ("datid", DATABASE.into()),
        ("datname", NAME.into()),
        ("usesysid", USER.into()),
        ("usename", objects.user.as_str().into()),
        ("state", "active".into()),
        ("backend_type", "client backend".into()),
    ]
}

fn class(relation: &Relation) -> CatalogRow {
    vec![
        ("oid", relation.oid.into()),
        ("relname", relation.name.as_str().into()),
        ("relnamespace", relation.schema.into()),
        ("relowner", OWNER.into()),
        ("relam", if relation.is_stream { 2u32 } else { 0 }.into()),
        ("reltuples", (-1i64).into()),
        ("relhasindex", (relation.key > 0).into()),
        ("relhasrules", (!relation.is_stream).into()),
        ("relpersistence", "p".into()),
        ("relkind", if relation.is_stream { "r" } else { "v" }.into()),
        ("relnatts", (relation.columns.len() as i64).into()),
        ("relispopulated", true.into()),
        ("relreplident", "n".into()),
    ]
}

fn index_class(relation: &Relation) -> Option<CatalogRow> {
    Some(vec![
        ("oid", relation.index()?.into()),
        ("relname", relation.index_name().into()),
        ("relnamespace", relation.schema.into()),
        ("relowner", OWNER.into()),
        ("relam", BTREE.into()),
        ("relpersistence", "p".into()),
        ("relkind", "i".into()),
        ("relnatts", (relation.key as i64).into()),
        ("relispopulated", true.into()),
        ("relreplident", "n".into()),
    ])
}

fn index(relation: &Relation) -> Option<CatalogRow> {
    let columns = (1..=relation.key as i64).collect::<Vec<_>>();
    let zeros = vec![0; relation.key];
    let key = &relation.columns[..relation.key];
    let classes = key.iter().map(|column| fixed_rows::class_of(column.kind.oid)).collect();
    let collations = key.iter().map(|column| collation(column.kind.oid)).collect();
    Some(vec![
        ("indexrelid", relation.index()?.into()),
        ("indrelid", relation.oid.into()),
        ("indnatts", (relation.key as i64).into()),
        ("indnkeyatts", (relation.key as i64).into()),
        ("indimmediate", true.into()),
        ("indisvalid", true.into()),
        ("indisready", true.into()),
        ("indislive", true.into()),
        ("indkey", Cell::Ints(columns)),
        ("indcollation", Cell::Ints(collations)),
        ("indclass", Cell::Ints(classes)),
        ("indoption", Cell::Ints(zeros)),
    ])
}

fn attributes(relation: &Relation, objects: &Objects) -> Vec<CatalogRow> {
    let attribute = |(at, column): (usize, &super::objects::CatalogColumn)| {
        let described = objects.type_of(column.kind.oid.into());
        let word = |at: usize| described.and_then(|of| of.words.get(at)).copied();
        vec![
            ("attrelid", relation.oid.into()),
            ("attname", column.name.as_str().into()),
            ("atttypid", column.kind.oid.into()),
            ("attstattarget", (-1i64).into()),
            ("attlen", i64::from(column.kind.size).into()),
            ("attnum", (at as i64 + 1).into()),
            ("attcacheoff", (-1i64).into()),
            ("atttypmod", i64::from(column.kind.modifier).into()),
            ("attbyval", (word(3) == Some("t")).into()),
            ("attalign", word(14).unwrap_or("i").into()),
            ("attstorage", word(15).unwrap_or("x").into()),
            ("attcompression", "".into()),
            ("attnotnull", (!column.is_nullable).into()),
            ("attidentity", "".into()),
            ("attgenerated", "".into()),
            ("attislocal", true.into()),
            ("attcollation", collation(column.kind.oid).into()),
        ]
    };
    relation.columns.iter().enumerate().map(attribute).collect()
}

fn type_row(of: &Type) -> CatalogRow {
    let text = |at: usize| Cell::from(of.words.get(at).copied());
    let number = |at: usize| Cell::from(of.words.get(at).and_then(|word| word.parse::<i64>().ok()));
    let is = |at: usize| Cell::Bool(of.words.get(at) == Some(&"t"));
    vec![
        ("oid", of.oid.into()),
        ("typname", text(1)),
        ("typnamespace", PG_CATALOG.into()),
        ("typowner", OWNER.into()),
        ("typlen", number(2)),
        ("typbyval", is(3)),
        ("typtype", text(4)),
        ("typcategory", text(5)),
        ("typispreferred", is(6)),
        ("typisdefined", true.into()),
        ("typdelim", text(7)),
        ("typelem", number(8)),
        ("typarray", number(9)),
        ("typinput", text(10)),
        ("typoutput", text(11)),
        ("typreceive", text(12)),
        ("typsend", text(13)),
        ("typalign", text(14)),
        ("typstorage", text(15)),
        ("typmodin", text(16)),
        ("typmodout", text(17)),
        ("typanalyze", text(18)),
        ("typsubscript", text(19)),
        ("typcollation", number(20)),
        ("typtypmod", (-1i64).into()),
    ]
}
