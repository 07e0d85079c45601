//! `headcount init DIR --from FILES`: a first draft of a project over existing files.
//!
//! What is guessed is marked in the files that are written, so that somebody can confirm it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use engine::active::survey;
use engine::calendar::TimeFormat;
use engine::metric::Dictionary;
use engine::project::Project;
use engine::scan::{EventFile, sample};
use engine::{Error, JobContext, Result};

use super::guess::Guess;
use super::new_files::write_files;
use crate::cli::messages::print_message;

/// Rows of a file that are looked at.
const SAMPLE_ROWS: usize = 5_000;
/// Most events that get a definition, the most frequent ones.
const MOST_EVENTS: usize = 300;

/// Writes a project over files, and tells what was guessed.
pub(super) fn write(folder: &Path, patterns: &[String]) -> Result<()> {
    let here = std::path::absolute(".").map_err(|cause| Error::io(Path::new("."), cause))?;
    let root = std::path::absolute(folder).map_err(|cause| Error::io(folder, cause))?;
    let mut sources: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut text = String::from(
        "# A draft by `headcount init --from`. Lines marked `guess` should be confirmed: they follow from\n\
         # the names and the first values of the columns.\n\n\
         time_zone: UTC\nstore: store\n\nsources:\n",
    );
    // Files with the same columns are one source.
    let mut groups: Vec<(Vec<String>, Vec<String>, EventFile)> = Vec::new();
    for pattern in patterns {
        let files = EventFile::find(&here, std::slice::from_ref(pattern))?;
        let mut shapes: Vec<(Vec<String>, Vec<EventFile>)> = Vec::new();
        for file in files {
            let columns = sample(&file, 1)?.into_iter().map(|column| column.path).collect();
            match shapes.iter_mut().find(|(known, _)| *known == columns) {
                Some((_, files)) => files.push(file),
                None => shapes.push((columns, vec![file])),
            }
        }
        let is_one = shapes.len() == 1;
        for (columns, files) in shapes {
            let paths: Vec<String> = match is_one {
                true => vec![relative(&root, &here.join(pattern))],
                false => files.iter().map(|file| relative(&root, &file.path)).collect(),
            };
            let Some(first) = files.into_iter().next() else { continue };
            match groups.iter_mut().find(|(known, ..)| *known == columns) {
                Some((_, known, _)) => known.extend(paths),
                None => groups.push((columns, paths, first)),
            }
        }
    }
    for (_, paths, first) in &groups {
        let name = unused_name(&first.path, &sources);
        text.push_str(&source(&name, paths, first)?);
        sources.insert(name, paths.clone());
    }
    write_files(folder, [("headcount.yaml", text)])?;
    let project = Project::load(folder)?;
    let survey = survey(&project, &Dictionary::default(), &JobContext::default(), false);
    let survey = survey.map_err(|error| {
        error.with("help", "correct headcount.yaml in the new folder, then run `headcount check`")
    })?;
    let mut events: Vec<(String, u64)> = survey.unknown.into_iter().collect();
    events.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let left = events.len().saturating_sub(MOST_EVENTS);
    events.truncate(MOST_EVENTS);
    write_files(folder, dictionary(&events))?;
    let left = match left {
        0 => String::new(),
        left => format!(" (the {left} least frequent have no definition)"),
    };
    print_message(&format!(
        "created {0} with {1} and {2}{left}; next:\n  \
         confirm what is marked `guess` in {0}/headcount.yaml and {0}/dictionary\n  \
         headcount check --project {0}\n  headcount report --project {0}",
        folder.display(),
        count(sources.len(), "source"),
        count(events.len(), "event"),
    ));
    Ok(())
}

/// `1 event`, `2 events`
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The definition of a source.
fn source(name: &str, paths: &[String], file: &EventFile) -> Result<String> {
    let columns = sample(file, SAMPLE_ROWS)?;
    let guess = Guess::of(&columns);
    let all: Vec<&str> = columns.iter().map(|column| column.path.as_str()).collect();
    let missing = |what: &str| {
        let has_names = all.first() != Some(&"column_1");
        let columns = match has_names {
            true => format!("the columns are: {}", all.join(", ")),
            false => format!(
                "the file has no line with the names of its {} columns, which can be stated as in `csv: \
                 {{header: [time, user, event]}}`",
                all.len()
            ),
        };
        Error::input(format!("no column is recognised as the {what}"))
            .with("file", file.path.display())
            .with("help", format!("write headcount.yaml by hand (docs/project-file.md); {columns}"))
    };
    let (time, format) = guess.time.ok_or_else(|| missing("time of the event"))?;
    let user = guess.user.ok_or_else(|| missing("user"))?;
    let mut text = format!("  - name: {name}\n    files: {}\n", list(paths));
    let time = quoted(&time);
    let time = match format {
        TimeFormat::Standard | TimeFormat::Auto => time,
        TimeFormat::Epoch(unit) => format!("{{column: {time}, unit: {unit}}}"),
        TimeFormat::Pattern(pattern) => format!("{{column: {time}, format: {}}}", quoted(&pattern)),
    };
    let others = match guess.other_times.as_slice() {
        [] => String::new(),
        others => format!("; other times: {}", others.join(", ")),
    };
    let _ = writeln!(text, "    time: {time}   # guess{others}");
    match guess.visitor {
        None => {
            let _ = writeln!(text, "    user: {}   # guess", quoted(&user));
        }
        Some(visitor) => {
            let sql = format!("coalesce({}, {})", sql_path(&user), sql_path(&visitor));
            let _ = writeln!(
                text,
                "    user: {{sql: {}}}   # guess: `{visitor}` where there is no `{user}`",
                quoted(&sql)
            );
        }
    }
    let event = match guess.event {
        Some(event) => format!("{}   # guess", quoted(&event)),
        None => format!("{{const: {name}}}   # guess: no column has names of events"),
    };
    let _ = writeln!(text, "    event: {event}");
    if !guess.dimensions.is_empty() {
        let dimension = |path: &String| match path.rsplit_once('.') {
            Some((_, name)) if !guess.dimensions.iter().any(|other| other == name) => {
                format!("{{{}: {}}}", quoted(name), quoted(path))
            }
            _ => quoted(path),
        };
        let dimensions: Vec<String> = guess.dimensions.iter().map(dimension).collect();
        let _ = writeln!(
            text,
            "    dimensions: [{}]   # guess: columns with few values",
            dimensions.join(", ")
        );
    }
    Ok(text)
}

/// The files of a dictionary in which all events belong to one stage.
fn dictionary(events: &[(String, u64)]) -> [(&'static str, String); 3] {
    let stages = "\
# Guess: all events are of one stage. Divide them: a stage for each part of the product, and a group for each
# team or feature; then give the metrics in metrics/metrics.yml their groups.
stages:
  product:
    display_name: Product
    section: product
    groups:
      all_events: {name: All events}
";
    let mut definitions = String::from(
        "# The events in the files. `aliases` are other names of the same event: aliases: [File Modified]\n",
    );
    let mut metrics = String::from(
        "# Guess: each event is something that active users do. Remove what does not count as use, and join\n\
         # what belongs together: several events of a metric mean users who did any of them.\n",
    );
    let mut used = BTreeMap::new();
    for (event, rows) in events {
        let name = quoted(event);
        let _ = writeln!(
            definitions,
            "- {{action: {name}, description: {name}, identifiers: [user]}}   # {rows} rows"
        );
        let count: &mut usize = used.entry(key(event)).or_default();
        *count += 1;
        let suffix = if *count > 1 { format!("_{count}") } else { String::new() };
        let _ = writeln!(
            metrics,
            "- key_path: {}{suffix}\n  description: {}\n  product_group: all_events\n  time_frame: 28d\n  \
             events: [{{name: {name}, unique: user.id}}]",
            key(event),
            quoted(&format!("Users with the event {event}")),
        );
    }
    [
        ("dictionary/stages.yml", stages.to_owned()),
        ("dictionary/events/events.yml", definitions),
        ("dictionary/metrics/metrics.yml", metrics),
    ]
}

/// A name in small letters, digits and `_`.
fn key(text: &str) -> String {
    let letters = text.to_lowercase();
    let letters = letters.chars().map(|c| if c.is_alphanumeric() { c } else { '_' });
    let key: String = letters.collect();
    let parts: Vec<&str> = key.split('_').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "event".to_owned() } else { parts.join("_") }
}

/// A name for a source, after its file or, if that says nothing, another one.
fn unused_name(path: &Path, taken: &BTreeMap<String, Vec<String>>) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = file.split('.').next().unwrap_or_default();
    let mut name: String =
        key(stem).chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        name = "events".to_owned();
    }
    let (base, mut number) = (name.clone(), 1);
    while taken.contains_key(&name) {
        number += 1;
        name = format!("{base}_{number}");
    }
    name
}

/// A path from a folder, `../exports/*.csv`; addresses as they are.
fn relative(from: &Path, to: &Path) -> String {
    let text = to.to_string_lossy();
    if let Some(at) = text.find("://") {
        // `here.join` put a folder before the scheme.
        let start = text[..at].rfind('/').map_or(0, |slash| slash + 1);
        return text[start..].to_owned();
    }
    let parts = |path: &Path| -> Vec<String> {
        let mut parts = Vec::new();
        for part in path.components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => drop(parts.pop()),
                other => parts.push(other.as_os_str().to_string_lossy().into_owned()),
            }
        }
        parts
    };
    let (from, to) = (parts(from), parts(to));
    let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - shared);
    let path: PathBuf = up.chain(to[shared..].iter().cloned()).collect();
    path.to_string_lossy().into_owned()
}

fn list(paths: &[String]) -> String {
    match paths {
        [one] => quoted(one),
        several => {
            let several: Vec<String> = several.iter().map(|path| quoted(path)).collect();
            format!("[{}]", several.join(", "))
        }
    }
}

/// A path of columns in SQL.
fn sql_path(path: &str) -> String {
    let is_word = |part: &str| {
        let mut letters = part.chars();
        letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let part = |part: &str| match is_word(part) {
        true => part.to_owned(),
        false => format!("\"{}\"", part.replace('"', "\"\"")),
    };
    path.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// A text in YAML, in quotes unless it is a plain word.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-');
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/'))
        && text.chars().all(is_plain)
        && !matches!(
            text.to_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "auto"
        );
    if is_word {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            letter if letter.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", letter as u32);
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{key, quoted, relative, sql_path};

    #[test]
    fn texts_in_yaml_and_sql() {
        assert_eq!(quoted("exports/a.csv"), "exports/a.csv");
        assert_eq!(quoted("*.csv"), "\"*.csv\"");
        assert_eq!(quoted("say \"x\"\n"), "\"say \\\"x\\\"\\n\"");
        assert_eq!(quoted("auto"), "\"auto\"");
        assert_eq!(sql_path("context.traits.$plan"), "context.traits.\"$plan\"");
        assert_eq!(key("File  Modified!"), "file_modified");
        assert_eq!(key("$"), "event");
    }

    #[test]
    fn paths_from_the_project() {
        let check = |from: &str, to: &str, expected: &str| {
            assert_eq!(relative(Path::new(from), Path::new(to)), expected);
        };
        check("/a/project", "/a/exports/*.csv", "../exports/*.csv");
        check("/a", "/a/./x.csv", "x.csv");
        check("/a/b", "/a/s3://bucket/x", "s3://bucket/x");
    }
}
