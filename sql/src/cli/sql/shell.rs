//! Runs statements in one session and writes their results.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, BooleanArray, StringArray};
use arrow::record_batch::RecordBatch;
use datafusion::common::TableReference;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::SessionContext;
use engine::project::Project;
use engine::{Error, Result};
use tokio::runtime::{Builder, Runtime};

use super::super::messages::{Outcome, output_error, print_message, print_refused};
use super::super::output::binary_to_terminal;
use super::super::report::print_notes;
use super::super::terminal::Terminal;
use super::answers::AnswerCollector;
use super::commands::{Command, HELP};
use super::progress::StatementProgress;
use crate::catalog::{CatalogOptions, register};
use crate::failure::statement_error;
use crate::file_consistency;
use crate::functions::{Function, describe, functions, page};
use crate::memory::{MemoryMonitor, StatementMemory, limit_functions};
use crate::output::text::format_number;
use crate::output::{Format, Options as OutputOptions, Out, writer};
use crate::script::{Statement, statements};
use crate::session::{self, Options, session};

/// Rows after which a table on a terminal stops.
const MAX_TERMINAL_ROWS: usize = 1_000;

/// The origin of a script.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// `-c`, or a line at the prompt.
    Argument,
    /// `-f`
    File(PathBuf),
}

/// What was written of a result.
struct Written {
    rows: u64,
    /// A message about it.
    note: Option<String>,
}

/// Whether to go on.
pub(super) type Flow = ControlFlow<()>;

/// A session with its output settings.
pub(super) struct Shell {
    /// Always there until the end; see [`Drop`].
    runtime: Option<Runtime>,
    session: SessionContext,
    memory: Option<usize>,
    /// Of the statements, if their memory is limited.
    monitor: Option<Arc<MemoryMonitor>>,
    format: Format,
    /// The terminal that results go to.
    terminal: Option<Terminal>,
    /// Whether tables have a line for each value.
    expanded: bool,
    /// Results written for the current text.
    results: usize,
    interactive: bool,
    /// Whether Ctrl-C cancels a statement instead of the program.
    catches_interrupts: bool,
    timing: bool,
    answers: Arc<AnswerCollector>,
    /// Whether some report rejected rows.
    outcome: Outcome,
}

impl Shell {
    /// A session on a project's tables, and on files by their paths.
    pub(super) fn new(project: Option<Project>, options: &Options, format: Format) -> Result<Self> {
        let failed = |cause| Error::io(".".as_ref(), cause);
        let here = std::env::current_dir().map_err(failed)?;
        let mut runtime = Builder::new_multi_thread();
        if let Some(threads) = options.threads {
            runtime.worker_threads(threads);
        }
        let session = session(options)?;
        let monitor = options.memory_limit.map(|memory| MemoryMonitor::start(memory, memory));
        let monitor = monitor.transpose()?;
        if let Some(monitor) = &monitor {
            limit_functions(&session, monitor).map_err(|cause| statement_error(cause, None))?;
        }
        let answers = Arc::new(AnswerCollector::default());
        let listener = Arc::clone(&answers) as _;
        let catalog_options = CatalogOptions {
            project: project.map(Arc::new),
            paths: Some(here),
            listener: Some(listener),
        };
        register(&session, &catalog_options)?;
        Ok(Self {
            runtime: Some(runtime.enable_all().build().map_err(failed)?),
            session,
            memory: options.memory_limit,
            monitor,
            format,
            terminal: None,
            expanded: false,
            results: 0,
            interactive: false,
            catches_interrupts: false,
            timing: false,
            answers,
            outcome: Outcome::Done,
        })
    }

    /// The outcome so far.
    pub(super) fn outcome(&self) -> Outcome {
        self.outcome
    }

    fn runtime(&self) -> Result<&Runtime> {
        self.runtime.as_ref().ok_or_else(|| Error::internal("the shell is closed"))
    }

    /// Looks up the terminal that stdout is, if it is one, and its size.
    pub(super) fn find_terminal(&mut self) {
        self.terminal = Terminal::of_stdout();
    }

    /// The terminal, if the format is one to be read there.
    fn reading_terminal(&self) -> Option<Terminal> {
        self.terminal.filter(|_| self.format.is_paged())
    }

    /// Whether to write rows as records.
    pub(super) fn expand(&mut self, expanded: bool) {
        self.expanded = expanded;
    }

    fn output_options(&self) -> OutputOptions {
        OutputOptions {
            width: self.terminal.map(|terminal| terminal.width),
            expanded: self.expanded,
            ..OutputOptions::default()
        }
    }

    /// Begins a new text.
    pub(super) fn begin_text(&mut self) {
        self.results = 0;
    }

    /// Makes the shell interactive.
    pub(super) fn be_interactive(&mut self) {
        self.interactive = true;
        self.catches_interrupts = true;
    }

    /// The session, and what runs it.
    pub(super) fn session(&self) -> Result<(SessionContext, tokio::runtime::Handle)> {
        Ok((self.session.clone(), self.runtime()?.handle().clone()))
    }

    /// Runs all statements of a text, until the first error.
    pub(super) fn run_all(&mut self, origin: &Origin, text: &str, out: Out<'_>) -> Result<Flow> {
        let placed = |error: Error| match origin {
            Origin::Argument => error,
            Origin::File(path) => error.with("script", path.display()),
        };
        let list = statements(text).map_err(placed)?;
        let alone = list.len() == 1 && matches!(origin, Origin::Argument);
        for statement in &list {
            let flow = self.run(statement, out).map_err(|error| {
                if alone {
                    return error;
                }
                placed(error.with("statement", statement.number).with("line", statement.line))
            })?;
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(Flow::Continue(()))
    }

    fn run(&mut self, statement: &Statement<'_>, out: Out<'_>) -> Result<Flow> {
        if statement.is_command() {
            return self.command(&Command::of(statement.text)?, out);
        }
        let begun = Instant::now();
        let rows = self.query(&statement.padded(), out)?;
        if self.interactive {
            out.flush().map_err(output_error)?;
            let rows =
                rows.map(|rows| format!("{rows} {}", if rows == 1 { "row" } else { "rows" }));
            let time = self.timing.then(|| format!("{:.3} s", begun.elapsed().as_secs_f64()));
            let facts: Vec<String> = rows.into_iter().chain(time).collect();
            if !facts.is_empty() {
                print_message(&format!("({})", facts.join(", ")));
            }
        } else if self.timing {
            print_message(&format!("{:.3} s", begun.elapsed().as_secs_f64()));
        }
        Ok(Flow::Continue(()))
    }

    /// Runs a statement and returns how many rows its result has, if it has one.
    fn query(&mut self, sql: &str, out: Out<'_>) -> Result<Option<u64>> {
        let pool = &self.session.runtime_env().memory_pool;
        let memory = self.monitor.as_ref().map(|monitor| monitor.add(pool));
        let terminal = self.reading_terminal();
        let mut text = Vec::new();
        let result_out: Out<'_> = if terminal.is_some() { &mut text } else { &mut *out };
        let done = self.runtime()?.block_on(async {
            tokio::select! {
                () = interrupted(self.catches_interrupts) => Err(Error::input("cancelled")),
                error = out_of_memory(memory.as_ref()) => Err(error),
                done = counted(memory.as_ref(), self.answer(sql, memory.as_ref(), result_out)) => done,
            }
        });
        let done = match done {
            Ok(Some(written)) => {
                self.show_text(terminal, &text, out)?;
                print_note(written.note, out)?;
                Ok(Some(written.rows))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        for answer in self.answers.take() {
            if print_notes(&answer) != Outcome::Done {
                self.outcome = Outcome::Rejected;
            }
        }
        for overflow in self.answers.take_overflows() {
            print_message(&format!("note: {overflow}"));
        }
        if print_refused(&self.answers.take_refused()) != Outcome::Done {
            self.outcome = Outcome::Rejected;
        }
        let done = done?;
        if done.is_some() {
            self.results += 1;
        }
        Ok(done)
    }

    async fn answer(
        &self,
        sql: &str,
        memory: Option<&StatementMemory>,
        out: Out<'_>,
    ) -> Result<Option<Written>> {
        let to_error = |cause| statement_error(cause, self.memory);
        let mut progress = StatementProgress::begin(&self.answers);
        let frame = session::sql(&self.session, sql).await.map_err(to_error)?;
        let (plan, context) = match memory {
            Some(memory) => memory.plan(frame).await.map_err(to_error)?,
            None => {
                let context = Arc::new(frame.task_ctx());
                (frame.create_physical_plan().await.map_err(to_error)?, context)
            }
        };
        progress.plan(&plan);
        let schema = plan.schema();
        let mut stream = file_consistency::execute(plan, context).map_err(to_error)?;
        let mut batch = next(&mut stream).await.transpose().map_err(to_error)?;
        if schema.fields().is_empty() {
            while batch.is_some() {
                batch = next(&mut stream).await.transpose().map_err(to_error)?;
            }
            return Ok(None);
        }
        self.begin_result(out)?;
        let mut writer = writer(self.format, &schema, self.output_options(), out)?;
        let most = self.reading_terminal().map_or(usize::MAX, |_| MAX_TERMINAL_ROWS);
        let (mut rows, mut is_stopped) = (0, false);
        while let Some(found) = batch {
            let own = found.num_rows().min(most - rows);
            is_stopped = own < found.num_rows();
            rows += own;
            if self.terminal.is_some() {
                // The output goes to the same terminal.
                progress.stop();
            }
            writer.write(&found.slice(0, own))?;
            if is_stopped {
                break;
            }
            batch = next(&mut stream).await.transpose().map_err(to_error)?;
        }
        progress.stop();
        let stopped = is_stopped.then(|| {
            format!(
                "only the first {} rows, and there are more; a file (-o FILE) or a pipe gets all",
                format_number(rows as u64)
            )
        });
        let notes: Vec<String> = [writer.finish()?, stopped].into_iter().flatten().collect();
        let note = (!notes.is_empty()).then(|| notes.join("\nnote: "));
        Ok(Some(Written { rows: rows as u64, note }))
    }

    /// Writes a text that was kept for the terminal.
    fn show_text(
        &mut self,
        terminal: Option<Terminal>,
        text: &[u8],
        out: &mut dyn Write,
    ) -> Result<()> {
        let Some(terminal) = terminal else { return Ok(()) };
        out.flush().map_err(output_error)?;
        self.catches_interrupts |= terminal.show(text)?;
        Ok(())
    }

    /// Writes the separator of two results, so that both people and programs see where one
    /// ends.
    fn begin_result(&self, out: &mut dyn Write) -> Result<()> {
        match self.format {
            _ if self.results == 0 => Ok(()),
            Format::Parquet => Err(Error::input("a Parquet file can contain only one result")
                .with("help", "run one query at a time, or choose another format")),
            Format::Json | Format::Ndjson => Ok(()),
            _ => out.write_all(b"\n").map_err(output_error),
        }
    }

    fn command(&mut self, command: &Command, out: Out<'_>) -> Result<Flow> {
        match command {
            Command::Quit => return Ok(Flow::Break(())),
            Command::Help => write(out, HELP)?,
            Command::Tables => {
                self.query(TABLES, out)?;
            }
            Command::Describe(table) => {
                let columns = self.columns(table)?;
                self.show(&columns, out)?;
            }
            Command::Functions => self.show(&list(&functions(&self.session))?, out)?,
            Command::FunctionsPage => write(out, &page(&self.session))?,
            Command::Function(name) => {
                let all = functions(&self.session);
                let found: Vec<&Function> = all.iter().filter(|f| f.name == *name).collect();
                if found.is_empty() {
                    return Err(Error::input(format!("unknown function `{name}`"))
                        .with("help", "`\\h` lists the functions"));
                }
                let texts: Vec<String> = found.into_iter().map(describe).collect();
                write(out, &texts.join("\n"))?;
            }
            Command::Format(None) => write(out, &format!("{}\n", self.format))?,
            Command::Format(Some(format)) => {
                if self.interactive && format.is_binary() {
                    return Err(binary_to_terminal("use COPY (SELECT ...) TO 'file.parquet'"));
                }
                self.format = *format;
            }
            Command::Expanded(wanted) => {
                self.expanded = wanted.unwrap_or(!self.expanded);
                let state = if self.expanded { "on" } else { "off" };
                print_message(&format!("expanded display is {state}"));
            }
            Command::Timing(wanted) => {
                self.timing = wanted.unwrap_or(!self.timing);
                print_message(if self.timing { "timing is on" } else { "timing is off" });
            }
        }
        if self.interactive {
            out.flush().map_err(output_error)?;
        }
        Ok(Flow::Continue(()))
    }

    /// Writes rows that are there already.
    fn show(&mut self, batch: &RecordBatch, out: Out<'_>) -> Result<()> {
        let terminal = self.reading_terminal();
        let mut text = Vec::new();
        let result_out: Out<'_> = if terminal.is_some() { &mut text } else { &mut *out };
        self.begin_result(result_out)?;
        let mut writer =
            writer(self.format, batch.schema_ref(), self.output_options(), result_out)?;
        writer.write(batch)?;
        let note = writer.finish()?;
        self.results += 1;
        self.show_text(terminal, &text, out)?;
        print_note(note, out)
    }

    /// The columns of a table, or of files in single quotes.
    fn columns(&self, table: &str) -> Result<RecordBatch> {
        let path = table.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        let name = path.map_or_else(|| TableReference::from(table), TableReference::bare);
        let provider = self
            .runtime()?
            .block_on(self.session.table_provider(name))
            .map_err(|cause| statement_error(cause, None).with("help", "`\\d` lists the tables"))?;
        let schema = provider.schema();
        let fields = schema.fields().iter();
        let names: StringArray = fields.clone().map(|field| Some(field.name().clone())).collect();
        let types: StringArray =
            fields.clone().map(|field| Some(field.data_type().to_string())).collect();
        let nulls: BooleanArray = fields.map(|field| Some(field.is_nullable())).collect();
        batch(vec![
            ("column", Arc::new(names) as ArrayRef),
            ("type", Arc::new(types)),
            ("nullable", Arc::new(nulls)),
        ])
    }
}

/// Does not wait for work of a cancelled statement.
impl Drop for Shell {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What `\d` lists.
const TABLES: &str = "SELECT table_schema AS schema, table_name AS name, lower(table_type) AS type \
                      FROM information_schema.tables \
                      WHERE table_schema <> 'information_schema' ORDER BY 1 DESC, 2";

fn list(functions: &[Function]) -> Result<RecordBatch> {
    let text = |of: &dyn Fn(&Function) -> Option<String>| -> ArrayRef {
        Arc::new(functions.iter().map(of).collect::<StringArray>())
    };
    batch(vec![
        ("function", text(&|function| Some(function.name.clone()))),
        ("kind", text(&|function| Some(function.kind.to_string()))),
        ("call", text(&|function| Some(function.documentation.as_ref()?.syntax_example.clone()))),
    ])
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// Prints the note about a table behind it.
fn print_note(note: Option<String>, out: &mut dyn Write) -> Result<()> {
    if let Some(note) = note {
        out.flush().map_err(output_error)?;
        print_message(&format!("note: {note}"));
    }
    Ok(())
}

fn write(out: &mut dyn Write, text: &str) -> Result<()> {
    out.write_all(text.as_bytes()).map_err(output_error)
}

/// Waits for Ctrl-C; for ever where that ends the program anyway.
async fn interrupted(is_caught: bool) {
    if !is_caught || tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits until the statement's memory exceeds the limit; for ever if there is none.
async fn out_of_memory(memory: Option<&StatementMemory>) -> Error {
    let Some(memory) = memory else { return std::future::pending().await };
    memory.cancelled().await;
    memory.error()
}

/// Work for a statement whose memory may be monitored.
async fn counted<F: Future>(memory: Option<&StatementMemory>, work: F) -> F::Output {
    match memory {
        Some(memory) => memory.count(work).await,
        None => work.await,
    }
}

/// The next batch of a result.
async fn next(
    stream: &mut SendableRecordBatchStream,
) -> Option<datafusion::error::Result<RecordBatch>> {
    std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await
}
