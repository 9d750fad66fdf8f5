//! The Postgres port with common clients: tokio-postgres, psql, psycopg 3, asyncpg, node's pg,
//! JDBC, pgx, lib/pq, dbt; behind `PgBouncer` and `postgres_fdw`; and with bytes that no client
//! sends.

#[path = "pg/clients.rs"]
mod clients;
#[path = "pg/dashboard.rs"]
mod dashboard;
#[path = "pg/dbt.rs"]
mod dbt;
#[path = "pg/deployed.rs"]
mod deployed;
#[path = "pg/driver.rs"]
mod driver;
#[path = "sql/flows.rs"]
mod flows;
#[path = "pg/foreign_tables.rs"]
mod foreign_tables;
#[path = "pg/hostile.rs"]
mod hostile;
#[path = "pg/java_go_clients.rs"]
mod java_go_clients;
#[path = "pg/parameters.rs"]
mod parameters;
#[path = "pg/pgbouncer.rs"]
mod pgbouncer;
#[path = "postgres_peers/real.rs"]
mod real;
#[path = "pg/served.rs"]
mod served;
#[path = "pg/service.rs"]
mod service;
#[path = "pg/session_settings.rs"]
mod session_settings;
#[path = "pg/stopped.rs"]
mod stopped;
#[path = "pg/tools.rs"]
mod tools;
