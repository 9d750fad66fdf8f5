//! Rows of VALUES: a column has the type of the cast that is in it, and numbers keep their digits.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Query, SetExpr, UnaryOperator, Value, Values,
};

use super::{call, literal_text, taken};

pub(super) fn of_one_type(query: &mut Query) {
    let SetExpr::Values(Values { rows, .. }) = query.body.as_mut() else { return };
    let width = rows.iter().map(|row| row.len()).min().unwrap_or(0);
    for place in 0..width {
        let mut column: Vec<&mut Expr> = rows.iter_mut().map(|row| &mut row[place]).collect();
        match column.iter().find_map(|cell| cast_of(cell)) {
            Some(to) => cast_all(&mut column, &to),
            None if have_different_digits(&column) => {
                for cell in column.into_iter().filter(|cell| digits(cell).is_some()) {
                    *cell = call("pg_own_scale", vec![taken(cell)]);
                }
            }
            None => {}
        }
    }
}

/// The type that a value is cast to.
fn cast_of(cell: &Expr) -> Option<DataType> {
    match cell {
        Expr::Nested(inner) => cast_of(inner),
        Expr::Cast { data_type, .. } => Some(data_type.clone()),
        Expr::TypedString(typed) => Some(typed.data_type.clone()),
        _ => None,
    }
}

/// Casts what has no type to the type of the others.
fn cast_all(column: &mut [&mut Expr], to: &DataType) {
    let is_float = matches!(
        to,
        DataType::Float(_)
            | DataType::Float8
            | DataType::DoublePrecision
            | DataType::Float4
            | DataType::Real
    );
    let is_open = |cell: &Expr| {
        let is_null = matches!(cell, Expr::Value(value) if value.value == Value::Null);
        is_null || literal_text(cell).is_some() || (is_float && digits(cell).is_some())
    };
    for cell in column.iter_mut().filter(|cell| is_open(cell)) {
        let expr = Box::new(taken(cell));
        let data_type = to.clone();
        **cell = Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None };
    }
    // The planner wants all of a column to name its type, or none.
    if column.iter().any(|cell| cast_of(cell).is_none_or(|own| own != *to)) {
        for cell in column.iter_mut().filter(|cell| cast_of(cell).is_some_and(|of| is_named(&of))) {
            **cell = call("pg_nameless", vec![taken(cell)]);
        }
    }
}

fn is_named(of: &DataType) -> bool {
    matches!(
        of,
        DataType::Text | DataType::JSON | DataType::Varchar(_) | DataType::CharacterVarying(_)
    )
}

/// How many digits a number has after the point.
fn digits(cell: &Expr) -> Option<usize> {
    match cell {
        Expr::Nested(inner) | Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => {
            digits(inner)
        }
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) if !number.contains(['e', 'E']) => {
                Some(number.split_once('.').map_or(0, |(_, part)| part.len()))
            }
            _ => None,
        },
        _ => None,
    }
}

fn have_different_digits(column: &[&mut Expr]) -> bool {
    let mut counts = column.iter().filter_map(|cell| digits(cell));
    let first = counts.next();
    counts.any(|count| Some(count) != first)
}
