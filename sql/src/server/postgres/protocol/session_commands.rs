//! Commands that the connection handles itself: settings, transactions, cursors.

use datafusion::sql::sqlparser::ast::Statement;
use futures::SinkExt;
use pgwire::api::portal::Format;
use pgwire::api::results::{FieldInfo, Response, Tag};
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore};
use pgwire::error::PgWireResult;
use pgwire::messages::PgWireBackendMessage as Out;
use pgwire::messages::response::TransactionStatus;
use pgwire::messages::startup::ParameterStatus;

use super::connection::Connection;
use super::socket::Socket;
use super::startup::ServerParameters;
use crate::server::postgres::errors;
use crate::server::postgres::statements::statement::{SessionCommand, is_datafusion_setting};
use crate::server::postgres::values::rows;

impl Connection {
    /// Runs a session command.
    pub(super) async fn run_command(
        &mut self,
        socket: &mut Socket,
        command: &SessionCommand,
        format: &Format,
    ) -> PgWireResult<Response> {
        if !matches!(
            command,
            SessionCommand::Commit | SessionCommand::Rollback | SessionCommand::RollbackTo
        ) {
            self.check_not_aborted(socket)?;
        }
        let failed = matches!(socket.transaction_status(), TransactionStatus::Error);
        Ok(match command {
            SessionCommand::Begin => {
                self.session.settings().begin();
                Response::TransactionStart(Tag::new("BEGIN"))
            }
            SessionCommand::Commit if failed => self.end(false),
            SessionCommand::Commit => self.end(true),
            SessionCommand::Rollback => self.end(false),
            SessionCommand::RollbackTo => Response::TransactionStart(Tag::new("ROLLBACK")),
            SessionCommand::NoOp(tag) => Response::Execution(Tag::new(tag)),
            SessionCommand::Show(name) => rows::setting(name, &self.setting(name)?, format)?,
            SessionCommand::SetLocal(name, value) => {
                self.session.settings().set_local(name, value.as_deref())?;
                Response::Execution(Tag::new("SET"))
            }
            SessionCommand::Set(name, value) => {
                self.session.settings().set(name, value.as_deref())?;
                if let Some(shown) = ServerParameters::reported_name(name) {
                    let value = self.session.settings().show(name)?;
                    let status = ParameterStatus::new(shown.to_owned(), value);
                    socket.feed(Out::ParameterStatus(status)).await?;
                }
                Response::Execution(Tag::new("SET"))
            }
            SessionCommand::Declare { name, hold, statement } => {
                let (named, statement) = ((name.as_str(), *hold), Statement::clone(statement));
                let status = socket.transaction_status();
                self.cursors.declare(&self.session, status, named, statement).await?;
                Response::Execution(Tag::new("DECLARE CURSOR"))
            }
            // Its rows are sent by the caller, which knows the protocol.
            SessionCommand::Fetch { .. } => Response::EmptyQuery,
            SessionCommand::CloseCursor(name) => {
                self.cursors.close(name.as_deref())?;
                Response::Execution(Tag::new("CLOSE CURSOR"))
            }
            SessionCommand::ResetAll => {
                self.session.settings().reset();
                Response::Execution(Tag::new("RESET"))
            }
            SessionCommand::Deallocate(Some(name)) => {
                self.deallocate(socket, name);
                Response::Execution(Tag::new("DEALLOCATE"))
            }
            SessionCommand::Deallocate(None) => {
                for name in std::mem::take(&mut self.prepared_names) {
                    socket.portal_store().rm_statement(&name);
                }
                Response::Execution(Tag::new("DEALLOCATE ALL"))
            }
        })
    }

    fn end(&self, committed: bool) -> Response {
        self.session.settings().end(committed);
        Response::TransactionEnd(Tag::new(if committed { "COMMIT" } else { "ROLLBACK" }))
    }

    /// The value of a PostgreSQL or DataFusion setting.
    fn setting(&self, name: &str) -> PgWireResult<String> {
        if !is_datafusion_setting(name) {
            return self.session.settings().show(name);
        }
        let state = self.session.context().map_err(errors::from_error)?.state();
        let found = state.config_options().entries().into_iter().find(|entry| entry.key == name);
        let value = found.map(|entry| entry.value.unwrap_or_default());
        value.ok_or_else(|| {
            let message = format!("unrecognized configuration parameter \"{name}\"");
            errors::error("42704", message)
        })
    }

    /// The columns of a command's result.
    ///
    /// # Errors
    /// When a cursor does not exist.
    pub(super) fn command_fields(
        &self,
        command: &SessionCommand,
        format: &Format,
    ) -> PgWireResult<Vec<FieldInfo>> {
        match command {
            SessionCommand::Show(name) => Ok(rows::setting_field(name, format)),
            SessionCommand::Fetch { name, .. } => self.cursors.fields(&self.session, name, format),
            _ => Ok(Vec::new()),
        }
    }
}
