//! Operators: gives each the meaning that `PostgreSQL` has for the types of its operands.
//!
//! The planner calls this for each operator of a statement, and the analyzer again when the values
//! of parameters are known.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ExprSchema};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::arithmetic::{self, NumberOp};
use super::failure::{Outcome, failure, no_operator};
use super::function::{self, PgFunction};
use super::type_name::{Group, INTERVAL, group, name};
use super::{cast, comparison, integer_literals, power, text_input, time_arithmetic};

/// How deep operators of numbers and times may be nested.
const OPERATORS_NESTED_MAX: usize = 100;

/// What became of an operator.
pub(super) enum Meaning {
    Given(Expr),
    /// It stays as it is.
    Kept(Expr, Expr),
}

/// `left op right` as `PostgreSQL` means it.
///
/// # Errors
/// When there is no such operator, or a literal is no value of the type.
pub(super) fn binary(
    op: Operator,
    left: Expr,
    right: Expr,
    schema: &dyn ExprSchema,
) -> Outcome<Meaning> {
    let types = (known_type(&left, schema), known_type(&right, schema));
    let (Some(left_type), Some(right_type)) = types else {
        return Ok(Meaning::Kept(left, right));
    };
    if let Some(number_op) = number_op(op) {
        return arithmetic_of(number_op, left, right, left_type, right_type);
    }
    let types = [left_type, right_type];
    match op {
        op if is_comparison(op) => {
            let written = op.to_string();
            let sides = comparison::comparable(vec![left, right], &types, &written)?;
            let Ok([left, right]) = <[Expr; 2]>::try_from(sides) else {
                unreachable!("as many values come back");
            };
            Ok(Meaning::Given(plain(op, left, right)))
        }
        Operator::StringConcat => concatenated(left, right, &types),
        _ => Ok(Meaning::Kept(left, right)),
    }
}

/// Whether `op` compares two values.
pub(super) fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn plain(op: Operator, left: Expr, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// The type of an expression, unless it hangs on the value of a parameter.
pub(super) fn known_type(expr: &Expr, schema: &dyn ExprSchema) -> Option<DataType> {
    if let Expr::Placeholder(placeholder) = expr {
        return placeholder.field.as_ref().map(|field| field.data_type().clone());
    }
    // Long chains of operators are not walked down again at each step.
    if let Expr::ScalarFunction(call) = expr
        && let Some(settled) = PgFunction::of(&call.func).and_then(PgFunction::settled_type)
    {
        return Some(settled.clone());
    }
    expr.get_type(schema).ok()
}

fn number_op(op: Operator) -> Option<NumberOp> {
    Some(match op {
        Operator::Plus => NumberOp::Plus,
        Operator::Minus => NumberOp::Minus,
        Operator::Multiply => NumberOp::Times,
        Operator::Divide => NumberOp::Over,
        Operator::Modulo => NumberOp::Modulo,
        _ => return None,
    })
}

fn arithmetic_of(
    op: NumberOp,
    left: Expr,
    right: Expr,
    left_type: DataType,
    right_type: DataType,
) -> Outcome<Meaning> {
    let (left, left_type) = typed(op, left, left_type, &right_type, &right, true)?;
    let (right, right_type) = typed(op, right, right_type, &left_type, &left, false)?;
    let groups = (group(&left_type), group(&right_type));
    if groups.0 == Group::Unknown || groups.1 == Group::Unknown {
        return Ok(Meaning::Kept(left, right));
    }
    // The planner walks a chain of calls down at each of its steps, and again for its name.
    if function::depth(&left).max(function::depth(&right)) >= OPERATORS_NESTED_MAX {
        let message = format!(
            "{OPERATORS_NESTED_MAX} operators are nested here, at most (use parentheses in halves, \
             or sum() of a list)"
        );
        return Err(failure("54001", message));
    }
    if groups.0.is_number() && groups.1.is_number() {
        let done = arithmetic::of(op, left, right, [&left_type, &right_type])?;
        return Ok(Meaning::Given(done));
    }
    let known = |group| matches!(group, Group::Other);
    if known(groups.0) || known(groups.1) {
        return Ok(Meaning::Kept(left, right));
    }
    let done = time_arithmetic::of(op, left, right, groups);
    done.map(Meaning::Given)
        .ok_or_else(|| no_operator(&name(&left_type), op.symbol(), &name(&right_type)))
}

/// A text literal beside a value of another type is read as the type that the operator asks for.
fn typed(
    op: NumberOp,
    value: Expr,
    own: DataType,
    other: &DataType,
    other_value: &Expr,
    is_left: bool,
) -> Outcome<(Expr, DataType)> {
    if !comparison::is_text_literal(&value) || comparison::is_text_literal(other_value) {
        return Ok((value, own));
    }
    let to = match (op, group(other)) {
        (_, group) if group.is_number() => other.clone(),
        (NumberOp::Minus, Group::Date | Group::Timestamp | Group::Timestamptz)
        | (NumberOp::Plus | NumberOp::Minus, Group::Interval) => other.clone(),
        (NumberOp::Plus, Group::Timestamp | Group::Timestamptz | Group::Time) => INTERVAL,
        (NumberOp::Minus, Group::Time) if !is_left => INTERVAL,
        (NumberOp::Times | NumberOp::Over, Group::Interval) => DataType::Float64,
        (NumberOp::Plus, Group::Date) => {
            let message = "operator is not unique: date + unknown (write date + interval '…')";
            return Err(failure("42725", message));
        }
        _ => return Ok((value, own)),
    };
    let Expr::Literal(literal, _) = &value else { return Ok((value, own)) };
    let text = cast::text_of(literal).unwrap_or_default();
    let read = if to == DataType::UInt64 { DataType::Int64 } else { to };
    let parsed = text_input::value(text, &read)?;
    Ok((Expr::Literal(parsed, None), read))
}

/// `text || value`; a value of another type is written as a text.
fn concatenated(left: Expr, right: Expr, types: &[DataType; 2]) -> Outcome<Meaning> {
    let groups = (group(&types[0]), group(&types[1]));
    // A text that is written beside bytes is one of bytes.
    let is_open = |of: Group, value: &Expr| of == Group::Text && comparison::is_text_literal(value);
    if groups.0 == Group::Bytes && is_open(groups.1, &right) {
        let right = cast::of(right, &types[1], &DataType::Binary)?;
        return concatenated(left, right, &[types[0].clone(), DataType::Binary]);
    }
    if groups.1 == Group::Bytes && is_open(groups.0, &left) {
        let left = cast::of(left, &types[0], &DataType::Binary)?;
        return concatenated(left, right, &[DataType::Binary, types[1].clone()]);
    }
    let as_text = |expr: Expr, of: &DataType| cast::of(expr, of, &DataType::Utf8);
    match groups {
        (Group::List | Group::Other | Group::Unknown, _)
        | (_, Group::List | Group::Other | Group::Unknown) => Ok(Meaning::Kept(left, right)),
        (Group::Text, Group::Text) => Ok(Meaning::Kept(left, right)),
        (Group::Text, _) => {
            let right = as_text(right, &types[1])?;
            Ok(Meaning::Given(plain(Operator::StringConcat, left, right)))
        }
        (_, Group::Text) => {
            let left = as_text(left, &types[0])?;
            Ok(Meaning::Given(plain(Operator::StringConcat, left, right)))
        }
        (Group::Bytes, Group::Bytes) => {
            let joined = PgFunction::fixed("pg_joined_bytes", DataType::Binary, joined_bytes);
            Ok(Meaning::Given(joined.written("||").call(vec![left, right])))
        }
        _ => Err(no_operator(&name(&types[0]), "||", &name(&types[1]))),
    }
}

fn joined_bytes(
    args: &[datafusion::arrow::array::ArrayRef],
    _: &DataType,
) -> Outcome<datafusion::arrow::array::ArrayRef> {
    use datafusion::arrow::array::{AsArray, BinaryArray};
    use datafusion::arrow::compute::cast as arrow_cast;
    let (left, right) =
        (arrow_cast(&args[0], &DataType::Binary)?, arrow_cast(&args[1], &DataType::Binary)?);
    let rows = left.as_binary::<i32>().iter().zip(right.as_binary::<i32>());
    let joined = rows.map(|(left, right)| Some([left?, right?].concat()));
    Ok(std::sync::Arc::new(joined.collect::<BinaryArray>()))
}

/// The planner's hook for operators.
#[derive(Debug)]
pub(super) struct PgOperators;

impl ExprPlanner for PgOperators {
    fn plan_extract(&self, args: Vec<Expr>) -> Outcome<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(super::functions::dates::extraction().call(args)))
    }

    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>, DataFusionError> {
        let RawBinaryExpr { op, left, right } = expr;
        let is_wide = operator(&op).is_none_or(is_comparison);
        let narrowed = |side| match is_wide {
            true => Ok(side),
            false => integer_literals::operand(side, schema),
        };
        let left = narrowed(left)?;
        let right = narrowed(right)?;
        if op == BinaryOperator::PGExp {
            return power::of(left, right, schema).map(PlannerResult::Planned);
        }
        let Some(meant) = operator(&op) else {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        };
        Ok(match binary(meant, left, right, schema)? {
            Meaning::Given(expr) => PlannerResult::Planned(expr),
            Meaning::Kept(left, right) => {
                PlannerResult::Original(RawBinaryExpr { op, left, right })
            }
        })
    }
}

fn operator(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Modulo,
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        BinaryOperator::StringConcat => Operator::StringConcat,
        _ => return None,
    })
}
