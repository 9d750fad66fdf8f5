//! The message loop of an authenticated connection.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::cancel;
use super::error::Failure;
use super::frontend::{FrontendMessage, is_extended};
use super::portal::PortalError;
use super::session::PgSession;
use super::wire::{MessageFrame, Wire};
use diptych_base::limits::{PG_IDLE_MAX, PG_MESSAGE_TIMEOUT};
use diptych_site::connection_places::HeldPlace;

/// An authenticated connection.
pub(super) struct Connection {
    pub(super) wire: Wire,
    pub(super) session: PgSession,
    pub(super) stopping: watch::Receiver<bool>,
    /// Whether an extended message has failed: then messages are skipped until the next Sync.
    pub(super) is_skipping: bool,
    /// The seat among the places of the port, which is kept while a statement or transaction goes
    /// on.
    pub(super) seat: Arc<HeldPlace>,
}

/// The reason why a connection ends.
enum End {
    /// The client left.
    Quietly,
    /// The server ends it, and sends the client this error.
    With(Failure),
}

impl Connection {
    /// Answers messages until the client leaves, is idle for too long, or the server is told to
    /// stop.
    pub(super) async fn run(mut self) {
        self.seat.begin();
        let failure = match self.talk().await {
            End::Quietly => None,
            End::With(failure) => Some(failure.fatally()),
        };
        self.wire.close(failure.as_ref()).await;
    }

    async fn talk(&mut self) -> End {
        loop {
            let outcome = match self.wire.next() {
                Err(failure) => return End::With(failure),
                // A client that always has a further message is checked here, because it never
                // waits.
                Ok(Some(_)) if self.session.cancel.login().is_some_and(|login| !login.holds()) => {
                    Err(End::With(cancel::ended()))
                }
                Ok(Some(frame)) => self.take(frame).await,
                Ok(None) => self.wait().await,
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    /// Sends the answers, and then waits for more bytes of the client.
    async fn wait(&mut self) -> Result<(), End> {
        self.wire.flush().await.map_err(|_| End::Quietly)?;
        let (patience, late) = self.patience();
        let keeps = self.session.transaction.is_there();
        if !keeps {
            self.seat.end();
        }
        let outcome = self.more(patience, late).await;
        if !keeps {
            self.seat.begin();
        }
        outcome
    }

    async fn more(&mut self, patience: Duration, late: Failure) -> Result<(), End> {
        let over = cancel::over(self.session.cancel.login());
        let Connection { wire, stopping, .. } = self;
        let stopped = async {
            // This ends with the sender, too.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        tokio::select! {
            biased;
            filled = timeout(patience, wire.fill()) => match filled {
                Err(_) => Err(End::With(late)),
                Ok(Ok(true)) => Ok(()),
                Ok(Err(error)) if error.kind() == ErrorKind::OutOfMemory => {
                    Err(End::With(Failure::fatal("53200", error.to_string())))
                }
                Ok(Ok(false) | Err(_)) => Err(End::Quietly),
            },
            () = over => Err(End::With(cancel::ended())),
            () = stopped => {
                let failure = Failure::fatal("57P01", "the server stops");
                Err(End::With(failure.hint("connect again when it is back")))
            }
        }
    }

    /// How long the client may be silent now, and the error that it gets then.
    fn patience(&self) -> (Duration, Failure) {
        if self.wire.has_begun() {
            let failure = Failure::fatal("08P01", "the rest of a message did not come in time");
            return (PG_MESSAGE_TIMEOUT, failure);
        }
        let settings = self.session.settings();
        if self.session.transaction.is_there()
            && let Some(patience) = settings.time("idle_in_transaction_session_timeout")
        {
            let message = "terminating connection due to idle-in-transaction timeout";
            return (patience, Failure::fatal("25P03", message));
        }
        let patience = settings.time("idle_session_timeout").unwrap_or(PG_IDLE_MAX);
        let message = "terminating connection due to idle-session timeout";
        (patience, Failure::fatal("57P05", message))
    }

    /// Handles one message.
    async fn take(&mut self, frame: MessageFrame) -> Result<(), End> {
        let message = if frame.is_too_long {
            Err(frame.too_long())
        } else {
            FrontendMessage::parse(frame.tag, self.wire.body(frame))
        };
        self.wire.pass(frame);
        let done = match message {
            Ok(FrontendMessage::Terminate) => return Err(End::Quietly),
            Ok(FrontendMessage::Sync) => {
                self.is_skipping = false;
                self.session.rest(&mut self.wire.out);
                return Ok(());
            }
            _ if self.is_skipping => return Ok(()),
            Ok(message) => self.answer(message).await,
            Err(failure) => Err(failure.into()),
        };
        match done {
            Ok(()) => Ok(()),
            Err(PortalError::Gone) => Err(End::Quietly),
            Err(PortalError::Failure(failure)) if failure.is_fatal() => Err(End::With(failure)),
            Err(PortalError::Failure(failure)) => {
                failure.write(&mut self.wire.out);
                self.session.fail();
                if is_extended(frame.tag) {
                    self.is_skipping = true;
                } else {
                    self.session.rest(&mut self.wire.out);
                }
                Ok(())
            }
        }
    }

    async fn answer(&mut self, message: FrontendMessage) -> Result<(), PortalError> {
        match message {
            FrontendMessage::Query(text) => self.query(&text).await?,
            FrontendMessage::Parse(parse) => self.parse(parse).await?,
            FrontendMessage::Bind(bind) => self.bind(bind)?,
            FrontendMessage::Describe(target) => self.describe(&target)?,
            FrontendMessage::Execute { portal, rows_max } => self.execute(portal, rows_max).await?,
            FrontendMessage::Close(target) => self.close(&target),
            FrontendMessage::Flush => self.wire.flush().await?,
            FrontendMessage::Password(_) => {
                return Err(Failure::fatal("08P01", "nobody asked for a password").into());
            }
            FrontendMessage::Call => {
                return Err(Failure::new("0A000", "function calls go through SELECT").into());
            }
            // PostgreSQL also lets pieces of a COPY that has failed pass.
            FrontendMessage::Copy | FrontendMessage::Sync | FrontendMessage::Terminate => {}
        }
        Ok(())
    }
}
