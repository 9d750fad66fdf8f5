//! Casts around parameters that the planner refuses without a type.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, ExactNumberInfo, Expr, Statement, Value,
    visit_expressions_mut,
};

/// Casts parameters that are joined with one another, or with a text, to texts.
pub(super) fn joined_texts(statement: &mut Statement) {
    let is_text = |expr: &Expr| {
        matches!(expr, Expr::Value(value)
        if matches!(value.value, Value::Placeholder(_) | Value::SingleQuotedString(_)))
    };
    let _ = visit_expressions_mut(statement, |expr| {
        if let Expr::BinaryOp { left, op: BinaryOperator::StringConcat, right } = expr
            && (is_text(left) || is_text(right))
        {
            cast(left, DataType::Text);
            cast(right, DataType::Text);
        }
        ControlFlow::<()>::Continue(())
    });
}

/// Casts parameters that are added to times to intervals, and those that intervals are multiplied
/// with to numbers. The planner takes them for further times.
pub(super) fn beside_times(statement: &mut Statement) {
    let _ = visit_expressions_mut(statement, |expr| {
        if let Expr::BinaryOp { left, op, right } = expr {
            let of = match op {
                BinaryOperator::Plus => DataType::Interval { fields: None, precision: None },
                BinaryOperator::Multiply | BinaryOperator::Divide => {
                    DataType::Double(ExactNumberInfo::None)
                }
                _ => return ControlFlow::Continue(()),
            };
            cast(left, of.clone());
            cast(right, of);
        }
        ControlFlow::<()>::Continue(())
    });
}

/// Casts `expr` if it is a parameter.
fn cast(expr: &mut Box<Expr>, data_type: DataType) {
    if matches!(&**expr, Expr::Value(value) if matches!(value.value, Value::Placeholder(_))) {
        let nothing = Expr::Value(Value::Null.with_empty_span());
        let inner = Box::new(std::mem::replace(&mut **expr, nothing));
        let kind = CastKind::Cast;
        **expr = Expr::Cast { kind, expr: inner, data_type, array: false, format: None };
    }
}
