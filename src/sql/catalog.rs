//! The catalog of tables: a schema for each dataflow, `streams` for the log, and the schemas that a
//! server adds for its clients.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::Result as PlanResult;
use datafusion::error::DataFusionError;

use super::SqlError;
use super::settings::Settings;
use super::stream_table::StreamTable;
use super::view_table::ViewTable;
use diptych_base::lock_mutex::lock;
use diptych_serving::Index;
use diptych_site::site::Site;

/// The only catalog, and the name of the database.
pub(super) const CATALOG: &str = "diptych";
/// The schema for names without one: a name resolves to the only table that has it.
pub(super) const PUBLIC: &str = "public";
/// The schema of raw streams.
const STREAMS: &str = "streams";

type Table = Arc<dyn TableProvider>;

/// The tables of a site, by schema.
#[derive(Debug)]
pub(super) struct Tables {
    schemas: Vec<(String, BTreeMap<String, Table>)>,
    /// The generation of each dataflow that served when the tables were made.
    generations: Vec<String>,
    streams: usize,
}

impl Tables {
    /// Views and streams of `site`.
    pub(super) fn of(site: &Site) -> Tables {
        let mut schemas: Vec<(String, BTreeMap<String, Table>)> = Vec::new();
        let mut generations = Vec::new();
        for (number, flow) in site.flows.iter().enumerate() {
            let index = flow.serving.index();
            generations.push(index.generation().to_owned());
            let views = index.views().iter().enumerate().map(|(view, info)| {
                let name = format!("{}.{}", flow.name, info.name);
                let table = ViewTable::new(number, view, name, info.schema.clone());
                (info.name.clone(), Arc::new(table) as Table)
            });
            schemas.push((flow.name.clone(), views.collect()));
        }
        let streams = site.streams.iter().map(|stream| {
            let table = StreamTable::new(stream, &site.reader);
            (stream.name.clone(), Arc::new(table) as Table)
        });
        let raw: BTreeMap<_, _> = streams.collect();
        let streams = raw.len();
        schemas.push((STREAMS.to_owned(), raw));
        Tables { schemas, generations, streams }
    }

    /// Whether these are the tables of what `site` serves now. Deployments change that.
    pub(super) fn are_of(&self, site: &Site) -> bool {
        let flows = site.flows.iter().map(|flow| flow.serving.index());
        let same = |(index, known): (Arc<Index>, &String)| index.generation() == known;
        site.flows.len() == self.generations.len()
            && site.streams.len() == self.streams
            && flows.zip(&self.generations).all(same)
    }

    /// Whether there is a dataflow of this name, or it is the schema of raw streams.
    pub(super) fn has_schema(&self, name: &str) -> bool {
        self.schema(name).is_some()
    }

    fn schema(&self, name: &str) -> Option<&BTreeMap<String, Table>> {
        self.schemas.iter().find(|(schema, _)| schema == name).map(|(_, tables)| tables)
    }

    /// All tables as `schema.table`.
    fn known(&self) -> String {
        let of = |(schema, tables): &(String, BTreeMap<String, Table>)| {
            tables.keys().map(|table| format!("{schema}.{table}")).collect::<Vec<_>>()
        };
        self.schemas.iter().flat_map(of).collect::<Vec<_>>().join(", ")
    }

    fn unknown(&self, name: &str) -> DataFusionError {
        let message = format!("table {name:?} is not known (the tables are {})", self.known());
        DataFusionError::External(Box::new(SqlError::new("42P01", message)))
    }

    /// Resolves a name without a schema: along the search path, else to the only view of that name,
    /// else to the stream.
    fn unqualified(&self, name: &str, path: &[String]) -> PlanResult<Table> {
        for schema in path {
            if let Some(table) = self.schema(schema).and_then(|tables| tables.get(name)) {
                return Ok(Arc::clone(table));
            }
        }
        let found: Vec<_> =
            self.schemas.iter().filter(|(_, tables)| tables.contains_key(name)).collect();
        let views: Vec<_> = found.iter().filter(|(schema, _)| schema != STREAMS).collect();
        match (&views[..], &found[..]) {
            ([(_, tables)], _) | ([], [(_, tables)]) => Ok(Arc::clone(&tables[name])),
            ([], []) => Err(self.unknown(name)),
            _ => {
                let names: Vec<_> =
                    found.iter().map(|(schema, _)| format!("{schema}.{name}")).collect();
                let message = format!(
                    "table {name:?} could be {} (write the whole name, or SET search_path)",
                    names.join(" or ")
                );
                Err(DataFusionError::External(Box::new(SqlError::new("42P09", message))))
            }
        }
    }
}

/// Schemas that a server adds to its sessions.
pub(super) type Extra = Arc<Mutex<BTreeMap<String, Arc<dyn SchemaProvider>>>>;

/// The catalog of one session.
#[derive(Clone, Debug)]
pub(super) struct Catalog {
    pub(super) tables: Arc<Tables>,
    pub(super) settings: Arc<Mutex<Settings>>,
    pub(super) extra: Extra,
}

impl CatalogProviderList for Catalog {
    fn register_catalog(
        &self,
        _: String,
        _: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, _name: &str) -> Option<Arc<dyn CatalogProvider>> {
        Some(Arc::new(self.clone()))
    }
}

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        let extra = lock(&self.extra);
        let own = self.tables.schemas.iter().map(|(name, _)| name.clone());
        own.chain(extra.keys().cloned()).collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let extra = lock(&self.extra);
        if let Some(schema) = extra.get(name) {
            return Some(Arc::clone(schema));
        }
        Some(Arc::new(OneSchema { catalog: self.clone(), name: name.to_owned() }))
    }
}

/// One schema; an unknown one has no tables, and an error names it.
#[derive(Debug)]
struct OneSchema {
    catalog: Catalog,
    name: String,
}

#[async_trait]
impl SchemaProvider for OneSchema {
    fn table_names(&self) -> Vec<String> {
        let tables = self.catalog.tables.schema(&self.name);
        tables.map(|tables| tables.keys().cloned().collect()).unwrap_or_default()
    }

    async fn table(&self, name: &str) -> PlanResult<Option<Table>> {
        let tables = &self.catalog.tables;
        if let Some(schema) = tables.schema(&self.name) {
            let table = schema.get(name).cloned();
            return table.map(Some).ok_or_else(|| tables.unknown(&format!("{}.{name}", self.name)));
        }
        if self.name != PUBLIC {
            return Err(tables.unknown(&format!("{}.{name}", self.name)));
        }
        let path = {
            let settings = lock(&self.catalog.settings);
            settings.search_path()
        };
        tables.unqualified(name, &path).map(Some)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.catalog.tables.schema(&self.name).is_some_and(|tables| tables.contains_key(name))
    }
}
