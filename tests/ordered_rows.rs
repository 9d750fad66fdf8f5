//! The bytes of rows sort like the rows, come back as they were, and mean the same with and
//! without the Rust type.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::cmp::Ordering;
use std::fmt::Debug;

use diptych::event::{Date, Decimal, Timestamp};
use diptych::row::{self, Columns, Datum, RowSchema};
use proptest::prelude::*;

/// Checks that the order of bytes is the order of values, and that the bytes are read back.
fn check<T: Columns + Debug + PartialEq>(a: &T, b: &T, order: Ordering) {
    let (x, y) = (row::encode(a), row::encode(b));
    assert_eq!(x.cmp(&y), order, "{a:?} is {x:02x?}, {b:?} is {y:02x?}");
    assert_eq!(&row::decode::<T>(&x).unwrap(), a);
    for cut in 0..x.len() {
        assert!(row::decode::<T>(&x[..cut]).is_err(), "{a:?} cut to {cut} bytes");
    }
    let longer = [&x[..], &[0]].concat();
    assert!(row::decode::<T>(&longer).unwrap_err().is_damaged());
}

fn sorts<T: Columns + Debug + Ord>(a: &T, b: &T) {
    check(a, b, a.cmp(b));
}

/// Checks that the schema-driven side reads what the typed side wrote, and writes and parses the
/// same.
fn same_without_type<K: Columns>(key: &K) -> Vec<Datum> {
    let schema = RowSchema::of::<K, ()>();
    let bytes = row::encode(key);
    let values = schema.decode(&bytes, &[]).unwrap();
    assert_eq!(schema.encode_key(&values).unwrap(), bytes);
    let json = RowSchema::json_of_values(&values);
    assert_eq!(schema.encode_key(&schema.values_of_json(&json).unwrap()).unwrap(), bytes, "{json}");
    // Plain text is never absent; what is not, is as it is shown.
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    if !values.contains(&Datum::Null) {
        assert_eq!(schema.parse_key(&texts).unwrap(), bytes, "{texts:?}");
    }
    values
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::collection::vec(
            prop_oneof![Just('\0'), Just('a'), Just('\u{1}'), Just('\u{ff}'), Just('\u{10ffff}')],
            0..5
        )
        .prop_map(String::from_iter),
        ".{0,8}",
        Just("\\N".to_owned()),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0xFF), any::<u8>()], 0..6)
}

type Wide = (u8, String, (Option<i16>, Vec<u8>), bool, Option<String>, i64);

fn wide() -> impl Strategy<Value = Wide> {
    let small = prop_oneof![Just(0u8), Just(1), Just(255)];
    let inner = (any::<Option<i16>>(), bytes());
    (small, text(), inner, any::<bool>(), prop::option::of(text()), -2i64..2)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn rows_sort_like_their_bytes(a in wide(), b in wide()) {
        sorts(&a, &b);
        same_without_type(&a);
        // Agreeing on the first columns is sharing a prefix of bytes.
        let first = (a.0, a.1.clone());
        prop_assert!(row::encode(&a).starts_with(&row::encode(&first)));
        let starts = row::encode(&b).starts_with(&row::encode(&first));
        prop_assert_eq!(starts, (b.0, &b.1) == (a.0, &a.1));
    }

    #[test]
    fn integers_sort(
        a in any::<(u16, u32, u64, i8, i16)>(), b in any::<(u16, u32, u64, i8, i16)>(),
        c in any::<(i32, i64, usize, isize)>(), d in any::<(i32, i64, usize, isize)>(),
    ) {
        sorts(&a, &b);
        sorts(&c, &d);
        same_without_type(&a);
        same_without_type(&c);
    }

    #[test]
    fn floats_sort_in_total_order(a in any::<u64>(), b in any::<u64>()) {
        let (x, y) = (f64::from_bits(a), f64::from_bits(b));
        prop_assert_eq!(row::encode(&x).cmp(&row::encode(&y)), x.total_cmp(&y));
        let back: f64 = row::decode(&row::encode(&x)).unwrap();
        prop_assert_eq!(back.to_bits(), a);
        let (x, y) = (f32::from_bits(a as u32), f32::from_bits(b as u32));
        prop_assert_eq!(row::encode(&x).cmp(&row::encode(&y)), x.total_cmp(&y));
        let back: f32 = row::decode(&row::encode(&x)).unwrap();
        prop_assert_eq!(back.to_bits(), a as u32);
        if !x.is_nan() && !y.is_nan() {
            same_without_type(&(x, f64::from(y)));
        }
    }

    #[test]
    fn decimals_and_times_sort(
        a in any::<(i64, i64, i32)>(), b in any::<(i64, i64, i32)>(), small in any::<bool>(),
    ) {
        let scale = if small { 1 } else { 1_000_000_000_000 };
        let make = |(units, micros, days): (i64, i64, i32)| {
            let units = i128::from(units) * scale;
            let (one, other) = (Decimal::<2>::new(units), Decimal::<0>::new(-units));
            let time = (Timestamp::from_micros(micros), Date::from_days(days));
            (one.unwrap(), other.unwrap(), time)
        };
        let (a, b) = (make(a), make(b));
        sorts(&a, &b);
        let values = same_without_type(&a);
        prop_assert_eq!(values[0].to_string(), a.0.to_string());
        prop_assert_eq!(values[1].to_string(), a.1.to_string());
        prop_assert_eq!(values[2].to_string(), a.2.0.to_string());
        prop_assert_eq!(values[3].to_string(), a.2.1.to_string());
    }

    #[test]
    fn a_prefix_of_a_text_is_a_range(n in 0u8..2, word in text(), m in 0u8..2, prefix in text()) {
        let schema = RowSchema::of::<(u8, String, u64), ()>();
        let optional = RowSchema::of::<(u8, Option<String>), ()>();
        let expected = n == m && word.starts_with(&prefix);
        let range = schema.text_range(&[m.to_string()], &prefix).unwrap();
        prop_assert_eq!(range.contains(&row::encode(&(n, word.clone(), 9u64))), expected);
        let range = optional.text_range(&[m.to_string()], &prefix).unwrap();
        prop_assert_eq!(range.contains(&row::encode(&(n, Some(word)))), expected);
        prop_assert!(!range.contains(&row::encode(&(n, None::<String>))));
    }

    #[test]
    fn any_bytes_are_a_row_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let schema = RowSchema::of::<Wide, (f64, Decimal<3>, Date)>();
        let (key, value) = bytes.split_at(bytes.len() / 2);
        for result in [schema.decode(key, value), schema.decode(&bytes, &[])] {
            if let Err(error) = result {
                prop_assert!(error.is_damaged());
            }
        }
        if let Ok(row) = row::decode::<Wide>(&bytes) {
            prop_assert_eq!(row::encode(&row), bytes);
        }
    }
}

#[test]
fn json_and_csv_keep_the_order_of_columns() {
    let schema = RowSchema::of::<(Timestamp, String), (Option<u64>, Decimal<2>, f64)>()
        .named(&["hour", "tag", "n", "sum", "mean"])
        .unwrap();
    let hour = Timestamp::from_seconds(1_475_280_000);
    let key = row::encode(&(hour, "a,\"b\"".to_string()));
    let cents = Decimal::<2>::new(-5).unwrap();
    let value = row::encode(&(None::<u64>, cents, f64::NAN));
    let json = serde_json::to_string(&schema.json(&key, &value).unwrap()).unwrap();
    assert_eq!(
        json,
        r#"{"hour":"2016-10-01T00:00:00Z","tag":"a,\"b\"","n":null,"sum":"-0.05","mean":"NaN"}"#
    );
    assert_eq!(schema.csv_header(), "hour,tag,n,sum,mean");
    assert_eq!(schema.csv(&key, &value).unwrap(), r#"2016-10-01T00:00:00Z,"a,""b""",,-0.05,NaN"#);
}

#[test]
fn wrong_input_is_refused_by_name() {
    let schema = RowSchema::of::<(u8, String), i64>().named(&["hour", "tag", "n"]).unwrap();
    let message = |values: &[&str]| schema.parse_key(values).unwrap_err().to_string();
    assert!(message(&["256"]).contains("column \"hour\": \"256\" is no u8"));
    assert!(message(&["1", "a", "b"]).contains("3 values for a key of 2 columns"));
    let error = schema.text_range::<&str>(&[], "a").unwrap_err();
    assert!(error.is_input() && error.to_string().contains("\"hour\" holds u8"), "{error}");
    assert!(schema.clone().named(&["a", "b"]).unwrap_err().is_input());
    assert!(schema.clone().named(&["a", "b", "a"]).unwrap_err().is_input());
    assert!(schema.decode(&[1], &[]).unwrap_err().to_string().contains("column \"tag\""));
}
