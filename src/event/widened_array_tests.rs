//! Wider arrays have the texts of those that they are made of.

use arrow_array::builder::StringRunBuilder;
use arrow_array::{
    BinaryViewArray, Date32Array, Decimal128Array, DictionaryArray, FixedSizeBinaryArray,
    FixedSizeListArray, Float32Array, Int8Array, Int16Array, Int32Array, Int64Array,
    LargeBinaryArray, LargeListArray, LargeStringArray, StringViewArray, TimestampMillisecondArray,
    TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array,
};
use arrow_schema::Field;

use super::super::cell_text::cell_text;
use super::super::widen::lossless;
use super::*;

macro_rules! numbers {
    ($($array:ident $kind:ident),*) => {
        vec![$(Arc::new($array::from(vec![
            Some($kind::MIN), None, Some($kind::MAX), Some(1 as $kind), Some(0 as $kind),
        ])) as ArrayRef),*]
    };
}

/// Arrays of every type that is widened, with nulls and the ends of their types.
fn arrays() -> Vec<ArrayRef> {
    let mut all = numbers!(
        Int8Array i8, Int16Array i16, Int32Array i32, Int64Array i64, UInt8Array u8,
        UInt16Array u16, UInt32Array u32, UInt64Array u64, Float32Array f32, Date32Array i32,
        TimestampSecondArray i64, TimestampMillisecondArray i64
    );
    let floats = [f32::NAN, f32::INFINITY, -0.0, 1e-45];
    all.push(Arc::new(Float32Array::from(floats.to_vec())));
    all.push(Arc::new(Date32Array::from(vec![0, -1, 20_000])));
    all.push(Arc::new(TimestampSecondArray::from(vec![0, -1]).with_timezone_utc()));
    all.push(Arc::new(TimestampMillisecondArray::from(vec![1, -1]).with_timezone_utc()));
    let texts = [Some("a"), None, Some(""), Some("a text of more than twelve bytes")];
    all.push(Arc::new(LargeStringArray::from_iter(texts)));
    all.push(Arc::new(StringViewArray::from_iter(texts)));
    all.push(Arc::new(DictionaryArray::<Int8Type>::from_iter(texts)));
    let mut runs = StringRunBuilder::<Int32Type>::new();
    texts.iter().chain(&texts).for_each(|text| runs.append_option(*text));
    all.push(Arc::new(runs.finish()));
    let bytes = texts.map(|text| text.map(str::as_bytes));
    all.push(Arc::new(LargeBinaryArray::from_iter(bytes)));
    all.push(Arc::new(BinaryViewArray::from_iter(bytes)));
    let fixed = [Some([1_u8, 2]), None, Some([0, 255])];
    let fixed = FixedSizeBinaryArray::try_from_sparse_iter_with_size(fixed.into_iter(), 2);
    all.push(Arc::new(fixed.expect("an array")));
    for units in [vec![0], vec![Some(12_345), None, Some(-1)].into_iter().flatten().collect()] {
        let decimals = Decimal128Array::from(units).with_precision_and_scale(10, 2);
        all.push(Arc::new(decimals.expect("an array")));
    }
    let most = 10_i128.pow(38) - 1;
    let most = Decimal128Array::from(vec![most]).with_precision_and_scale(38, 0);
    all.push(Arc::new(most.expect("an array")));
    let lists = [Some(vec![Some(1), Some(2)]), None, Some(vec![]), Some(vec![Some(3)])];
    all.push(Arc::new(LargeListArray::from_iter_primitive::<Int32Type, _, _>(lists)));
    let pairs = [Some(vec![Some(1), Some(2)]), None, Some(vec![Some(3), Some(4)])];
    all.push(Arc::new(FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(pairs, 2)));
    let sliced = all.iter().map(|array| array.slice(1.min(array.len()), array.len() - 1));
    let sliced: Vec<ArrayRef> = sliced.collect();
    all.extend(sliced);
    all
}

/// The text of a cell, with numbers of any type alike: without zeros at the end of a fraction.
fn plain(array: &dyn Array, row: usize) -> String {
    let text = cell_text(array, row, "null").expect("a text");
    match text.parse::<f64>() {
        // The shortest digits of a number depend on its width.
        Ok(_) if *array.data_type() == DataType::Float32 => {
            f64::from(text.parse::<f32>().expect("a number")).to_string()
        }
        Ok(number) if array.data_type().is_floating() => number.to_string(),
        Ok(_) if text.contains('.') => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        _ => text,
    }
}

/// The same instant in UTC; a date is its first instant.
fn instant(text: &str) -> String {
    match (text.len(), text.strip_suffix('Z')) {
        (10, _) => format!("{text}T00:00:00Z"),
        (_, None) if !text.contains('+') => format!("{text}Z"),
        _ => text.to_owned(),
    }
}

/// The values of an array that is stored in another way.
fn unpacked(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            take(dictionary.values(), dictionary.keys(), None).expect("values")
        }
        DataType::RunEndEncoded(..) => run_values::<Int32Type>(array).expect("values"),
        _ => Arc::clone(array),
    }
}

#[test]
fn wider_arrays_have_the_same_values() {
    let list = |kind| DataType::List(Arc::new(Field::new("item", kind, true)));
    let kinds = [
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float32,
        DataType::Float64,
        DataType::Utf8,
        DataType::Binary,
        DataType::Decimal128(38, 4),
        DataType::Decimal128(20, 2),
        DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        list(DataType::Int32),
    ];
    let mut compared = 0;
    let mut refused = 0;
    for array in arrays() {
        for to in kinds.iter().filter(|to| lossless(array.data_type(), to)) {
            let what = format!("{} of {} to {to}", array.len(), array.data_type());
            let Ok(wider) = widened(&array, to) else {
                refused += 1;
                continue;
            };
            assert_eq!((wider.data_type(), wider.len()), (to, array.len()), "{what}");
            let narrow = unpacked(&array);
            for row in 0..array.len() {
                let mut ours = plain(&wider, row);
                let mut given = plain(&narrow, row);
                if matches!(to, DataType::Timestamp(..)) && given != "null" {
                    ours = instant(&ours);
                    given = instant(&given);
                }
                assert_eq!(ours, given, "{what}");
                compared += 1;
            }
        }
    }
    assert!(compared > 300 && refused >= 4, "{compared} compared, {refused} refused");
}
