//! Tests on real files, where they are available.

use diptych::event::{Decimal, Event, Timestamp};
use std::path::{Path, PathBuf};

use super::naive_log::{NaiveLog, one};

/// The folder of real files, if there is one on this machine.
fn real(name: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|dir| dir.join("shared/data"));
    let found = std::env::var_os("DIPTYCH_DATA").map(PathBuf::from).into_iter().chain(here);
    let found = found.map(|dir| dir.join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: no shared/data/{name} here, and DIPTYCH_DATA does not name its folder");
    }
    found
}

#[test]
fn real_tweets_go_in_whole() {
    #[derive(Event, Debug, Clone, PartialEq)]
    struct Tweet {
        publish_date: Timestamp,
        author_id: String,
        region: Option<String>,
        followers: i64,
        retweet: bool,
        content: String,
    }
    let Some(path) = real("tweets_sample_2016-10.csv.zst") else { return };
    let log = NaiveLog::default();
    let report = one::<Tweet>(&log, &path).expect("a real file");
    assert_eq!((report.rows, report.absent.len()), (131_893, 0));
    let tweets = log.events::<Tweet>();
    assert_eq!(tweets.len(), 131_893);
    assert!(tweets.is_sorted_by_key(|tweet| tweet.publish_date), "as the file is");
    assert_eq!(tweets[0].publish_date.to_string(), "2016-10-01T00:00:00Z");
    assert_eq!((tweets[0].followers, tweets[0].retweet), (10_215, false));
    assert!(tweets[0].content.contains("#BlackLivesMatter"));
}

#[test]
fn real_sales_add_up_to_the_cent() {
    #[derive(Event, Debug, Clone, PartialEq)]
    #[expect(non_snake_case, reason = "the columns' names")]
    struct Sale {
        InvoiceNo: String,
        Quantity: i64,
        InvoiceDate: Timestamp,
        UnitPrice: Decimal<3>,
        CustomerID: Option<u32>,
        Description: Option<String>,
    }
    let Some(path) = real("retail_transactions.csv.zst") else { return };
    let log = NaiveLog::default();
    one::<Sale>(&log, &path).expect("a real file");
    let sales = log.events::<Sale>();
    assert_eq!(sales.len(), 541_909);
    assert_eq!(sales.iter().filter(|sale| sale.CustomerID.is_none()).count(), 135_080);
    assert_eq!(sales.iter().filter(|sale| sale.InvoiceNo.starts_with('C')).count(), 9_288);
    let total: Decimal<3> = sales.iter().map(|sale| sale.UnitPrice * sale.Quantity).sum();
    assert_eq!(total.to_string(), "9747747.934");
}
