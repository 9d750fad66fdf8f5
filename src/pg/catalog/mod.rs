//! The catalog that `PostgreSQL`'s clients query: `pg_catalog` and `information_schema`, as tables.
//!
//! Clients look there for tables and types, each in its own way, with queries that the planner does
//! not understand in their original form. So there are three parts: `objects` (the schemas,
//! relations and types with their numbers), `pg_catalog_rows` (the rows, made when a query reads
//! them) with `functions`, and `rewrite` (which changes a query so that the planner understands
//! it).
//!
//! The crate `datafusion-pg-catalog` (0.19) does not carry this: its keys and indexes are a fixed
//! copy of `PostgreSQL`'s own, it has no `information_schema`, it rewrites known queries as whole
//! texts, and it registers itself in one `SessionContext`, where sessions here have a state for
//! each statement.
//!
//! A dataflow is a schema; its views are views (`\dv`), with their key shown as an index. Streams
//! are the tables of the schema `streams`. Tables of `PostgreSQL` that could only be empty here
//! exist, and are empty.

mod ast;
mod fixed_rows;
mod functions;
mod information_schema_rows;
mod moved_subqueries;
mod objects;
mod operands;
mod pg_catalog_rows;
mod rewrite;
mod table_schemas;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ScalarUDF;
use datafusion::sql::sqlparser::ast::Statement;

use objects::Objects;

use diptych_site::site::Site;
use diptych_sql::Settings;

/// A session's catalog, of the versions that served when the session began.
#[derive(Clone, Debug)]
pub(super) struct PgCatalog(Arc<Objects>);

impl PgCatalog {
    /// The catalog of `site`, as the user of a session with these settings sees it; `pid` is the
    /// number of its connection.
    pub(super) fn new(site: &Site, settings: Arc<Mutex<Settings>>, pid: i32) -> PgCatalog {
        PgCatalog(Arc::new(Objects::new(site, settings, pid)))
    }

    /// The name of the schema under which the planner finds the catalog.
    pub(super) const SCHEMA: &'static str = "pg_catalog";

    /// The functions of the catalog.
    pub(super) fn functions(&self) -> Vec<ScalarUDF> {
        functions::all(&self.0)
    }

    /// Whether `sql` may be about the catalog, and has to be rewritten then.
    pub(super) fn rewrites(sql: &str) -> bool {
        rewrite::is_asked(sql)
    }

    /// Rewrites a statement so that the planner understands it.
    pub(super) fn rewrite(&self, statement: &mut Statement) {
        rewrite::rewrite(statement, &self.0);
    }
}

#[async_trait]
impl SchemaProvider for PgCatalog {
    fn table_names(&self) -> Vec<String> {
        table_schemas::tables().map(|table| table.name.to_owned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        pg_catalog_rows::table(name, &self.0)
    }

    fn table_exist(&self, name: &str) -> bool {
        table_schemas::table(name).is_some()
    }
}
