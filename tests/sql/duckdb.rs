//! `DuckDB`, through its Python package, on the rows that the server has.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::script::cell;
use crate::served::{Site, Table};

/// Reads tables and questions from standard input, and answers with rows of texts.
const SCRIPT: &str = r#"
import sys, json
try:
    import duckdb
except ImportError:
    sys.exit(3)
import datetime, decimal
def cell(v):
    if isinstance(v, (list, tuple)): return [cell(x) for x in v]
    if isinstance(v, bool) or v is None or isinstance(v, int): return v
    if isinstance(v, float): return v if v == v and abs(v) != float('inf') else str(v)
    if isinstance(v, (datetime.datetime, datetime.date)): return v.isoformat()
    if isinstance(v, bytes): return v.hex()
    return str(v)
work = json.load(sys.stdin)
c = duckdb.connect()
for t in work['tables']:
    c.execute(f"CREATE SCHEMA IF NOT EXISTS {t['schema']}")
    columns = ', '.join(f'"{n}" {k}' for n, k in t['columns'])
    name = f"{t['schema']}.{t['name']}"
    c.execute(f"CREATE TABLE {name} ({columns})")
    kinds = [k for _, k in t['columns']]
    rows = [[bytes.fromhex(v) if k == 'BLOB' and v is not None else v for v, k in zip(r, kinds)]
            for r in t['rows']]
    text = json.dumps([[v.hex() if isinstance(v, bytes) else v for v in r] for r in rows])
    if rows:
        import tempfile, csv
        f = tempfile.NamedTemporaryFile('w', suffix='.csv', newline='')
        w = csv.writer(f, quoting=csv.QUOTE_NONNUMERIC)
        for r in rows:
            w.writerow(['\\N' if v is None else ('0x' + v.hex() if isinstance(v, bytes) else str(v))
                        for v in r])
        f.flush()
        texts = ', '.join(f"'c{i}': 'VARCHAR'" for i in range(len(kinds)))
        cast = lambda i, k: (f"from_hex(substr(c{i}, 3))" if k == 'BLOB' else f"c{i}::{k}")
        casts = ', '.join(cast(i, k) for i, k in enumerate(kinds))
        c.execute(f"INSERT INTO {name} SELECT {casts} FROM read_csv('{f.name}', header=false, "
                  f"nullstr='\\N', quote='\"', escape='\"', columns={{{texts}}})")
    n = c.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
    assert n == len(rows), (name, n, len(rows))
out = []
for q in work['questions']:
    try:
        out.append({'rows': [[cell(v) for v in r] for r in c.execute(q).fetchall()]})
    except Exception as e:
        out.append({'error': str(e)})
json.dump(out, sys.stdout)
"#;

/// The rows of a site, ready for `DuckDB`.
pub(crate) struct DuckDb(Vec<Value>);

impl DuckDb {
    /// The rows of `site`; none where there is no `DuckDB`.
    pub(crate) fn of(site: &Site) -> Option<DuckDb> {
        let found = Command::new("python3").args(["-c", "import duckdb"]).output().ok()?;
        if !found.status.success() {
            return None;
        }
        let table = |table: Table| {
            json!({ "schema": table.schema, "name": table.name, "columns": table.columns,
                    "rows": table.rows })
        };
        Some(DuckDb(site.tables().into_iter().map(table).collect()))
    }

    /// `DuckDB`'s answers, or its errors.
    pub(crate) fn answers(&self, questions: &[&str]) -> Vec<Result<Vec<Vec<String>>, String>> {
        let work = json!({ "tables": self.0, "questions": questions }).to_string();
        let mut python = Command::new("python3")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 was there a moment ago");
        let mut input = python.stdin.take().expect("a pipe");
        input.write_all(work.as_bytes()).expect("it reads");
        drop(input);
        let output = python.wait_with_output().expect("it ends");
        assert!(output.status.success(), "DuckDB's script failed");
        let answers: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
        let rows = |answer: &Value| match answer["rows"].as_array() {
            Some(rows) => Ok(rows
                .iter()
                .map(|row| row.as_array().expect("a row").iter().map(cell).collect())
                .collect()),
            None => Err(answer["error"].to_string()),
        };
        answers.iter().map(rows).collect()
    }
}
