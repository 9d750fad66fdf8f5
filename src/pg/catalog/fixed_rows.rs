//! The rows of `pg_catalog` that are the same for every session.

use super::super::procedures::{self, Procedure};
use super::super::settings::DATABASE as NAME;
use super::objects::{DATABASE, OWNER, PG_CATALOG};
use super::table_schemas::{CatalogRow, Cell};

/// The number of the b-tree among the access methods.
pub(super) const BTREE: u32 = 403;
/// The number of the collation of texts.
pub(super) const COLLATION: u32 = 100;

/// Access methods: number, name, handler, whether of indexes or of tables.
const METHODS: &[(u32, &str, u32, &str)] = &[
    (2, "heap", 3, "t"),
    (BTREE, "btree", 330, "i"),
    (405, "hash", 331, "i"),
    (783, "gist", 332, "i"),
    (2742, "gin", 333, "i"),
    (4000, "spgist", 334, "i"),
    (3580, "brin", 335, "i"),
];

/// Operator classes of the b-tree: number, name, family, type, whether it is the type's own.
const CLASSES: &[(u32, &str, u32, u32, bool)] = &[
    (1978, "int4_ops", 1976, 23, true),
    (1979, "int2_ops", 1976, 21, true),
    (1981, "oid_ops", 1989, 26, true),
    (3122, "date_ops", 434, 1082, true),
    (3123, "float8_ops", 1970, 701, true),
    (3124, "int8_ops", 1976, 20, true),
    (3125, "numeric_ops", 1988, 1700, true),
    (3126, "text_ops", 1994, 25, true),
    (3127, "timestamptz_ops", 434, 1184, true),
    (3128, "timestamp_ops", 434, 1114, true),
    (4217, "text_pattern_ops", 2095, 25, false),
    (10_003, "bool_ops", 424, 16, true),
    (10_004, "bpchar_ops", 426, 1042, true),
    (10_006, "bytea_ops", 428, 17, true),
    (10_007, "char_ops", 429, 18, true),
    (10_012, "float4_ops", 1970, 700, true),
    (10_022, "interval_ops", 1982, 1186, true),
    (10_028, "name_ops", 1994, 19, true),
    (10_038, "time_ops", 1996, 1083, true),
    (10_044, "varchar_ops", 1994, 25, false),
];

/// Range types: the range, its elements, its multirange, the class, and two functions.
const RANGES: &[(u32, u32, u32, u32, &str, &str)] = &[
    (3904, 23, 4451, 1978, "int4range_canonical", "int4range_subdiff"),
    (3906, 1700, 4532, 3125, "-", "numrange_subdiff"),
    (3908, 1114, 4533, 3128, "-", "tsrange_subdiff"),
    (3910, 1184, 4534, 3127, "-", "tstzrange_subdiff"),
    (3912, 1082, 4535, 3122, "daterange_canonical", "daterange_subdiff"),
    (3926, 20, 4536, 3124, "int8range_canonical", "int8range_subdiff"),
];

const LANGUAGES: &[(u32, &str, bool)] =
    &[(12, "internal", false), (13, "c", false), (14, "sql", true)];

/// The b-tree's own operator class of a type, or 0.
pub(super) fn class_of(type_number: u32) -> i64 {
    let own = CLASSES.iter().find(|class| class.3 == type_number && class.4);
    own.map_or(0, |class| class.0.into())
}

/// The rows of the table called `name`; none when they differ between sessions.
pub(super) fn rows(name: &str) -> Option<Vec<CatalogRow>> {
    Some(match name {
        "pg_am" => METHODS.iter().map(method).collect(),
        "pg_opclass" => CLASSES.iter().map(class).collect(),
        "pg_range" => RANGES.iter().map(range).collect(),
        "pg_language" => LANGUAGES.iter().map(language).collect(),
        "pg_proc" => procedures::all().iter().map(procedure).collect(),
        "pg_get_keywords" => include_str!("keywords.txt").lines().map(keyword).collect(),
        "pg_database" => vec![vec![
            ("oid", DATABASE.into()),
            ("datname", NAME.into()),
            ("datdba", OWNER.into()),
            ("encoding", 6i64.into()),
            ("datlocprovider", "c".into()),
            ("datallowconn", true.into()),
            ("datconnlimit", (-1i64).into()),
            ("datcollate", "C".into()),
            ("datctype", "C.UTF-8".into()),
            ("dattablespace", 1663u32.into()),
        ]],
        "pg_stat_database" => {
            vec![vec![("datid", DATABASE.into()), ("datname", NAME.into())]]
        }
        "pg_tablespace" => vec![vec![
            ("oid", 1663u32.into()),
            ("spcname", "pg_default".into()),
            ("spcowner", OWNER.into()),
        ]],
        "pg_timezone_names" => vec![vec![
            ("name", "UTC".into()),
            ("abbrev", "UTC".into()),
            ("utc_offset", "00:00:00".into()),
        ]],
        _ => return None,
    })
}

fn method(of: &(u32, &str, u32, &str)) -> CatalogRow {
    vec![
        ("oid", of.0.into()),
        ("amname", of.1.into()),
        ("amhandler", of.2.into()),
        ("amtype", of.3.into()),
    ]
}

fn class(of: &(u32, &str, u32, u32, bool)) -> CatalogRow {
    vec![
        ("oid", of.0.into()),
        ("opcmethod", BTREE.into()),
        ("opcname", of.1.into()),
        ("opcnamespace", PG_CATALOG.into()),
        ("opcowner", OWNER.into()),
        ("opcfamily", of.2.into()),
        ("opcintype", of.3.into()),
        ("opcdefault", of.4.into()),
    ]
}

fn range(of: &(u32, u32, u32, u32, &str, &str)) -> CatalogRow {
    vec![
        ("rngtypid", of.0.into()),
        ("rngsubtype", of.1.into()),
        ("rngmultitypid", of.2.into()),
        ("rngsubopc", of.3.into()),
        ("rngcanonical", of.4.into()),
        ("rngsubdiff", of.5.into()),
    ]
}

fn language(of: &(u32, &str, bool)) -> CatalogRow {
    vec![
        ("oid", of.0.into()),
        ("lanname", of.1.into()),
        ("lanowner", OWNER.into()),
        ("lanpltrusted", of.2.into()),
    ]
}

fn procedure(of: &Procedure) -> CatalogRow {
    let word = |at: usize| of.words.get(at).copied().unwrap_or_default();
    let number = |word: &str| word.parse::<i64>().unwrap_or_default();
    let arguments: Vec<i64> =
        word(6).split(',').filter(|word| !word.is_empty()).map(number).collect();
    vec![
        ("oid", of.oid.into()),
        ("proname", word(1).into()),
        ("pronamespace", PG_CATALOG.into()),
        ("proowner", OWNER.into()),
        ("prolang", 12u32.into()),
        ("procost", 1i64.into()),
        ("prokind", "f".into()),
        ("prorettype", number(word(2)).into()),
        ("provolatile", word(3).into()),
        ("proisstrict", (word(4) == "t").into()),
        ("proretset", (word(5) == "t").into()),
        ("proparallel", "s".into()),
        ("pronargs", (arguments.len() as i64).into()),
        ("proargtypes", Cell::Ints(arguments)),
        ("prosrc", word(1).into()),
    ]
}

fn keyword(line: &'static str) -> CatalogRow {
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (name, class, is_label) = (word(), word(), word() == "t");
    let description = match class {
        "R" => "reserved",
        "T" => "reserved (can be function or type name)",
        "C" => "unreserved (cannot be function or type name)",
        _ => "unreserved",
    };
    let label = if is_label { "can be bare label" } else { "requires AS" };
    vec![
        ("word", name.into()),
        ("catcode", class.into()),
        ("barelabel", is_label.into()),
        ("catdesc", description.into()),
        ("baredesc", label.into()),
    ]
}
