//! Support for `x = ANY($1)`, in which drivers write a list of values.
//!
//! The planner compares with lists, but cannot infer the type of a parameter that is a list. The
//! type of `x` is found by planning `x = $1` instead; the parameter is a list of that type.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_schema::{DataType, Field};
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value, visit_expressions_mut};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// `sql` with `= $n` for each `= ANY($n)`, with those parameter numbers, counted from 0; none when
/// there is no such condition.
pub(super) fn scalars(sql: &str) -> Option<(String, Vec<usize>)> {
    let bytes = sql.as_bytes();
    if !bytes.windows(3).any(|word| word.eq_ignore_ascii_case(b"any")) || !sql.contains('$') {
        return None;
    }
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).ok()?;
    let mut found = Vec::new();
    let _ = visit_expressions_mut(&mut statements, |expr| {
        if let Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } = expr
            && let Some((number, placeholder)) = parameter(right)
        {
            found.push(number);
            let left = left.clone();
            let right = Box::new(placeholder);
            *expr = Expr::BinaryOp { left, op: BinaryOperator::Eq, right };
        }
        ControlFlow::<()>::Continue(())
    });
    let [statement] = statements.as_slice() else { return None };
    (!found.is_empty()).then(|| (statement.to_string(), found))
}

fn parameter(expr: &Expr) -> Option<(usize, Expr)> {
    match expr {
        Expr::Nested(inner) => parameter(inner),
        Expr::Cast { expr: inner, .. } => parameter(inner),
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => {
                let number: usize = name.strip_prefix('$')?.parse().ok()?;
                Some((number.checked_sub(1)?, expr.clone()))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The type of a list of `element`.
pub(super) fn list_of(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(element, true)))
}
