//! How a source says that its CSV files are written.

use crate::metric::yaml::View;
use crate::scan::{CsvOptions, Header, Quote};

/// `csv: {delimiter: ";", quote: "'", header: [id, time]}`, all of them optional.
pub(super) fn csv(view: &View<'_>) -> CsvOptions {
    let mut options = CsvOptions::default();
    let Some(csv) = view.get("csv") else { return options };
    if csv.node().as_map().is_none() {
        csv.wrong_type("a mapping with `delimiter`, `quote` or `header`");
        return options;
    }
    csv.only(&["delimiter", "quote", "header"]);
    let byte = |key: &str, text: &str| match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Some(*byte),
        _ => {
            let part = csv.get(key).unwrap_or_else(|| csv.clone());
            part.error(
                format!("`{text}` is not a single character"),
                Some("use one ASCII character"),
            );
            None
        }
    };
    options.delimiter = csv.text_of("delimiter").and_then(|text| match text {
        "tab" | "\\t" => Some(b'\t'),
        text => byte("delimiter", text),
    });
    options.quote = csv.text_of("quote").and_then(|text| match text {
        "none" => Some(Quote::None),
        "backslash" => Some(Quote::Backslash),
        text => byte("quote", text).map(Quote::Byte),
    });
    if options.delimiter.is_some() && options.quote == options.delimiter.map(Quote::Byte) {
        csv.error("`delimiter` and `quote` are the same character", None);
    }
    options.header = csv.get("header").and_then(|header| match header.node().as_str() {
        Some("true") => Some(Header::Line),
        Some("false") => Some(Header::Absent),
        Some(_) => {
            header.error("expected `true`, `false` or a list of names", None);
            None
        }
        None => {
            let names = csv.texts_of("header").into_iter().map(str::to_owned).collect();
            Some(Header::Names(names))
        }
    });
    options
}
