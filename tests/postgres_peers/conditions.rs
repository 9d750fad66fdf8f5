//! Random conditions and aggregates over every type of column, from a seed.

use std::fmt::Write;

/// A generator of numbers that gives the same ones for the same seed (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one<'v>(&mut self, of: &[&'v str]) -> &'v str {
        of[self.below(of.len())]
    }
}

/// Conditions or aggregates that are asked in one statement.
pub(crate) struct Batch {
    pub(crate) class: &'static str,
    pub(crate) parts: Vec<String>,
}

/// The conditions of one statement.
const BATCH: usize = 20;

impl Batch {
    /// The statement that asks all parts at once.
    pub(crate) fn sql(&self, table: &str) -> String {
        let mut sql = String::new();
        match self.class {
            "where" => {
                for (at, part) in self.parts.iter().enumerate() {
                    let union = if at == 0 { "" } else { " UNION ALL " };
                    let _ = write!(
                        sql,
                        "{union}SELECT {at} AS c, count(*) AS n, sum(id) AS ids FROM {table} \
                         WHERE {part}"
                    );
                }
                sql.push_str(" ORDER BY 1");
            }
            "value" => {
                let _ =
                    write!(sql, "SELECT id, {} FROM {table} ORDER BY id", self.parts.join(", "));
            }
            _ => {
                let _ = write!(sql, "SELECT {} FROM {table}", self.parts.join(", "));
            }
        }
        sql
    }

    /// The statement that asks one part.
    pub(crate) fn one(&self, part: &str, table: &str) -> String {
        match self.class {
            "where" => format!("SELECT id FROM {table} WHERE {part} ORDER BY id"),
            "value" => format!("SELECT id, {part} FROM {table} ORDER BY id"),
            _ => format!("SELECT {part} FROM {table}"),
        }
    }
}

/// The next conditions or aggregates.
pub(crate) fn batch(random: &mut Random) -> Batch {
    let class = random.one(&["where", "where", "value", "aggregate"]);
    // Several columns of one name are a matter of their own, so each has a number.
    let part = |at: usize| match class {
        "where" => condition(random, 2),
        "value" => match random.below(3) {
            0 => format!("({}) AS v{at}", condition(random, 1)),
            1 => format!("({}) AS v{at}", number(random, 1)),
            _ => format!("({}) AS v{at}", text(random)),
        },
        _ => format!("{} AS v{at}", aggregate(random)),
    };
    Batch { class, parts: (0..BATCH).map(part).collect() }
}

const NUMBERS: &[&str] =
    &["id", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64", "d"];
const INTS: &[&str] = &["id", "i8", "i16", "i32", "i64", "u8", "u16", "u32"];
const ALL: &[&str] = &[
    "id", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64", "d", "b", "t", "raw",
    "day", "at",
];
const LITERALS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "5",
    "7",
    "100",
    "127",
    "-128",
    "255",
    "256",
    "32767",
    "-32768",
    "65535",
    "2147483647",
    "-2147483648",
    "2147483648",
    "4294967295",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "0.5",
    "0.3",
    "1.50",
    "-2.5",
    "2.50",
    "0.1",
    "99999999999999999999",
    "1e10",
    "'NaN'::float8",
    "'Infinity'::float8",
    "0.30000000000000004",
    "1.25::float4",
    "3::int2",
    "10::numeric",
];
const TEXTS: &[&str] = &[
    "''",
    "'a'",
    "'A'",
    "'ab'",
    "'z'",
    "'ä'",
    "'10'",
    "'name 1'",
    "'name 11'",
    "'日本'",
    "'a '",
    "'it''s'",
    "'zz'",
];
const PATTERNS: &[&str] = &[
    "'%'",
    "'a%'",
    "'%a'",
    "'_'",
    "'__'",
    "'name _'",
    "'name 1%'",
    "'a\\%b'",
    "'a\\_b'",
    "'%b%'",
    "''",
    "'A%'",
    "'%1'",
    "'%\\\\%'",
];
const DAYS: &[&str] = &[
    "'0001-01-01'::date",
    "'9999-12-31'::date",
    "'1970-01-01'::date",
    "'2024-02-29'::date",
    "date '2024-03-01'",
    "'2024-03-31'",
    "date '1999-12-31' + 61",
];
const TIMES: &[&str] = &[
    "'2024-02-29 10:00:00.5+00'::timestamptz",
    "'1970-01-01 00:00:00+00'::timestamptz",
    "'9999-12-31 23:59:59.999999+00'::timestamptz",
    "'0001-01-01 00:00:00+00'::timestamptz",
    "timestamptz '2024-10-14T21:45:15Z'",
    "'2023-11-14 22:13:20+00'",
    "'2000-02-29'::date",
];
const COMPARISONS: &[&str] =
    &["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"];

fn number(random: &mut Random, depth: usize) -> String {
    match random.below(if depth == 0 { 5 } else { 9 }) {
        0..=3 => random.one(NUMBERS).to_owned(),
        4 => random.one(LITERALS).to_owned(),
        5 => format!("abs({})", random.one(&["f64", "f32", "d", "u8", "i64"])),
        6 => format!("coalesce({}, {})", random.one(INTS), random.below(9)),
        7 => {
            let (one, other) = (random.one(&["i8", "u8", "i16"]), random.one(&["u8", "i8", "u16"]));
            format!("{one}::int8 {} {other}", random.one(&["+", "-", "*"]))
        }
        _ => {
            let condition = condition(random, depth - 1);
            let (one, other) = (random.one(INTS), random.one(INTS));
            format!("CASE WHEN {condition} THEN {one} ELSE {other} END")
        }
    }
}

fn text(random: &mut Random) -> String {
    match random.below(10) {
        0..=3 => "t".to_owned(),
        4 => "upper(t)".to_owned(),
        5 => "coalesce(t, 'none')".to_owned(),
        6 => format!("t || {}", random.one(TEXTS)),
        7 => format!("{}::text", random.one(&["i64", "u64", "d", "b", "day", "at", "f64", "f32"])),
        8 => format!("substr(t, {}, {})", random.below(4) + 1, random.below(4)),
        _ => format!("replace(t, 'a', {})", random.one(TEXTS)),
    }
}

/// A random condition.
fn condition(random: &mut Random, depth: usize) -> String {
    if depth > 0 && random.below(3) > 0 {
        let one = condition(random, depth - 1);
        let other = condition(random, depth - 1);
        return match random.below(5) {
            0 => format!("NOT ({one})"),
            1 => format!("{one} AND {other}"),
            2 => format!("({one} OR {other})"),
            3 => format!("({one}) IS {}", random.one(&["TRUE", "NOT TRUE", "UNKNOWN", "FALSE"])),
            _ => format!("({one}) AND NOT ({other})"),
        };
    }
    let depth = depth.min(1);
    match random.below(15) {
        0..=3 => {
            let (one, other) = (number(random, depth), number(random, depth));
            format!("{one} {} {other}", random.one(COMPARISONS))
        }
        4 => format!("{} {} {}", text(random), random.one(COMPARISONS), random.one(TEXTS)),
        5 => {
            let not = random.one(&["", "NOT "]);
            let like = random.one(&["LIKE", "ILIKE"]);
            format!("t {not}{like} {}", random.one(PATTERNS))
        }
        6 => format!("{} IS {}NULL", random.one(ALL), random.one(&["", "NOT "])),
        7 => {
            let count = random.below(3) + 1;
            let mut list: Vec<_> = (0..count).map(|_| random.one(LITERALS)).collect();
            if random.below(4) == 0 {
                list.push("NULL");
            }
            let not = random.one(&["", "NOT "]);
            format!("{} {not}IN ({})", random.one(NUMBERS), list.join(", "))
        }
        8 => {
            let count = random.below(3) + 1;
            let mut list: Vec<_> = (0..count).map(|_| random.one(TEXTS)).collect();
            if random.below(4) == 0 {
                list.push("NULL");
            }
            format!("t {}IN ({})", random.one(&["", "NOT "]), list.join(", "))
        }
        9 => {
            let (least, most) = (random.one(LITERALS), random.one(LITERALS));
            let not = random.one(&["", "NOT "]);
            format!("{} {not}BETWEEN {least} AND {most}", random.one(NUMBERS))
        }
        10 => format!("day {} {}", random.one(COMPARISONS), random.one(DAYS)),
        11 => format!("at {} {}", random.one(COMPARISONS), random.one(TIMES)),
        12 => match random.below(4) {
            0 => "b".to_owned(),
            1 => "NOT b".to_owned(),
            2 => format!("b = {}", random.one(&["true", "false", "'t'", "'no'", "NULL"])),
            _ => format!("b IS {}DISTINCT FROM true AND id < 30", random.one(&["", "NOT "])),
        },
        13 => format!("raw {} {}", random.one(COMPARISONS), random.one(&["'\\xdeadbeef'", "'a'"])),
        _ => {
            let column = random.one(INTS);
            let quantified = random.one(&["= ANY", "<> ALL", "< ANY", ">= ALL"]);
            format!("{column} {quantified} (ARRAY[1, 5, 127])")
        }
    }
}

fn aggregate(random: &mut Random) -> String {
    let call = match random.below(12) {
        0 => "count(*)".to_owned(),
        1 => format!("count({})", random.one(ALL)),
        2 => format!("count(DISTINCT {})", random.one(ALL)),
        3 => format!("sum({})", random.one(&["id", "i8", "i16", "i32", "i64", "u8", "u16", "u32"])),
        4 => format!("sum({})", random.one(&["u64", "d"])),
        5 => format!("avg({})", random.one(&["i8", "i32", "i64", "u32", "u64", "d"])),
        6 => format!("min({})", random.one(&["i64", "u64", "f64", "f32", "d", "t", "day", "at"])),
        7 => format!("max({})", random.one(&["i64", "u64", "f64", "f32", "d", "t", "day", "at"])),
        8 => format!("{}(b)", random.one(&["bool_and", "bool_or", "every"])),
        9 => format!("string_agg(t, ',' ORDER BY id {})", random.one(&["ASC", "DESC"])),
        10 => format!("sum({}::numeric)", random.one(&["i64", "d", "u8"])),
        _ => format!("{}({})", random.one(&["stddev", "var_pop", "variance"]), random.one(INTS)),
    };
    match random.below(3) {
        0 => call,
        _ => format!("{call} FILTER (WHERE {})", condition(random, 1)),
    }
}
