//! Instants from text: ISO 8601 as RFC 3339 narrows it, and what programs make of it.

use jiff::fmt::temporal::Pieces;

use super::day::{digits, month_length};
use super::zone::{MICROS_PER_DAY, MICROS_PER_SECOND};
use super::{Day, Zone};

/// The instant that `text` names, in microseconds since the epoch; `None` when it names none.
///
/// | form | example |
/// |---|---|
/// | with offset | `2026-03-15T10:20:30.123456Z`, `... +02:00`, `+0200`, `+02` |
/// | local | `2026-03-15 10:20:30`, `2026-03-15T10:20`: a civil time in `zone_of_local` |
/// | date | `2026-03-15`: the start of that day in `zone_of_local` |
/// | of logs | `2026-03-15 10:20:30 +0200`, `2026-03-15 10:20:30 UTC` |
///
/// Between date and time stands a `T` or a space. Seconds may be missing; a fraction has one to
/// nine digits, and those beyond microseconds are cut off, towards the past. A local time that
/// was skipped or came twice is read as by [`Zone::instant_of_local`]. A leap second (`:60`) is
/// the second before it. Years are 0001 to 9999. Impossible dates, text before or after, and
/// zone names in brackets give `None`.
#[must_use]
pub fn parse(text: &str, zone_of_local: &Zone) -> Option<i64> {
    fast(text.as_bytes(), zone_of_local).or_else(|| slow(text, zone_of_local))
}

/// As [`parse`], but only of ISO 8601 text with a time of day and an offset from UTC.
#[must_use]
pub fn parse_with_offset(text: &str) -> Option<i64> {
    let has_offset = |text: &str| Some(Pieces::parse(text).ok()?.to_numeric_offset().is_some());
    let is_iso = !text.contains(' ') && has_offset(text) == Some(true);
    if is_iso { parse(text, &Zone::utc()) } else { None }
}

/// The layout that nearly every file uses, with every digit at its place. `None` means only that
/// the text is not in this layout.
pub(super) fn fast(text: &[u8], zone: &Zone) -> Option<i64> {
    if text.len() < 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let year = two(text, 0)? * 100 + two(text, 2)?;
    let (month, day) = (two(text, 5)? as u8, two(text, 8)? as u8);
    let exists = year >= 1
        && (1..=12).contains(&month)
        && (1..=month_length(year as i32, month)).contains(&day);
    if !exists {
        return None;
    }
    let date = Day::of_ymd(year as i32, month, day);
    if text.len() == 10 {
        return Some(zone.start_of(date));
    }
    if text.len() < 16 || !matches!(text[10], b'T' | b't' | b' ') || text[13] != b':' {
        return None;
    }
    let (hour, minute) = (two(text, 11)?, two(text, 14)?);
    let (mut second, mut fraction, mut rest) = (0, 0, &text[16..]);
    if rest.len() >= 3 && rest[0] == b':' {
        second = two(rest, 1)?;
        rest = &rest[3..];
        if let [b'.', tail @ ..] = rest {
            let length = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let value = digits(&tail[..length])?; // one to nine digits
            fraction = i64::from(value) * 10_i64.pow(9 - length as u32) / 1_000;
            rest = &tail[length..];
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = (hour * 60 + minute) * 60 + second;
    let local = i64::from(date.number()) * MICROS_PER_DAY + seconds * MICROS_PER_SECOND + fraction;
    match rest {
        [] => Some(zone.instant_of_local(local)),
        b"Z" | b"z" | b" UTC" => Some(local),
        [b' ', offset @ ..] | offset => Some(local - offset_seconds(offset)? * MICROS_PER_SECOND),
    }
}

/// Everything that is allowed except the forms of logs, by way of `jiff`.
pub(super) fn slow(text: &str, zone: &Zone) -> Option<i64> {
    let pieces = Pieces::parse(text).ok()?;
    if pieces.time_zone_annotation().is_some() {
        return None;
    }
    let date = pieces.date();
    let date = Day::from_ymd(
        i32::from(date.year()),
        u8::try_from(date.month()).ok()?,
        u8::try_from(date.day()).ok()?,
    )
    .ok()?;
    let offset = pieces.to_numeric_offset().map(|offset| i64::from(offset.seconds()));
    let Some(time) = pieces.time() else {
        return offset.is_none().then(|| zone.start_of(date));
    };
    let seconds =
        (i64::from(time.hour()) * 60 + i64::from(time.minute())) * 60 + i64::from(time.second());
    let local = i64::from(date.number()) * MICROS_PER_DAY
        + seconds * MICROS_PER_SECOND
        + i64::from(time.subsec_nanosecond()) / 1_000;
    match offset {
        None => Some(zone.instant_of_local(local)),
        Some(offset) if offset.abs() < 86_400 => Some(local - offset * MICROS_PER_SECOND),
        Some(_) => None,
    }
}

/// `+02:00`, `+0200` or `+02` in seconds east of UTC.
fn offset_seconds(text: &[u8]) -> Option<i64> {
    let minutes_at = match text {
        [_, _, _] => None,
        [_, _, _, _, _] => Some(3),
        [_, _, _, b':', _, _] => Some(4),
        _ => return None,
    };
    let hours = two(text, 1)?;
    let minutes = minutes_at.map_or(Some(0), |at| two(text, at))?;
    let seconds = (hours * 60 + minutes) * 60;
    match text[0] {
        _ if hours > 23 || minutes > 59 => None,
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// Two digits at `at`, which with the one after it must be inside the text.
fn two(text: &[u8], at: usize) -> Option<i64> {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i64::from(tens * 10 + ones))
}
