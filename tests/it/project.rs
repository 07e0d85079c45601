//! A project in a temporary folder, runs of the program in it, and answers of the library.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatch;
use engine::JobContext;
use engine::active::{Answer, Question, answer, definitions};
use engine::calendar::Day;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use crate::table::Table;

/// The files of a small project without any fault. Its answers, by hand: in January the users 1
/// and 2, in February 1, 2 and 3, in March (incomplete) 3.
pub(crate) const GOOD: [(&str, &str); 5] = [
    (
        "headcount.yaml",
        "\
time_zone: UTC
sources:
  - name: visits
    files: events.csv
    time: at
    user: user_id
    event: event
    dimensions: [plan]
",
    ),
    (
        "dictionary/stages.yml",
        "\
stages:
  reading:
    display_name: Reading
    section: site
    groups:
      pages: {name: Pages}
      search: {name: Search}
  writing:
    display_name: Writing
    section: site
    groups:
      posts: {name: Posts}
",
    ),
    (
        "dictionary/events/all.yml",
        "\
- {action: page_viewed, description: Somebody read a page, identifiers: [user]}
- {action: searched, description: Somebody searched, identifiers: [user]}
- {action: post_written, description: Somebody wrote, identifiers: [user]}
",
    ),
    (
        "dictionary/metrics/all.yml",
        "\
- key_path: monthly.view_pages
  description: People who read
  product_group: pages
  performance_indicator_type: [smau, gmau]
  events: [{name: page_viewed, unique: user.id}]
- key_path: monthly.search
  description: People who search
  product_group: search
  events: [{name: searched, unique: user.id}]
- key_path: monthly.write_posts
  description: People who write
  product_group: posts
  performance_indicator_type: [smau, gmau]
  events: [{name: post_written, unique: user.id}]
",
    ),
    (
        "events.csv",
        "\
at,user_id,event,plan
2026-01-05T10:00:00Z,1,page_viewed,free
2026-01-06T10:00:00Z,2,page_viewed,paid
2026-01-31T23:59:59Z,1,post_written,free
2026-02-01T00:00:00Z,3,searched,free
2026-02-10T12:00:00Z,1,page_viewed,paid
2026-02-28T12:00:00Z,2,post_written,paid
2026-03-01T00:00:00Z,3,post_written,free
",
    ),
];

/// A project in a temporary folder, which is deleted on drop.
pub(crate) struct Project {
    folder: TempDir,
}

/// The output of a run of the program.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output, as bytes.
    pub(crate) bytes: Vec<u8>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Project {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The project without faults.
    pub(crate) fn good() -> Self {
        let project = Self::empty();
        for (name, text) in GOOD {
            project.write(name, text);
        }
        project
    }

    /// The folder.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Runs the program in the folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run_in(self.root(), arguments)
    }

    /// The rows that `report` with these arguments gives; it must end with code 0.
    pub(crate) fn report(&self, arguments: &[&str]) -> Table {
        let mut all = vec!["report", "--format", "csv"];
        all.extend(arguments);
        let ran = self.run(&all);
        assert_eq!(ran.code, 0, "{all:?}: {}", ran.err);
        Table::of_csv(&ran.out)
    }

    /// Answers a question with the library instead of the program.
    pub(crate) fn ask(&self, question: &Question) -> Answer {
        self.try_ask(question).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`ask`](Self::ask), for questions that may fail.
    pub(crate) fn try_ask(&self, question: &Question) -> engine::Result<Answer> {
        ask_at(self.root(), question)
    }
}

/// Answers a question about the project in a folder.
pub(crate) fn ask_at(root: &Path, question: &Question) -> engine::Result<Answer> {
    let project = engine::project::Project::load(root)?;
    let dictionary = definitions(&project, &JobContext::default())?;
    assert!(!dictionary.has_errors(), "{:?}", dictionary.problems);
    answer(&project, &dictionary, question, &JobContext::default())
}

/// Runs the program in a folder.
pub(crate) fn run_in(folder: &Path, arguments: &[impl AsRef<OsStr>]) -> Ran {
    let output = program(folder).args(arguments).output().unwrap();
    Ran::of(output)
}

/// The program, to be started in a folder.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headcount"));
    command.current_dir(folder);
    command
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
            bytes: output.stdout,
        }
    }
}

/// Copies a folder with all that is in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Copies the project of the small real data set, without a store that somebody made in it.
pub(crate) fn copy_contributions(to: &Path) {
    copy_folder(&contributions(), to);
    let _ = std::fs::remove_dir_all(to.join("store"));
}

/// The folder of the small real data set.
pub(crate) fn contributions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/contributions").canonicalize().unwrap()
}

/// Columns as the bytes of a Parquet file with row groups of at most so many rows.
pub(crate) fn parquet_in_groups(columns: &[(&str, ArrayRef)], rows: usize) -> Vec<u8> {
    let field =
        |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let arrays = columns.iter().map(|(_, array)| Arc::clone(array)).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// Columns as the bytes of a Parquet file.
pub(crate) fn parquet(columns: &[(&str, ArrayRef)]) -> Vec<u8> {
    parquet_in_groups(columns, 1 << 20)
}

/// The civil time that clocks of UTC show, `2026-01-05T10:20:30`.
pub(crate) fn civil(second: i64) -> String {
    let day = Day::new(second.div_euclid(86_400) as i32);
    let rest = second.rem_euclid(86_400);
    format!("{day}T{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Bytes wrapped as `.gz`.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes wrapped as `.zst`.
pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}
