//! `headcount serve`: the project over PostgreSQL's protocol, Arrow Flight SQL and HTTP.
//!
//! Connections and queries run on separate threads, so a busy server still accepts connections,
//! cancels statements and stops in time.

use std::fs::OpenOptions;
use std::io::{BufRead, IsTerminal, Write, stderr, stdin};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::project::Project;
use engine::{Error, Kind, Result};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tracing_subscriber::filter::LevelFilter;

use super::args;
use super::messages::{Outcome, print_message};
use crate::server::access::{Access, format_entry};
use crate::server::threads::threads;
use crate::server::{Protocol, ServerContext, Tls, flight, http, postgres};

/// Threads for connections, which do no work besides input and output.
const CONNECTION_THREADS: usize = 2;

pub(super) fn run(root: Option<PathBuf>, options: &args::Serve) -> Result<Outcome> {
    if let Some(name) = &options.add_user {
        return add_user(name, options.users.as_deref());
    }
    let access = match &options.users {
        Some(path) => Access::read(path)?,
        None => Access::default(),
    };
    let tls = match (&options.tls_cert, &options.tls_key) {
        (Some(certificates), Some(key)) => Some(Tls::read(certificates, key)?),
        _ => None,
    };
    let project = match root {
        Some(root) => Project::load(&root)?,
        None => Project::load(&args::root(None)?)?,
    };
    let mut listeners = Vec::new();
    for (protocol, address) in addresses(options) {
        access.check(address)?;
        listeners.push((protocol, bind(protocol, address)?));
    }
    log(options)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let query_runtime = threads("query", options.threads.map_or(cores, usize::from))?;
    let connection_runtime = threads("connection", CONNECTION_THREADS)?;
    let session = options.options();
    let limits = options.limits();
    let server = ServerContext::new(
        Some(Arc::new(project)),
        session,
        limits,
        access,
        query_runtime.handle().clone(),
    )?;
    connection_runtime.block_on(serve(&server, listeners, tls))?;
    shut_down(connection_runtime);
    shut_down(query_runtime);
    Ok(Outcome::Done)
}

/// The addresses to listen on; 127.0.0.1:5432 for PostgreSQL if there are none.
fn addresses(options: &args::Serve) -> Vec<(Protocol, SocketAddr)> {
    let named = [
        (Protocol::Postgres, options.postgres),
        (Protocol::Flight, options.flight),
        (Protocol::Http, options.http),
    ];
    let mut addresses: Vec<(Protocol, SocketAddr)> =
        named.into_iter().filter_map(|(protocol, address)| Some((protocol, address?))).collect();
    if addresses.is_empty() {
        addresses.push((Protocol::Postgres, SocketAddr::from(([127, 0, 0, 1], 5432))));
    }
    addresses
}

fn bind(protocol: Protocol, address: SocketAddr) -> Result<TcpListener> {
    let option = protocol.name();
    let failed = |cause: std::io::Error| {
        let error = match cause.kind() {
            std::io::ErrorKind::AddrInUse => Error::new(
                Kind::Io,
                format!("{address} is already in use"),
            )
            .with(
                "help",
                format!(
                    "stop the other program, or choose another port with --{option} (0 chooses a \
                     free one)"
                ),
            ),
            _ => Error::new(Kind::Io, format!("cannot listen on {address}: {cause}")),
        };
        error.with("option", format!("--{option}")).caused_by(cause)
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

async fn serve(
    server: &Arc<ServerContext>,
    listeners: Vec<(Protocol, TcpListener)>,
    tls: Option<Tls>,
) -> Result<()> {
    let broken = |cause| Error::new(Kind::Io, format!("cannot open a socket: {cause}"));
    let mut servers = JoinSet::new();
    for (protocol, listener) in listeners {
        let address = listener.local_addr().map_err(broken)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(broken)?;
        let (server, tls) = (Arc::clone(server), tls.clone());
        let secure = if tls.is_some() { " (TLS)" } else { "" };
        print_message(&format!("listening: {} on {address}{secure}", protocol.name()));
        servers.spawn(async move {
            match protocol {
                Protocol::Postgres => postgres::serve(server, listener, tls).await,
                Protocol::Flight => flight::serve(server, listener, tls).await,
                Protocol::Http => http::serve(server, listener, tls).await,
            }
        });
    }
    let all_ended = async {
        let mut result = Ok(());
        while let Some(ended) = servers.join_next().await {
            let ended = ended.unwrap_or_else(|cause| {
                Err(Error::internal(format!("a server stopped unexpectedly: {cause}")))
            });
            if ended.is_err() {
                // A failed server stops the others too, so that the failure is noticed.
                server.stop();
                result = ended;
            }
        }
        result
    };
    tokio::pin!(all_ended);
    tokio::select! {
        ended = &mut all_ended => ended,
        () = wait_for_stop_signal() => {
            tracing::info!("stopping: waiting for running statements");
            server.stop();
            tokio::select! {
                ended = &mut all_ended => ended,
                () = tokio::time::sleep(server.limits.grace) => {
                    tracing::warn!("stopping: cancelling running statements after the grace \
                         period");
                    server.kill();
                    all_ended.await
                }
                () = wait_for_stop_signal() => {
                    server.kill();
                    all_ended.await
                }
            }
        }
    }
}

/// Waits for Ctrl-C or SIGTERM.
async fn wait_for_stop_signal() {
    let terminated = async {
        #[cfg(unix)]
        if let Ok(mut signal) =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        {
            signal.recv().await;
            return;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

/// Does not wait for work that a cancelled statement has left running.
fn shut_down(runtime: Runtime) {
    runtime.shutdown_background();
}

fn log(options: &args::Serve) -> Result<()> {
    let level: LevelFilter = options.log_level.parse().map_err(|_| {
        Error::input(format!("unknown log level `{}`", options.log_level))
            .with("help", "use error, warn, info, debug, trace or off")
    })?;
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(stderr);
    match options.log {
        args::LogFormat::Text => builder.with_ansi(false).init(),
        args::LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Adds a user to the users file, with the password from stdin.
fn add_user(name: &str, users: Option<&Path>) -> Result<Outcome> {
    let path = users
        .ok_or_else(|| Error::input("no file of users").with("help", "name it with --users"))?;
    if path.exists() && Access::read(path).is_ok_and(|access| access.secret(name).is_some()) {
        return Err(Error::input(format!("the user `{name}` already exists"))
            .with("file", path.display())
            .with("help", "delete its line to set a new password"));
    }
    if stdin().is_terminal() {
        print_message(&format!("password for {name} (it is shown as you type):"));
    }
    let mut password = String::new();
    let failed = |cause| Error::io(Path::new("standard input"), cause);
    stdin().lock().read_line(&mut password).map_err(failed)?;
    let line = format_entry(name, password.trim_end_matches(['\n', '\r']))?;
    let failed = |cause| Error::io(path, cause);
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    writeln!(file, "{line}").map_err(failed)?;
    print_message(&format!("added {name} to {}", path.display()));
    Ok(Outcome::Done)
}
