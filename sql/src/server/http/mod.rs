//! HTTP: is it alive, how is it, and the report.
//!
//! | path | says | asks for a password |
//! |---|---|---|
//! | `/healthz` | `ok`, or 503 while the server stops | never |
//! | `/metrics` | the metrics, as Prometheus reads them | as the server does |
//! | `/api/report` | the bytes of `headcount report --format json`, for the same question | as the server does |
//!
//! Only GET and HEAD; every error is JSON with `error` and, where there is some, `help`.

mod answers;
mod report;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use engine::{Error, Result};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::incoming::{Incoming, Manner, PATIENCE, Wire};
use super::{Protocol, Shared, Tls, credentials};
use answers::{Refusal, guarded};

/// Most bytes and lines of a request's head.
const HEAD: usize = 16 << 10;
const HEADERS: usize = 100;
/// Time for what is being sent when everything is ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

const MANNER: Manner = Manner {
    protocol: Protocol::Http,
    alpn: b"http/1.1",
    full: b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
            content-type: application/json\r\ncontent-length: 39\r\n\r\n\
            {\"error\":\"all connections are in use\"}\n",
    // A client says nothing while it waits for its answer.
    silence: None,
};

/// Serves until the server stops and the last answer is given.
///
/// # Errors
/// When nobody can connect.
pub async fn serve(shared: Arc<Shared>, listener: TcpListener, tls: Option<Tls>) -> Result<()> {
    let routes = routes(&shared);
    let mut incoming = Incoming::new(Arc::clone(&shared), listener, tls, MANNER);
    let connections = TaskTracker::new();
    while let Some(wire) = incoming.next().await {
        connections.spawn(speak(Arc::clone(&shared), wire, routes.clone()));
    }
    connections.close();
    connections.wait().await;
    Ok(())
}

async fn speak(shared: Arc<Shared>, wire: Wire, routes: Router) {
    let from = wire.from;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new());
    http.header_read_timeout(PATIENCE).max_buf_size(HEAD).max_headers(HEADERS);
    let connection = http.serve_connection(TokioIo::new(wire), TowerToHyperService::new(routes));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shared.stopping() => {
            connection.as_mut().graceful_shutdown();
            let killed = async {
                shared.killed().await;
                tokio::time::sleep(LAST_WORDS).await;
            };
            tokio::select! {
                ended = connection => ended,
                () = killed => Ok(()),
            }
        }
    };
    if let Err(cause) = ended {
        tell(from, &cause);
    }
}

/// A client's mistake is no event of ours.
fn tell(from: SocketAddr, cause: &hyper::Error) {
    tracing::debug!(%from, %cause, "connection ended");
}

fn routes(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/api/report", get(report::report))
        .layer(from_fn_with_state(Arc::clone(shared), admit))
        .route("/healthz", get(health))
        .fallback(nothing)
        .method_not_allowed_fallback(only_reading)
        .layer(map_response(guarded))
        .with_state(Arc::clone(shared))
}

/// Who asks; empty where nobody is asked for a name.
#[derive(Clone, Debug)]
struct User(String);

/// Lets those through who are known.
async fn admit(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let user = if shared.access.asks() {
        let header = request.headers().get(header::AUTHORIZATION);
        let header = header.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        match credentials::basic(&shared, &header).await {
            Some(user) => user,
            None => return answers::who_are_you(),
        }
    } else {
        String::new()
    };
    request.extensions_mut().insert(User(user));
    next.run(request).await
}

async fn health(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    match shared.is_stopping() {
        true => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
        false => (StatusCode::OK, "ok\n"),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Response, Refusal> {
    // The version of the store is read from its folder.
    let text = tokio::task::spawn_blocking(move || shared.metrics_text());
    let text = text.await.map_err(|cause| Error::internal(cause.to_string()))??;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

async fn nothing() -> Refusal {
    let error = Error::input("not found").with("help", "use /healthz, /metrics or /api/report");
    Refusal(StatusCode::NOT_FOUND, error)
}

async fn only_reading() -> Refusal {
    let error = Error::input("this server only reads").with("help", "use GET or HEAD");
    Refusal(StatusCode::METHOD_NOT_ALLOWED, error)
}
