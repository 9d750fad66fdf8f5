//! Texts of cells, which `diptych_event` writes, beside those of `arrow_cast`.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, MapBuilder, StringBuilder};
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalDayTime, IntervalDayTimeType, IntervalMonthDayNano, IntervalMonthDayNanoType,
    IntervalYearMonthType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, BinaryArray, BooleanArray,
    FixedSizeBinaryArray, FixedSizeListArray, LargeBinaryArray, LargeListArray, LargeListViewArray,
    LargeStringArray, ListArray, ListViewArray, NullArray, PrimitiveArray, StringArray,
    StringViewArray, StructArray,
};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, Fields};

use diptych_event::cell_text;

/// Values of a type: those given, the ends, zero, one, and a null.
fn primitive<T: ArrowPrimitiveType>(values: &[T::Native]) -> PrimitiveArray<T> {
    let ends =
        [T::Native::MIN_TOTAL_ORDER, T::Native::MAX_TOTAL_ORDER, T::Native::ZERO, T::Native::ONE];
    let values = values.iter().chain(&ends).map(|value| Some(*value));
    values.chain([None]).collect()
}

fn numbers() -> Vec<ArrayRef> {
    let floats = [0.1, -0.0, 1e300, 1e16, 1e15, 5e-324, f64::NAN, f64::INFINITY, -1.5];
    vec![
        Arc::new(primitive::<Int8Type>(&[])),
        Arc::new(primitive::<Int16Type>(&[])),
        Arc::new(primitive::<Int32Type>(&[])),
        Arc::new(primitive::<Int64Type>(&[])),
        Arc::new(primitive::<UInt8Type>(&[])),
        Arc::new(primitive::<UInt16Type>(&[])),
        Arc::new(primitive::<UInt32Type>(&[])),
        Arc::new(primitive::<UInt64Type>(&[])),
        Arc::new(primitive::<Float16Type>(&[])),
        Arc::new(primitive::<Float32Type>(&[0.1, 1e-45, f32::NAN, -1e20])),
        Arc::new(primitive::<Float64Type>(&floats)),
        Arc::new(primitive::<Decimal32Type>(&[-5]).with_data_type(DataType::Decimal32(9, 2))),
        Arc::new(primitive::<Decimal64Type>(&[-5]).with_data_type(DataType::Decimal64(18, 0))),
        Arc::new(primitive::<Decimal128Type>(&[-5]).with_data_type(DataType::Decimal128(38, 9))),
        Arc::new(primitive::<Decimal128Type>(&[7]).with_data_type(DataType::Decimal128(38, -3))),
        Arc::new(primitive::<Decimal256Type>(&[]).with_data_type(DataType::Decimal256(76, 5))),
    ]
}

fn times() -> Vec<ArrayRef> {
    let instants = [-1, 1_700_000_000, 1_700_000_000_123, 1_700_000_000_123_456, -62_135_596_801];
    let micros = |zone: &str| primitive::<TimestampMicrosecondType>(&instants).with_timezone(zone);
    let months = [11, -1, -12, 25, -25];
    let day_times = [(1, 1), (0, -1), (-3, 3_661_001), (0, -3_600_000), (2, 0), (0, 59_999)];
    let day_times = day_times.map(|(days, millis)| IntervalDayTime::new(days, millis));
    let nanos = [
        (1, 2, 3),
        (0, 0, -1),
        (-1, 0, 3_661_000_000_001),
        (0, -1, -59_000_000_000),
        (0, 0, 86_400_000_000_000),
    ];
    let nanos = nanos.map(|(months, days, nanos)| IntervalMonthDayNano::new(months, days, nanos));
    vec![
        Arc::new(primitive::<Date32Type>(&[-1, 20_000, -800_000])),
        Arc::new(primitive::<Date64Type>(&instants)),
        Arc::new(primitive::<Time32SecondType>(&[86_399, 86_400, -1])),
        Arc::new(primitive::<Time32MillisecondType>(&[86_399_999, 1_500])),
        Arc::new(primitive::<Time64MicrosecondType>(&[86_399_999_999, 1_500_000])),
        Arc::new(primitive::<Time64NanosecondType>(&[1_500])),
        Arc::new(primitive::<TimestampSecondType>(&instants)),
        Arc::new(primitive::<TimestampMillisecondType>(&instants)),
        Arc::new(primitive::<TimestampMicrosecondType>(&instants)),
        Arc::new(primitive::<TimestampNanosecondType>(&instants)),
        Arc::new(micros("+00:00")),
        Arc::new(micros("-03:30")),
        Arc::new(primitive::<TimestampSecondType>(&[1]).with_timezone("+14:00")),
        Arc::new(primitive::<DurationSecondType>(&[61])),
        Arc::new(primitive::<DurationMillisecondType>(&[61, -1_001])),
        Arc::new(primitive::<DurationMicrosecondType>(&[61, -1])),
        Arc::new(primitive::<DurationNanosecondType>(&[61])),
        Arc::new(primitive::<IntervalYearMonthType>(&months)),
        Arc::new(primitive::<IntervalDayTimeType>(&day_times)),
        Arc::new(primitive::<IntervalMonthDayNanoType>(&nanos)),
    ]
}

fn nested() -> Vec<ArrayRef> {
    let lists = [Some(vec![Some(1), None]), None, Some(vec![]), Some(vec![Some(-3)])];
    let pairs = [Some(vec![Some(1), None]), None, Some(vec![Some(3), Some(4)])];
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(lists.clone());
    let texts: ArrayRef =
        Arc::new(StringArray::from(vec![Some("a, b"), None, Some(""), Some("{")]));
    let fields = vec![
        Field::new("n", list.data_type().clone(), true),
        Field::new("text", DataType::Utf8, true),
    ];
    let columns = vec![Arc::new(list.clone()) as ArrayRef, Arc::clone(&texts)];
    let record = StructArray::new(Fields::from(fields), columns, None);
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for (key, value) in [("a", Some(1)), ("b", None)] {
        map.keys().append_value(key);
        map.values().append_option(value);
    }
    map.append(true).expect("a map");
    map.append(false).expect("a null");
    map.append(true).expect("an empty map");
    vec![
        Arc::new(list),
        Arc::new(LargeListArray::from_iter_primitive::<Int32Type, _, _>(lists.clone())),
        Arc::new(ListViewArray::from_iter_primitive::<Int32Type, _, _>(lists.clone())),
        Arc::new(LargeListViewArray::from_iter_primitive::<Int32Type, _, _>(lists)),
        Arc::new(FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(pairs, 2)),
        Arc::new(record),
        Arc::new(map.finish()),
        texts,
    ]
}

fn others() -> Vec<ArrayRef> {
    let texts = [Some("a"), None, Some(""), Some("a text of more than twelve bytes")];
    let bytes = texts.map(|text| text.map(str::as_bytes));
    let fixed = [Some([1_u8, 2]), None, Some([0, 255])];
    let fixed = FixedSizeBinaryArray::try_from_sparse_iter_with_size(fixed.into_iter(), 2);
    vec![
        Arc::new(NullArray::new(2)),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(LargeStringArray::from_iter(texts)),
        Arc::new(StringViewArray::from_iter(texts)),
        Arc::new(BinaryArray::from_iter(bytes)),
        Arc::new(LargeBinaryArray::from_iter(bytes)),
        Arc::new(arrow_array::BinaryViewArray::from_iter(bytes)),
        Arc::new(fixed.expect("an array")),
    ]
}

#[test]
fn texts_are_those_of_arrow() {
    let mut compared = 0;
    for array in [numbers(), times(), nested(), others()].concat() {
        for (array, null) in [(array.slice(0, array.len()), ""), (array.slice(1, 1), "null")] {
            let options = FormatOptions::default().with_null(null);
            let arrow = ArrayFormatter::try_new(&array, &options).expect("a formatter");
            for row in 0..array.len() {
                let ours = cell_text(&array, row, null).expect("a text");
                assert_eq!(ours, arrow.value(row).to_string(), "{}", array.data_type());
                compared += 1;
            }
        }
    }
    assert!(compared > 250, "{compared} texts");
}
