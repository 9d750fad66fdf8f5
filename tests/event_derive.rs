//! `#[derive(Event)]`: every kind of field goes to Arrow and back, and old columns become new ones.

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::Int8Type;
use arrow_array::{
    Array, ArrayRef, Decimal128Array, Float64Array, Int32Array, Int64Array, LargeStringArray,
    RecordBatch, StringArray, StructArray, TimestampMillisecondArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Fields};
use diptych::event::{Date, Decimal, Event, EventAppender, Timestamp, VARIANTS_KEY};
use proptest::prelude::*;
use std::sync::Arc;

#[derive(Event, Debug, Clone, Copy, PartialEq)]
enum Kind {
    Post,
    #[event(name = "re-tweet")]
    Retweet,
}

/// A struct nested once directly, once in an option, once in a list.
#[derive(Event, Debug, Clone, PartialEq)]
struct Place {
    name: String,
    height: Option<i32>,
    tags: Vec<String>,
}

#[derive(Event, Debug, Clone, PartialEq)]
struct Everything {
    a: u8,
    b: u16,
    c: u32,
    d: u64,
    e: i8,
    f: i16,
    g: i32,
    h: i64,
    i: f32,
    j: f64,
    k: Decimal<2>,
    l: bool,
    m: String,
    n: Vec<u8>,
    o: Date,
    p: Timestamp,
    q: Kind,
    r: Place,
    s: Vec<i64>,
    t: Vec<Place>,
    u: Vec<Vec<u8>>,
    v: Vec<Option<Kind>>,
    ox: Option<u8>,
    om: Option<String>,
    on: Option<Vec<u8>>,
    ok: Option<Decimal<2>>,
    ol: Option<bool>,
    op: Option<Timestamp>,
    oq: Option<Kind>,
    or: Option<Place>,
    os: Option<Vec<i64>>,
    #[event(name = "type")]
    kind: u8,
    r#fn: Option<Date>,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Post), Just(Kind::Retweet)]
}

fn place() -> impl Strategy<Value = Place> {
    let tags = prop::collection::vec("[a-zé]{0,3}", 0..3);
    (".{0,5}", any::<Option<i32>>(), tags).prop_map(|(name, height, tags)| Place {
        name,
        height,
        tags,
    })
}

fn decimal() -> impl Strategy<Value = Decimal<2>> {
    any::<i64>().prop_filter_map("38 digits", |units| Decimal::new(i128::from(units)))
}

fn everything() -> impl Strategy<Value = Everything> {
    let option = prop::option::of::<BoxedStrategy<Place>>;
    let numbers = any::<(u8, u16, u32, u64, i8, i16, i32, i64, i32, i32)>();
    let plain = (decimal(), any::<bool>(), ".{0,9}", any::<Vec<u8>>(), any::<i32>(), any::<i64>());
    let nested = (
        kind(),
        place(),
        any::<Vec<i64>>(),
        prop::collection::vec(place(), 0..3),
        any::<Vec<Vec<u8>>>(),
        prop::collection::vec(prop::option::of(kind()), 0..4),
    );
    let options = (
        any::<Option<u8>>(),
        prop::option::of(".{0,9}"),
        any::<Option<Vec<u8>>>(),
        prop::option::of(decimal()),
        any::<Option<bool>>(),
        any::<Option<i64>>(),
        prop::option::of(kind()),
        option(place().boxed()),
        any::<Option<Vec<i64>>>(),
        any::<Option<i32>>(),
    );
    (numbers, plain, nested, options).prop_map(
        |(
            (a, b, c, d, e, f, g, h, i, j),
            (k, l, m, n, o, p),
            (q, r, s, t, u, v),
            (ox, om, on, ok, ol, op, oq, or, os, day),
        )| {
            let op = op.map(Timestamp::from_micros);
            Everything {
                a,
                b,
                c,
                d,
                e,
                f,
                g,
                h,
                i: i as f32,
                j: f64::from(j),
                k,
                l,
                m,
                n,
                o: Date::from_days(o),
                p: Timestamp::from_micros(p),
                q,
                r,
                s,
                t,
                u,
                v,
                ox,
                om,
                on,
                ok,
                ol,
                op,
                oq,
                or,
                os,
                kind: a,
                r#fn: day.map(Date::from_days),
            }
        },
    )
}

fn append<E: Event>(events: &[E]) -> RecordBatch {
    let mut appender = E::Appender::default();
    for event in events {
        appender.push(event);
    }
    assert_eq!(appender.len(), events.len());
    let batch = appender.finish();
    assert!(appender.is_empty());
    batch
}

fn read<E: Event>(batch: &RecordBatch) -> diptych::Result<Vec<E>> {
    let columns = E::columns(batch)?;
    Ok((0..batch.num_rows()).map(|row| E::to_owned(E::row(&columns, row))).collect())
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true)))
        .expect("columns of one length")
}

fn refusal<E: Event + std::fmt::Debug>(batch: &RecordBatch) -> String {
    let error = read::<E>(batch).expect_err("a refusal");
    assert!(error.is_input(), "{error:?}");
    error.to_string()
}

proptest! {
    #[test]
    fn every_kind_of_field_goes_there_and_back(
        events in prop::collection::vec(everything(), 0..20),
        from in 0_usize..20,
    ) {
        let whole = append(&events);
        prop_assert_eq!(whole.schema(), Everything::schema());
        prop_assert_eq!(&read::<Everything>(&whole).expect("its own schema"), &events);

        // A slice of a batch is a batch.
        let from = from.min(events.len());
        let part = whole.slice(from, events.len() - from);
        prop_assert_eq!(&read::<Everything>(&part).expect("its own schema"), &events[from..]);

        // A row appended is the event appended.
        let columns = Everything::columns(&part).expect("its own schema");
        let mut appender = <Everything as Event>::Appender::default();
        for row in 0..part.num_rows() {
            appender.push_row(Everything::row(&columns, row));
        }
        let copy = appender.finish();
        prop_assert_eq!(&read::<Everything>(&copy).expect("its own schema"), &events[from..]);
    }
}

#[test]
fn a_schema_says_what_the_struct_says() {
    let schema = Everything::schema();
    let of = |name: &str| schema.field_with_name(name).expect(name).clone();
    assert_eq!(schema.fields().len(), 33);
    assert_eq!((of("a").data_type(), of("a").is_nullable()), (&DataType::UInt8, false));
    assert_eq!((of("ox").data_type(), of("ox").is_nullable()), (&DataType::UInt8, true));
    assert_eq!(of("k").data_type(), &DataType::Decimal128(38, 2));
    assert_eq!(of("fn").data_type(), &DataType::Date32);
    assert!(of("type").data_type() == &DataType::UInt8 && schema.field_with_name("kind").is_err());
    assert_eq!(of("q").data_type(), &DataType::Utf8);
    assert_eq!(
        of("q").metadata().get(VARIANTS_KEY).map(String::as_str),
        Some(r#"["Post","re-tweet"]"#)
    );
    assert!(Arc::ptr_eq(&schema, &Everything::schema()), "made once");
}

#[test]
fn rows_borrow_from_the_arrays() {
    let events = [
        Place { name: "peak".into(), height: Some(3), tags: vec!["a".into(), "b".into()] },
        Place { name: String::new(), height: None, tags: vec![] },
    ];
    let batch = append(&events);
    let columns = Place::columns(&batch).expect("its own schema");
    let row: PlaceRow<'_> = Place::row(&columns, 0);
    let (name, height): (&str, Option<i32>) = (row.name, row.height);
    assert_eq!((name, height, row.tags.len()), ("peak", Some(3), 2));
    assert_eq!(row.tags.iter().collect::<Vec<&str>>(), ["a", "b"]);
    assert_eq!((row.tags.get(1), row.tags.get(2)), (Some("b"), None));
    assert_eq!(row.into_event(), events[0]);
    let stored = batch.column(0).to_data().buffers()[1].as_ptr_range();
    assert!(stored.contains(&name.as_ptr()), "the text is read in place");
}

#[test]
#[should_panic(expected = "the len is 1 but the index is 1")]
fn a_row_past_the_end_panics_with_both_values() {
    #[derive(Event, Debug, Clone)]
    struct Number {
        _n: i64,
    }
    let columns = Number::columns(&append(&[Number { _n: 1 }])).expect("its own schema");
    let _ = Number::row(&columns, 1);
}

#[derive(Event, Debug, Clone, PartialEq, Default)]
struct Sale {
    item: String,
    #[event(default)]
    quantity: i64,
    note: Option<String>,
    #[event(upcast = "cents")]
    price: i64,
}

fn cents(euros: f64) -> i64 {
    (euros * 100.0).round() as i64
}

fn texts(texts: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

#[test]
fn columns_are_found_by_name_and_missing_ones_have_defaults() {
    let old = batch(vec![
        ("price", Arc::new(Int64Array::from(vec![5, 6]))),
        ("colour", texts(&["red", "blue"])),
        ("item", texts(&["cup", "tin"])),
    ]);
    let sale = |item: &str, price| Sale { item: item.into(), price, ..Sale::default() };
    assert_eq!(read::<Sale>(&old).expect("an older schema"), [sale("cup", 5), sale("tin", 6)]);
    assert!(Sale::schema().field_with_name("quantity").expect("there").is_nullable());
}

#[test]
fn nulls_of_a_defaulted_column_are_the_default() {
    let old = batch(vec![
        ("item", texts(&["cup", "tin"])),
        ("quantity", Arc::new(Int32Array::from(vec![None, Some(7)]))),
        ("price", Arc::new(Int64Array::from(vec![5, 6]))),
    ]);
    let quantities: Vec<_> =
        read::<Sale>(&old).expect("an older schema").iter().map(|sale| sale.quantity).collect();
    assert_eq!(quantities, [0, 7]);
}

#[test]
fn an_upcast_takes_the_older_type_and_widening_happens_by_itself() {
    let euros = batch(vec![
        ("item", Arc::new(LargeStringArray::from(vec!["cup"]))),
        ("price", Arc::new(Float64Array::from(vec![2.55]))),
    ]);
    assert_eq!(read::<Sale>(&euros).expect("upcast")[0].price, 255);
    let narrow =
        batch(vec![("item", texts(&["cup"])), ("price", Arc::new(Int32Array::from(vec![255])))]);
    assert_eq!(read::<Sale>(&narrow).expect("widened")[0].price, 255);
}

#[test]
fn what_does_not_fit_is_refused_by_name_with_both_types() {
    let text = batch(vec![("item", texts(&["cup"])), ("price", texts(&["2.55"]))]);
    let message = refusal::<Sale>(&text);
    assert!(message.starts_with("column `price` is Utf8 here, and Int64 in the event type"));
    assert!(message.contains("upcast"), "{message}");

    let missing = refusal::<Sale>(&batch(vec![("item", texts(&["cup"])), ("cost", texts(&["1"]))]));
    assert!(missing.starts_with("column `price` is missing; there are item, cost"), "{missing}");

    let null = batch(vec![
        ("item", texts(&["cup", "tin"])),
        ("price", Arc::new(Int64Array::from(vec![Some(1), None]))),
    ]);
    let message = refusal::<Sale>(&null);
    assert!(message.starts_with("column `price`: row 1 of the record batch is null"), "{message}");
}

#[derive(Event, Debug, Clone, PartialEq)]
struct Visit {
    at: Timestamp,
    place: Option<Place>,
    kind: Option<Kind>,
    fee: Option<Decimal<4>>,
}

fn visit(place: ArrayRef, kind: ArrayRef) -> RecordBatch {
    let rows = place.len();
    batch(vec![
        ("at", Arc::new(TimestampMillisecondArray::from(vec![1500; rows]))),
        ("place", place),
        ("kind", kind),
    ])
}

/// Places of an older schema: no `height`, a null name under the null place.
fn places(names: Vec<Option<&str>>, present: Vec<bool>) -> ArrayRef {
    let fields = Fields::from(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new_list("tags", Field::new_list_field(DataType::Utf8, true), true),
    ]);
    let tags = arrow_array::new_null_array(fields[1].data_type(), names.len());
    let tags = arrow_array::ListArray::new(
        Arc::new(Field::new_list_field(DataType::Utf8, true)),
        arrow_buffer::OffsetBuffer::from_lengths(vec![0; tags.len()]),
        texts(&[]),
        None,
    );
    let names = Arc::new(StringArray::from(names));
    let nulls = Some(NullBuffer::from(present));
    Arc::new(StructArray::new(fields, vec![names, Arc::new(tags)], nulls))
}

#[test]
fn nested_structs_evolve_by_name_too() {
    let mut kinds = StringDictionaryBuilder::<Int8Type>::new();
    kinds.append_value("re-tweet");
    kinds.append_null();
    let old = visit(places(vec![Some("a"), None], vec![true, false]), Arc::new(kinds.finish()));
    let at = Timestamp::from_micros(1_500_000);
    let place = Place { name: "a".into(), height: None, tags: vec![] };
    let first = Visit { at, place: Some(place), kind: Some(Kind::Retweet), fee: None };
    let second = Visit { at, place: None, kind: None, fee: None };
    assert_eq!(read::<Visit>(&old).expect("an older schema"), [first, second]);
}

#[test]
fn missing_optional_columns_of_every_shape_are_none() {
    #[derive(Event, Debug, Clone, PartialEq)]
    struct Shapes {
        n: i64,
        place: Option<Place>,
        list: Option<Vec<Place>>,
        bytes: Option<Vec<u8>>,
        kind: Option<Kind>,
        #[event(default)]
        places: Vec<Place>,
        #[event(default)]
        text: String,
    }
    let old = batch(vec![("n", Arc::new(Int64Array::from(vec![1, 2])))]);
    let shapes = read::<Shapes>(&old).expect("an older schema");
    let empty = Shapes {
        n: 2,
        place: None,
        list: None,
        bytes: None,
        kind: None,
        places: vec![],
        text: String::new(),
    };
    assert_eq!(shapes, [Shapes { n: 1, ..empty.clone() }, empty]);
}

#[test]
fn a_refusal_inside_a_struct_names_the_path() {
    let kinds = texts(&["Post", "Post"]);
    let old = visit(places(vec![Some("a"), None], vec![true, true]), kinds);
    let message = refusal::<Visit>(&old);
    assert!(message.starts_with("column `place.name`: row 1 of the record batch"), "{message}");

    let old = visit(places(vec![Some("a")], vec![true]), texts(&["Poke"]));
    let message = refusal::<Visit>(&old);
    assert!(message.contains("column `kind`: row 0"), "{message}");
    assert!(message.contains("`Poke`, which is none of Post, re-tweet"), "{message}");
}

#[test]
fn decimals_of_another_scale_widen_and_too_many_digits_are_refused() {
    #[derive(Event, Debug, Clone, PartialEq)]
    struct Price {
        price: Decimal<4>,
    }
    let of = |values: Vec<i128>, precision, scale| {
        let array = Decimal128Array::from(values).with_precision_and_scale(precision, scale);
        batch(vec![("price", Arc::new(array.expect("a decimal type")))])
    };
    let prices = read::<Price>(&of(vec![255], 10, 2)).expect("widened");
    assert_eq!(prices[0].price.to_string(), "2.5500");
    let message = refusal::<Price>(&of(vec![1, i128::MAX], 38, 4));
    assert!(message.starts_with("column `price`: row 1 of the record batch: "), "{message}");
    assert!(refusal::<Price>(&of(vec![1], 38, 5)).contains("Decimal128(38, 5) here"));
}

mod renamed {
    pub(crate) use diptych as elsewhere;
}

#[test]
fn the_crate_may_have_another_name() {
    #[derive(renamed::elsewhere::Event, Debug, Clone, PartialEq)]
    #[event(crate = "crate::renamed::elsewhere")]
    struct Tiny {
        n: u32,
    }
    let events = [Tiny { n: 1 }, Tiny { n: 2 }];
    assert_eq!(read::<Tiny>(&append(&events)).expect("its own schema"), events);
}
