//! Prepared statements and their execution.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{ParamValues, ScalarValue, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::Statement as Ast;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use super::answer::{Answer, Notices, ReadAt};
use super::cancellation::{self, EndOnDrop, StatementState, too_long};
use super::column_names::OuterNames;
use super::session::Session;
use super::spawn_abortable::{self, AbortOnDrop};
use super::statement_epochs::StatementEpochs;
use super::statement_parser::{Statement, read_only};
use super::{
    SqlError, column_names, df_error, parameter_casts, parameters, postgres, tables_of_plan,
};
use diptych_base::limits;

/// A prepared statement. Each execution reads at the epoch of its moment.
#[derive(Clone)]
pub struct Prepared {
    /// The types of `$1`, `$2`, … as far as the statement tells.
    pub parameter_types: Vec<Option<DataType>>,
    /// The columns of the answer; none for SET and similar statements.
    pub schema: Option<SchemaRef>,
    /// The names of the columns as `PostgreSQL` chooses them. Two may be equal.
    pub column_names: Vec<String>,
    /// The command's tag: SELECT, EXPLAIN, SHOW, SET, RESET, BEGIN, COMMIT, ROLLBACK.
    pub tag: &'static str,
    session: Session,
    work: Arc<Work>,
}

enum Work {
    Plan { sql: String, plan: LogicalPlan },
    Set(String, String),
    Reset(String),
    Show(String),
    Nothing,
}

type Rows = BoxStream<'static, Result<RecordBatch, SqlError>>;

impl Prepared {
    pub(super) async fn of(
        session: Session,
        sql: String,
        statement: Statement,
        asked: PlanningHints,
    ) -> Result<Prepared, SqlError> {
        let plain = |session, tag, work| {
            let work = Arc::new(work);
            Ok(Prepared {
                parameter_types: Vec::new(),
                schema: None,
                column_names: Vec::new(),
                tag,
                session,
                work,
            })
        };
        match statement {
            Statement::Query(parsed, tag) => query(session, sql, *parsed, tag, asked).await,
            Statement::Set(name, value) => plain(session, "SET", Work::Set(name, value)),
            Statement::Reset(name) => plain(session, "RESET", Work::Reset(name)),
            Statement::Nothing(tag) => plain(session, tag, Work::Nothing),
            Statement::Show(name) => {
                let schema = shown(&name, &session.show(&name)?)?.schema();
                let work = Arc::new(Work::Show(name));
                Ok(Prepared {
                    parameter_types: Vec::new(),
                    column_names: OuterNames::default().of(&schema),
                    schema: Some(schema),
                    tag: "SHOW",
                    session,
                    work,
                })
            }
        }
    }

    /// Runs the statement with a value for each parameter.
    ///
    /// # Errors
    /// Before the first row: a parameter of the wrong type, an epoch that is not there, no free
    /// permit. Later errors come in the stream of rows.
    pub async fn execute(&self, parameters: Vec<ScalarValue>) -> Result<Answer, SqlError> {
        match &*self.work {
            Work::Set(name, value) => self.session.set(name, value).map(|()| nothing()),
            Work::Reset(name) => self.session.reset(name).map(|()| nothing()),
            Work::Nothing => Ok(nothing()),
            Work::Show(name) => {
                let rows = shown(name, &self.session.show(name)?)?;
                let schema = rows.schema();
                let rows = stream::iter([Ok(rows)]).boxed();
                Ok(Answer { schema, rows, epochs: Vec::new(), notices: Notices::default() })
            }
            Work::Plan { .. } => {
                let core = &self.session.engine.core;
                let turn = core.turn().await?;
                let threads = core.threads()?;
                let life = StatementState::new();
                let ends = EndOnDrop(Arc::clone(&life));
                let until = Instant::from_std(life.until);
                let this = self.clone();
                let started = spawn_abortable::run(&threads, async move {
                    match tokio::time::timeout_at(until, this.start(parameters, life)).await {
                        Ok(started) => started,
                        Err(_) => Err(too_long()),
                    }
                });
                let (plan, state, reading, epochs) = started.await?;
                let schema = plan.schema();
                let notices = reading.notices.clone();
                let (sender, receiver) = mpsc::channel(2);
                let sql = self.sql().to_owned();
                let work = drive(sql, plan, state, reading, until, sender, turn);
                let task = AbortOnDrop(threads.spawn(work));
                Ok(Answer { schema, rows: rows(receiver, (task, ends)), epochs, notices })
            }
        }
    }

    fn sql(&self) -> &str {
        match &*self.work {
            Work::Plan { sql, .. } => sql,
            _ => "",
        }
    }

    /// Takes the snapshots and makes the physical plan.
    async fn start(
        self,
        parameters: Vec<ScalarValue>,
        life: Arc<StatementState>,
    ) -> Result<(Arc<dyn ExecutionPlan>, SessionState, Arc<StatementEpochs>, Vec<ReadAt>), SqlError>
    {
        let Work::Plan { sql, plan } = &*self.work else {
            unreachable!("only plans are started");
        };
        let parameters = cast(parameters, &self.parameter_types)?;
        let mut plan = plan.clone();
        if !self.parameter_types.is_empty() {
            let values = ParamValues::from(parameters);
            plan = plan.with_param_values(values).map_err(|error| df_error::of(sql, &error))?;
        }
        let engine = &self.session.engine;
        let columns = Arc::clone(&engine.core.columns);
        let mode = self.session.mode();
        let pins = &self.session.pins;
        let read = tables_of_plan::tables(&plan, engine.site.flows.len());
        let read = read.map_err(|error| df_error::of("", &error))?;
        let (reading, epochs) =
            StatementEpochs::of(&engine.site, read, mode, columns, pins).await?;
        let reading = Arc::new(reading);
        let mut state = self.session.state()?;
        state.config_mut().set_extension(Arc::clone(&reading));
        state.mark_start_execution();
        let plan = state.create_physical_plan(&plan).await;
        let plan = plan.and_then(|plan| cancellation::bind(plan, &life));
        let plan = plan.map_err(|error| df_error::of(sql, &error))?;
        Ok((plan, state, reading, epochs))
    }
}

/// What a server knows about a statement before it is planned.
#[derive(Clone, Default)]
pub struct PlanningHints {
    /// The types of the parameters that the client states; the others are inferred.
    pub types: Vec<Option<DataType>>,
    /// Changes the parsed statement into one that the planner understands.
    pub rewrite: Option<Arc<dyn Fn(&mut Ast) + Send + Sync>>,
}

async fn query(
    session: Session,
    sql: String,
    mut parsed: Parsed,
    tag: &'static str,
    asked: PlanningHints,
) -> Result<Prepared, SqlError> {
    let state = session.state()?;
    let of_plan = |error| df_error::of(&sql, &error);
    let numbers = match statement_in(&mut parsed) {
        Some(statement) => parameters::written(statement).map_err(of_plan)?,
        None => BTreeSet::new(),
    };
    let mut effort = 0;
    let mut beside_times = false;
    let (plan, names) = loop {
        let mut attempt = parsed.clone();
        let mut names = OuterNames::default();
        if let Some(statement) = statement_in(&mut attempt) {
            names = column_names::tell_apart(statement, effort);
            if let Some(rewrite) = &asked.rewrite {
                rewrite(statement);
            }
            if !numbers.is_empty() {
                parameter_casts::joined_texts(statement);
            }
            if beside_times {
                parameter_casts::beside_times(statement);
            }
        }
        match state.statement_to_plan(attempt).await {
            Err(error) if effort + 1 < column_names::EFFORTS && is_name_twice(&error) => {
                effort += 1;
            }
            Err(error) if !numbers.is_empty() && !beside_times && is_of_times(&error) => {
                beside_times = true;
            }
            planned => break (planned.map_err(of_plan)?, names),
        }
    };
    let reads = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan);
    reads.map_err(|_| read_only("this"))?;
    let plan = postgres::narrowed(plan).map_err(of_plan)?;
    let typed = parameters::infer(plan, &numbers, &asked.types).map_err(of_plan)?;
    // Types as they will be when the plan runs.
    let options = state.config_options().clone();
    let checked = state.analyzer().execute_and_check(typed.plan.clone(), &options, |_, _| {});
    let schema = Arc::clone(checked.map_err(of_plan)?.schema().inner());
    let work = Arc::new(Work::Plan { sql, plan: typed.plan });
    Ok(Prepared {
        parameter_types: typed.types.into_iter().map(Some).collect(),
        column_names: names.of(&schema),
        schema: Some(schema),
        tag,
        session,
        work,
    })
}

/// The statement in `parsed`, which may be within EXPLAIN.
fn statement_in(parsed: &mut Parsed) -> Option<&mut Ast> {
    match parsed {
        Parsed::Statement(statement) => Some(statement),
        Parsed::Explain(explain) => statement_in(&mut explain.statement),
        _ => None,
    }
}

/// Whether the planner refuses to calculate with two times.
fn is_of_times(error: &DataFusionError) -> bool {
    error.find_root().to_string().contains("temporal operation")
}

/// Whether the planner refuses two columns of one name.
fn is_name_twice(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::SchemaError(error, _) => {
            !matches!(**error, SchemaError::FieldNotFound { .. })
        }
        DataFusionError::Plan(message) => message.contains("unique expression names"),
        _ => false,
    }
}

/// Casts the parameters to the types that the statement wants.
fn cast(
    parameters: Vec<ScalarValue>,
    types: &[Option<DataType>],
) -> Result<Vec<ScalarValue>, SqlError> {
    if parameters.len() != types.len() {
        let given = parameters.len();
        let wanted = types.len();
        let message = format!("{given} parameters are given, the statement has {wanted}");
        return Err(SqlError::new("08P01", message));
    }
    let one = |(number, (value, wanted)): (usize, (ScalarValue, &Option<DataType>))| match wanted {
        Some(wanted) if value.data_type() != *wanted => value.cast_to(wanted).map_err(|error| {
            let message =
                format!("parameter ${}: {}", number + 1, df_error::of("", &error).message);
            SqlError::new("22P02", message)
        }),
        _ => Ok(value),
    };
    parameters.into_iter().zip(types).enumerate().map(one).collect()
}

/// Runs a plan and sends its rows, until it ends or the receiver is dropped.
async fn drive(
    sql: String,
    plan: Arc<dyn ExecutionPlan>,
    state: SessionState,
    reading: Arc<StatementEpochs>,
    until: Instant,
    sender: mpsc::Sender<Result<RecordBatch, SqlError>>,
    _turn: OwnedSemaphorePermit,
) {
    let work = async {
        let mut rows = match execute_stream(plan, state.task_ctx()) {
            Ok(rows) => rows,
            Err(error) => {
                let _ = sender.send(Err(df_error::of(&sql, &error))).await;
                return;
            }
        };
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(|error| df_error::of(&sql, &error));
            let failed = batch.is_err();
            if sender.send(batch).await.is_err() || failed {
                return;
            }
        }
    };
    // A panic ends the statement, not the server.
    let work = std::panic::AssertUnwindSafe(work).catch_unwind();
    let mut work = std::pin::pin!(work);
    let mut renew = tokio::time::interval(limits::LEASE_LENGTH / 4);
    loop {
        tokio::select! {
            outcome = &mut work => {
                if outcome.is_err() {
                    let _ = sender.send(Err(spawn_abortable::panicked())).await;
                }
                return;
            }
            _ = renew.tick() => reading.renew(),
            () = tokio::time::sleep_until(until) => {
                let _ = sender.try_send(Err(too_long()));
                return;
            }
        }
    }
}

fn rows(
    receiver: mpsc::Receiver<Result<RecordBatch, SqlError>>,
    task: (AbortOnDrop<()>, EndOnDrop),
) -> Rows {
    stream::unfold((receiver, task), |(mut receiver, task)| async move {
        let batch = receiver.recv().await?;
        Some((batch, (receiver, task)))
    })
    // The stream may be polled again after its end.
    .fuse()
    .boxed()
}

fn nothing() -> Answer {
    Answer {
        schema: Arc::new(Schema::empty()),
        rows: stream::empty().boxed(),
        epochs: Vec::new(),
        notices: Notices::default(),
    }
}

/// The answer of SHOW.
fn shown(name: &str, settings: &[(String, String)]) -> Result<RecordBatch, SqlError> {
    let values: Vec<_> = settings.iter().map(|(_, value)| value.as_str()).collect();
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let made = if name == "all" {
        let names: Vec<_> = settings.iter().map(|(name, _)| name.as_str()).collect();
        let schema = Arc::new(Schema::new(vec![text("name"), text("setting")]));
        let columns =
            vec![Arc::new(StringArray::from(names)) as _, Arc::new(StringArray::from(values)) as _];
        RecordBatch::try_new(schema, columns)
    } else {
        let schema = Arc::new(Schema::new(vec![text(name)]));
        RecordBatch::try_new(schema, vec![Arc::new(StringArray::from(values)) as _])
    };
    made.map_err(|error| SqlError::new("XX000", error.to_string()))
}
