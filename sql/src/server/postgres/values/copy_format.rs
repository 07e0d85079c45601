//! The formats of `COPY (query) TO STDOUT`: text, CSV and PostgreSQL's binary format.
//!
//! The values are those of a query's result; this module only puts them into lines.

use bytes::{Buf, BufMut, BytesMut};
use datafusion::sql::sqlparser::ast::{
    CopyLegacyCsvOption, CopyLegacyOption, CopyOption, CopySource, CopyTarget, Ident, ObjectName,
    Statement,
};
use pgwire::api::portal::Format;
use pgwire::error::PgWireResult;

use crate::server::postgres::errors;
use crate::server::postgres::statements::grammar::query;

/// The form of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Text,
    Csv,
    Binary,
}

/// How a COPY statement writes its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server::postgres) struct CopyFormat {
    layout: Layout,
    header: bool,
    delimiter: u8,
    null: Vec<u8>,
    quote: u8,
    escape: u8,
}

impl CopyFormat {
    /// The format of the values.
    pub(in crate::server::postgres) fn values(&self) -> Format {
        match self.layout {
            Layout::Binary => Format::UnifiedBinary,
            Layout::Text | Layout::Csv => Format::UnifiedText,
        }
    }

    /// # Errors
    /// When an option is unknown, or has no meaning for the output or in its layout.
    fn new(options: &[CopyOption], legacy: &[CopyLegacyOption]) -> PgWireResult<Self> {
        let unsupported = |option: &dyn ToString| {
            let message = format!("COPY TO STDOUT does not support {}", option.to_string());
            errors::error("0A000", message)
        };
        let (mut layout, mut header) = (Layout::Text, false);
        let (mut delimiter, mut null, mut quote, mut escape) = (None, None, None, None);
        for option in options {
            match option {
                CopyOption::Format(name) => {
                    layout = match name.value.to_ascii_lowercase().as_str() {
                        "text" => Layout::Text,
                        "csv" => Layout::Csv,
                        "binary" => Layout::Binary,
                        other => {
                            let message = format!("COPY format \"{other}\" not recognized");
                            return Err(errors::error("22023", message));
                        }
                    }
                }
                CopyOption::Header(on) => header = *on,
                CopyOption::Delimiter(one) => delimiter = Some(*one),
                CopyOption::Null(text) => null = Some(text.clone()),
                CopyOption::Quote(one) => quote = Some(*one),
                CopyOption::Escape(one) => escape = Some(*one),
                CopyOption::Freeze(false) => {}
                CopyOption::Encoding(name)
                    if name.replace('-', "").eq_ignore_ascii_case("utf8") => {}
                other => return Err(unsupported(other)),
            }
        }
        for option in legacy {
            match option {
                CopyLegacyOption::Binary => layout = Layout::Binary,
                CopyLegacyOption::Header => header = true,
                CopyLegacyOption::Delimiter(one) => delimiter = Some(*one),
                CopyLegacyOption::Null(text) => null = Some(text.clone()),
                CopyLegacyOption::Csv(options) => {
                    layout = Layout::Csv;
                    for option in options {
                        match option {
                            CopyLegacyCsvOption::Header => header = true,
                            CopyLegacyCsvOption::Quote(one) => quote = Some(*one),
                            CopyLegacyCsvOption::Escape(one) => escape = Some(*one),
                            other => return Err(unsupported(other)),
                        }
                    }
                }
                other => return Err(unsupported(other)),
            }
        }
        let csv = layout == Layout::Csv;
        let byte = |name: &str, value: Option<char>, default: u8| {
            let value = value.unwrap_or(char::from(default));
            let one = u8::try_from(value).ok().filter(|byte| byte.is_ascii());
            let one = one.filter(|byte| !b"\r\n\\".contains(byte) || (csv && *byte == b'\\'));
            one.ok_or_else(|| {
                let message = format!("COPY {name} must be a single one-byte character");
                errors::error("22023", message)
            })
        };
        let quote_byte = byte("quote", quote, b'"')?;
        let format = Self {
            layout,
            header,
            delimiter: byte("delimiter", delimiter, if csv { b',' } else { b'\t' })?,
            escape: byte("escape", escape, quote_byte)?,
            quote: quote_byte,
            null: null.clone().unwrap_or_else(|| if csv { "" } else { "\\N" }.to_owned()).into(),
        };
        let wrong = match layout {
            Layout::Binary if header || delimiter.is_some() || null.is_some() => {
                "HEADER, DELIMITER and NULL have no meaning in BINARY mode"
            }
            Layout::Text | Layout::Binary if quote.is_some() || escape.is_some() => {
                "COPY QUOTE and ESCAPE require CSV mode"
            }
            Layout::Text
                if format.delimiter == b'.' || format.delimiter.is_ascii_alphanumeric() =>
            {
                "COPY delimiter must not be a letter, a digit or a dot"
            }
            Layout::Csv if format.delimiter == format.quote => {
                "COPY delimiter and quote must be different"
            }
            _ if format
                .null
                .iter()
                .any(|byte| b"\r\n".contains(byte) || *byte == format.delimiter) =>
            {
                "COPY null representation cannot contain a line end or the delimiter"
            }
            _ => return Ok(format),
        };
        Err(errors::error("22023", wrong))
    }

    /// Whether the rows are in the binary format.
    pub(in crate::server::postgres) fn is_binary(&self) -> bool {
        self.layout == Layout::Binary
    }

    /// Whether the first line has the names of the columns.
    pub(in crate::server::postgres) fn has_header(&self) -> bool {
        self.header
    }

    /// A line with the column names.
    pub(in crate::server::postgres) fn header<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        line: &mut BytesMut,
    ) {
        for (at, name) in names.enumerate() {
            self.field(at, Some(name.as_bytes()), line);
        }
        line.put_u8(b'\n');
    }

    /// A row, from the values of a DataRow message: each with its length, -1 for NULL.
    pub(in crate::server::postgres) fn row(
        &self,
        count: i16,
        mut values: BytesMut,
        line: &mut BytesMut,
    ) {
        if self.layout == Layout::Binary {
            line.put_i16(count);
            line.extend_from_slice(&values);
            return;
        }
        for at in 0..usize::try_from(count).unwrap_or_default() {
            let value = usize::try_from(values.get_i32()).ok().map(|size| values.split_to(size));
            match value.as_deref() {
                // Alone in a line it would be the end of the data.
                Some(b"\\.") if count == 1 && self.layout == Layout::Csv => {
                    line.extend_from_slice(&[self.quote, b'\\', b'.', self.quote]);
                }
                value => self.field(at, value, line),
            }
        }
        line.put_u8(b'\n');
    }

    fn field(&self, at: usize, value: Option<&[u8]>, line: &mut BytesMut) {
        if at > 0 {
            line.put_u8(self.delimiter);
        }
        match (value, self.layout) {
            (None, _) => line.extend_from_slice(&self.null),
            (Some(value), Layout::Csv) => self.quoted(value, line),
            (Some(value), _) => self.escaped(value, line),
        }
    }

    /// A value of a text row: control characters, backslashes and delimiters are escaped.
    fn escaped(&self, value: &[u8], line: &mut BytesMut) {
        for byte in value {
            let letter = match byte {
                0x08 => b'b',
                0x0c => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0x0b => b'v',
                b'\\' => b'\\',
                _ if *byte == self.delimiter => *byte,
                _ => {
                    line.put_u8(*byte);
                    continue;
                }
            };
            line.extend_from_slice(&[b'\\', letter]);
        }
    }

    /// A value of a CSV row, in quotes where it could be read as something else.
    fn quoted(&self, value: &[u8], line: &mut BytesMut) {
        let special = [self.delimiter, self.quote, b'\r', b'\n'];
        let plain = value != self.null && !value.iter().any(|byte| special.contains(byte));
        if plain {
            line.extend_from_slice(value);
            return;
        }
        line.put_u8(self.quote);
        for byte in value {
            if *byte == self.quote || *byte == self.escape {
                line.put_u8(self.escape);
            }
            line.put_u8(*byte);
        }
        line.put_u8(self.quote);
    }
}

/// Whether this is a COPY statement that only reads.
pub(in crate::server::postgres) fn only_reads(statement: &Statement) -> bool {
    matches!(statement, Statement::Copy { to: true, target: CopyTarget::Stdout, .. })
}

/// Takes the query out of a COPY statement; other statements are returned as they are.
///
/// # Errors
/// When an option is not supported.
pub(in crate::server::postgres) fn take_query(
    statement: Statement,
) -> PgWireResult<(Statement, Option<CopyFormat>)> {
    let Statement::Copy { source, options, legacy_options, .. } = statement else {
        return Ok((statement, None));
    };
    let format = CopyFormat::new(&options, &legacy_options)?;
    let query = match source {
        CopySource::Query(query) => Statement::Query(query),
        CopySource::Table { table_name, columns } => select(&table_name, &columns)?,
    };
    Ok((query, Some(format)))
}

fn select(table: &ObjectName, columns: &[Ident]) -> PgWireResult<Statement> {
    let names: Vec<String> = columns.iter().map(ToString::to_string).collect();
    let items = if names.is_empty() { "*".to_owned() } else { names.join(", ") };
    let parsed = query(&format!("SELECT {items} FROM {table}")).map(Statement::Query);
    parsed.map_err(|_| errors::error("42601", format!("invalid table {table}")))
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;
    use pgwire::error::ErrorInfo;

    use super::{CopyFormat, take_query};

    fn format(options: &str) -> Result<CopyFormat, String> {
        let sql = format!("COPY (SELECT 1) TO STDOUT {options}");
        let statement = Parser::parse_sql(&PostgreSqlDialect {}, &sql).unwrap().remove(0);
        let (query, format) =
            take_query(statement).map_err(|error| ErrorInfo::from(error).message)?;
        assert_eq!(query.to_string(), "SELECT 1");
        Ok(format.unwrap())
    }

    fn line(options: &str, values: &[Option<&str>]) -> String {
        let mut row = BytesMut::new();
        for value in values {
            row.put_i32(value.map_or(-1, |value| value.len() as i32));
            row.extend_from_slice(value.unwrap_or_default().as_bytes());
        }
        let mut line = BytesMut::new();
        format(options).unwrap().row(values.len() as i16, row, &mut line);
        String::from_utf8_lossy(&line).into_owned()
    }

    /// The expected lines are PostgreSQL's.
    #[test]
    fn values_can_be_told_from_null_and_delimiters() {
        let values = [Some("a\tb\\"), None, Some(""), Some("x\"y,\nz"), Some("\\."), Some("|")];
        for (options, expected) in [
            ("", "a\\tb\\\\\t\\N\t\tx\"y,\\nz\t\\\\.\t|\n"),
            ("(DELIMITER '|', NULL '-')", "a\\tb\\\\|-||x\"y,\\nz|\\\\.|\\|\n"),
            ("CSV", "a\tb\\,,\"\",\"x\"\"y,\nz\",\\.,|\n"),
            ("(FORMAT csv, NULL '|', ESCAPE '\\')", "a\tb\\,|,,\"x\\\"y,\nz\",\\.,\"|\"\n"),
            ("(FORMAT csv, QUOTE '|')", "a\tb\\,,||,|x\"y,\nz|,\\.,||||\n"),
        ] {
            assert_eq!(line(options, &values), expected, "{options}");
        }
        assert_eq!(line("CSV", &[Some("\\.")]), "\"\\.\"\n");
        assert_eq!(
            line("BINARY", &[Some("a"), None]),
            "\0\u{2}\0\0\0\u{1}a\u{fffd}\u{fffd}\u{fffd}\u{fffd}"
        );
        let mut header = BytesMut::new();
        format("CSV HEADER").unwrap().header(["a", "b,c"].into_iter(), &mut header);
        assert_eq!(header, "a,\"b,c\"\n");
    }

    #[test]
    fn impossible_options_are_refused() {
        for (options, part) in [
            ("(FORMAT parquet)", "\"parquet\" not recognized"),
            ("(FORMAT binary, HEADER)", "BINARY"),
            ("(DELIMITER 'a')", "delimiter"),
            ("(QUOTE '|')", "CSV"),
            ("(FORMAT csv, DELIMITER '\"')", "different"),
            ("(FORMAT csv, NULL 'a,b')", "null representation"),
            ("(ENCODING 'LATIN1')", "ENCODING"),
            ("(FORMAT csv, FORCE_QUOTE (a))", "FORCE_QUOTE"),
        ] {
            let error = format(options).unwrap_err();
            assert!(error.contains(part), "{options}: {error}");
        }
    }
}
