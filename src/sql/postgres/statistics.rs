//! Aggregates of statistics: deviations, variances, correlations and regressions.
//!
//! Doubles are added up as `PostgreSQL` does it (Youngs and Cramer), so that infinities give NaN,
//! and what is too large for a double is an error.

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::exact_statistics::{self, ExactStatistic};
use super::failure::{Outcome, failure, refused};
use super::own_scale::OWN_SCALES;
use super::sums_of_squares::{SUMS, Statistic, SumsOfSquares};
use super::type_name::{Group, group};
use super::{arithmetic, functions};

/// Names, other names, and what is asked for.
const ALL: &[(&str, &[&str], Statistic)] = &[
    ("stddev", &["stddev_samp"], Statistic::Deviation),
    ("stddev_pop", &[], Statistic::DeviationOfAll),
    ("var_samp", &["var", "var_sample"], Statistic::Variance),
    ("var_pop", &["var_population"], Statistic::VarianceOfAll),
    ("covar_samp", &["covar"], Statistic::Covariance),
    ("covar_pop", &[], Statistic::CovarianceOfAll),
    ("corr", &[], Statistic::Correlation),
    ("regr_avgx", &[], Statistic::AverageX),
    ("regr_avgy", &[], Statistic::AverageY),
    ("regr_count", &[], Statistic::Count),
    ("regr_intercept", &[], Statistic::Intercept),
    ("regr_r2", &[], Statistic::Determination),
    ("regr_slope", &[], Statistic::Slope),
    ("regr_sxx", &[], Statistic::SquaresX),
    ("regr_sxy", &[], Statistic::Products),
    ("regr_syy", &[], Statistic::SquaresY),
];

/// All of them.
pub(super) fn all() -> impl Iterator<Item = AggregateUDF> {
    ALL.iter().map(|&(name, others, statistic)| {
        let signature = Signature::user_defined(Volatility::Immutable);
        let aliases = others.iter().map(ToString::to_string).collect();
        AggregateUDF::from(StatisticAggregate { name, aliases, statistic, signature })
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct StatisticAggregate {
    name: &'static str,
    aliases: Vec<String>,
    statistic: Statistic,
    signature: Signature,
}

/// Whether this is a statistic of one column of exact numbers, which is one, too.
fn is_exact(types: &[DataType]) -> bool {
    matches!(types, [one] if matches!(group(one), Group::Int(_) | Group::Numeric))
}

fn is_exact_field(fields: &[FieldRef]) -> bool {
    matches!(fields, [one] if is_exact(std::slice::from_ref(one.data_type())))
}

impl AggregateUDFImpl for StatisticAggregate {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Outcome<Vec<DataType>> {
        let is_number = |of: &DataType| group(of).is_number() || group(of) == Group::Unknown;
        if types.len() != self.statistic.arguments() || !types.iter().all(is_number) {
            return Err(functions::unknown(self.name, types));
        }
        Ok(if is_exact(types) { types.to_vec() } else { vec![DataType::Float64; types.len()] })
    }

    fn return_type(&self, types: &[DataType]) -> Outcome<DataType> {
        Ok(if is_exact(types) { OWN_SCALES } else { self.statistic.data_type() })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Outcome<Box<dyn Accumulator>> {
        if args.is_distinct {
            let instead = "take it of SELECT DISTINCT in a subquery";
            return Err(refused(&format!("{}(DISTINCT …)", self.name), instead));
        }
        if is_exact_field(args.expr_fields) {
            return Ok(Box::new(ExactStatistic::new(self.statistic)));
        }
        Ok(Box::new(One { statistic: self.statistic, sums: SumsOfSquares::default() }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Outcome<Box<dyn Accumulator>> {
        if is_exact_field(args.expr_fields) {
            return self.accumulator(args);
        }
        Ok(Box::new(Frame { statistic: self.statistic, pairs: VecDeque::new() }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Outcome<Vec<FieldRef>> {
        if is_exact_field(args.input_fields) {
            let field = |(part, of): (&str, DataType)| {
                Arc::new(Field::new(format!("{}[{part}]", args.name), of, true)) as FieldRef
            };
            return Ok(exact_statistics::STATE.map(field).to_vec());
        }
        let field = |at| {
            let name = format!("{}[{at}]", args.name);
            Arc::new(Field::new(name, DataType::Float64, true)) as FieldRef
        };
        Ok((0..SUMS).map(field).collect())
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct && !is_exact_field(args.expr_fields)
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Outcome<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups { statistic: self.statistic, sums: Vec::new() }))
    }
}

/// The pairs of a batch, `y` first; one argument is `x`. A pair without a value counts as none.
fn pairs(values: &[ArrayRef]) -> Outcome<Vec<Option<(f64, f64)>>> {
    let columns = values.iter().map(arithmetic::as_doubles).collect::<Outcome<Vec<_>>>()?;
    let columns: Vec<&Float64Array> = columns.iter().map(AsArray::as_primitive).collect();
    let pair = |row: usize| match &columns[..] {
        [x] => x.is_valid(row).then(|| (0.0, x.value(row))),
        [y, x] => (y.is_valid(row) && x.is_valid(row)).then(|| (y.value(row), x.value(row))),
        _ => None,
    };
    Ok((0..values.first().map_or(0, Array::len)).map(pair).collect())
}

/// The sums in row `row` of states.
fn sums_at(states: &[ArrayRef], row: usize) -> SumsOfSquares {
    let sum = |state: &ArrayRef| state.as_primitive::<Float64Type>().value(row);
    let mut parts = [0.0; SUMS];
    for (part, state) in parts.iter_mut().zip(states) {
        *part = sum(state);
    }
    SumsOfSquares::of_parts(parts)
}

/// The statistic of all rows.
#[derive(Debug)]
struct One {
    statistic: Statistic,
    sums: SumsOfSquares,
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        pairs(values)?.into_iter().flatten().try_for_each(|(y, x)| self.sums.add(y, x))
    }

    fn evaluate(&mut self) -> Outcome<ScalarValue> {
        Ok(value(self.statistic, &self.sums))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Outcome<Vec<ScalarValue>> {
        Ok(self.sums.parts().into_iter().map(|part| ScalarValue::Float64(Some(part))).collect())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Outcome<()> {
        let rows = states.first().map_or(0, Array::len);
        (0..rows).try_for_each(|row| self.sums.join(sums_at(states, row)))
    }
}

fn value(statistic: Statistic, sums: &SumsOfSquares) -> ScalarValue {
    let value = sums.value(statistic);
    match statistic {
        Statistic::Count => ScalarValue::Int64(value.map(|count| count as i64)),
        _ => ScalarValue::Float64(value),
    }
}

/// The pairs of a frame that moves: it is added up anew each time.
#[derive(Debug)]
struct Frame {
    statistic: Statistic,
    pairs: VecDeque<Option<(f64, f64)>>,
}

impl Accumulator for Frame {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        self.pairs.extend(pairs(values)?);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        let count = values.first().map_or(0, Array::len);
        self.pairs.drain(..count.min(self.pairs.len()));
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Outcome<ScalarValue> {
        let mut sums = SumsOfSquares::default();
        self.pairs.iter().flatten().try_for_each(|(y, x)| sums.add(*y, *x))?;
        Ok(value(self.statistic, &sums))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.pairs.capacity() * size_of::<Option<(f64, f64)>>()
    }

    fn state(&mut self) -> Outcome<Vec<ScalarValue>> {
        Err(failure("XX000", "a frame has no state"))
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Outcome<()> {
        Err(failure("XX000", "a frame has no state"))
    }
}

/// Whether a row is among those that count.
fn is_in(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

/// The columns of states.
fn state_of(sums: &[SumsOfSquares]) -> Vec<ArrayRef> {
    let parts: Vec<[f64; SUMS]> = sums.iter().map(SumsOfSquares::parts).collect();
    let column = |at: usize| {
        let values = parts.iter().map(|parts| parts[at]);
        Arc::new(Float64Array::from_iter_values(values)) as ArrayRef
    };
    (0..SUMS).map(column).collect()
}

/// The statistics of groups.
#[derive(Debug)]
struct Groups {
    statistic: Statistic,
    sums: Vec<SumsOfSquares>,
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Outcome<()> {
        self.sums.resize(count, SumsOfSquares::default());
        for (row, (pair, group)) in pairs(values)?.into_iter().zip(groups).enumerate() {
            if let Some((y, x)) = pair.filter(|_| is_in(filter, row)) {
                self.sums[*group].add(y, x)?;
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], count: usize) -> Outcome<()> {
        self.sums.resize(count, SumsOfSquares::default());
        let mut rows = groups.iter().enumerate();
        rows.try_for_each(|(row, group)| self.sums[*group].join(sums_at(values, row)))
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Outcome<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums);
        let values = sums.iter().map(|sums| sums.value(self.statistic));
        Ok(match self.statistic {
            Statistic::Count => Arc::new(
                values.map(|count| count.map(|count| count as i64)).collect::<Int64Array>(),
            ),
            _ => Arc::new(values.collect::<Float64Array>()),
        })
    }

    fn state(&mut self, emit_to: EmitTo) -> Outcome<Vec<ArrayRef>> {
        Ok(state_of(&emit_to.take_needed(&mut self.sums)))
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Outcome<Vec<ArrayRef>> {
        let one = |(row, pair): (usize, Option<(f64, f64)>)| {
            let mut sums = SumsOfSquares::default();
            if let Some((y, x)) = pair.filter(|_| is_in(filter, row)) {
                sums.add(y, x)?;
            }
            Ok(sums)
        };
        let rows = pairs(values)?.into_iter().enumerate().map(one);
        Ok(state_of(&rows.collect::<Outcome<Vec<_>>>()?))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sums.capacity() * size_of::<SumsOfSquares>()
    }
}
