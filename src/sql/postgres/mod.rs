//! The layer between `PostgreSQL`'s meaning of a statement and the engine's.
//!
//! A statement is parsed with `PostgreSQL`'s precedences ([`dialect`]), some spellings are written
//! otherwise ([`spelling`]), and then operators, casts, functions and aggregates get the meaning
//! that `PostgreSQL` has for the types of their arguments: by the planner's hooks ([`operators`],
//! [`type_planner`]) and by a rule of the analyzer ([`meaning_rule`]) that is applied again when
//! the values of parameters are known. What cannot be answered as `PostgreSQL` does is refused
//! (0A000).

#![allow(clippy::match_bool, reason = "the two cases are read side by side")]
#![allow(clippy::unnecessary_wraps, reason = "rules and kernels share one signature")]
#![allow(clippy::option_option, reason = "an argument that is there may have no value")]
#![allow(clippy::unnecessary_literal_bound, reason = "the trait gives the lifetime")]

mod aggregates;
mod arithmetic;
mod calendar;
mod cast;
mod comparison;
mod dialect;
mod exact_statistics;
mod exact_total;
mod failure;
mod float_totals;
mod function;
mod functions;
mod groups;
mod guards;
mod integer_literals;
mod interval_average;
mod interval_text;
mod last_made;
mod meaning_rule;
#[cfg(test)]
mod meaning_tests;
mod named_type;
mod null_logic;
mod numeric;
mod operators;
mod ordered_set;
mod own_scale;
mod power;
mod refused_overloads;
mod result_types;
mod row_numbers;
mod settled_call;
mod spelling;
mod statistics;
mod subqueries;
mod sums_of_squares;
mod text_input;
mod text_output;
mod time_arithmetic;
mod time_parts;
mod time_text;
mod totals;
mod type_name;
mod type_planner;
mod unions;

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, StringArray, cast::AsArray};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::optimizer::Analyzer;

pub use dialect::PostgresDialect;
pub(super) use integer_literals::narrowed;
pub(super) use spelling::respelt;

/// Makes the engine's state one that means what `PostgreSQL` means.
pub(super) fn install(builder: SessionStateBuilder) -> SessionStateBuilder {
    let mut planners = SessionStateDefaults::default_expr_planners();
    planners.insert(0, Arc::new(operators::PgOperators));
    let mut rules = Analyzer::new().rules;
    rules.insert(0, Arc::new(meaning_rule::PgMeaning));
    let mut aggregates = SessionStateDefaults::default_aggregate_functions();
    for own in statistics::all().chain(ordered_set::all()) {
        aggregates.retain(|known| known.name() != own.name());
        aggregates.push(Arc::new(own));
    }
    for goal in [exact_total::Goal::Sum, exact_total::Goal::Average] {
        let own = AggregateUDF::from(totals::ExactAggregate::new(goal));
        aggregates.retain(|known| known.name() != own.name());
        aggregates.push(Arc::new(own));
    }
    let windows = SessionStateDefaults::default_window_functions();
    builder
        .with_expr_planners(planners)
        .with_type_planner(Arc::new(type_planner::PgTypes))
        .with_analyzer_rules(rules)
        .with_aggregate_functions(aggregates)
        .with_window_functions(row_numbers::typed(windows))
        .with_scalar_functions(scalar_functions())
}

/// The functions of one value: the engine's, and those of this module in the place of theirs.
fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    let mut scalars = SessionStateDefaults::default_scalar_functions();
    for own in functions::all() {
        scalars.retain(|known| known.name() != own.name());
        scalars.push(own);
    }
    scalars
}

/// The names by which those functions are called.
fn scalar_names() -> &'static HashSet<String> {
    static NAMES: OnceLock<HashSet<String>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let names = |function: Arc<ScalarUDF>| {
            let aliases = function.aliases().iter().map(String::as_str);
            aliases.chain([function.name()]).map(str::to_owned).collect::<Vec<_>>()
        };
        scalar_functions().into_iter().flat_map(names).collect()
    })
}

/// The values of a column as `PostgreSQL` writes them.
///
/// # Errors
/// When the column has a type that has no text.
pub fn texts_of(column: &ArrayRef) -> Result<StringArray, DataFusionError> {
    Ok(text_output::column(column)?.as_string::<i32>().clone())
}
