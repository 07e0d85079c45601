//! Authenticates calls, and attaches the user and the connection's session to each request.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use datafusion::prelude::SessionContext;
use engine::Result;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Context, Poll, Service, http};
use tonic::server::NamedService;
use tonic::transport::server::Connected;
use tonic::{Request, Status};

use super::tokens::Tokens;
use crate::server::incoming::ClientStream;
use crate::server::{ServerContext, credentials};

/// The DataFusion session of one connection, created on first use. Its settings last as long as the
/// connection.
#[derive(Clone, Default)]
pub(in crate::server) struct ConnectionSession(Arc<Mutex<Option<SessionContext>>>);

impl fmt::Debug for ConnectionSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionSession")
    }
}

impl Connected for ClientStream {
    type ConnectInfo = ConnectionSession;

    fn connect_info(&self) -> ConnectionSession {
        ConnectionSession::default()
    }
}

/// The user of a call and its connection.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Empty if the server requires no login.
    pub(super) user: String,
    session: ConnectionSession,
}

impl Caller {
    /// The caller of an authenticated request.
    pub(super) fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let caller = request.extensions().get::<Self>().cloned();
        caller.ok_or_else(|| Status::unauthenticated("this call has no caller"))
    }

    /// The connection's session.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(super) fn session(&self, server: &ServerContext) -> Result<SessionContext> {
        let mut slot = self.session.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = &*slot {
            return Ok(session.clone());
        }
        Ok(slot.insert(server.session()?).clone())
    }
}

/// Passes on calls of authenticated users only.
#[derive(Clone, Debug)]
pub(super) struct AuthService<S> {
    inner: S,
    server: Arc<ServerContext>,
    tokens: Arc<Tokens>,
}

impl<S> AuthService<S> {
    pub(super) fn new(inner: S, server: Arc<ServerContext>, tokens: Arc<Tokens>) -> Self {
        Self { inner, server, tokens }
    }
}

impl<S: NamedService> NamedService for AuthService<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for AuthService<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        // The service that was polled ready must handle the call.
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let (server, tokens) = (Arc::clone(&self.server), Arc::clone(&self.tokens));
        Box::pin(async move {
            let header = request.headers().get(http::header::AUTHORIZATION);
            let header =
                header.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
            let Some(user) = authenticate(&server, &tokens, &header).await else {
                let message = match header.is_empty() {
                    true => "this server requires a name and a password",
                    false => "wrong name, password or token, or the token has expired",
                };
                return Ok(Status::unauthenticated(message).into_http());
            };
            let session =
                request.extensions().get::<ConnectionSession>().cloned().unwrap_or_default();
            request.extensions_mut().insert(Caller { user, session });
            inner.call(request).await
        })
    }
}

/// The user of a header `Authorization`; an empty name if the server requires no login.
async fn authenticate(
    server: &Arc<ServerContext>,
    tokens: &Tokens,
    header: &str,
) -> Option<String> {
    if !server.access.requires_login() {
        return Some(String::new());
    }
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            tokens.user(token.trim(), Instant::now())
        }
        _ => credentials::authenticate_basic(server, header).await,
    }
}
