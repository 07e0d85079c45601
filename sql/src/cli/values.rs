//! Parsers of the values of arguments.

use datasets::{Ids, Nonresponse};
use engine::calendar::Day;
use engine::users::{DEFAULT_PRECISION, PRECISIONS};

/// The precision of a sketch.
pub(super) fn precision(text: &str) -> Result<u8, String> {
    let precision = text.parse().ok().filter(|precision| PRECISIONS.contains(precision));
    precision.ok_or_else(|| {
        format!(
            "the precision must be from {} to {}; {DEFAULT_PRECISION} has a standard error of \
             0.81 %",
            PRECISIONS.start(),
            PRECISIONS.end()
        )
    })
}

/// `4GB`, `512 MiB`, `1000000`: a whole or broken number and a unit, of 1000 or of 1024.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let wrong = || "invalid size; use 4GB, 512MiB or a number of bytes".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(wrong()),
    };
    let bytes = (number * unit).round();
    if (1.0..=1e18).contains(&bytes) { Ok(bytes as usize) } else { Err(wrong()) }
}

/// A server needs up to 400 MB for code, plans and the allocator's reserves, whatever its limit.
pub(super) fn server_memory(text: &str) -> Result<usize, String> {
    let limit = bytes(text)?;
    if limit >= 512 << 20 { Ok(limit) } else { Err("a server needs at least 512MiB".to_owned()) }
}

/// `KEY=VALUE`.
pub(super) fn setting(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
    let (key, value) = parts.ok_or_else(|| "expected KEY=VALUE".to_owned())?;
    Ok((key.to_owned(), value.to_owned()))
}

/// The kind of user keys to generate.
pub(super) fn ids(word: &str) -> Result<Ids, String> {
    word.parse().map_err(|_| {
        let names: Vec<&str> = Ids::ALL.iter().map(|ids| ids.name()).collect();
        format!("use one of: {}", names.join(", "))
    })
}

/// The kind of installations that send no pings.
pub(super) fn nonresponse(word: &str) -> Result<Nonresponse, String> {
    word.parse().map_err(|_| {
        let names: Vec<&str> = Nonresponse::ALL.iter().map(|kind| kind.name()).collect();
        format!("use one of: {}", names.join(", "))
    })
}

/// The first day of a month.
pub(super) fn calendar_month(text: &str) -> Result<Day, String> {
    let (year, month) = month(text)?;
    format!("{year:04}-{month:02}-01").parse().map_err(|error: engine::Error| error.to_string())
}

/// `2026-01`.
pub(super) fn month(text: &str) -> Result<(i32, u32), String> {
    let parts = text.split_once('-').and_then(|(year, month)| {
        Some((year.parse().ok()?, month.parse().ok().filter(|m| (1..=12).contains(m))?))
    });
    parts.ok_or_else(|| "expected a month as YYYY-MM".to_owned())
}
