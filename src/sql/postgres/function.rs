//! Functions over columns, each made of its types and a kernel.

use std::any::Any;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::scalar::ScalarValue;

use super::failure::Outcome;
use super::named_type;

/// Calculates a column from the columns of the arguments, given the type of the result.
pub(super) type Kernel = fn(&[ArrayRef], &DataType) -> Outcome<ArrayRef>;

/// The type of what a function returns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Returns {
    Always(DataType),
    /// As the second function of the types of the arguments says.
    ByTypes(TypesRule),
}

/// A rule that gives the type of the result for the types of the arguments.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypesRule(pub(super) ReturnsRule);

/// A rule that may look at the values of arguments that are literals.
pub(super) type ReturnsRule = fn(&[DataType], &[Option<&ScalarValue>]) -> Outcome<DataType>;

/// A rule that gives the types that the arguments are cast to.
#[derive(Clone, Copy, Debug)]
pub(super) struct ArgumentsRule(pub(super) fn(&[DataType]) -> Outcome<Vec<DataType>>);

// Rules belong to the name of their function, which is what is compared.
impl PartialEq for TypesRule {
    fn eq(&self, _: &TypesRule) -> bool {
        true
    }
}

impl Eq for TypesRule {}

impl Hash for TypesRule {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// A function.
#[derive(Clone, Debug)]
pub(super) struct PgFunction {
    pub(super) name: &'static str,
    /// How an operator is written.
    pub(super) symbol: Option<&'static str>,
    pub(super) returns: Returns,
    pub(super) kernel: Kernel,
    pub(super) arguments: Option<ArgumentsRule>,
    pub(super) signature: Signature,
    /// The name of the result's type, where the engine has none for it.
    pub(super) named: Option<&'static str>,
    /// How many calls of these functions are nested in the first argument of each other.
    pub(super) depth: usize,
}

impl PartialEq for PgFunction {
    fn eq(&self, other: &PgFunction) -> bool {
        self.name == other.name && self.returns == other.returns
    }
}

impl Eq for PgFunction {}

impl Hash for PgFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.name, &self.returns).hash(state);
    }
}

impl PgFunction {
    /// An operation whose types are settled.
    pub(super) fn fixed(name: &'static str, returns: DataType, kernel: Kernel) -> PgFunction {
        let signature = Signature::variadic_any(Volatility::Immutable);
        let returns = Returns::Always(returns);
        PgFunction {
            name,
            symbol: None,
            returns,
            kernel,
            arguments: None,
            signature,
            named: None,
            depth: 1,
        }
    }

    /// A function that is called by its name.
    pub(super) fn named(
        name: &'static str,
        arguments: fn(&[DataType]) -> Outcome<Vec<DataType>>,
        returns: ReturnsRule,
        kernel: Kernel,
    ) -> PgFunction {
        let signature = Signature::user_defined(Volatility::Immutable);
        let fixed = PgFunction::fixed(name, DataType::Null, kernel);
        PgFunction {
            returns: Returns::ByTypes(TypesRule(returns)),
            arguments: Some(ArgumentsRule(arguments)),
            signature,
            ..fixed
        }
    }

    /// The same function under another name.
    pub(super) fn called(self, name: &'static str) -> PgFunction {
        PgFunction { name, ..self }
    }

    /// The same function, whose result is of the type called `name`.
    pub(super) fn giving(self, name: &'static str) -> PgFunction {
        PgFunction { named: Some(name), ..self }
    }

    pub(super) fn written(self, symbol: &'static str) -> PgFunction {
        PgFunction { symbol: Some(symbol), ..self }
    }

    /// The function behind a name, if it is one of these.
    pub(super) fn of(udf: &ScalarUDF) -> Option<&PgFunction> {
        (udf.inner().as_ref() as &dyn Any).downcast_ref()
    }

    /// The type of the result, once it is settled.
    pub(super) fn settled_type(&self) -> Option<&DataType> {
        match &self.returns {
            Returns::Always(data_type) => Some(data_type),
            Returns::ByTypes(_) => None,
        }
    }

    pub(super) fn udf(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::from(self))
    }

    /// The value of this function for literals, if it has one, or else a call.
    pub(super) fn call(self, args: Vec<Expr>) -> Expr {
        self.value(&args).unwrap_or_else(|| self.uncalculated(args))
    }

    /// A call of this function, also for literals.
    pub(super) fn uncalculated(mut self, args: Vec<Expr>) -> Expr {
        self.depth = 1 + args.iter().map(depth).max().unwrap_or_default();
        self.udf().call(args)
    }

    /// What the function gives for literals; none when that is an error, which is left to the
    /// evaluation, because it may never come to it.
    fn value(&self, args: &[Expr]) -> Option<Expr> {
        let returns = self.settled_type().filter(|_| !args.is_empty())?;
        let literals = args.iter().map(|arg| literal(arg)?.to_array().ok());
        let literals = literals.collect::<Option<Vec<ArrayRef>>>()?;
        let value = (self.kernel)(&literals, returns).ok()?;
        let value = ScalarValue::try_from_array(&value, 0).ok()?;
        // A text that is calculated is no longer one whose type is open.
        let named = self.named.or((*returns == DataType::Utf8).then_some(named_type::TEXT));
        Some(Expr::Literal(value, named_type::of_literal(named)))
    }
}

/// The types that arguments of these types are cast to. Arguments of no type, as parameters and
/// NULL have, become the first of `PostgreSQL`'s preferred types that the function takes.
pub(super) fn accepted(
    rule: fn(&[DataType]) -> Outcome<Vec<DataType>>,
    types: &[DataType],
) -> Outcome<Vec<DataType>> {
    let refused = match rule(types) {
        Ok(accepted) => return Ok(accepted),
        Err(refused) => refused,
    };
    if !types.contains(&DataType::Null) {
        return Err(refused);
    }
    let zone = Some("+00:00".into());
    let preferred = [
        DataType::Utf8,
        DataType::Float64,
        DataType::Decimal128(38, 10),
        DataType::Int64,
        DataType::Timestamp(TimeUnit::Microsecond, zone),
        DataType::Interval(IntervalUnit::MonthDayNano),
    ];
    let tried = preferred.iter().find_map(|preferred| {
        let known = types.iter().map(|one| match one {
            DataType::Null => preferred.clone(),
            known => known.clone(),
        });
        rule(&known.collect::<Vec<_>>()).ok()
    });
    tried.ok_or(refused)
}

/// How many calls are nested in an expression.
pub(super) fn depth(expr: &Expr) -> usize {
    match expr {
        Expr::ScalarFunction(call) => PgFunction::of(&call.func).map_or(0, |own| own.depth),
        _ => 0,
    }
}

/// Appends the name of a call. Chains of operators are written in one go: each of them made anew
/// for the next would take the cube of their length.
fn write_call(function: &PgFunction, args: &[Expr], out: &mut String) {
    if let (Some(symbol), [left, right]) = (function.symbol, args) {
        write_name(left, out);
        out.push(' ');
        out.push_str(symbol);
        out.push(' ');
        return write_name(right, out);
    }
    out.push_str(function.name);
    out.push('(');
    for (at, arg) in args.iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        write_name(arg, out);
    }
    out.push(')');
}

fn write_name(expr: &Expr, out: &mut String) {
    match expr {
        Expr::ScalarFunction(call) => match PgFunction::of(&call.func) {
            Some(function) => write_call(function, &call.args, out),
            None => out.push_str(&expr.schema_name().to_string()),
        },
        _ => out.push_str(&expr.schema_name().to_string()),
    }
}

pub(super) fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

impl ScalarUDFImpl for PgFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn display_name(&self, args: &[Expr]) -> Outcome<String> {
        if let (Some(symbol), [left, right]) = (self.symbol, args) {
            Ok(format!("{left} {symbol} {right}"))
        } else {
            let args: Vec<String> = args.iter().map(ToString::to_string).collect();
            Ok(format!("{}({})", self.name, args.join(",")))
        }
    }

    fn schema_name(&self, args: &[Expr]) -> Outcome<String> {
        let mut name = String::new();
        write_call(self, args, &mut name);
        Ok(name)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Outcome<Vec<DataType>> {
        match self.arguments {
            Some(ArgumentsRule(rule)) => accepted(rule, types),
            None => Ok(types.to_vec()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Outcome<DataType> {
        match &self.returns {
            Returns::Always(data_type) => Ok(data_type.clone()),
            Returns::ByTypes(TypesRule(rule)) => rule(types, &vec![None; types.len()]),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Outcome<FieldRef> {
        let types: Vec<DataType> =
            args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let data_type = match &self.returns {
            Returns::Always(data_type) => data_type.clone(),
            Returns::ByTypes(TypesRule(rule)) => rule(&types, args.scalar_arguments)?,
        };
        let field = Field::new(self.name, data_type, true);
        Ok(Arc::new(named_type::named(field, self.named)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Outcome<ColumnarValue> {
        let is_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let columns =
            args.args.into_iter().map(|arg| arg.into_array(rows)).collect::<Outcome<Vec<_>>>()?;
        let column = (self.kernel)(&columns, args.return_field.data_type())?;
        if is_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&column, 0)?));
        }
        Ok(ColumnarValue::Array(column))
    }
}
