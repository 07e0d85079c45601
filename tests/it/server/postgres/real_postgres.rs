//! A PostgreSQL server in a temporary folder, to compare answers with.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio_postgres::{Client, Config};

use super::server::{client, run};
use crate::server::poll::poll;

/// Debian's folders of PostgreSQL's versions.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Debian's user for PostgreSQL, which refuses to run as root.
const USER: &str = "postgres";

/// A running server, stopped on drop. It listens on a socket in its folder only.
pub(super) struct RealPostgres {
    child: Child,
    folder: TempDir,
}

impl RealPostgres {
    /// Creates a database with the byte order of texts, and starts the server.
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let owner = owner();
        if let Some((user, group)) = owner {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let program = |name: &str| {
            let mut command = Command::new(programs().join(name));
            if let Some((user, group)) = owner {
                command.uid(user).gid(group);
            }
            command.current_dir(folder.path()).stdin(Stdio::null());
            command
        };
        let mut create = program("initdb");
        create.args(["--pgdata=data", "--username=ada", "--auth=trust", "--encoding=UTF8"]);
        create.args(["--lc-collate=C", "--lc-ctype=C.UTF-8", "--no-sync"]);
        let created = create.output().unwrap();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut serve = program("postgres");
        serve.args(["-D", "data", "-F", "-k"]).arg(folder.path());
        serve.args(["-c", "listen_addresses="]);
        serve.args(["-c", "timezone=UTC"]).stdout(Stdio::null()).stderr(log);
        let child = serve.spawn().unwrap();
        let server = Self { child, folder };
        poll(|| {
            let connected = run(async { client(&server.config()).await.map(drop) });
            let log = || fs::read_to_string(server.folder.path().join("log"));
            connected.map_err(|error| format!("{error}: {:?}", log()))
        });
        server
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        config.host_path(self.folder.path()).user("ada").dbname("postgres");
        config
    }

    /// A client.
    pub(super) async fn client(&self) -> Client {
        client(&self.config()).await.unwrap()
    }
}

impl Drop for RealPostgres {
    fn drop(&mut self) {
        // PostgreSQL's fast shutdown; SIGKILL would leave its shared memory behind.
        let _ = Command::new("kill").args(["-s", "INT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// The folder of the newest version's programs.
fn programs() -> PathBuf {
    let versions = fs::read_dir(VERSIONS).map(|entries| entries.map_while(Result::ok));
    let versions = versions.into_iter().flatten().map(|entry| entry.path().join("bin"));
    let newest = versions.filter(|path| path.join("initdb").exists()).max_by_key(|path| {
        let version = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        version.and_then(|version| version.parse::<u32>().ok())
    });
    newest.unwrap_or_else(|| panic!("no PostgreSQL in {VERSIONS}: apt-get install postgresql"))
}

/// The user and group to run as; `None` if this process is not root.
fn owner() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim().parse().unwrap_or_else(|_| panic!("no user {USER}"))
    };
    (id(&["-u"]) == 0).then(|| (id(&["-u", USER]), id(&["-g", USER])))
}
