//! Prepared statements and their execution.

use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::sql::parser::Statement as Parsed;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use super::answer::{Answer, Notices, ReadAt};
use super::cancellation::{self, EndOnDrop, StatementState, too_long};
use super::session::Session;
use super::spawn::{self, AbortOnDrop};
use super::statement::{Statement, read_only};
use super::statement_epochs::StatementEpochs;
use super::{SqlError, df_error, read_tables};
use diptych_base::limits;

/// A prepared statement. Each execution reads at the epoch of its moment.
#[derive(Clone)]
pub struct Prepared {
    /// The types of `$1`, `$2`, … as far as the statement tells.
    pub parameter_types: Vec<Option<DataType>>,
    /// The columns of the answer; none for SET and similar statements.
    pub schema: Option<SchemaRef>,
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
    ) -> Result<Prepared, SqlError> {
        let plain = |session, tag, work| {
            let work = Arc::new(work);
            Ok(Prepared { parameter_types: Vec::new(), schema: None, tag, session, work })
        };
        match statement {
            Statement::Query(parsed, tag) => query(session, sql, *parsed, tag).await,
            Statement::Set(name, value) => plain(session, "SET", Work::Set(name, value)),
            Statement::Reset(name) => plain(session, "RESET", Work::Reset(name)),
            Statement::Nothing(tag) => plain(session, tag, Work::Nothing),
            Statement::Show(name) => {
                let schema = Some(shown(&name, &session.show(&name)?)?.schema());
                let work = Arc::new(Work::Show(name));
                Ok(Prepared { parameter_types: Vec::new(), schema, tag: "SHOW", session, work })
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
                let started = spawn::run(&threads, async move {
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
        let read = read_tables::tables(&plan, engine.site.flows.len());
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

async fn query(
    session: Session,
    sql: String,
    parsed: Parsed,
    tag: &'static str,
) -> Result<Prepared, SqlError> {
    let state = session.state()?;
    let planned = state.statement_to_plan(parsed).await;
    let plan = planned.map_err(|error| df_error::of(&sql, &error))?;
    let reads = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan);
    reads.map_err(|_| read_only("this"))?;
    let types = plan.get_parameter_types().map_err(|error| df_error::of(&sql, &error))?;
    let mut parameter_types = Vec::new();
    for number in 1..=types.len() {
        let Some(data_type) = types.get(&format!("${number}")) else {
            let message = format!("parameter ${number} of {} is not used", types.len());
            return Err(SqlError::new("42P18", message));
        };
        parameter_types.push(data_type.clone());
    }
    // Types as they will be when the plan runs; where the plan cannot tell yet, it keeps its own.
    let checked = state.analyzer().execute_and_check(
        plan.clone(),
        &state.config_options().clone(),
        |_, _| {},
    );
    let schema = match &checked {
        Ok(analyzed) => Arc::clone(analyzed.schema().inner()),
        Err(_) if parameter_types.iter().any(Option::is_none) => Arc::clone(plan.schema().inner()),
        Err(error) => return Err(df_error::of(&sql, error)),
    };
    let work = Arc::new(Work::Plan { sql, plan });
    Ok(Prepared { parameter_types, schema: Some(schema), tag, session, work })
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
                    let _ = sender.send(Err(spawn::panicked())).await;
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
