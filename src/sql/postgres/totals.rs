//! The aggregates `sum` and `avg` as `PostgreSQL` defines them: exact for integers and decimals.
//!
//! `sum` of `bigint` is numeric, of smaller integers `bigint`; `avg` of integers and decimals is
//! numeric with the digits of a quotient. Floats are left to `DataFusion`'s own aggregates.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, PrimitiveArray,
};
use datafusion::arrow::compute::{cast, nullif};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type, i256};
use datafusion::functions_aggregate::average::Avg;
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::exact_total::{DistinctValues, ExactTotal, Goal, GroupTotals, OneTotal, finished};
use super::failure::{Outcome, failure};
use super::float_totals::{FloatFrame, Singles};
use super::interval_average::{self, IntervalAverage};
use super::numeric::scale_of;
use super::own_scale::OWN_SCALES;
use super::type_name::{Group, group, name};

/// `sum` or `avg`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ExactAggregate {
    goal: Goal,
    signature: Signature,
}

impl ExactAggregate {
    pub(super) fn new(goal: Goal) -> ExactAggregate {
        ExactAggregate { goal, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// Whether this is an average of intervals.
    fn is_average_of_spans(&self, data_type: &DataType) -> bool {
        self.goal == Goal::Average && group(data_type) == Group::Interval
    }

    /// `DataFusion`'s aggregate for types that are no exact numbers.
    fn usual(&self) -> Box<dyn AggregateUDFImpl> {
        match self.goal {
            Goal::Sum => Box::new(Sum::new()),
            Goal::Average => Box::new(Avg::new()),
        }
    }
}

/// Whether values of this type are added up here.
fn is_exact(data_type: &DataType) -> bool {
    matches!(group(data_type), Group::Int(_) | Group::Numeric)
}

fn is_wide(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal256(..))
}

/// Whether values of this type are added up as doubles, and give a real.
fn is_single(data_type: &DataType) -> bool {
    *data_type == DataType::Float32
}

/// The field as one of doubles.
fn doubled(field: &FieldRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(DataType::Float64))
}

/// The arguments for the engine's aggregate of doubles.
fn as_doubles<'a>(args: AccumulatorArgs<'a>, fields: &'a [FieldRef]) -> AccumulatorArgs<'a> {
    let return_field = doubled(&args.return_field);
    AccumulatorArgs { return_field, expr_fields: fields, ..args }
}

impl AggregateUDFImpl for ExactAggregate {
    fn name(&self) -> &str {
        match self.goal {
            Goal::Sum => "sum",
            Goal::Average => "avg",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Outcome<Vec<DataType>> {
        let [data_type] = types else {
            let message = format!("function {} takes one argument", self.name());
            return Err(failure("42883", message));
        };
        Ok(vec![match group(data_type) {
            Group::Int(_) | Group::Numeric => data_type.clone(),
            Group::Float if self.goal == Goal::Sum => DataType::Float32,
            Group::Float | Group::Double => DataType::Float64,
            Group::Unknown => DataType::Int64,
            Group::Interval => super::type_name::INTERVAL,
            _ => {
                let message =
                    format!("function {}({}) does not exist", self.name(), name(data_type));
                return Err(failure("42883", message));
            }
        }])
    }

    fn return_type(&self, types: &[DataType]) -> Outcome<DataType> {
        let [data_type] = types else { return self.coerce_types(types).map(|_| DataType::Null) };
        if *data_type == DataType::Float32 && self.goal == Goal::Sum {
            return Ok(DataType::Float32);
        }
        if group(data_type) == Group::Interval {
            return Ok(data_type.clone());
        }
        if !is_exact(data_type) {
            return self.usual().return_type(types);
        }
        Ok(match (self.goal, group(data_type)) {
            (Goal::Average, _) => OWN_SCALES,
            (Goal::Sum, Group::Int(2 | 4)) => DataType::Int64,
            (Goal::Sum, _) if is_wide(data_type) => OWN_SCALES,
            (Goal::Sum, _) => DataType::Decimal128(38, scale_of(data_type) as i8),
        })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Outcome<Box<dyn Accumulator>> {
        let data_type = args.expr_fields[0].data_type();
        if self.is_average_of_spans(data_type) && !args.is_distinct {
            return Ok(Box::new(IntervalAverage::default()));
        }
        if is_single(data_type) {
            let fields = [doubled(&args.expr_fields[0])];
            return Ok(Box::new(Singles(self.usual().accumulator(as_doubles(args, &fields))?)));
        }
        if !is_exact(data_type) {
            return self.usual().accumulator(args);
        }
        Ok(match (is_wide(data_type), args.is_distinct) {
            (false, false) => Box::new(One::<i128>::of(self.goal, &args)),
            (true, false) => Box::new(One::<i256>::of(self.goal, &args)),
            (false, true) => Box::new(Distinct::<i128>::of(self.goal, &args)),
            (true, true) => Box::new(Distinct::<i256>::of(self.goal, &args)),
        })
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Outcome<Box<dyn Accumulator>> {
        let data_type = args.expr_fields[0].data_type();
        let returns = args.return_field.data_type();
        match group(data_type) {
            _ if is_exact(data_type) || self.is_average_of_spans(data_type) => {
                self.accumulator(args)
            }
            of if of.is_float() => Ok(Box::new(FloatFrame::new(self.goal, returns.clone()))),
            _ => self.usual().create_sliding_accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Outcome<Vec<FieldRef>> {
        let data_type = args.input_fields[0].data_type();
        if self.is_average_of_spans(data_type) {
            let field = |(part, of): (&str, DataType)| {
                Arc::new(Field::new(format!("{}[{part}]", args.name), of, true)) as FieldRef
            };
            return Ok(interval_average::STATE.map(field).to_vec());
        }
        if is_single(data_type) {
            let fields = [doubled(&args.input_fields[0])];
            let return_field = doubled(&args.return_field);
            let args = StateFieldsArgs { input_fields: &fields, return_field, ..args };
            return self.usual().state_fields(args);
        }
        if !is_exact(data_type) {
            return self.usual().state_fields(args);
        }
        let total = match is_wide(data_type) {
            true => i256::state_type(data_type),
            false => i128::state_type(data_type),
        };
        let field = |part: &str, data_type| {
            Arc::new(Field::new(format!("{}[{part}]", args.name), data_type, true))
        };
        if args.is_distinct {
            let item = Arc::new(Field::new_list_field(total, true));
            return Ok(vec![field("values", DataType::List(item))]);
        }
        let total = field("total", total);
        Ok(match self.goal {
            Goal::Sum => vec![total],
            Goal::Average => vec![total, field("count", DataType::Int64)],
        })
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        let data_type = args.expr_fields[0].data_type();
        if is_exact(data_type) {
            return !args.is_distinct;
        }
        if self.is_average_of_spans(data_type) {
            return false;
        }
        if !is_single(data_type) {
            return self.usual().groups_accumulator_supported(args);
        }
        let fields = [doubled(&args.expr_fields[0])];
        self.usual().groups_accumulator_supported(as_doubles(args, &fields))
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Outcome<Box<dyn GroupsAccumulator>> {
        let data_type = args.expr_fields[0].data_type();
        if is_single(data_type) {
            let fields = [doubled(&args.expr_fields[0])];
            let engine = self.usual().create_groups_accumulator(as_doubles(args, &fields))?;
            return Ok(Box::new(Singles(engine)));
        }
        if !is_exact(data_type) {
            return self.usual().create_groups_accumulator(args);
        }
        Ok(match is_wide(data_type) {
            false => Box::new(Groups::<i128>::of(self.goal, &args)),
            true => Box::new(Groups::<i256>::of(self.goal, &args)),
        })
    }
}

/// What an accumulator knows of its column.
#[derive(Debug)]
struct Shape {
    goal: Goal,
    scale: i32,
    state: DataType,
    returns: DataType,
}

impl Shape {
    fn of<T: ExactTotal>(goal: Goal, args: &AccumulatorArgs) -> Shape {
        let data_type = args.expr_fields[0].data_type();
        let returns = args.return_field.data_type().clone();
        Shape { goal, scale: scale_of(data_type), state: T::state_type(data_type), returns }
    }

    fn value<T: ExactTotal>(&self, row: Option<(T, i64)>) -> Outcome<ScalarValue> {
        let done = finished(self.goal, self.scale, std::iter::once(row), &self.returns)?;
        ScalarValue::try_from_array(&done, 0)
    }

    /// Totals as a column of the state's type.
    fn column<T: ExactTotal>(&self, rows: impl Iterator<Item = Option<T>>) -> ArrayRef {
        let column: PrimitiveArray<T::Column> = rows.collect();
        Arc::new(column.with_data_type(self.state.clone()))
    }
}

/// The accumulator without groups.
#[derive(Debug)]
struct One<T> {
    shape: Shape,
    held: OneTotal<T>,
}

impl<T: ExactTotal> One<T> {
    fn of(goal: Goal, args: &AccumulatorArgs) -> One<T> {
        One { shape: Shape::of::<T>(goal, args), held: OneTotal::default() }
    }
}

impl<T: ExactTotal> Accumulator for One<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        self.held.add(&values[0])
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        self.held.take(&values[0])
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Outcome<ScalarValue> {
        self.shape.value(self.held.row())
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Outcome<Vec<ScalarValue>> {
        let row = self.held.row();
        let total = self.shape.column(std::iter::once(row.map(|(total, _)| total)));
        let mut state = vec![ScalarValue::try_from_array(&total, 0)?];
        if self.shape.goal == Goal::Average {
            state.push(ScalarValue::Int64(Some(self.held.count)));
        }
        Ok(state)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Outcome<()> {
        let count = self.held.count;
        self.held.add(&states[0])?;
        if let Some(counts) = states.get(1) {
            let counts = counts.as_primitive::<Int64Type>();
            self.held.count = count + counts.iter().flatten().sum::<i64>();
        }
        Ok(())
    }
}

/// The accumulator of different values.
#[derive(Debug)]
struct Distinct<T> {
    shape: Shape,
    held: DistinctValues<T>,
}

impl<T: ExactTotal> Distinct<T> {
    fn of(goal: Goal, args: &AccumulatorArgs) -> Distinct<T> {
        Distinct { shape: Shape::of::<T>(goal, args), held: DistinctValues::default() }
    }
}

impl<T: ExactTotal> Accumulator for Distinct<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        self.held.add(&values[0])
    }

    fn evaluate(&mut self) -> Outcome<ScalarValue> {
        self.shape.value(self.held.row()?)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.held.0.capacity() * (2 * size_of::<T>() + 8)
    }

    fn state(&mut self) -> Outcome<Vec<ScalarValue>> {
        let column = self.shape.column(self.held.0.values().map(|value| Some(*value)));
        let list = datafusion::common::utils::SingleRowListArrayBuilder::new(column);
        Ok(vec![list.build_list_scalar()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Outcome<()> {
        for list in states[0].as_list::<i32>().iter().flatten() {
            self.held.add(&list)?;
        }
        Ok(())
    }
}

/// The accumulator of groups.
#[derive(Debug)]
struct Groups<T> {
    shape: Shape,
    held: GroupTotals<T>,
}

impl<T: ExactTotal> Groups<T> {
    fn of(goal: Goal, args: &AccumulatorArgs) -> Groups<T> {
        let is_counted = goal == Goal::Average;
        let held = GroupTotals { totals: Vec::new(), counts: Vec::new(), is_counted };
        Groups { shape: Shape::of::<T>(goal, args), held }
    }

    /// Takes the groups that are emitted out.
    fn taken(&mut self, emit_to: EmitTo) -> GroupTotals<T> {
        let totals = emit_to.take_needed(&mut self.held.totals);
        let is_counted = self.held.is_counted;
        let counts = match is_counted {
            true => emit_to.take_needed(&mut self.held.counts),
            false => Vec::new(),
        };
        GroupTotals { totals, counts, is_counted }
    }
}

impl<T: ExactTotal> GroupsAccumulator for Groups<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Outcome<()> {
        self.held.add(&values[0], groups, filter, count)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], count: usize) -> Outcome<()> {
        let Some(counts) = values.get(1) else {
            return self.held.add(&values[0], groups, None, count);
        };
        // The counts that come are added, not the number of rows.
        let before = std::mem::take(&mut self.held.counts);
        self.held.add(&values[0], groups, None, count)?;
        self.held.counts = before;
        self.held.counts.resize(count, 0);
        let counts = counts.as_primitive::<Int64Type>();
        for (group, count) in groups.iter().zip(counts.iter()) {
            self.held.counts[*group] += count.unwrap_or(0);
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Outcome<ArrayRef> {
        let taken = self.taken(emit_to);
        let rows = (0..taken.totals.len()).map(|at| taken.row(at));
        finished(self.shape.goal, self.shape.scale, rows, &self.shape.returns)
    }

    fn state(&mut self, emit_to: EmitTo) -> Outcome<Vec<ArrayRef>> {
        let taken = self.taken(emit_to);
        let rows = || (0..taken.totals.len()).map(|at| taken.row(at));
        let totals = self.shape.column(rows().map(|row| row.map(|(total, _)| total)));
        let mut state = vec![totals];
        if self.shape.goal == Goal::Average {
            let counts = rows().map(|row| row.map_or(0, |(_, count)| count));
            state.push(Arc::new(Int64Array::from_iter_values(counts)));
        }
        Ok(state)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Outcome<Vec<ArrayRef>> {
        let mut totals = cast(&values[0], &self.shape.state)?;
        if let Some(filter) = filter {
            let left_out = filter.iter().map(|is_in| Some(is_in != Some(true)));
            totals = nullif(&totals, &left_out.collect::<BooleanArray>())?;
        }
        let mut state = vec![Arc::clone(&totals)];
        if self.shape.goal == Goal::Average {
            let count = |row| i64::from(totals.is_valid(row));
            state.push(Arc::new(Int64Array::from_iter_values((0..totals.len()).map(count))));
        }
        Ok(state)
    }

    fn size(&self) -> usize {
        self.held.totals.capacity() * size_of::<T>() + self.held.counts.capacity() * 8
    }
}
