//! Window functions that number rows, with `PostgreSQL`'s types: int8, and int4 for `ntile`.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::{SortOptions, cast};
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    LimitEffect, PartitionEvaluator, ReversedUDWF, Signature, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::scalar::ScalarValue;

use super::failure::Outcome;

/// The window functions of the engine, of which those that number rows give these types.
pub(super) fn typed(functions: Vec<Arc<WindowUDF>>) -> Vec<Arc<WindowUDF>> {
    let typed = |function: Arc<WindowUDF>| {
        let returns = match function.name() {
            "row_number" | "rank" | "dense_rank" => DataType::Int64,
            "ntile" => DataType::Int32,
            _ => return function,
        };
        Arc::new(WindowUDF::from(RowNumbers { engine: function, returns }))
    };
    functions.into_iter().map(typed).collect()
}

/// A function of the engine with another type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct RowNumbers {
    engine: Arc<WindowUDF>,
    returns: DataType,
}

impl WindowUDFImpl for RowNumbers {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn signature(&self) -> &Signature {
        self.engine.signature()
    }

    fn partition_evaluator(
        &self,
        args: PartitionEvaluatorArgs,
    ) -> Outcome<Box<dyn PartitionEvaluator>> {
        let engine = self.engine.partition_evaluator_factory(args)?;
        Ok(Box::new(Numbering { engine, returns: self.returns.clone() }))
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Outcome<FieldRef> {
        let field = self.engine.field(args)?;
        Ok(Arc::new(field.as_ref().clone().with_data_type(self.returns.clone())))
    }

    fn sort_options(&self) -> Option<SortOptions> {
        self.engine.sort_options()
    }

    fn reverse_expr(&self) -> ReversedUDWF {
        ReversedUDWF::NotSupported
    }

    fn limit_effect(&self, args: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        self.engine.inner().limit_effect(args)
    }
}

/// The numbers of one partition.
#[derive(Debug)]
struct Numbering {
    engine: Box<dyn PartitionEvaluator>,
    returns: DataType,
}

impl PartitionEvaluator for Numbering {
    fn get_range(&self, idx: usize, n_rows: usize) -> Outcome<Range<usize>> {
        self.engine.get_range(idx, n_rows)
    }

    fn is_causal(&self) -> bool {
        self.engine.is_causal()
    }

    fn evaluate_all(&mut self, values: &[ArrayRef], num_rows: usize) -> Outcome<ArrayRef> {
        Ok(cast(&self.engine.evaluate_all(values, num_rows)?, &self.returns)?)
    }

    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> Outcome<ScalarValue> {
        self.engine.evaluate(values, range)?.cast_to(&self.returns)
    }

    fn evaluate_all_with_rank(
        &self,
        num_rows: usize,
        ranks_in_partition: &[Range<usize>],
    ) -> Outcome<ArrayRef> {
        let ranks = self.engine.evaluate_all_with_rank(num_rows, ranks_in_partition)?;
        Ok(cast(&ranks, &self.returns)?)
    }

    fn supports_bounded_execution(&self) -> bool {
        self.engine.supports_bounded_execution()
    }

    fn uses_window_frame(&self) -> bool {
        self.engine.uses_window_frame()
    }

    fn include_rank(&self) -> bool {
        self.engine.include_rank()
    }
}
