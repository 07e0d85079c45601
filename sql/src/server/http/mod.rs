//! HTTP: health, metrics and the report.
//!
//! | path | response | requires a login |
//! |---|---|---|
//! | `/healthz` | `ok`, or 503 while the server stops | never |
//! | `/metrics` | the metrics, as Prometheus reads them | if the server does |
//! | `/api/report` | the bytes of `headcount report --format json`, for the same question | if the server does |
//!
//! Only GET and HEAD are allowed. Errors are JSON objects with `error` and optionally `help`.

mod report;
mod responses;
mod user;

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

use super::incoming::{ClientStream, HANDSHAKE_TIMEOUT, Incoming, TransportConfig};
use super::{Protocol, ServerContext, Tls, credentials};
use responses::{ErrorResponse, add_security_headers};

/// Most bytes, and most headers, of a request's head.
const MAX_HEADER_BYTES: usize = 16 << 10;
const MAX_HEADERS: usize = 100;
/// Time to finish sending after all statements were cancelled.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

const TRANSPORT: TransportConfig = TransportConfig {
    protocol: Protocol::Http,
    alpn: b"http/1.1",
    full_response: b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
            content-type: application/json\r\ncontent-length: 39\r\n\r\n\
            {\"error\":\"all connections are in use\"}\n",
    // A client sends nothing while it waits for a response.
    read_timeout: None,
};

/// Serves until the server stops and all connections are closed.
///
/// # Errors
/// None at present.
pub async fn serve(
    server: Arc<ServerContext>,
    listener: TcpListener,
    tls: Option<Tls>,
) -> Result<()> {
    let routes = routes(&server);
    let mut incoming = Incoming::new(Arc::clone(&server), listener, tls, TRANSPORT);
    let connections = TaskTracker::new();
    while let Some(stream) = incoming.next().await {
        connections.spawn(serve_connection(Arc::clone(&server), stream, routes.clone()));
    }
    connections.close();
    connections.wait().await;
    Ok(())
}

async fn serve_connection(server: Arc<ServerContext>, stream: ClientStream, routes: Router) {
    let from = stream.from;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new());
    http.header_read_timeout(HANDSHAKE_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = server.stopping() => {
            connection.as_mut().graceful_shutdown();
            let killed = async {
                server.killed().await;
                tokio::time::sleep(SHUTDOWN_GRACE).await;
            };
            tokio::select! {
                ended = connection => ended,
                () = killed => Ok(()),
            }
        }
    };
    if let Err(cause) = ended {
        log_connection_error(from, &cause);
    }
}

/// Logs at debug level, because the cause is usually the client.
fn log_connection_error(from: SocketAddr, cause: &hyper::Error) {
    tracing::debug!(%from, %cause, "connection ended");
}

fn routes(server: &Arc<ServerContext>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/api/report", get(report::report))
        .layer(from_fn_with_state(Arc::clone(server), authenticate))
        .route("/healthz", get(health))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response(add_security_headers))
        .with_state(Arc::clone(server))
}

/// Passes on requests of authenticated users only.
async fn authenticate(
    State(server): State<Arc<ServerContext>>,
    mut request: Request,
    next: Next,
) -> Response {
    let user = if server.access.requires_login() {
        let header = request.headers().get(header::AUTHORIZATION);
        let header = header.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        match credentials::authenticate_basic(&server, &header).await {
            Some(user) => user,
            None => return responses::unauthorized(),
        }
    } else {
        String::new()
    };
    request.extensions_mut().insert(user::User(user));
    next.run(request).await
}

async fn health(State(server): State<Arc<ServerContext>>) -> (StatusCode, &'static str) {
    match server.is_stopping() {
        true => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
        false => (StatusCode::OK, "ok\n"),
    }
}

async fn metrics(State(server): State<Arc<ServerContext>>) -> Result<Response, ErrorResponse> {
    // The version of the store is read from its folder.
    let text = tokio::task::spawn_blocking(move || server.metrics_text());
    let text = text.await.map_err(|cause| Error::internal(cause.to_string()))??;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

async fn not_found() -> ErrorResponse {
    let error = Error::input("not found").with("help", "use /healthz, /metrics or /api/report");
    ErrorResponse(StatusCode::NOT_FOUND, error)
}

async fn method_not_allowed() -> ErrorResponse {
    let error = Error::input("this server only reads").with("help", "use GET or HEAD");
    ErrorResponse(StatusCode::METHOD_NOT_ALLOWED, error)
}
