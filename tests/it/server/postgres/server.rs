//! The real program, serving on free ports, with its log.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use tokio_postgres::{Client, Config, NoTls};

use crate::project::program;
use crate::server::http;
use crate::server::poll::poll;

/// A running server, killed on drop.
pub(crate) struct Server {
    child: Child,
    log_lines: Arc<Mutex<Vec<String>>>,
    pub(crate) postgres: SocketAddr,
}

impl Server {
    /// Serves a project's folder with more arguments.
    pub(crate) fn start(root: &Path, more: &[&str]) -> Self {
        let mut command = program(root);
        command.args(["serve", "--postgres", "127.0.0.1:0", "--threads", "2"]).args(more);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log_lines = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log_lines);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { child, log_lines, postgres: nowhere };
        server.postgres = server.address("postgres").parse().unwrap();
        server
    }

    /// The address of a protocol.
    #[track_caller]
    pub(crate) fn address(&mut self, protocol: &str) -> String {
        let line = self.wait_for_line(&format!("listening: {protocol} on "));
        line.split(' ').nth(3).unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    /// Waits for a line that contains this.
    #[track_caller]
    pub(crate) fn wait_for_line(&mut self, part: &str) -> String {
        poll(|| {
            let ended = self.child.try_wait().unwrap();
            let lines = self.log_lines();
            let line = lines.iter().find(|line| line.contains(part)).cloned();
            assert!(line.is_some() || ended.is_none(), "{ended:?}, no {part:?} in {lines:#?}");
            line.ok_or(lines)
        })
    }

    /// The lines of its log so far.
    pub(crate) fn log_lines(&self) -> Vec<String> {
        self.log_lines.lock().unwrap().clone()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits until it has ended.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        poll(|| self.child.try_wait().unwrap().ok_or_else(|| self.log_lines()))
    }

    /// Waits for a line of the metrics; the server must have been started with `--http`.
    #[track_caller]
    pub(crate) fn wait_for_metric(&mut self, line: &str) {
        let address = self.address("http").parse().unwrap();
        poll(|| {
            let text = http::get(address, "/metrics").body;
            if text.lines().any(|found| found == line) { Ok(()) } else { Err(text) }
        });
    }

    /// The configuration for tokio-postgres.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new();
        config.host(self.postgres.ip().to_string()).port(self.postgres.port());
        config.user("ada").dbname("headcount");
        config
    }

    /// A client.
    pub(crate) async fn client(&self) -> Client {
        client(&self.config()).await.unwrap()
    }

    /// Its peak memory in bytes, where the system reports it.
    pub(crate) fn peak(&self) -> Option<usize> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        peak.trim().strip_suffix(" kB")?.parse::<usize>().ok().map(|kilobytes| kilobytes << 10)
    }

    /// It answers, and nothing has panicked.
    #[track_caller]
    pub(crate) fn assert_healthy(&self) {
        let one = run(async {
            let row = self.client().await.query_one("SELECT 1::BIGINT", &[]).await.unwrap();
            row.get::<_, i64>(0)
        });
        assert_eq!(one, 1);
        for line in self.log_lines() {
            assert!(!line.contains("panick"), "{line}");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client, whose connection runs in a task.
pub(crate) async fn client(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Runs a test's own client.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// The code, message and hint of an error.
#[track_caller]
pub(crate) fn error_fields<T: std::fmt::Debug>(
    result: Result<T, tokio_postgres::Error>,
) -> (String, String, String) {
    let error = result.unwrap_err();
    let Some(fields) = error.as_db_error() else { panic!("{error:?}") };
    let hint = fields.hint().unwrap_or_default().to_owned();
    (fields.code().code().to_owned(), fields.message().to_owned(), hint)
}

/// It fails with this code; message and hint contain these.
#[track_caller]
pub(crate) fn fails<T: std::fmt::Debug>(
    result: Result<T, tokio_postgres::Error>,
    code: &str,
    parts: &[&str],
) {
    let (found, message, hint) = error_fields(result);
    assert_eq!(found, code, "{message}");
    let all = format!("{message}\n{hint}");
    for part in parts {
        assert!(all.contains(part), "no {part:?} in {all}");
    }
}

/// Expects that the server does not start, and returns its stderr.
#[track_caller]
pub(crate) fn refused(root: &Path, more: &[&str]) -> String {
    let mut all = vec!["serve"];
    if !more.contains(&"--postgres") {
        all.extend(["--postgres", "127.0.0.1:0"]);
    }
    all.extend(more);
    let ran = crate::project::run_in(root, &all);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
    assert!(!ran.err.contains("listening"), "{}", ran.err);
    ran.err
}
