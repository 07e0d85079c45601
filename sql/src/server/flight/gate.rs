//! The way in: every call passes here, and takes along who calls and the session of its connection.

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
use crate::server::incoming::Wire;
use crate::server::{Shared, credentials};

/// The session of one connection, made when it is first needed: settings stay with the connection.
#[derive(Clone, Default)]
pub(in crate::server) struct Own(Arc<Mutex<Option<SessionContext>>>);

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Own")
    }
}

impl Connected for Wire {
    type ConnectInfo = Own;

    fn connect_info(&self) -> Own {
        Own::default()
    }
}

/// Who calls, over which connection.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Empty where nobody is asked for a name.
    pub(super) user: String,
    own: Own,
}

impl Caller {
    /// The caller of a request that passed the gate.
    pub(super) fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let caller = request.extensions().get::<Self>().cloned();
        caller.ok_or_else(|| Status::unauthenticated("this call has no caller"))
    }

    /// The connection's session.
    ///
    /// # Errors
    /// When there can be none.
    pub(super) fn session(&self, shared: &Shared) -> Result<SessionContext> {
        let mut own = self.own.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = &*own {
            return Ok(session.clone());
        }
        Ok(own.insert(shared.session()?).clone())
    }
}

/// Lets calls through whose callers are known.
#[derive(Clone, Debug)]
pub(super) struct Gate<S> {
    inner: S,
    shared: Arc<Shared>,
    tokens: Arc<Tokens>,
}

impl<S> Gate<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>, tokens: Arc<Tokens>) -> Self {
        Self { inner, shared, tokens }
    }
}

impl<S: NamedService> NamedService for Gate<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Gate<S>
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
        // The one that is ready goes with the call.
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let (shared, tokens) = (Arc::clone(&self.shared), Arc::clone(&self.tokens));
        Box::pin(async move {
            let header = request.headers().get(http::header::AUTHORIZATION);
            let header =
                header.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
            let Some(user) = user(&shared, &tokens, &header).await else {
                let words = match header.is_empty() {
                    true => "this server requires a name and a password",
                    false => "wrong name, password or token, or the token has expired",
                };
                return Ok(Status::unauthenticated(words).into_http());
            };
            let own = request.extensions().get::<Own>().cloned().unwrap_or_default();
            request.extensions_mut().insert(Caller { user, own });
            inner.call(request).await
        })
    }
}

/// Whom a header `Authorization` names; everybody is nobody where no names are asked for.
async fn user(shared: &Arc<Shared>, tokens: &Tokens, header: &str) -> Option<String> {
    if !shared.access.asks() {
        return Some(String::new());
    }
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            tokens.user(token.trim(), Instant::now())
        }
        _ => credentials::basic(shared, header).await,
    }
}
