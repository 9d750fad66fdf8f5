//! Parser of COPY … TO STDOUT and its options.

use super::classify_statement::read_only;
use super::error::Failure;
use super::split_statements::{name, value, words};

/// A COPY … TO STDOUT statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Copy {
    /// The query whose rows are copied.
    pub(super) sql: String,
    pub(super) options: CopyOptions,
}

/// The output format of a COPY.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CopyOptions {
    pub(super) format: CopyFormat,
    pub(super) has_header: bool,
    pub(super) delimiter: u8,
    pub(super) null: String,
    pub(super) quote: u8,
    pub(super) escape: u8,
    /// The columns whose values are always quoted in CSV.
    pub(super) forced: Quoted,
}

/// The encoding of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum CopyFormat {
    #[default]
    Text,
    Csv,
    Binary,
}

/// Columns that are quoted.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Quoted {
    Some(Vec<String>),
    All,
}

/// The options as they are written.
#[derive(Default)]
struct Written {
    format: CopyFormat,
    has_header: bool,
    delimiter: Option<String>,
    null: Option<String>,
    quote: Option<String>,
    escape: Option<String>,
    forced: Option<Quoted>,
}

/// Parses COPY table [(columns)] | (query) TO STDOUT [[WITH] (options)].
///
/// # Errors
/// When it copies from a source or to a file, or is malformed.
pub(super) fn parse(sql: &str) -> Result<Copy, Failure> {
    let all: Vec<&str> = words(sql).collect();
    let is = |at: usize, word: &str| {
        all.get(at).is_some_and(|found: &&str| found.eq_ignore_ascii_case(word))
    };
    let is_binary = is(1, "binary");
    let first = 1 + usize::from(is_binary);
    let end = (first..all.len()).scan(0, |depth, at| {
        *depth += i32::from(is(at, "(")) - i32::from(is(at, ")"));
        Some((at, *depth))
    });
    let mut outside = end.filter(|(_, depth)| *depth == 0).map(|(at, _)| at);
    let to = outside.find(|at| is(*at, "to") || is(*at, "from"));
    let to = to.filter(|to| *to > first);
    let to = to.ok_or_else(|| Failure::new("42601", "COPY without TO"))?;
    if is(to, "from") {
        return Err(read_only("copy from"));
    }
    if !is(to + 1, "stdout") {
        return Err(Failure::new("0A000", "COPY only goes TO STDOUT").hint("in psql: \\copy"));
    }
    // Words are slices of the statement, so their address gives the position.
    let place = |word: &str| word.as_ptr() as usize - sql.as_ptr() as usize;
    let source = sql[place(all[first])..place(all[to])].trim();
    let copied = match source.strip_prefix('(') {
        Some(query) => query.strip_suffix(')').unwrap_or(query).to_owned(),
        None => match source.split_once('(') {
            Some((table, columns)) => {
                format!("SELECT {} FROM {table}", columns.trim_end_matches(')'))
            }
            None => format!("SELECT * FROM {source}"),
        },
    };
    let mut written = written(&all[to + 2..])?;
    if is_binary {
        written.format = CopyFormat::Binary;
    }
    Ok(Copy { sql: copied, options: written.checked()? })
}

fn written(words: &[&str]) -> Result<Written, Failure> {
    let mut written = Written::default();
    let mut rest = words.iter().filter(|word| **word != ",").peekable();
    let unknown =
        |option: &str| Failure::new("42601", format!("option \"{option}\" not recognized"));
    while let Some(word) = rest.next() {
        let option = name(word);
        match option.as_str() {
            "with" | "as" | "(" | ")" => continue,
            "csv" => written.format = CopyFormat::Csv,
            "binary" => written.format = CopyFormat::Binary,
            "header" => {
                let said = rest.next_if(|word| is_switch(&name(&value(word))));
                let said = said.map(|word| name(&value(word)));
                written.has_header = said.is_none_or(|word| is_on(&word));
                continue;
            }
            "force" | "force_quote" => {
                rest.next_if(|word| word.eq_ignore_ascii_case("quote"));
                let mut columns = Vec::new();
                rest.next_if(|word| **word == "(");
                while let Some(word) = rest.next_if(|word| !is_option(&name(word))) {
                    match *word {
                        ")" => break,
                        "*" => written.forced = Some(Quoted::All),
                        word => columns.push(name(word)),
                    }
                }
                written.forced.get_or_insert(Quoted::Some(columns));
                continue;
            }
            _ => {}
        }
        if matches!(option.as_str(), "csv" | "binary") {
            continue;
        }
        rest.next_if(|word| word.eq_ignore_ascii_case("as"));
        let Some(given) = rest.next_if(|word| **word != ")").map(|word| text_of(word)) else {
            return Err(unknown(&option));
        };
        match option.as_str() {
            "format" => written.format = format(&given)?,
            "delimiter" | "delimiters" => written.delimiter = Some(given),
            "null" => written.null = Some(given),
            "quote" => written.quote = Some(given),
            "escape" => written.escape = Some(given),
            "encoding" => encoding(&given)?,
            other => return Err(unknown(other)),
        }
    }
    Ok(written)
}

fn format(given: &str) -> Result<CopyFormat, Failure> {
    match name(given).as_str() {
        "csv" => Ok(CopyFormat::Csv),
        "text" => Ok(CopyFormat::Text),
        "binary" => Ok(CopyFormat::Binary),
        _ => {
            let failure = Failure::new("22023", format!("COPY format \"{given}\" not recognized"));
            Err(failure.hint("take text, csv or binary"))
        }
    }
}

fn encoding(given: &str) -> Result<(), Failure> {
    let plain: String = given.chars().filter(char::is_ascii_alphanumeric).collect();
    match plain.to_ascii_lowercase().as_str() {
        "utf8" | "unicode" | "sqlascii" => Ok(()),
        _ => {
            let failure = Failure::new("0A000", format!("COPY writes UTF8 only, not {given}"));
            Err(failure.hint("convert it behind the COPY, as iconv does"))
        }
    }
}

fn is_switch(word: &str) -> bool {
    ["true", "false", "on", "off", "1", "0", "match"].contains(&word)
}

fn is_on(word: &str) -> bool {
    ["true", "on", "1"].contains(&word)
}

fn is_option(word: &str) -> bool {
    ["format", "header", "delimiter", "null", "quote", "escape", "encoding", "csv", "with"]
        .contains(&word)
}

/// The text in a word, such as `'x'`, `E'\t'` or `x`.
fn text_of(word: &str) -> String {
    let Some(inner) = word.strip_prefix(['e', 'E']).filter(|inner| inner.starts_with('\'')) else {
        return value(word);
    };
    let mut text = String::new();
    let inner = value(inner);
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        text.extend(match c {
            '\\' => rest.next().map(|c| match c {
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                'b' => '\u{8}',
                'f' => '\u{c}',
                other => other,
            }),
            c => Some(c),
        });
    }
    text
}

impl Written {
    /// The options, with the usual values where none is given.
    fn checked(self) -> Result<CopyOptions, Failure> {
        let is_csv = self.format == CopyFormat::Csv;
        let is_binary = self.format == CopyFormat::Binary;
        let refused = [
            ("DELIMITER", self.delimiter.is_some() && is_binary),
            ("NULL", self.null.is_some() && is_binary),
            ("HEADER", self.has_header && is_binary),
        ];
        if let Some((option, _)) = refused.iter().find(|(_, is_refused)| *is_refused) {
            let message = format!("cannot specify {option} in BINARY mode");
            return Err(Failure::new("42601", message));
        }
        let csv_only = [
            ("QUOTE", self.quote.is_some()),
            ("ESCAPE", self.escape.is_some()),
            ("FORCE_QUOTE", self.forced.is_some()),
        ];
        if let Some((option, _)) = csv_only.iter().find(|(_, is_given)| *is_given && !is_csv) {
            let message = format!("COPY {option} requires CSV mode");
            return Err(Failure::new("0A000", message));
        }
        let delimiter = match self.delimiter {
            None if is_csv => b',',
            None => b'\t',
            Some(given) => one_byte("DELIMITER", &given)?,
        };
        let quote = self.quote.map_or(Ok(b'"'), |given| one_byte("QUOTE", &given))?;
        let escape = self.escape.map_or(Ok(quote), |given| one_byte("ESCAPE", &given))?;
        let null = self.null.unwrap_or_else(|| if is_csv { "" } else { "\\N" }.to_owned());
        let is_taken = !is_csv && b"\\.abcdefghijklmnopqrstuvwxyz0123456789".contains(&delimiter);
        if is_taken || matches!(delimiter, b'\n' | b'\r') || (is_csv && delimiter == quote) {
            let message = format!("COPY delimiter cannot be {:?}", char::from(delimiter));
            return Err(Failure::new("22023", message));
        }
        if null.contains(['\n', '\r']) || null.as_bytes().contains(&delimiter) {
            let message = "COPY null representation cannot use the delimiter, newline or carriage \
                           return";
            return Err(Failure::new("22023", message));
        }
        let forced = self.forced.unwrap_or(Quoted::Some(Vec::new()));
        let Written { format, has_header, .. } = self;
        Ok(CopyOptions { format, has_header, delimiter, null, quote, escape, forced })
    }
}

fn one_byte(option: &str, given: &str) -> Result<u8, Failure> {
    match given.as_bytes() {
        [one] => Ok(*one),
        // A tab in its escaped spelling.
        b"\\t" => Ok(b'\t'),
        _ => {
            let message = format!("COPY {option} must be a single one-byte character");
            Err(Failure::new("0A000", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_understood() {
        let sql = |text| parse(text).map(|copy| copy.sql).ok();
        assert_eq!(sql("COPY (select 1 to, (2)) TO STDOUT").as_deref(), Some("select 1 to, (2)"));
        assert_eq!(sql("copy a.\"B\" to stdout").as_deref(), Some("SELECT * FROM a.\"B\""));
        assert_eq!(sql("copy t (x, y) to stdout csv").as_deref(), Some("SELECT x, y FROM t "));
        for wrong in [
            "copy t from stdin",
            "copy t to '/etc/passwd'",
            "copy t",
            "copy to stdout",
            "copy t to stdout (format parquet)",
            "copy t to stdout (delimiter 'ab')",
            "copy t to stdout (delimiter 'a')",
            "copy t to stdout (quote '~')",
            "copy t to stdout (format binary, header)",
            "copy t to stdout (format csv, encoding 'LATIN1')",
            "copy t to stdout (nonsense 1)",
            "copy t to stdout (format csv, null ',')",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn options_are_understood_in_both_spellings() {
        let options = |text: &str| parse(&format!("copy t to stdout {text}")).expect(text).options;
        let csv = options("with (format csv, header true, null 'x')");
        assert_eq!((csv.format, csv.has_header), (CopyFormat::Csv, true));
        assert_eq!((csv.delimiter, csv.null.as_str()), (b',', "x"));
        let old = options("WITH DELIMITER AS E'\\t' CSV HEADER QUOTE AS '~' FORCE QUOTE a, \"B\"");
        assert_eq!((old.delimiter, old.quote, old.escape), (b'\t', b'~', b'~'));
        assert_eq!(old.forced, Quoted::Some(vec!["a".into(), "B".into()]));
        assert!(old.has_header);
        assert_eq!(options("(header off, format 'binary')").format, CopyFormat::Binary);
        assert_eq!(options("(format csv, force_quote *)").forced, Quoted::All);
        assert_eq!(
            parse("copy binary t to stdout").map(|c| c.options.format).ok(),
            Some(CopyFormat::Binary)
        );
    }
}
