//! Servers in the test's own process: every limit can be set, and the server's state inspected.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use engine::project::Project as EngineProject;
use headcount::server::depth::threads;
use headcount::server::{Access, Limits, ServerContext, Tls, access, flight, http};
use headcount::session::Options;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::project::Project;
use crate::server::poll::{TIMEOUT, poll};

/// The user of servers that require a login.
pub(crate) const USER: (&str, &str) = ("ada", "correct horse: battery");

/// Settings of the servers.
#[derive(Default)]
pub(crate) struct ServerSetup {
    pub(crate) limits: Limits,
    /// Whether clients must log in.
    pub(crate) require_login: bool,
    pub(crate) tls: bool,
}

/// HTTP and Flight SQL over one project.
pub(crate) struct InProcessServer {
    pub(crate) server: Arc<ServerContext>,
    pub(crate) http: SocketAddr,
    pub(crate) flight: SocketAddr,
    serving: Vec<JoinHandle<engine::Result<()>>>,
    /// For the servers, and for the test's own clients.
    pub(crate) runtime: Runtime,
    _work: Runtime,
}

impl InProcessServer {
    pub(crate) fn new(root: &Path, set: ServerSetup) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let work = threads("query", 2).unwrap();
        let project = Arc::new(EngineProject::load(root).unwrap());
        let users = Project::empty();
        let access = match set.require_login {
            true => {
                users.write("users", access::format_entry(USER.0, USER.1).unwrap());
                Access::read(&users.path("users")).unwrap()
            }
            false => Access::default(),
        };
        let tls =
            set.tls.then(|| Tls::read(&fixture("certificate.pem"), &fixture("key.pem")).unwrap());
        let options = Options { threads: Some(2), ..Options::default() };
        let work_on = work.handle().clone();
        let server =
            ServerContext::new(Some(project), options, set.limits, access, work_on).unwrap();
        let bind = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (for_http, for_flight) = (bind(), bind());
        let (http, flight) = (for_http.local_addr().unwrap(), for_flight.local_addr().unwrap());
        let serving = vec![
            runtime.spawn(http::serve(Arc::clone(&server), for_http, tls.clone())),
            runtime.spawn(flight::serve(Arc::clone(&server), for_flight, tls)),
        ];
        Self { server, http, flight, serving, runtime, _work: work }
    }

    /// Serves the good project with default settings.
    pub(crate) fn good() -> (Project, Self) {
        Self::good_with(ServerSetup::default())
    }

    pub(crate) fn good_with(set: ServerSetup) -> (Project, Self) {
        let project = Project::good();
        let in_process = Self::new(project.root(), set);
        (project, in_process)
    }

    /// Waits for a line of the metrics.
    #[track_caller]
    pub(crate) fn wait_for(&self, line: &str) {
        poll(|| {
            let text = self.server.metrics_text().unwrap();
            if text.lines().any(|found| found == line) { Ok(()) } else { Err(text) }
        });
    }

    /// Waits until both servers have ended.
    pub(crate) fn ended(&mut self) {
        for serving in self.serving.drain(..) {
            // The timeout needs the context of the runtime.
            let ended =
                self.runtime.block_on(async { tokio::time::timeout(TIMEOUT, serving).await });
            ended.expect("the server does not end").unwrap().unwrap();
        }
    }
}

impl Drop for InProcessServer {
    fn drop(&mut self) {
        self.server.kill();
    }
}

/// A file of the certificate that the tests serve with.
pub(crate) fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tls").join(name)
}
