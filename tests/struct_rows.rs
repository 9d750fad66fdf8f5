//! Structs as rows of views: columns are named after fields, bytes sort like the structs.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use dataflows::Transfer;
use diptych::dataflow::Definition;
use diptych::event::{Date, Decimal};
use diptych::row::Columns;
use diptych::row::{self, RowSchema};
use diptych::serving::Read;
use diptych::sources::append;
use diptych::system::Cluster;
use diptych::{Dataflow, System};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(
    Columns,
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
)]
struct Account {
    id: i64,
    branch: Option<u16>,
}

#[derive(Columns, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Place {
    owner: Account,
    r#type: String,
    #[columns(name = "shelf")]
    at: (u8, String),
}

type Flat = (i64, Option<u16>, String, u8, String);

fn places() -> impl Strategy<Value = Place> {
    let text = || prop::collection::vec(prop_oneof![Just('\0'), Just('a'), Just('b')], 0..3);
    (-2i64..2, prop::option::of(0u16..2), text(), 0u8..2, text()).prop_map(
        |(id, branch, kind, shelf, label)| Place {
            owner: Account { id, branch },
            r#type: String::from_iter(kind),
            at: (shelf, String::from_iter(label)),
        },
    )
}

fn flat(place: &Place) -> Flat {
    let Place { owner, r#type, at } = place.clone();
    (owner.id, owner.branch, r#type, at.0, at.1)
}

proptest! {
    #[test]
    fn a_struct_is_written_as_the_tuple_of_its_columns(a in places(), b in places()) {
        let (x, y) = (row::encode(&a), row::encode(&b));
        prop_assert_eq!(&x, &row::encode(&flat(&a)));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        prop_assert_eq!(&row::decode::<Place>(&x).unwrap(), &a);
        for cut in 0..x.len() {
            prop_assert!(row::decode::<Place>(&x[..cut]).unwrap_err().is_damaged());
        }
    }
}

#[test]
fn columns_are_named_after_fields() {
    let schema = RowSchema::of::<Place, Account>();
    assert_eq!(
        schema.to_string(),
        "owner_id: i64, owner_branch: u16?, type: string, shelf_0: u8, shelf_1: string, \
         id: i64, branch: u16?"
    );
    // Within a tuple the struct has a place, not a name.
    let schema = RowSchema::of::<(Date, Account), Decimal<2>>();
    assert_eq!(
        schema.to_string(),
        "key_0: date, key_1_id: i64, key_1_branch: u16?, value: decimal(2)"
    );
}

#[derive(Columns)]
struct Clash {
    owner: Account,
    owner_id: i64,
    owner_id_2: i64,
}

#[test]
fn columns_of_one_name_are_told_apart() {
    let names = |schema: RowSchema| -> Vec<String> {
        schema.columns().map(|column| column.name.clone()).collect()
    };
    assert_eq!(
        names(RowSchema::of::<Clash, ()>()),
        ["owner_id", "owner_branch", "owner_id_2", "owner_id_2_2"]
    );
    assert_eq!(
        names(RowSchema::of::<Account, Account>()),
        ["id", "branch", "value_id", "value_branch"]
    );
}

#[derive(Columns, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Flow {
    paid: i64,
    received: i64,
}

fn flows(df: &mut Dataflow) {
    let transfers = df.events::<Transfer>("transfers");
    let account = |id| Account { id, branch: None };
    let paid = transfers.clone().map(move |t| (account(t.from_account), (t.amount, 0)));
    let received = transfers.map(move |t| (account(t.to_account), (0, t.amount)));
    let both = paid.concat(received).sum("flows");
    df.view("flows", both.map(|(account, (paid, received))| (account, Flow { paid, received })));
}

#[test]
fn structs_are_keys_of_barriers_and_rows_of_views() -> diptych::Result<()> {
    let system = System::in_memory();
    let transfers: Vec<_> = [(1, 2, 30), (2, 1, 10), (1, 3, 5)]
        .into_iter()
        .map(|(from_account, to_account, amount)| Transfer {
            id: 0,
            from_account,
            to_account,
            amount,
            ts: 0,
        })
        .collect();
    append(&system.writer()?, "transfers", &transfers)?;
    let flows = Definition::new("flows", flows);
    let index = system.recompute(&flows, 1, Cluster::local(2), true)?;
    let rows = index.snapshot(Read::Latest)?.rows::<Account, Flow>("flows")?;
    let row = |id, paid, received| ((Account { id, branch: None }, Flow { paid, received }), 1);
    assert_eq!(rows, [row(1, 35, 10), row(2, 10, 30), row(3, 0, 5)]);
    Ok(())
}
