//! What a connection answers itself: settings, transactions, cursors.

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

use super::startup::Told;
use super::statement::{Word, is_of_the_session};
use super::talk::Talk;
use super::{Socket, errors, rows};

impl Talk {
    /// Does what is said about the connection.
    pub(super) async fn word(
        &mut self,
        socket: &mut Socket,
        word: &Word,
        format: &Format,
    ) -> PgWireResult<Response> {
        if !matches!(word, Word::Commit | Word::Rollback | Word::RollbackTo) {
            self.refuse_in_failed(socket)?;
        }
        let failed = matches!(socket.transaction_status(), TransactionStatus::Error);
        Ok(match word {
            Word::Begin => {
                self.session.settings().begin();
                Response::TransactionStart(Tag::new("BEGIN"))
            }
            Word::Commit if failed => self.end(false),
            Word::Commit => self.end(true),
            Word::Rollback => self.end(false),
            Word::RollbackTo => Response::TransactionStart(Tag::new("ROLLBACK")),
            Word::Nothing(tag) => Response::Execution(Tag::new(tag)),
            Word::Show(name) => rows::setting(name, &self.shown(name)?, format)?,
            Word::SetLocal(name, value) => {
                self.session.settings().set_local(name, value.as_deref())?;
                Response::Execution(Tag::new("SET"))
            }
            Word::Set(name, value) => {
                self.session.settings().set(name, value.as_deref())?;
                if let Some(shown) = Told::name(name) {
                    let value = self.session.settings().show(name)?;
                    let status = ParameterStatus::new(shown.to_owned(), value);
                    socket.feed(Out::ParameterStatus(status)).await?;
                }
                Response::Execution(Tag::new("SET"))
            }
            Word::Declare { name, hold, statement } => {
                let (named, statement) = ((name.as_str(), *hold), Statement::clone(statement));
                let status = socket.transaction_status();
                self.cursors.declare(&self.session, status, named, statement).await?;
                Response::Execution(Tag::new("DECLARE CURSOR"))
            }
            // Its rows are sent by whoever knows how it was asked for.
            Word::Fetch { .. } => Response::EmptyQuery,
            Word::CloseCursor(name) => {
                self.cursors.close(name.as_deref())?;
                Response::Execution(Tag::new("CLOSE CURSOR"))
            }
            Word::ResetAll => {
                self.session.settings().reset();
                Response::Execution(Tag::new("RESET"))
            }
            Word::Deallocate(Some(name)) => {
                self.forget(socket, name);
                Response::Execution(Tag::new("DEALLOCATE"))
            }
            Word::Deallocate(None) => {
                for name in std::mem::take(&mut self.names) {
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

    /// A setting of the protocol, or of the session.
    fn shown(&self, name: &str) -> PgWireResult<String> {
        if !is_of_the_session(name) {
            return self.session.settings().show(name);
        }
        let state = self.session.context().map_err(|error| errors::of(&error))?.state();
        let found = state.config_options().entries().into_iter().find(|entry| entry.key == name);
        let value = found.map(|entry| entry.value.unwrap_or_default());
        value.ok_or_else(|| {
            let told = format!("unrecognized configuration parameter \"{name}\"");
            errors::error("42704", told)
        })
    }

    /// The columns of such an answer.
    ///
    /// # Errors
    /// When a cursor is not there.
    pub(super) fn word_fields(&self, word: &Word, format: &Format) -> PgWireResult<Vec<FieldInfo>> {
        match word {
            Word::Show(name) => Ok(rows::setting_field(name, format)),
            Word::Fetch { name, .. } => self.cursors.fields(&self.session, name, format),
            _ => Ok(Vec::new()),
        }
    }
}
