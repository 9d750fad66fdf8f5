//! `sum` and `avg` of floats: a sum of reals is a real, and a frame that moves is added up anew.
//!
//! What was added to a float cannot be taken away again: an infinity would leave NaN behind, and a
//! large number nothing of the small ones.

use std::collections::VecDeque;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;

use super::exact_total::Goal;
use super::failure::{Outcome, failure};
use super::{arithmetic, cast};

fn as_doubles(values: &[ArrayRef]) -> Outcome<Vec<ArrayRef>> {
    values.iter().map(arithmetic::as_doubles).collect()
}

fn as_single(value: &ScalarValue) -> Outcome<ScalarValue> {
    let single = cast::column(&value.to_array()?, &DataType::Float32)?;
    ScalarValue::try_from_array(&single, 0)
}

/// A total of reals, which the engine adds up as doubles.
#[derive(Debug)]
pub(super) struct Singles<A: ?Sized>(pub(super) Box<A>);

impl Accumulator for Singles<dyn Accumulator> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        self.0.update_batch(&as_doubles(values)?)
    }

    fn evaluate(&mut self) -> Outcome<ScalarValue> {
        as_single(&self.0.evaluate()?)
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn state(&mut self) -> Outcome<Vec<ScalarValue>> {
        self.0.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Outcome<()> {
        self.0.merge_batch(states)
    }
}

impl GroupsAccumulator for Singles<dyn GroupsAccumulator> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Outcome<()> {
        self.0.update_batch(&as_doubles(values)?, groups, filter, count)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], count: usize) -> Outcome<()> {
        self.0.merge_batch(values, groups, count)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Outcome<ArrayRef> {
        cast::column(&self.0.evaluate(emit_to)?, &DataType::Float32)
    }

    fn state(&mut self, emit_to: EmitTo) -> Outcome<Vec<ArrayRef>> {
        self.0.state(emit_to)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Outcome<Vec<ArrayRef>> {
        self.0.convert_to_state(&as_doubles(values)?, filter)
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

/// The floats of a frame that moves.
#[derive(Debug)]
pub(super) struct FloatFrame {
    goal: Goal,
    returns: DataType,
    values: VecDeque<Option<f64>>,
}

impl FloatFrame {
    pub(super) fn new(goal: Goal, returns: DataType) -> FloatFrame {
        FloatFrame { goal, returns, values: VecDeque::new() }
    }

    fn total(&self) -> Outcome<Option<f64>> {
        let values = || self.values.iter().flatten();
        let total: f64 = values().sum();
        if total.is_infinite() && values().all(|value| value.is_finite()) {
            return Err(failure("22003", "value out of range: overflow"));
        }
        let count = values().count();
        Ok((count > 0).then(|| match self.goal {
            Goal::Sum => total,
            Goal::Average => total / count as f64,
        }))
    }
}

impl Accumulator for FloatFrame {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        let doubles = arithmetic::as_doubles(&values[0])?;
        self.values.extend(doubles.as_primitive::<Float64Type>().iter());
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        self.values.drain(..values[0].len().min(self.values.len()));
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Outcome<ScalarValue> {
        let total = ScalarValue::Float64(self.total()?);
        if self.returns == DataType::Float32 { as_single(&total) } else { Ok(total) }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<Option<f64>>()
    }

    fn state(&mut self) -> Outcome<Vec<ScalarValue>> {
        Err(failure("XX000", "a frame has no state"))
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Outcome<()> {
        Err(failure("XX000", "a frame has no state"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::Float64Array;

    use super::*;

    #[test]
    fn an_infinity_leaves_a_frame_again() {
        let column =
            |values: &[f64]| vec![Arc::new(Float64Array::from(values.to_vec())) as ArrayRef];
        let mut frame = FloatFrame::new(Goal::Sum, DataType::Float64);
        frame.update_batch(&column(&[f64::INFINITY, 1.0])).expect("taken in");
        frame.retract_batch(&column(&[f64::INFINITY])).expect("taken out");
        frame.update_batch(&column(&[0.5])).expect("taken in");
        assert_eq!(frame.evaluate().expect("a sum"), ScalarValue::Float64(Some(1.5)));
        frame.update_batch(&column(&[f64::MAX, f64::MAX])).expect("taken in");
        assert!(frame.evaluate().is_err());
    }
}
