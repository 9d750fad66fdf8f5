//! Aggregates of a set in its order: `mode` and `percentile_disc`.
//!
//! All values are kept until the end, as the engine's own `percentile_cont` does; its memory pool
//! counts them. Values that are equal (zeros of both signs, numerics of different scales) count as
//! one, of which the first in order is shown.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::kernels::cmp;
use datafusion::arrow::compute::{SortOptions, concat, filter, is_not_null, sort_to_indices, take};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Literal;
use datafusion::scalar::ScalarValue;

use super::failure::{Outcome, failure, refused};
use super::type_name::{Group, group};
use super::{comparison, functions};

/// What is asked of the ordered set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asked {
    /// The value that is there most often.
    Mode,
    /// The first value that is not before this part of all.
    Percentile,
}

/// All of them.
pub(super) fn all() -> impl Iterator<Item = AggregateUDF> {
    [Asked::Mode, Asked::Percentile].into_iter().map(|asked| {
        let signature = Signature::user_defined(Volatility::Immutable);
        AggregateUDF::from(OrderedSet { asked, signature })
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OrderedSet {
    asked: Asked,
    signature: Signature,
}

impl OrderedSet {
    /// The part of all that is asked for; none when it is NULL.
    fn fraction(&self, args: &AccumulatorArgs) -> Outcome<Option<f64>> {
        if self.asked == Asked::Mode {
            return Ok(None);
        }
        let literal = args.exprs.get(1).and_then(|expr| expr.downcast_ref::<Literal>());
        let Some(ScalarValue::Float64(fraction)) = literal.map(Literal::value) else {
            return Err(refused("percentile_disc of a calculated fraction", "write the fraction"));
        };
        match *fraction {
            Some(fraction) if !(0.0..=1.0).contains(&fraction) => {
                let message = format!("percentile value {fraction} is not between 0 and 1");
                Err(failure("22003", message))
            }
            fraction => Ok(fraction),
        }
    }
}

impl AggregateUDFImpl for OrderedSet {
    fn name(&self) -> &str {
        match self.asked {
            Asked::Mode => "mode",
            Asked::Percentile => "percentile_disc",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Outcome<Vec<DataType>> {
        let is_fraction = |of: &DataType| group(of).is_number() || group(of) == Group::Unknown;
        let plain = |of: &DataType| match of {
            DataType::Dictionary(_, values) => (**values).clone(),
            of => of.clone(),
        };
        match (self.asked, types) {
            (Asked::Percentile, [_, DataType::List(_)]) => {
                Err(refused("percentile_disc of many fractions", "ask for each by itself"))
            }
            (Asked::Mode, [value]) => Ok(vec![plain(value)]),
            (Asked::Percentile, [value, of]) if is_fraction(of) => {
                Ok(vec![plain(value), DataType::Float64])
            }
            _ => Err(functions::unknown(self.name(), types)),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Outcome<DataType> {
        Ok(types[0].clone())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Outcome<Box<dyn Accumulator>> {
        let Some(order) = args.order_bys.first() else {
            let what =
                format!("WITHIN GROUP is required for ordered-set aggregate {}", self.name());
            return Err(failure("42809", what));
        };
        if args.is_distinct {
            let message = "cannot use DISTINCT with WITHIN GROUP";
            return Err(failure("42809", message));
        }
        Ok(Box::new(Values {
            asked: self.asked,
            fraction: self.fraction(&args)?,
            descending: order.options.descending,
            data_type: args.expr_fields[0].data_type().clone(),
            parts: Vec::new(),
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Outcome<Vec<FieldRef>> {
        let item = Field::new_list_field(args.input_fields[0].data_type().clone(), true);
        let name = format!("{}[values]", args.name);
        Ok(vec![Arc::new(Field::new(name, DataType::List(Arc::new(item)), true))])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn supports_within_group_clause(&self) -> bool {
        true
    }
}

/// The values of a group, in the order in which they came.
#[derive(Debug)]
struct Values {
    asked: Asked,
    fraction: Option<f64>,
    descending: bool,
    data_type: DataType,
    parts: Vec<ArrayRef>,
}

impl Values {
    fn all(&self) -> Outcome<ArrayRef> {
        if self.parts.is_empty() {
            return Ok(datafusion::arrow::array::new_empty_array(&self.data_type));
        }
        let parts: Vec<&dyn Array> = self.parts.iter().map(AsRef::as_ref).collect();
        Ok(concat(&parts)?)
    }

    fn add(&mut self, values: &ArrayRef) -> Outcome<()> {
        let values = filter(values, &is_not_null(values)?)?;
        if !values.is_empty() {
            self.parts.push(values);
        }
        Ok(())
    }

    /// The place of the answer among values in order.
    fn place(&self, keys: &ArrayRef) -> Outcome<Option<usize>> {
        let count = keys.len();
        Ok(match (self.asked, self.fraction) {
            (Asked::Mode, _) => most_often(keys)?,
            (Asked::Percentile, None) => None,
            (Asked::Percentile, Some(fraction)) => {
                let rank = (fraction * count as f64).ceil() as usize;
                (count > 0).then(|| rank.clamp(1, count) - 1)
            }
        })
    }
}

impl Accumulator for Values {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        self.add(&values[0])
    }

    fn evaluate(&mut self) -> Outcome<ScalarValue> {
        let values = self.all()?;
        let keys = comparison::keys(&values)?;
        let order = SortOptions { descending: self.descending, nulls_first: false };
        let indices = sort_to_indices(&keys, Some(order), None)?;
        let place = self.place(&take(&keys, &indices, None)?)?;
        match place {
            Some(place) => ScalarValue::try_from_array(&values, indices.value(place) as usize),
            None => ScalarValue::try_from(&self.data_type),
        }
    }

    fn size(&self) -> usize {
        let parts: usize = self.parts.iter().map(Array::get_array_memory_size).sum();
        size_of_val(self) + parts
    }

    fn state(&mut self) -> Outcome<Vec<ScalarValue>> {
        let item = Arc::new(Field::new_list_field(self.data_type.clone(), true));
        let values = self.all()?;
        let offsets = datafusion::arrow::buffer::OffsetBuffer::from_lengths([values.len()]);
        let list = datafusion::arrow::array::ListArray::try_new(item, offsets, values, None)?;
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Outcome<()> {
        states[0].as_list::<i32>().iter().flatten().try_for_each(|values| self.add(&values))
    }
}

/// The place of the longest run of equal values, the first of those of one length.
fn most_often(sorted: &ArrayRef) -> Outcome<Option<usize>> {
    let count = sorted.len();
    if count == 0 {
        return Ok(None);
    }
    let changes = cmp::distinct(&sorted.slice(1, count - 1), &sorted.slice(0, count - 1))?;
    let starts = (0..count).filter(|at| *at == 0 || changes.value(at - 1)).collect::<Vec<_>>();
    let ends = starts.iter().skip(1).copied().chain([count]);
    let runs = starts.iter().zip(ends).map(|(start, end)| (*start, end - start));
    let longest = runs.reduce(|best, run| if run.1 > best.1 { run } else { best });
    Ok(longest.map(|(start, _)| start))
}
