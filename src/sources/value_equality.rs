//! Compares values as readers see them: by worth, not by bits.

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, PrimitiveArray, downcast_primitive_array};
use arrow_schema::DataType;

/// Unselects the rows that differ from the only value of `value`, which has the column's type and
/// is not null; rows with nulls are already unselected.
pub(super) fn equal(column: &ArrayRef, value: &ArrayRef, chosen: &mut [bool]) {
    let mut narrow = |same: &dyn Fn(usize) -> bool| {
        for (row, chosen) in chosen.iter_mut().enumerate() {
            *chosen = *chosen && same(row);
        }
    };
    match column.data_type() {
        DataType::Utf8 => {
            let column = column.as_string::<i32>();
            let value = value.as_string::<i32>().value(0);
            narrow(&|row| column.value(row) == value);
        }
        DataType::Binary => {
            let column = column.as_binary::<i32>();
            let value = value.as_binary::<i32>().value(0);
            narrow(&|row| column.value(row) == value);
        }
        DataType::Boolean => {
            let column = column.as_boolean();
            let value = value.as_boolean().value(0);
            narrow(&|row| column.value(row) == value);
        }
        DataType::Float32 => {
            let column = column.as_primitive::<Float32Type>();
            let value = f64::from(value.as_primitive::<Float32Type>().value(0));
            narrow(&|row| worth(column.value(row).into(), value));
        }
        DataType::Float64 => {
            let column = column.as_primitive::<Float64Type>();
            let value = value.as_primitive::<Float64Type>().value(0);
            narrow(&|row| worth(column.value(row), value));
        }
        DataType::List(_) | DataType::Struct(_) => narrow(&|row| nested(column, row, value)),
        _ => downcast_primitive_array! {
            column => primitives(column, value, &mut narrow),
            _ => narrow(&|row| column.slice(row, 1).to_data() == value.to_data()),
        },
    }
}

/// Views show negative zero as zero, and every NaN as one.
#[expect(clippy::float_cmp, reason = "the very value is asked for")]
fn worth(one: f64, other: f64) -> bool {
    one == other || (one.is_nan() && other.is_nan())
}

fn primitives<T: ArrowPrimitiveType>(
    column: &PrimitiveArray<T>,
    value: &ArrayRef,
    narrow: &mut dyn FnMut(&dyn Fn(usize) -> bool),
) {
    let value = value.as_primitive::<T>().value(0);
    narrow(&|row| column.value(row).is_eq(value));
}

/// Whether a list or a struct equals the only one of `value`, item by item and field by field.
fn nested(column: &ArrayRef, row: usize, value: &ArrayRef) -> bool {
    if let DataType::List(_) = column.data_type() {
        let items = column.as_list::<i32>().value(row);
        let wanted = value.as_list::<i32>().value(0);
        let one = |at| one(&items.slice(at, 1), &wanted.slice(at, 1));
        return items.len() == wanted.len() && (0..items.len()).all(one);
    }
    let fields = column.as_struct().columns();
    let wanted = value.as_struct().columns();
    fields.iter().zip(wanted).all(|(field, wanted)| one(&field.slice(row, 1), wanted))
}

/// Whether two arrays of one value are equal.
fn one(value: &ArrayRef, wanted: &ArrayRef) -> bool {
    if value.is_null(0) || wanted.is_null(0) {
        return value.is_null(0) == wanted.is_null(0);
    }
    let mut same = [true];
    equal(value, wanted, &mut same);
    same[0]
}
