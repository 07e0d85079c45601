//! Python, for tests with other programs: environments with pinned packages, each created by the first
//! test that needs it and kept in the build folder.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// An environment with exactly the packages of a file.
struct Environment {
    name: &'static str,
    file: &'static str,
    requirements: &'static str,
    python: OnceLock<PathBuf>,
}

static TOOLS: Environment = Environment {
    name: "python",
    file: "requirements.txt",
    requirements: include_str!("../python/requirements.txt"),
    python: OnceLock::new(),
};
static DBT: Environment = Environment {
    name: "dbt",
    file: "requirements-dbt.txt",
    requirements: include_str!("../python/requirements-dbt.txt"),
    python: OnceLock::new(),
};

static SUPERSET: Environment = Environment {
    name: "superset",
    file: "requirements-superset.txt",
    requirements: include_str!("../python/requirements-superset.txt"),
    python: OnceLock::new(),
};

/// The interpreter of the environment of most tests.
pub(crate) fn python() -> PathBuf {
    TOOLS.python()
}

/// Runs a script of `tests/python` and gives what it printed.
///
/// Panics with its stderr if it fails.
pub(crate) fn run(script: &str, args: &[&str]) -> String {
    TOOLS.run(script, args)
}

/// The same with dbt.
pub(crate) fn run_dbt(script: &str, args: &[&str]) -> String {
    DBT.run(script, args)
}

/// The same with the packages of Apache Superset.
pub(crate) fn run_superset(script: &str, args: &[&str]) -> String {
    SUPERSET.run(script, args)
}

/// The folder of scripts.
pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python")
}

impl Environment {
    fn python(&self) -> PathBuf {
        self.python.get_or_init(|| self.make()).clone()
    }

    fn run(&self, script: &str, args: &[&str]) -> String {
        let path = scripts().join(script);
        let output = Command::new(self.python()).arg(&path).args(args).output();
        let output = output.unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
        text(&format!("{script} {}", args.join(" ")), output)
    }

    /// Makes the environment unless it is there.
    fn make(&self) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let file = |ending: &str| folder.join(format!("{}{ending}", self.name));
        let (home, stamp) = (file(""), file(".stamp"));
        let python = home.join("bin/python");
        // Other processes that run tests wait here.
        let lock = File::create(file(".lock")).expect("a lock in the build folder");
        lock.lock().expect("the lock of the Python environment");
        let mut made = String::new();
        if let Ok(mut file) = File::open(&stamp) {
            file.read_to_string(&mut made).expect("the stamp of the Python environment");
        }
        if made == self.requirements && python.exists() {
            return python;
        }
        let help = "these tests need Python 3.11 or newer as `python3`, with the module `venv`, \
                    and a package index that pip can reach";
        let _ = fs::remove_dir_all(&home);
        let step = |what: &str, command: &mut Command| {
            let output = command.output().unwrap_or_else(|cause| panic!("{what}: {cause}\n{help}"));
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{what} failed: {errors}\n{help}");
        };
        step("python3 -m venv", Command::new("python3").args(["-m", "venv"]).arg(&home));
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
        step("pip install", install.arg(scripts().join(self.file)));
        fs::write(&stamp, self.requirements).expect("the stamp of the Python environment");
        python
    }
}

fn text(what: &str, output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{what} failed:\n{errors}");
    String::from_utf8(output.stdout).expect("a script prints UTF-8")
}
