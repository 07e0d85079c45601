//! `headcount ping`: builds the project's own Service Ping and writes it as JSON.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::outgoing_ping::{OutgoingPing, OutgoingSketches, PingOptions, RecordedOn};
use engine::pings::{IdentityValue, SKETCHES_KEY};
use engine::project::Project;
use engine::{Error, JobContext, Result};
use serde_json::{Map, Value, json};

use super::args;
use super::messages::{Outcome, output_error, print_message, print_rejects};
use super::output::Destination;
use super::progress::Progress;
use super::report::dictionary;
use crate::output::Format;

pub(super) fn run(root: &Path, options: &args::Ping) -> Result<Outcome> {
    let project = Project::load(root)?;
    if project.sources.is_empty() {
        return Err(Error::input("a ping is built from events, and the project has only pings")
            .with("help", "add a source of events to headcount.yaml"));
    }
    let dictionary = dictionary(&project)?;
    let recorded_on = match (options.month, options.as_of) {
        (_, Some(day)) => RecordedOn::Day(day),
        (Some(day), None) => RecordedOn::Month(day),
        (None, None) => RecordedOn::NewestMonth,
    };
    let ping_options = PingOptions {
        recorded_on,
        min_users: options.min_users,
        sketches: options.sketches,
        use_store: !options.no_store,
    };
    let ping = {
        let progress = Progress::new("counting");
        let job = JobContext::default().with_progress(|done, total| progress.at(done, total));
        OutgoingPing::build(&project, &dictionary, &ping_options, &job)?
    };
    let destination = Destination::new(Some(Format::Json), options.output.as_deref(), &[]);
    destination.write(|out, _| {
        serde_json::to_writer_pretty(&mut *out, &payload(&ping))
            .map_err(|cause| output_error(cause.into()))?;
        writeln!(out).map_err(output_error)
    })?;
    Ok(print_notes(&ping, options.min_users))
}

/// The document: the identity, then the values in the order of their key paths.
fn payload(ping: &OutgoingPing) -> Value {
    let mut document = Map::new();
    for (key, value) in &ping.identity {
        let value = match value {
            IdentityValue::Text(text) => json!(text),
            IdentityValue::Number(number) => json!(number),
            IdentityValue::Bool(bool) => json!(bool),
        };
        document.insert((*key).to_owned(), value);
    }
    document.insert("recorded_at".to_owned(), json!(ping.recorded_at()));
    for (key_path, value) in &ping.values {
        insert(&mut document, key_path, *value);
    }
    if let Some(OutgoingSketches { salt, by_key_path, .. }) = &ping.sketches {
        let text = |sketch: &engine::users::Sketch| json!(STANDARD.encode(sketch.to_bytes()));
        let sketches = by_key_path.iter().map(|(path, sketch)| (path.clone(), text(sketch)));
        let sketches: Map<String, Value> = sketches.collect();
        let object = json!({"salt": salt, "by_key_path": sketches});
        document.insert(SKETCHES_KEY.to_owned(), object);
    }
    Value::Object(document)
}

/// Puts a value at its key path, in objects of the keys above it.
fn insert(object: &mut Map<String, Value>, key_path: &str, value: u64) {
    match key_path.split_once('.') {
        None => {
            object.insert(key_path.to_owned(), json!(value));
        }
        Some((key, rest)) => {
            let inner = object.entry(key).or_insert_with(|| json!({}));
            if let Value::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// Prints what is not in the ping.
fn print_notes(ping: &OutgoingPing, min_users: u64) -> Outcome {
    let plural = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    for note in &ping.notes {
        print_message(&format!("note: {note}"));
    }
    let left_out = ping.left_out.values().map(Vec::len).sum();
    if left_out > 0 {
        let metrics = plural(left_out, "metric");
        print_message(&format!("left out {metrics}:"));
        for (reason, key_paths) in &ping.left_out {
            print_message(&format!("  {reason}: {}", key_paths.join(", ")));
        }
    }
    if ping.suppressed > 0 {
        let values = plural(ping.suppressed, "value");
        print_message(&format!("left out {values} of fewer than {min_users} users"));
    }
    if let Some(OutgoingSketches { user, without_user: rows @ 1.., .. }) = &ping.sketches {
        let rows = plural(usize::try_from(*rows).unwrap_or(usize::MAX), "row");
        print_message(&format!("left out of the sketches: {rows} without `{user}`"));
    }
    let written = plural(ping.values.len(), "value");
    print_message(&format!("wrote {written}, recorded at {}", ping.recorded_at()));
    print_rejects(&ping.summary.rejects)
}
