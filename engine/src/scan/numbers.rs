//! JSON numbers in their plain decimal form, so that `2`, `2.0` and `20e-1` are one value.
//!
//! Values are read as text. Programs that keep integers as floating-point numbers, as whatever met
//! a missing value does, write the user 2 as `2.0`: that is the same person. The digits are moved,
//! never computed with, so two different numbers stay different however many digits they have.
//! Texts are left alone: `"2.0"` is what it says, as it is in CSV.

use std::io::{BufRead, ErrorKind, Read, Result};

use memchr::{memchr, memchr2};

/// Bytes that are read at a time.
const CHUNK: usize = 256 << 10;
/// Digits of the longest number that is written out: `1e300` stays as it is.
const MAX_DIGITS: i64 = 40;

/// JSON whose numbers are plain.
pub(super) struct JsonNumberReader<R> {
    input: R,
    /// Bytes as they were read; the first `carried` of them wait for those that come after.
    bytes: Vec<u8>,
    carried: usize,
    /// What was made of them, and how much of it was taken.
    plain: Vec<u8>,
    taken: usize,
    in_text: bool,
    ended: bool,
}

impl<R: Read> JsonNumberReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            bytes: vec![0; CHUNK],
            carried: 0,
            plain: Vec::with_capacity(CHUNK),
            taken: 0,
            in_text: false,
            ended: false,
        }
    }

    /// Makes the next bytes plain.
    fn fill(&mut self) -> Result<()> {
        if self.carried == self.bytes.len() {
            self.bytes.resize(2 * self.carried, 0);
        }
        let read = loop {
            match self.input.read(&mut self.bytes[self.carried..]) {
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.ended = read == 0;
        let end = self.carried + read;
        (self.taken, self.carried) = (0, 0);
        self.plain.clear();
        let done = self.convert(end);
        self.bytes.copy_within(done..end, 0);
        self.carried = end - done;
        Ok(())
    }

    /// Makes the bytes up to `end` plain, but not those at their end whose meaning depends on the
    /// next ones. Returns how many that were.
    fn convert(&mut self, end: usize) -> usize {
        let bytes = &self.bytes[..end];
        let mut at = 0;
        while at < end {
            let rest = &bytes[at..];
            if self.in_text {
                let length = match memchr2(b'"', b'\\', rest) {
                    None => rest.len(),
                    Some(quote) if rest[quote] == b'"' => {
                        self.in_text = false;
                        quote + 1
                    }
                    Some(escape) if escape + 1 < rest.len() => escape + 2,
                    Some(_) if self.ended => rest.len(),
                    Some(escape) => {
                        self.plain.extend_from_slice(&rest[..escape]);
                        return at + escape;
                    }
                };
                self.plain.extend_from_slice(&rest[..length]);
                at += length;
            } else {
                let quote = memchr(b'"', rest);
                let mut length = quote.unwrap_or(rest.len());
                if quote.is_none() && !self.ended {
                    let number = rest.iter().rev().take_while(|byte| is_of_number(**byte)).count();
                    length -= number;
                }
                write_plain(&rest[..length], &mut self.plain);
                at += length;
                if quote.is_none() {
                    return at;
                }
                self.plain.push(b'"');
                self.in_text = true;
                at += 1;
            }
        }
        at
    }
}

impl<R: Read> BufRead for JsonNumberReader<R> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        while self.taken == self.plain.len() && !self.ended {
            self.fill()?;
        }
        Ok(&self.plain[self.taken..])
    }

    fn consume(&mut self, amount: usize) {
        self.taken += amount;
    }
}

impl<R: Read> Read for JsonNumberReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// Writes JSON in which no texts are.
fn write_plain(json: &[u8], plain: &mut Vec<u8>) {
    let special = |byte: &u8| matches!(byte, b'.' | b'e' | b'E');
    if !json.iter().any(special) && !json.windows(2).any(|pair| pair == b"-0") {
        return plain.extend_from_slice(json);
    }
    let mut rest = json;
    while let Some(start) = rest.iter().position(|byte| byte.is_ascii_digit() || *byte == b'-') {
        let (before, number) = rest.split_at(start);
        let length = number.iter().take_while(|byte| is_of_number(**byte)).count();
        let (number, after) = number.split_at(length);
        plain.extend_from_slice(before);
        if !write_number(number, plain) {
            plain.extend_from_slice(number);
        }
        rest = after;
    }
    plain.extend_from_slice(rest);
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E')
}

/// Writes a number without an exponent and without zeros that say nothing; `false` if it would be
/// too long, or is no number of JSON: then nothing is written.
fn write_number(number: &[u8], plain: &mut Vec<u8>) -> bool {
    let unsigned = number.strip_prefix(b"-").unwrap_or(number);
    let (mantissa, exponent) = match unsigned.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&unsigned[..at], &unsigned[at + 1..]),
        None => (unsigned, &b"0"[..]),
    };
    let (integer, fraction) = match mantissa.iter().position(|byte| *byte == b'.') {
        Some(at) if at + 1 < mantissa.len() => (&mantissa[..at], &mantissa[at + 1..]),
        Some(_) => return false,
        None => (mantissa, &b""[..]),
    };
    let is_integer = matches!(integer, [b'0'] | [b'1'..=b'9', ..]);
    let exponent = std::str::from_utf8(exponent).ok().and_then(|text| text.parse::<i32>().ok());
    let (true, Some(exponent)) = (is_integer, exponent) else { return false };
    let mut digits: Vec<u8> = integer.iter().chain(fraction).copied().collect();
    if !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    // The number is 0.digits times ten to the power of `point`.
    let mut point = integer.len() as i64 + i64::from(exponent);
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.drain(..zeros);
    point -= zeros as i64;
    let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    digits.truncate(digits.len() - zeros);
    if digits.is_empty() {
        plain.push(b'0');
        return true;
    }
    let length = digits.len() as i64;
    if point > MAX_DIGITS || length - point > MAX_DIGITS {
        return false;
    }
    if number.len() > unsigned.len() {
        plain.push(b'-');
    }
    let zeros = |count: i64| std::iter::repeat_n(b'0', usize::try_from(count).unwrap_or(0));
    if point <= 0 {
        plain.extend_from_slice(b"0.");
        plain.extend(zeros(-point));
        plain.extend(digits);
    } else if point >= length {
        plain.extend(digits);
        plain.extend(zeros(point - length));
    } else {
        let (integer, fraction) = digits.split_at(point as usize);
        plain.extend_from_slice(integer);
        plain.push(b'.');
        plain.extend_from_slice(fraction);
    }
    true
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::JsonNumberReader;

    /// Gives one byte at a time, so that everything comes to lie at an end.
    struct SlowReader<'a>(&'a [u8]);

    impl Read for SlowReader<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = buffer.len().min(1);
            self.0.read(&mut buffer[..length])
        }
    }

    #[track_caller]
    fn check(json: &str, expected: &str) {
        let (mut fast, mut slow) = (String::new(), String::new());
        JsonNumberReader::new(json.as_bytes()).read_to_string(&mut fast).unwrap();
        JsonNumberReader::new(SlowReader(json.as_bytes())).read_to_string(&mut slow).unwrap();
        assert_eq!(fast, expected);
        assert_eq!(slow, expected, "byte by byte");
    }

    #[test]
    fn numbers_have_one_form() {
        for (number, expected) in [
            ("2", "2"),
            ("2.0", "2"),
            ("2.00e0", "2"),
            ("20e-1", "2"),
            ("0.2E+1", "2"),
            ("1e3", "1000"),
            ("-1.50", "-1.5"),
            ("2.5", "2.5"),
            ("25e-1", "2.5"),
            ("0.0250", "0.025"),
            ("2.5e-3", "0.0025"),
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("0e9", "0"),
            ("-0.5", "-0.5"),
            ("100", "100"),
            // Beyond the precision of a floating-point number.
            ("9007199254740993.0", "9007199254740993"),
            ("9007199254740992.0", "9007199254740992"),
            ("9.007199254740993e15", "9007199254740993"),
            ("18446744073709551615.0", "18446744073709551615"),
            ("1e300", "1e300"),
            ("1e-300", "1e-300"),
            ("1e99999999999", "1e99999999999"),
            // Not numbers: whoever reads them says so.
            ("1.", "1."),
            ("1.2.3", "1.2.3"),
            ("1e", "1e"),
            ("007.0", "007.0"),
            ("-", "-"),
        ] {
            check(number, expected);
            check(
                &format!("{{\"a\":{number},\"b\":[{number}]}}"),
                &format!("{{\"a\":{expected},\"b\":[{expected}]}}"),
            );
        }
    }

    #[test]
    fn texts_and_words_are_left_alone() {
        for json in [
            r#"{"1.0": "2.0", "a\"3.0": "\\", "b": true, "c": false, "d": null}"#,
            r#"{"a": "x\\\" 1.0", "b": "é 1e3"}"#,
            r#"{"a": "never closed 1.0"#,
            r#"{"a": "\"#,
        ] {
            check(json, json);
        }
        check(r#"{"a": true, "b": 1.0, "c": "1.0"}"#, r#"{"a": true, "b": 1, "c": "1.0"}"#);
    }
}
