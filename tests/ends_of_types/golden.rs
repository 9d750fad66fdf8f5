//! Promise 21 for sums: opens a batch view written before sums could be out of range.

use std::path::Path;

use diptych::System;
use diptych::dataflow::Definition;
use diptych::event::Decimal;
use diptych::serving::Read;
use diptych::sources::append;
use diptych::system::{Boundary, Cluster, ServeOptions};

use crate::golden_flow::{Number, sums};

fn number(key: i64, n: i64, cents: &str, weight: i64) -> Number {
    Number { key, n, cents: cents.parse().expect("a number"), weight }
}

type Both = (i64, Decimal<2>);
type Folds = (i64, i64, Decimal<2>);

fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("the golden files") {
        let entry = entry.expect("a golden file");
        let there = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copied(&entry.path(), &there);
        } else {
            std::fs::copy(entry.path(), there).expect("a copy");
        }
    }
}

#[test]
fn sums_of_before_open_and_go_on() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sums-v1");
    let directory = tempfile::tempdir().expect("a temporary directory");
    copied(&golden, directory.path());
    let system = System::open(directory.path());
    let writer = system.writer().expect("a log");
    assert_eq!(append(&writer, "numbers", &[number(1, 2, "0.00", 3)]).expect("an append"), 2);
    assert_eq!(append(&writer, "numbers", &[number(1, -1, "0.01", -3)]).expect("an append"), 3);
    writer.close().expect("it ends");

    let definition = Definition::new("golden", sums);
    let options =
        ServeOptions::default().boundary(Boundary::Restore(2)).cluster(Cluster::local(3)).until(4);
    let served = system.serve(std::slice::from_ref(&definition), options).expect("it opens");
    served.wait_beyond("golden", 3).expect("it goes on");
    let index = served.index("golden").expect("it is served");
    served.stop().expect("it stops");

    let at = |epoch| index.snapshot(Read::AsOf(epoch)).expect("an epoch");
    let sums = |epoch| at(epoch).rows::<i64, i64>("sums").expect("sums");
    let counts = |epoch| at(epoch).rows::<i64, i64>("counts").expect("counts");
    let errors = |epoch| {
        let rows = at(epoch).rows::<(u64, String, String), i64>("errors").expect("errors");
        let places = rows.into_iter().map(|(((_, place, _), _), _)| place);
        places.collect::<Vec<_>>()
    };
    let cents = |text: &str| text.parse::<Decimal<2>>().expect("a number");
    let all = "999999999999999999999999999999999999.74";
    assert_eq!(sums(1), [((1, i64::MAX - 1), 1), ((2, -4), 1)]);
    assert_eq!(counts(1), [((1, i64::MAX - 1), 1), ((2, 3), 1)]);
    assert_eq!(errors(1), Vec::<String>::new());
    assert_eq!(sums(2), [((2, -4), 1)]);
    assert_eq!(counts(2), [((2, 3), 1)]);
    assert_eq!(errors(2), ["both", "counts", "folds", "sums"]);
    assert_eq!(sums(3), [((1, i64::MAX), 1), ((2, -4), 1)]);
    assert_eq!(counts(3), [((1, i64::MAX - 1), 1), ((2, 3), 1)]);
    assert_eq!(errors(3), Vec::<String>::new());
    let both = at(3).rows::<i64, Both>("both").expect("both");
    assert_eq!(both, [((1, (i64::MAX, cents("2.76"))), 1), ((2, (-4, cents(all))), 1)]);
    let folds = at(3).rows::<i64, Folds>("folds").expect("folds");
    let half = cents("499999999999999999999999999999999999.87");
    assert_eq!(folds, [((1, (4, i64::MAX, cents("0.69"))), 1), ((2, (2, -4, half)), 1)]);
}
