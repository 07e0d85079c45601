//! Names of files, also for key paths, which can contain anything.

use std::collections::BTreeSet;

use md5::{Digest, Md5};

/// The pages and files beside those of entries.
pub(super) const INDEX: &str = "index.html";
pub(super) const PRIVACY: &str = "privacy.html";
pub(super) const TABLE_CSV: &str = "dictionary.csv";
pub(super) const TABLE_JSON: &str = "dictionary.json";

/// Longest part of a key path that a name has, in bytes.
const MAX_LENGTH: usize = 100;
/// Names that Windows keeps for devices.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Names that are given.
#[derive(Debug, Default)]
pub(super) struct FileNames(BTreeSet<String>);

impl FileNames {
    /// The path of a page in a folder: `metrics/counts.issues.html`. A name has lower-case letters,
    /// digits, `_`, `-` and `.` only, is different from all others whatever the file system, and does
    /// not depend on other names unless two digests are the same.
    pub(super) fn page(&mut self, folder: &str, name: &str) -> String {
        let mut file = format!("{folder}/{}.html", safe(name));
        let mut again = 2;
        while !self.0.insert(file.clone()) {
            file = format!("{folder}/{}-{again}.html", safe(name));
            again += 1;
        }
        file
    }
}

/// The name itself if it can be one, else what can be kept of it with a digest.
fn safe(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let inner = |c: char| is_plain(c) || c == '-' || c == '.';
    let is_safe = name.starts_with(is_plain)
        && name.ends_with(is_plain)
        && name.chars().all(inner)
        && name.len() <= MAX_LENGTH
        && !is_device(name);
    if is_safe {
        return name.to_owned();
    }
    let lower = name.to_lowercase();
    let kept: String =
        lower.chars().map(|c| if inner(c) { c } else { '-' }).take(MAX_LENGTH).collect();
    let digest: String =
        Md5::digest(name).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    match kept.trim_matches(|c| !is_plain(c)) {
        "" => digest,
        kept if is_device(kept) => format!("_{kept}-{digest}"),
        kept => format!("{kept}-{digest}"),
    }
}

/// Whether Windows takes the part before the first `.` for a device.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    DEVICES.contains(&stem)
        || ((stem.starts_with("com") || stem.starts_with("lpt")) && stem.len() == 4)
}

#[cfg(test)]
mod tests {
    use super::FileNames;

    #[test]
    fn plain_key_paths_are_their_own_names() {
        let mut names = FileNames::default();
        for plain in ["usage_activity.plan.issues", "a", "x-1.y"] {
            assert_eq!(names.page("metrics", plain), format!("metrics/{plain}.html"));
        }
    }

    #[test]
    fn names_are_safe_and_different() {
        let mut names = FileNames::default();
        let long = "x".repeat(3_000);
        let hostile = [
            "",
            ".",
            "..",
            "../../etc/passwd",
            "/etc/passwd",
            "a/b",
            "a\\b",
            "a\0b",
            "C:\\x",
            "A",
            "a",
            "con",
            "CON",
            "nul.x",
            "CON.x",
            "com1",
            "lpt9.y",
            ".hidden",
            "trailing.",
            "trailing ",
            "-rf",
            "a%2fb",
            "<script>",
            "a\"b",
            "ä",
            "a\nb",
            "*?",
            &long,
            "\u{202e}x",
        ];
        let mut all: Vec<String> = Vec::new();
        for name in hostile {
            let page = names.page("metrics", name);
            let file = page.strip_prefix("metrics/").unwrap();
            let stem = file.strip_suffix(".html").unwrap();
            assert!(!stem.is_empty() && file.len() < 160, "{name:?}: {file}");
            let allowed = |c: char| {
                c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.')
            };
            assert!(stem.chars().all(allowed), "{name:?}: {file}");
            let end = |c: char| c == '.' || c == '-';
            assert!(!stem.starts_with(end) && !stem.ends_with(end), "{name:?}: {file}");
            let first = stem.split('.').next().unwrap();
            assert!(!["con", "nul", "com1", "lpt9"].contains(&first), "{name:?}: {file}");
            assert!(!all.contains(&page), "{name:?}: {file} twice");
            all.push(page);
        }
        assert_eq!(names.page("events", "a"), "events/a.html");
        assert_eq!(names.page("events", "a"), "events/a-2.html");
    }
}
