//! The lines of a real file, and their facts; read without the library's own reader.

use std::path::{Path, PathBuf};

use dataflows::{InvoiceLine, Tweet};

use crate::naive::Fact;

/// A CSV file, whole.
pub(crate) struct Real {
    text: String,
    /// The ends of all records, including the header.
    ends: Vec<usize>,
}

impl Real {
    /// Reads the file called `name`; none, and a reason printed, where it is not available.
    pub(crate) fn read(name: &str) -> Option<Real> {
        let Some(path) = path(name) else {
            println!("skipped: no {name}; name its directory in DIPTYCH_DATA");
            return None;
        };
        let bytes = zstd::decode_all(std::fs::File::open(path).expect("readable")).expect("zstd");
        let text = String::from_utf8(bytes).expect("UTF-8");
        let mut quoted = false;
        let ends = text.bytes().enumerate().filter_map(|(at, byte)| {
            quoted ^= byte == b'"';
            (byte == b'\n' && !quoted).then_some(at + 1)
        });
        Some(Real { ends: ends.collect(), text })
    }

    /// The header and the first `count` records, as they are.
    pub(crate) fn head(&self, count: usize) -> &str {
        &self.text[..self.ends[count]]
    }

    /// The fields of each record.
    pub(crate) fn records(&self) -> impl Iterator<Item = Vec<String>> {
        self.ends.windows(2).map(|ends| fields(self.text[ends[0]..ends[1]].trim_end_matches('\n')))
    }
}

/// The path of a file in `DIPTYCH_DATA`, or in `shared/data` beside or above the package.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("DIPTYCH_DATA") {
        return Some(PathBuf::from(given).join(name));
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().map(|above| above.join("shared/data").join(name)).find(|file| file.exists())
}

fn fields(record: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    let mut chars = record.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                fields.last_mut().expect("a field").push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.last_mut().expect("a field").push(other),
        }
    }
    fields
}

pub(crate) fn tweet(fields: &[String]) -> Fact {
    let number = |text: &String| text.parse().ok();
    Fact::Tweet(Tweet {
        publish_date: fields[0].parse().expect("a time"),
        author_id: fields[1].clone(),
        account_category: fields[2].clone(),
        region: fields[3].clone(),
        language: fields[4].clone(),
        followers: number(&fields[5]),
        following: number(&fields[6]),
        updates: number(&fields[7]),
        post_type: fields[8].clone(),
        retweet: number(&fields[9]),
        content: fields[10].clone(),
    })
}

pub(crate) fn invoice_line(fields: &[String]) -> Fact {
    Fact::InvoiceLine(InvoiceLine {
        invoice: fields[0].clone(),
        product: fields[1].clone(),
        quantity: fields[3].parse().expect("a number"),
        at: fields[4].parse().expect("a time"),
        price: fields[5].parse().expect("a decimal"),
        customer: fields[6].clone(),
        country: fields[7].clone(),
    })
}
