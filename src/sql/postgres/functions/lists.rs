//! Functions of lists, in which an element that is absent is no other than itself.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, Scalar};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::kernels::cmp;
use datafusion::arrow::compute::{cast, filter};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::DFSchema;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Expr, lit};
use datafusion::scalar::ScalarValue;

use super::super::failure::Outcome;
use super::super::function::PgFunction;
use super::super::operators::known_type;
use super::super::type_name::{Group, element, group, integer};
use super::super::{cast as pg_cast, comparison};
use super::unknown;

pub(super) fn all() -> Vec<PgFunction> {
    let list = |types: &[DataType], _: &[Option<&ScalarValue>]| {
        Ok::<_, datafusion::error::DataFusionError>(types[0].clone())
    };
    vec![PgFunction::named("array_remove", list_and_element, list, removed)]
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// A list and a value, with one type for both.
fn list_and_element(types: &[DataType]) -> Outcome<Vec<DataType>> {
    let wrong = || unknown("array_remove", types);
    let [list, value] = types else { return Err(wrong()) };
    let item = element(list).ok_or_else(wrong)?;
    let common = match (group(&item), group(value)) {
        (Group::Unknown | Group::List | Group::Other, _) => return Err(wrong()),
        (Group::Int(one), Group::Int(other)) => integer(one.max(other)),
        (Group::Text, Group::Text) => DataType::Utf8,
        (one, other) if one == other || other == Group::Unknown => item,
        (_, Group::Text) => item,
        _ => return Err(wrong()),
    };
    Ok(vec![list_of(common.clone()), common])
}

/// The lists without the elements that are the second argument.
fn removed(args: &[ArrayRef], to: &DataType) -> Outcome<ArrayRef> {
    let lists = cast(&args[0], to)?;
    let lists = lists.as_list::<i32>();
    let mut kept: Vec<bool> = Vec::with_capacity(lists.values().len());
    let mut lengths = Vec::with_capacity(lists.len());
    // What the lists do not use of their values goes, too.
    kept.resize(lists.value_offsets()[0] as usize, false);
    for row in 0..lists.len() {
        let needle = Scalar::new(args[1].slice(row, 1));
        let is_other = cmp::distinct(&lists.value(row), &needle)?;
        kept.extend((0..is_other.len()).map(|at| is_other.value(at)));
        lengths.push(is_other.true_count());
    }
    kept.resize(lists.values().len(), false);
    let values = filter(lists.values(), &BooleanArray::from(kept))?;
    let DataType::List(field) = to else {
        return Err(unknown("array_remove", std::slice::from_ref(to)));
    };
    let offsets = OffsetBuffer::from_lengths(lengths);
    let nulls = lists.nulls().cloned();
    Ok(Arc::new(ListArray::try_new(Arc::clone(field), offsets, values, nulls)?))
}

/// `member = ANY (list)` for a list that is known or calculated; none where the engine's own
/// function has to do.
pub(in super::super) fn membership(args: &[Expr], schema: &DFSchema) -> Outcome<Option<Expr>> {
    let [list, member] = args else { return Ok(None) };
    let mut member = member.clone();
    let (Some(of), Some(mut own)) = (known_type(list, schema), known_type(&member, schema)) else {
        return Ok(None);
    };
    let item = element(&of);
    // A real beside a list of other numbers is a double.
    if group(&own) == Group::Float && item.as_ref().is_some_and(|of| group(of) != Group::Float) {
        member = pg_cast::of(member, &own, &DataType::Float64)?;
        own = DataType::Float64;
    }
    let written = match list {
        Expr::Literal(value, _) if value.is_null() => {
            return Ok(Some(lit(ScalarValue::Boolean(None))));
        }
        Expr::Literal(value, _) => elements(value)?,
        Expr::ScalarFunction(call) if call.func.name() == "make_array" => Some(call.args.clone()),
        _ => None,
    };
    if let Some(list) = written {
        if list.is_empty() {
            return Ok(Some(lit(false)));
        }
        return Ok(Some(Expr::InList(InList::new(Box::new(member), list, false))));
    }
    let Some(item) = item else { return Ok(None) };
    let common = match (group(&item), group(&own)) {
        (Group::Int(one), Group::Int(other)) => integer(one.max(other)),
        (Group::Text, Group::Text) => DataType::Utf8,
        (one, other) if one == other && item == own => own.clone(),
        (one, _) if comparison::is_text_literal(&member) && one != Group::Other => item.clone(),
        _ => return Ok(None),
    };
    let lists = pg_cast::of(list.clone(), &of, &list_of(common.clone()))?;
    let member = pg_cast::of(member, &own, &common)?;
    let has = PgFunction::fixed("pg_has_element", DataType::Boolean, have);
    Ok(Some(has.call(vec![lists, member])))
}

/// The elements of a list that is a literal.
fn elements(value: &ScalarValue) -> Outcome<Option<Vec<Expr>>> {
    let is_list = matches!(
        value,
        ScalarValue::List(_) | ScalarValue::LargeList(_) | ScalarValue::FixedSizeList(_)
    );
    if !is_list || element(&value.data_type()).is_some_and(|of| of.is_nested()) {
        return Ok(None);
    }
    let item = element(&value.data_type()).unwrap_or(DataType::Null);
    let list = cast(&value.to_array()?, &list_of(item))?;
    let values = list.as_list::<i32>().value(0);
    let one = |at| Ok(Expr::Literal(ScalarValue::try_from_array(&values, at)?, None));
    (0..values.len()).map(one).collect::<Outcome<Vec<_>>>().map(Some)
}

/// Whether lists have elements: unknown where only an element that is absent could be the one.
fn have(args: &[ArrayRef], _: &DataType) -> Outcome<ArrayRef> {
    let lists = args[0].as_list::<i32>();
    let one = |row: usize| {
        if lists.is_null(row) {
            return Ok(None);
        }
        let values = comparison::keys(&lists.value(row))?;
        if values.is_empty() {
            return Ok(Some(false));
        }
        if args[1].is_null(row) {
            return Ok(None);
        }
        let needle = Scalar::new(comparison::keys(&args[1].slice(row, 1))?);
        let is_found = cmp::eq(&values, &needle)?.true_count() > 0;
        Ok((is_found || values.null_count() == 0).then_some(is_found))
    };
    let rows = (0..lists.len()).map(one);
    Ok(Arc::new(rows.collect::<Outcome<BooleanArray>>()?))
}
