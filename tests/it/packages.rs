//! The wheel installs and runs. `.ci/release` tries the other packages; here their files and versions are
//! compared with those of the repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::tempdir;

use crate::project::Ran;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|cause| panic!("{name}: {cause}"))
}

/// Builds with the settings of these tests and what is already compiled for them. The program itself gets
/// a folder of its own: maturin moves it, and other tests run it meanwhile.
#[test]
fn pip_installs_the_program_and_the_demo_runs() {
    let folder = tempdir().unwrap();
    let run = |command: &mut Command| {
        let ran = Ran::of(command.current_dir(folder.path()).output().unwrap());
        assert_eq!(ran.code, 0, "{command:?}\n{}\n{}", ran.out, ran.err);
        ran
    };
    run(Command::new("python3").args(["-m", "venv", "venv"]));
    let built = Path::new(env!("CARGO_BIN_EXE_headcount")).parent().unwrap();
    let profile = match built.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let target = folder.path().join("target");
    let compiled = target.join(built.file_name().unwrap());
    fs::create_dir_all(&compiled).unwrap();
    for part in ["deps", "build", ".fingerprint", "incremental"] {
        std::os::unix::fs::symlink(built.join(part), compiled.join(part)).unwrap();
    }
    let more = std::env::var("MATURIN_PEP517_ARGS").unwrap_or_default();
    let mut install = Command::new(folder.path().join("venv/bin/pip"));
    install.args(["install", "--verbose", "--disable-pip-version-check"]).arg(root());
    // What Cargo tells these tests is not about the wheel.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_")) {
        if name != "CARGO_HOME" {
            install.env_remove(name);
        }
    }
    install.env("CARGO_TARGET_DIR", &target);
    install.env("MATURIN_PEP517_ARGS", format!("{more} --profile {profile}"));
    let printed = run(&mut install).out;
    assert!(printed.contains("Successfully installed headcount-"), "{printed}");
    assert!(!printed.contains("Compiling datafusion"), "{printed}");

    let program = folder.path().join("venv/bin/headcount");
    let version = run(Command::new(&program).arg("--version")).out;
    assert_eq!(version, format!("headcount {}\n", env!("CARGO_PKG_VERSION")));
    let demo = run(Command::new(&program).arg("demo")).out;
    let built = run(Command::new(env!("CARGO_BIN_EXE_headcount")).arg("demo")).out;
    assert!(demo == built && demo.contains("2026-07    total     Unique users"), "{demo}");
    assert!(folder.path().join("headcount-demo.html").exists());
}

#[test]
fn the_image_has_the_toolchain_of_the_repository() {
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain.split('"').nth(1).unwrap();
    let image = read(".ci/Dockerfile");
    assert!(image.contains(&format!("FROM rust:{channel}-slim")), "{image}");
    assert!(image.contains(&format!("ENV RUSTUP_TOOLCHAIN={channel}\n")), "{image}");
    let copied = image.lines().filter_map(|line| line.strip_prefix("COPY "));
    for line in copied.filter(|line| !line.starts_with("--from")) {
        assert!(root().join(line.split(' ').next().unwrap()).exists(), "{line}");
    }
}

#[test]
fn the_debian_package_has_files_of_the_repository_and_what_the_script_makes() {
    let (manifest, script) = (read("sql/Cargo.toml"), read(".ci/release"));
    let assets = manifest.split_once("\nassets = [").unwrap().1.split_once("\n]").unwrap().0;
    let sources: Vec<&str> = assets.lines().filter_map(|line| line.split('"').nth(1)).collect();
    assert!(sources.len() > 5, "{sources:?}");
    for source in sources {
        match source.strip_prefix("target/release/") {
            None => assert!(root().join("sql").join(source).exists(), "{source}"),
            Some("headcount") => {}
            Some(completion) => {
                let shell = completion.strip_prefix("completions/headcount.").unwrap();
                let made = script.lines().find_map(|line| line.strip_prefix("for shell in "));
                assert!(made.unwrap().split([' ', ';']).any(|word| word == shell), "{source}");
            }
        }
    }
}
