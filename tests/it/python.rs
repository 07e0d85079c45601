//! Python, for tests with other programs: one environment with pinned packages, created by the first
//! test that needs it and kept in the build folder.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const REQUIREMENTS: &str = include_str!("../python/requirements.txt");

/// The interpreter of the environment.
pub(crate) fn python() -> PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(make).clone()
}

/// Runs a script of `tests/python` and gives what it printed.
///
/// Panics with its stderr if it fails.
pub(crate) fn run(script: &str, args: &[&str]) -> String {
    let path = scripts().join(script);
    let output = Command::new(python()).arg(&path).args(args).output();
    let output = output.unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    text(&format!("{script} {}", args.join(" ")), output)
}

/// The folder of scripts.
pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python")
}

/// Makes the environment unless it is there, with exactly these packages.
fn make() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (home, stamp) = (folder.join("python"), folder.join("python.stamp"));
    let python = home.join("bin/python");
    // Other processes that run tests wait here.
    let lock = File::create(folder.join("python.lock")).expect("a lock in the build folder");
    lock.lock().expect("the lock of the Python environment");
    let mut made = String::new();
    if let Ok(mut file) = File::open(&stamp) {
        file.read_to_string(&mut made).expect("the stamp of the Python environment");
    }
    if made == REQUIREMENTS && python.exists() {
        return python;
    }
    let help = "these tests need Python 3.11 or newer as `python3`, with the module `venv`, and a \
                package index that pip can reach";
    let _ = fs::remove_dir_all(&home);
    let step = |what: &str, command: &mut Command| {
        let output = command.output().unwrap_or_else(|cause| panic!("{what}: {cause}\n{help}"));
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{what} failed: {errors}\n{help}");
    };
    step("python3 -m venv", Command::new("python3").args(["-m", "venv"]).arg(&home));
    let requirements = scripts().join("requirements.txt");
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    step("pip install", install.arg(requirements));
    fs::write(&stamp, REQUIREMENTS).expect("the stamp of the Python environment");
    python
}

fn text(what: &str, output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{what} failed:\n{errors}");
    String::from_utf8(output.stdout).expect("a script prints UTF-8")
}
