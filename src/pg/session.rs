//! The state of a connection: settings, transaction, prepared statements, portals.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};

use bytes::BytesMut;

use super::backend;
use super::cancel::{Cancel, StatementGuard};
use super::classify_statement::{self, PgCommand, StatementKind};
use super::error::{Failure, write_warning};
use super::params::Param;
use super::planner::Planner;
use super::point_read::{Point, Scan};
use super::portal::{LimitedBatches, PortalError, RowSource, texts};
use super::prepared::{CommandOutcome, Hold, PgPlan, PgPrepared, Portal};
use super::settings::ToldSettings;
use super::split_statements;
use super::transaction::Transaction;
use super::types::{self, PgField};
use diptych_base::error::Error;
use diptych_base::limits::{PG_PORTALS_MAX, PG_STATEMENT_BYTES_MAX, PG_STATEMENTS_MAX};
use diptych_site::budget::REQUESTS;
use diptych_sql::{self as sql, SettingScope, Settings, SettingsMark, ShownSetting};

/// The state of a connection.
pub(super) struct PgSession {
    pub(super) transaction: Transaction,
    /// What the client was told of the settings.
    told: ToldSettings,
    /// The settings when no transaction was open last: a failed exchange returns to them.
    before: SettingsMark,
    pub(super) statements: HashMap<String, Arc<PgPrepared>>,
    pub(super) portals: HashMap<String, Portal>,
    sql: Planner,
    /// Whether the statement is one of several that were sent in one text.
    pub(super) is_in_batch: bool,
    pub(super) cancel: Cancel,
}

impl PgSession {
    pub(super) fn new(told: ToldSettings, cancel: Cancel, sql: Planner) -> PgSession {
        let before = sql.settings().mark();
        PgSession {
            transaction: Transaction::default(),
            told,
            before,
            statements: HashMap::new(),
            portals: HashMap::new(),
            sql,
            is_in_batch: false,
            cancel,
        }
    }

    /// A guard for a statement that begins now.
    pub(super) fn guard(&mut self) -> StatementGuard {
        let timeout = self.settings().time("statement_timeout");
        self.cancel.guard(timeout)
    }

    /// The settings of the session.
    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.sql.settings()
    }

    /// Notes that a statement has failed: a transaction with it, or else what the exchange has set.
    pub(super) fn fail(&mut self) {
        self.transaction.fail();
        if !self.transaction.is_there() {
            self.sql.settings().return_to(&self.before);
        }
    }

    /// Prepares `sql`, a statement without a semicolon, with the parameter types that the client
    /// states.
    pub(super) async fn prepare(
        &mut self,
        sql: &str,
        types: &[u32],
        guard: &mut StatementGuard,
    ) -> Result<PgPrepared, Failure> {
        let bytes = sql.len();
        if split_statements::words(sql).next().is_none() {
            return Ok(PgPrepared { bytes, ..PgPrepared::simple(PgPlan::Empty, None) });
        }
        let kind = classify_statement::kind(sql)?;
        if !classify_statement::ends_transaction(&kind) {
            self.transaction.check()?;
        }
        let prepared = match kind {
            StatementKind::Command(command) => {
                let fields = self.fields_of(&command)?;
                PgPrepared::simple(PgPlan::Command(command), fields)
            }
            StatementKind::Copy(copy) => {
                let prepared = guard.watch(self.sql.prepare(&copy.sql, types)).await??;
                let fields = None;
                PgPrepared {
                    fields,
                    ..PgPrepared::planned(prepared, types, |planned| {
                        PgPlan::Copy(planned, copy.options)
                    })
                }
            }
            StatementKind::Declare(declared) => {
                let planned = guard.watch(self.sql.prepare(&declared.sql, types)).await??;
                PgPrepared {
                    fields: None,
                    ..PgPrepared::planned(planned, types, |planned| {
                        PgPlan::Declare(planned, declared)
                    })
                }
            }
            StatementKind::Prepare(command) => PgPrepared::simple(PgPlan::Prepare(command), None),
            StatementKind::Execute(command) => {
                let executed = self.statements.get(&command.name);
                let executed = executed.ok_or_else(|| no_statement(&command.name))?;
                let fields = executed.fields.clone();
                PgPrepared::simple(PgPlan::Execute(command), fields)
            }
            StatementKind::Query => {
                if let Some(point) = Point::recognise(sql, types, &self.sql) {
                    PgPrepared {
                        parameters: point.parameters().to_vec(),
                        ..PgPrepared::simple(
                            PgPlan::Point(point.clone()),
                            Some(point.fields().to_vec()),
                        )
                    }
                } else {
                    let prepared = guard.watch(self.sql.prepare(sql, types)).await??;
                    PgPrepared::planned(prepared, types, PgPlan::Query)
                }
            }
        };
        Ok(PgPrepared { bytes, ..prepared })
    }

    /// The columns of a command's answer.
    fn fields_of(&self, command: &PgCommand) -> Result<Option<Vec<PgField>>, Failure> {
        Ok(match command {
            PgCommand::Show(name) => Some(texts(&[&self.settings().show(name)?.0], Vec::new()).0),
            PgCommand::ShowAll => Some(texts(SHOW_ALL, Vec::new()).0),
            PgCommand::Fetch { cursor, is_sent: true, .. } => {
                self.cursor(cursor)?.prepared.columns().map(Cow::into_owned)
            }
            _ => None,
        })
    }

    pub(super) fn cursor(&self, name: &str) -> Result<&Portal, Failure> {
        self.portals.get(name).ok_or_else(|| no_cursor(name))
    }

    /// Stores a prepared statement.
    ///
    /// # Errors
    /// When there is one of that name, or there are too many.
    pub(super) fn keep(&mut self, name: String, prepared: PgPrepared) -> Result<(), Failure> {
        // The unnamed statement is replaced by the next.
        if !name.is_empty() && self.statements.contains_key(&name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Failure::new("42P05", message));
        }
        let bytes: usize = self.statements.values().map(|kept| kept.bytes).sum();
        if self.statements.len() >= PG_STATEMENTS_MAX
            || bytes + prepared.bytes > PG_STATEMENT_BYTES_MAX
        {
            let message = format!("{} statements are prepared here", self.statements.len());
            return Err(Failure::new("53400", message).hint("close or deallocate some"));
        }
        let mut claim = REQUESTS.claim();
        let full = |error: Error| Failure::new("53200", error.to_string());
        claim.grow_to(prepared.bytes).map_err(full)?;
        let prepared = PgPrepared { _claim: Some(claim), ..prepared };
        self.statements.insert(name, Arc::new(prepared));
        Ok(())
    }

    /// Opens a portal.
    ///
    /// # Errors
    /// When there is one of that name, or there are too many.
    pub(super) fn open(&mut self, name: String, portal: Portal) -> Result<(), Failure> {
        if !name.is_empty() && self.portals.contains_key(&name) {
            return Err(Failure::new("42P03", format!("cursor \"{name}\" already exists")));
        }
        if self.portals.len() >= PG_PORTALS_MAX {
            let message = format!("{PG_PORTALS_MAX} portals are open here");
            return Err(Failure::new("53400", message).hint("close some"));
        }
        self.portals.insert(name, portal);
        Ok(())
    }

    /// Starts a query and gives its rows.
    pub(super) async fn start(
        &mut self,
        prepared: &PgPrepared,
        values: Vec<Param>,
        guard: &mut StatementGuard,
        out: &mut BytesMut,
    ) -> Result<RowSource, Failure> {
        let planned = match &prepared.plan {
            PgPlan::Query(planned) | PgPlan::Copy(planned, _) | PgPlan::Declare(planned, _) => {
                planned
            }
            PgPlan::Point(point) => {
                let snapshot = guard.watch(self.sql.snapshot(point.flow())).await??;
                self.note_read(point.flow(), &snapshot);
                return Ok(RowSource::Scan(Box::new(Scan::new(point, snapshot, &values)?)));
            }
            PgPlan::Empty | PgPlan::Command(_) | PgPlan::Prepare(_) | PgPlan::Execute(_) => {
                return Err(Failure::new("XX000", "a command has no rows"));
            }
        };
        let wanted = prepared.wanted.iter().map(Option::as_ref);
        let scalars = values.into_iter().zip(wanted).map(|(value, wanted)| value.scalar(wanted));
        let scalars = scalars.collect::<Result<_, _>>()?;
        let answer = guard.watch(planned.execute(scalars)).await??;
        // A numeric has the scale of its values, which a parameter may change.
        let of =
            |fields: &[PgField]| fields.iter().map(|field| field.kind.shape()).collect::<Vec<_>>();
        if let Some(fields) = &prepared.fields
            && of(&types::fields(&answer.schema)) != of(fields)
        {
            let failure = Failure::new("0A000", "cached plan must not change result type");
            return Err(failure.hint("a new version serves: prepare the statement again"));
        }
        answer.notices.all().iter().for_each(|notice| write_warning("01000", notice, out));
        let read = answer.epochs.iter().map(|read| match read.epoch {
            Some(epoch) => format!("{}:{}:{epoch}", read.dataflow, read.version),
            None => format!("{}:{}:", read.dataflow, read.version),
        });
        *self.settings().read_at() = read.collect::<Vec<_>>().join(" ");
        Ok(RowSource::Feed(LimitedBatches::new(answer.rows)))
    }

    /// Runs `command`, except FETCH, which its caller sends.
    pub(super) fn command(
        &mut self,
        command: &PgCommand,
        out: &mut BytesMut,
    ) -> Result<CommandOutcome, Failure> {
        let tag = match command {
            PgCommand::Begin(tag, level) => {
                self.begin(*level, out)?;
                tag
            }
            PgCommand::Commit => {
                let is_kept = !self.transaction.has_failed();
                self.leave(is_kept);
                let mut settings = self.sql.settings();
                let tag = self.transaction.commit(&self.before, &mut settings, out);
                self.before = settings.mark();
                tag
            }
            PgCommand::Rollback => {
                self.leave(false);
                let mut settings = self.sql.settings();
                self.transaction.rollback(&self.before, &mut settings, out);
                self.before = settings.mark();
                "ROLLBACK"
            }
            PgCommand::Savepoint(_) | PgCommand::Release(_) | PgCommand::RollbackTo(_) => {
                self.savepoint(command)?
            }
            PgCommand::Set { name, value, is_local } => {
                self.set(name, value.as_deref(), *is_local, out)?;
                "SET"
            }
            PgCommand::Reset(name) => {
                self.set(name, None, false, out)?;
                "RESET"
            }
            PgCommand::ResetAll => {
                self.settings().reset_all();
                "RESET"
            }
            PgCommand::Show(name) => {
                let (name, value) = self.settings().show(name)?;
                let (fields, source) = texts(&[&name], vec![vec![value]]);
                return Ok(CommandOutcome::Table(fields, source));
            }
            PgCommand::ShowAll => return Ok(self.show_all()),
            PgCommand::Discard(tag) => {
                self.discard(tag)?;
                tag
            }
            PgCommand::Deallocate(name) => self.deallocate(name.as_deref())?,
            PgCommand::Close(Some(name)) => {
                self.portals.remove(name).ok_or_else(|| no_cursor(name))?;
                "CLOSE CURSOR"
            }
            PgCommand::Close(None) => {
                self.portals.clear();
                "CLOSE CURSOR ALL"
            }
            PgCommand::Nothing(tag) => tag,
            PgCommand::Fetch { .. } => {
                return Err(Failure::new("XX000", "FETCH was not sent"));
            }
        };
        Ok(CommandOutcome::Tag(tag.to_owned()))
    }

    /// Begins a transaction that is called one of the isolation `level`.
    fn begin(&mut self, level: Option<&str>, out: &mut BytesMut) -> Result<(), Failure> {
        // What the same text has set before is part of the transaction.
        if self.transaction.begin(&self.before, out) {
            self.sql.begin();
            if level.is_some() {
                return self.set("transaction_isolation", level, true, out);
            }
        }
        Ok(())
    }

    /// Runs a command about a savepoint, and gives its tag.
    fn savepoint(&mut self, command: &PgCommand) -> Result<&'static str, Failure> {
        let mut settings = self.sql.settings();
        let transaction = &mut self.transaction;
        match command {
            PgCommand::Savepoint(name) => transaction.save(name, &settings).map(|()| "SAVEPOINT"),
            PgCommand::Release(name) => transaction.release(name).map(|()| "RELEASE"),
            PgCommand::RollbackTo(name) => {
                transaction.return_to(name, &mut settings).map(|()| "ROLLBACK")
            }
            _ => Err(Failure::new("XX000", "no savepoint")),
        }
    }

    /// Drops the state that ends with a transaction. Cursors WITH HOLD stay, unless the transaction
    /// that declared them is rolled back.
    fn leave(&mut self, is_kept: bool) {
        self.sql.end();
        self.portals.retain(|_, portal| match portal.hold {
            Hold::No => false,
            Hold::New => is_kept,
            Hold::Kept => true,
        });
        for portal in self.portals.values_mut() {
            portal.hold = Hold::Kept;
        }
    }

    fn set(
        &mut self,
        name: &str,
        value: Option<&str>,
        is_local: bool,
        out: &mut BytesMut,
    ) -> Result<(), Failure> {
        let mut scope = SettingScope::Session;
        if is_local {
            self.transaction.check_local(out);
            scope = SettingScope::Transaction;
        }
        Ok(self.settings().set(name, value, scope)?)
    }

    fn show_all(&self) -> CommandOutcome {
        let all = self.settings().all().into_iter();
        let row = |shown: ShownSetting| vec![shown.name, shown.value, shown.about.to_owned()];
        let (fields, source) = texts(SHOW_ALL, all.map(row).collect());
        CommandOutcome::Table(fields, source)
    }

    fn discard(&mut self, tag: &str) -> Result<(), Failure> {
        if tag != "DISCARD ALL" {
            return Ok(());
        }
        if self.transaction.is_there() {
            let message = "DISCARD ALL cannot run inside a transaction block";
            return Err(Failure::new("25001", message));
        }
        self.portals.clear();
        self.statements.clear();
        self.settings().reset_all();
        Ok(())
    }

    fn deallocate(&mut self, name: Option<&str>) -> Result<&'static str, Failure> {
        let Some(name) = name else {
            self.statements.clear();
            return Ok("DEALLOCATE ALL");
        };
        self.statements.remove(name).map(|_| "DEALLOCATE").ok_or_else(|| no_statement(name))
    }

    /// Writes the rows of a point read straight into `out`; gives their number, or none when there
    /// are too many for that.
    pub(super) async fn point(
        &mut self,
        point: &Point,
        values: &[Param],
        formats: &[i16],
        out: &mut BytesMut,
    ) -> Result<Option<u64>, Failure> {
        let snapshot = self.sql.snapshot(point.flow()).await?;
        self.note_read(point.flow(), &snapshot);
        point.read(&snapshot, values, formats, out)
    }

    fn note_read(&mut self, flow: usize, snapshot: &diptych_serving::Snapshot) {
        use std::fmt::Write;
        let name = &self.sql.flow(flow).name;
        let version = snapshot.version();
        let mut settings = self.sql.settings();
        let read_at = settings.read_at();
        read_at.clear();
        // Writing into memory does not fail.
        let _ = match snapshot.epoch() {
            Some(epoch) => write!(read_at, "{name}:{version}:{epoch}"),
            None => write!(read_at, "{name}:{version}:"),
        };
    }

    /// Ends an exchange: closes portals and what is set for a transaction outside of one, tells the
    /// client of changed settings, and appends `ReadyForQuery`.
    pub(super) fn rest(&mut self, out: &mut BytesMut) {
        self.is_in_batch = false;
        let mut settings = self.sql.settings();
        if !self.transaction.is_there() {
            if !self.portals.is_empty() {
                self.portals.retain(|_, portal| portal.hold != Hold::No);
            }
            if !self.told.is_up_to_date(&settings) {
                settings.end_transaction();
                self.before = settings.mark();
            }
        }
        self.told.tell(&mut settings, out);
        drop(settings);
        backend::ready(self.transaction.status(), out);
    }
}

const SHOW_ALL: &[&str] = &["name", "setting", "description"];

pub(super) fn no_cursor(name: &str) -> Failure {
    Failure::new("34000", format!("portal \"{name}\" does not exist"))
        .hint("outside a transaction portals end with the exchange that opened them")
}

pub(super) fn no_statement(name: &str) -> Failure {
    Failure::new("26000", format!("prepared statement \"{name}\" does not exist"))
}

impl From<sql::SqlError> for PortalError {
    fn from(error: sql::SqlError) -> PortalError {
        PortalError::Failure(error.into())
    }
}
