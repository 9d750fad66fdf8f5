//! The statements that are built from templates: operators, comparisons, casts, aggregates,
//! windows, functions and orders over every type of column.

use crate::Statement;
use crate::facts::{COLUMNS, TAME};

/// All statements.
pub(crate) fn all() -> Vec<Statement> {
    let mut all = Vec::new();
    operators(&mut all);
    comparisons(&mut all);
    casts(&mut all);
    casts_of_texts(&mut all);
    aggregates(&mut all);
    orders(&mut all);
    windows(&mut all);
    times(&mut all);
    intervals(&mut all);
    functions(&mut all);
    all
}

fn add(all: &mut Vec<Statement>, class: String, sql: String) {
    all.push(Statement { class, sql });
}

/// The name of a type without its modifier.
fn bare(of: &str) -> &str {
    of.split('(').next().unwrap_or(of)
}

fn operators(all: &mut Vec<Statement>) {
    for (one, of_one) in COLUMNS {
        for (other, of_other) in COLUMNS {
            for operator in ["+", "-", "*", "/", "%"] {
                let class = format!("op {operator} {} {}", bare(of_one), bare(of_other));
                let tame = format!("id >= {TAME} AND {other} IS NOT NULL");
                let tame = match operator {
                    "/" | "%" if is_number(of_other) => format!("{tame} AND {other} <> 0"),
                    _ => tame,
                };
                let sql = format!(
                    "SELECT id, {one} {operator} {other} AS v FROM {{t}} WHERE {tame} ORDER BY id"
                );
                add(all, class.clone(), sql);
                if is_number(of_one) && is_number(of_other) && one <= other {
                    let sql =
                        format!("SELECT id, {one} {operator} {other} AS v FROM {{t}} ORDER BY id");
                    add(all, format!("{class} at the ends"), sql);
                }
            }
        }
    }
    for (column, of) in COLUMNS {
        for expression in ["-{c}", "+{c}", "@ {c}", "~{c}", "|/ {c}", "{c} ^ 2", "{c} || 'x'"] {
            let expression = expression.replace("{c}", column);
            let class = format!("op {} {}", expression.replace(column, "_"), bare(of));
            let filter = format!("WHERE id >= {TAME}");
            let sql = format!("SELECT id, {expression} AS v FROM {{t}} {filter} ORDER BY id");
            add(all, class, sql);
        }
    }
}

fn is_number(of: &str) -> bool {
    matches!(bare(of), "int2" | "int4" | "int8" | "numeric" | "float4" | "float8")
}

fn comparisons(all: &mut Vec<Statement>) {
    for (one, of_one) in COLUMNS {
        for (other, of_other) in COLUMNS {
            for operator in ["=", "<", ">=", "IS DISTINCT FROM"] {
                let class = format!("cmp {operator} {} {}", bare(of_one), bare(of_other));
                let sql =
                    format!("SELECT id, {one} {operator} {other} AS v FROM {{t}} ORDER BY id");
                add(all, class, sql);
            }
        }
    }
    let literals = [
        "0",
        "1.5",
        "0.3",
        "2147483648",
        "9223372036854775807",
        "18446744073709551615",
        "1e300",
        "'1'",
        "'a'",
        "'t'",
        "'NaN'",
        "'2024-02-29'",
        "'\\xdeadbeef'",
        "NULL",
        "true",
        "date '2024-02-29'",
        "timestamp '2024-02-29 10:00:00.5'",
        "'0001-01-01'",
        "'infinity'",
    ];
    for (column, of) in COLUMNS {
        for literal in literals {
            for operator in ["=", "<", "IS DISTINCT FROM"] {
                let class = format!("literal {operator} {} {literal}", bare(of));
                let sql =
                    format!("SELECT id FROM {{t}} WHERE {column} {operator} {literal} ORDER BY id");
                add(all, class, sql);
            }
            let class = format!("literal in {} {literal}", bare(of));
            let sql = format!(
                "SELECT id FROM {{t}} WHERE {column} NOT IN ({literal}, {literal}) ORDER BY id"
            );
            add(all, class, sql);
        }
    }
}

const TARGETS: &[&str] = &[
    "int2",
    "int4",
    "int8",
    "numeric",
    "numeric(10,2)",
    "numeric(4,1)",
    "float4",
    "float8",
    "bool",
    "text",
    "varchar",
    "varchar(3)",
    "char(3)",
    "bytea",
    "date",
    "timestamp",
    "timestamptz",
    "time",
    "interval",
    "json",
];

fn casts(all: &mut Vec<Statement>) {
    for (column, of) in COLUMNS {
        for target in TARGETS {
            let class = format!("cast {} {target}", bare(of));
            for (filter, more) in [(format!("WHERE id >= {TAME}"), ""), (String::new(), " at ends")]
            {
                let sql =
                    format!("SELECT id, {column}::{target} AS v FROM {{t}} {filter} ORDER BY id");
                add(all, format!("{class}{more}"), sql);
            }
        }
    }
}

fn casts_of_texts(all: &mut Vec<Statement>) {
    let texts = [
        "0",
        "-1",
        " 7 ",
        "127",
        "32768",
        "2147483648",
        "9223372036854775808",
        "1.5",
        "2.5",
        "-2.5",
        "0.30000000000000004",
        "1e3",
        "1e400",
        "NaN",
        "Infinity",
        "-infinity",
        "t",
        "true",
        "yes",
        "off",
        "2",
        "",
        " ",
        "abc",
        "2024-02-29",
        "2023-02-29",
        "0001-01-01",
        "9999-12-31",
        "10000-01-01",
        "2024-01-01 10:00",
        "2024-01-01T10:00:00Z",
        "2024-01-01 10:00:00+02",
        "2024-01-01 10:00:00.123456789",
        "24:00:00",
        "01:02:03",
        "1 day",
        "1 month 2 days",
        "-1 year 3 mons",
        "P1Y2M3DT4H5M6S",
        "1.5 hours",
        "\\xDEADBEEF",
        "\\xZZ",
        "a\\000b",
        "{1,2}",
        "Feb 29 2024",
        "20240229",
        "02/29/2024",
        "now",
        "epoch",
        "1_000",
        "0x1F",
        "+5",
        "--5",
        "99999999999999999999999999999999999999999",
        "{\"a\": 1}",
    ];
    for text in texts {
        for target in TARGETS {
            if text == "now" && matches!(*target, "timestamp" | "timestamptz" | "time" | "date") {
                continue;
            }
            let class = format!("text {target}");
            let text = text.replace('\'', "''");
            add(all, class, format!("SELECT '{text}'::{target} AS v"));
        }
    }
}

fn aggregates(all: &mut Vec<Statement>) {
    let calls = [
        "count({c})",
        "count(DISTINCT {c})",
        "sum({c})",
        "avg({c})",
        "min({c})",
        "max({c})",
        "stddev({c})",
        "stddev_pop({c})",
        "variance({c})",
        "var_pop({c})",
        "bool_and({c})",
        "bool_or({c})",
        "bit_and({c})",
        "bit_or({c})",
        "bit_xor({c})",
        "array_agg({c} ORDER BY id)",
        "string_agg({c}::text, ',' ORDER BY id)",
        "json_agg({c} ORDER BY id)",
        "sum(DISTINCT {c})",
        "percentile_cont(0.5) WITHIN GROUP (ORDER BY {c})",
        "mode() WITHIN GROUP (ORDER BY {c})",
        "percentile_disc(0.5) WITHIN GROUP (ORDER BY {c})",
        "corr({c}, id)",
        "regr_slope({c}, id)",
    ];
    for (column, of) in COLUMNS {
        for call in calls {
            let class = format!("agg {} {}", call.replace("{c}", "_"), bare(of));
            // Which of the equal values 0 and -0 is the mode depends on the order of rows.
            let is_mode_of_floats = call.starts_with("mode") && bare(of).starts_with("float");
            let argument =
                if is_mode_of_floats { format!("{column} + 0") } else { (*column).to_owned() };
            let call = call.replace("{c}", &argument);
            for (filter, more) in
                [(format!(" WHERE id >= {TAME}"), ""), (String::new(), " at the ends")]
            {
                let sql = format!("SELECT {call} FROM {{t}}{filter}");
                add(all, format!("{class}{more}"), sql);
            }
            let sql = format!("SELECT {call} FROM {{t}} WHERE false");
            add(all, format!("{class} of nothing"), sql);
        }
        let class = format!("group {}", bare(of));
        let sql = format!(
            "SELECT {column}, count(*), min(id) FROM {{t}} GROUP BY {column} ORDER BY min(id)"
        );
        add(all, class, sql);
        let class = format!("distinct {}", bare(of));
        add(all, class, format!("SELECT count(*) FROM (SELECT DISTINCT {column} FROM {{t}}) x"));
    }
}

fn orders(all: &mut Vec<Statement>) {
    for (column, of) in COLUMNS {
        for order in ["", " DESC", " NULLS FIRST", " DESC NULLS LAST"] {
            let class = format!("order {}{order}", bare(of));
            let sql =
                format!("SELECT id, {column} FROM {{t}} ORDER BY {column}{order}, id LIMIT 60");
            add(all, class, sql);
        }
        for set in ["EXCEPT ALL", "INTERSECT ALL", "EXCEPT", "INTERSECT", "UNION"] {
            let class = format!("set {set} {}", bare(of));
            let sql = format!(
                "SELECT count(*) FROM (SELECT {column} FROM {{t}} {set} SELECT {column} FROM {{t}} \
                 WHERE id < 20) x"
            );
            add(all, class, sql);
        }
        for (name, condition) in [
            ("any", format!("{column} = ANY (SELECT {column} FROM {{t}} WHERE id > 40)")),
            ("all", format!("{column} <> ALL (SELECT {column} FROM {{t}} WHERE id > 140)")),
            ("in", format!("{column} IN (SELECT {column} FROM {{t}} WHERE id > 40)")),
            ("not in", format!("{column} NOT IN (SELECT {column} FROM {{t}} WHERE id > 110)")),
            ("less any", format!("{column} < ANY (SELECT {column} FROM {{t}} WHERE id > 140)")),
        ] {
            let class = format!("subquery {name} {}", bare(of));
            add(all, class, format!("SELECT id FROM {{t}} WHERE {condition} ORDER BY id"));
        }
    }
}

fn windows(all: &mut Vec<Statement>) {
    let frames = [
        "",
        " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
        " ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING",
        " RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    ];
    for (column, of) in COLUMNS {
        for call in
            ["sum", "avg", "min", "max", "count", "first_value", "last_value", "lag", "lead"]
        {
            for frame in frames {
                if frame.is_empty() || !matches!(call, "lag" | "lead") {
                    let class = format!("window {call} {}{frame}", bare(of));
                    let sql = format!(
                        "SELECT id, {call}({column}) OVER (ORDER BY id{frame}) AS v FROM {{t}} \
                         WHERE id >= {TAME} ORDER BY id"
                    );
                    add(all, class, sql);
                }
            }
        }
        for call in ["rank()", "dense_rank()", "row_number()", "ntile(3)", "cume_dist()"] {
            let class = format!("window {call} {}", bare(of));
            let sql = format!(
                "SELECT id, {call} OVER (ORDER BY {column}, id) AS v FROM {{t}} ORDER BY id"
            );
            add(all, class, sql);
        }
    }
}

const TIMES: &[&str] =
    &["day", "at", "at::timestamp", "(at - '2000-01-01'::timestamptz)", "at::time"];

fn times(all: &mut Vec<Statement>) {
    let fields = [
        "year",
        "month",
        "day",
        "hour",
        "minute",
        "second",
        "millisecond",
        "microsecond",
        "epoch",
        "dow",
        "isodow",
        "doy",
        "week",
        "isoyear",
        "quarter",
        "century",
        "decade",
        "millennium",
        "julian",
        "timezone",
        "nonsense",
    ];
    for value in TIMES {
        for field in fields {
            for sql in [
                format!("SELECT id, extract({field} FROM {value}) AS v FROM {{t}} ORDER BY id"),
                format!("SELECT id, date_part('{field}', {value}) AS v FROM {{t}} ORDER BY id"),
            ] {
                add(all, format!("extract {field} {value}"), sql);
            }
        }
        for unit in ["year", "quarter", "month", "week", "day", "hour", "second", "decade"] {
            let sql =
                format!("SELECT id, date_trunc('{unit}', {value}) AS v FROM {{t}} ORDER BY id");
            add(all, format!("date_trunc {unit} {value}"), sql);
        }
        for pattern in [
            "YYYY-MM-DD",
            "HH24:MI:SS.US",
            "Mon DD, YYYY",
            "Day, DDth Month YYYY",
            "IYYY-IW",
            "Q",
            "YYYY\"T\"HH12 AM",
            "FMMonth FMDD",
            "TZ",
            "J",
            "MS",
        ] {
            let sql =
                format!("SELECT id, to_char({value}, '{pattern}') AS v FROM {{t}} ORDER BY id");
            add(all, format!("to_char {value}"), sql);
        }
        for zone in ["Europe/Berlin", "UTC", "America/New_York", "+02", "nowhere"] {
            let sql =
                format!("SELECT id, {value} AT TIME ZONE '{zone}' AS v FROM {{t}} ORDER BY id");
            add(all, format!("at time zone {value}"), sql);
        }
    }
}

fn intervals(all: &mut Vec<Statement>) {
    for value in TIMES {
        for interval in ["1 day", "36 hours", "1 month", "-1 year", "1.5 hours", "1 mon 1 day"] {
            for sign in ["+", "-"] {
                let sql = format!(
                    "SELECT id, {value} {sign} interval '{interval}' AS v FROM {{t}} \
                     WHERE id >= {TAME} ORDER BY id"
                );
                add(all, format!("time {sign} interval {value}"), sql);
            }
            let sql = format!(
                "SELECT id FROM {{t}} WHERE now() - at > interval '{interval}' ORDER BY id"
            );
            add(all, "time compare interval".to_owned(), sql);
        }
    }
    for (class, value) in [
        ("at - at", "at - lag(at) OVER (ORDER BY id)"),
        ("day - day", "day - '2024-01-01'::date"),
        ("age", "age(at, '2024-01-31'::timestamptz)"),
        ("day + int", "day + 30"),
        ("day - int", "day - 1"),
        ("day + time", "day + '10:00'::time"),
        ("day = at", "day = at"),
        ("overlaps", "(day, day + 1) OVERLAPS ('2024-03-01'::date, '2024-04-01'::date)"),
        ("justify", "justify_interval(at - '2023-11-14'::timestamptz)"),
        ("make", "make_date(2024, 2, id::int % 28 + 1)"),
    ] {
        let sql = format!("SELECT id, {value} AS v FROM {{t}} WHERE id >= {TAME} ORDER BY id");
        add(all, format!("time {class}"), sql);
    }
}

fn functions(all: &mut Vec<Statement>) {
    for line in include_str!("functions.txt").lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split('(').next().unwrap_or(line);
        let sql = if line.contains("{c}") {
            for (column, of) in COLUMNS {
                let class = format!("fn {name} {}", bare(of));
                let call = line.replace("{c}", column);
                let sql =
                    format!("SELECT id, {call} AS v FROM {{t}} WHERE id >= {TAME} ORDER BY id");
                add(all, class, sql);
            }
            continue;
        } else if line.starts_with("SELECT") || line.starts_with("WITH") || line.contains(" FROM (")
        {
            let select = if line.starts_with(['S', 'W']) { "" } else { "SELECT " };
            format!("{select}{line}")
        } else {
            // Each value is a statement of its own, so that one that is refused hides no other.
            for value in values(line) {
                let name = value.split('(').next().unwrap_or(&value).to_owned();
                add(all, format!("fn {name}"), format!("SELECT {value}"));
            }
            continue;
        };
        add(all, format!("fn {name}"), sql);
    }
}

/// The values of a list, which commas separate outside of brackets and quotes.
fn values(line: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let (mut depth, mut quoted) = (0, false);
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            '(' | '[' if !quoted => depth += 1,
            ')' | ']' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                values.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(value) = values.last_mut() {
            value.push(c);
        }
    }
    values.iter().map(|value| value.trim().to_owned()).collect()
}
