//! Calls of functions whose types are settled: the arguments are cast as the function wants them.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, Signature};
use datafusion::scalar::ScalarValue;

use super::cast;
use super::failure::Outcome;
use super::function::{ArgumentsRule, PgFunction, Returns, TypesRule, accepted, literal};

impl PgFunction {
    /// A call of this function whose types are settled, if they are known.
    ///
    /// # Errors
    /// When it does not take such arguments.
    pub(super) fn settled(&self, args: Vec<Expr>, types: &[DataType]) -> Outcome<Expr> {
        let (Some(ArgumentsRule(accepts)), Returns::ByTypes(TypesRule(returns))) =
            (self.arguments, &self.returns)
        else {
            return Ok(self.clone().call(args));
        };
        let wanted = accepted(accepts, types)?;
        let cast = |((arg, from), to): ((Expr, &DataType), &DataType)| cast::of(arg, from, to);
        let args = args.into_iter().zip(types).zip(&wanted).map(cast);
        let args = args.collect::<Outcome<Vec<_>>>()?;
        let literals: Vec<Option<&ScalarValue>> = args.iter().map(literal).collect();
        let returns = Returns::Always(returns(&wanted, &literals)?);
        let signature = Signature::variadic_any(self.signature.volatility);
        let settled = PgFunction { returns, arguments: None, signature, ..self.clone() };
        Ok(settled.call(args))
    }
}
