//! Splits a script into statements at its semicolons.
//!
//! The scanner recognises string literals, quoted names and comments, whose semicolons do not end a
//! statement. A line that begins with a backslash where a statement could begin is a prompt
//! command, and ends with the line.

use engine::{Error, Result};

/// One statement of a script, or one command to the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The text without the semicolon and without spaces around it.
    pub text: &'a str,
    /// Its number in the script, from 1.
    pub number: usize,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// The column of its first character, from 1.
    pub column: usize,
}

impl Statement<'_> {
    /// Whether this is a command to the prompt, such as `\d`.
    pub fn is_command(&self) -> bool {
        self.text.starts_with('\\')
    }

    /// The text, padded to its position in the script, so that the positions in parser errors are
    /// right.
    pub fn padded(&self) -> String {
        "\n".repeat(self.line - 1) + &" ".repeat(self.column - 1) + self.text
    }
}

/// The statements of a text, in order. Empty ones are left out.
///
/// # Errors
/// When a string literal, quoted name or comment is not closed; with its line.
pub fn statements(text: &str) -> Result<Vec<Statement<'_>>> {
    let mut statements = Vec::new();
    let mut scanner = Scanner { text, at: 0 };
    while let Some(found) = scanner.next().map_err(|open| unclosed_error(text, open))? {
        let before = &text[..found.start];
        let last = before.rsplit('\n').next().unwrap_or_default();
        statements.push(Statement {
            text: text[found.start..found.end].trim_end(),
            number: statements.len() + 1,
            line: 1 + before.matches('\n').count(),
            column: 1 + last.chars().count(),
        });
    }
    Ok(statements)
}

/// Whether the input is complete: the last statement has a semicolon, or is a command.
pub fn is_complete(text: &str) -> bool {
    let mut scanner = Scanner { text, at: 0 };
    loop {
        match scanner.next() {
            Ok(Some(found)) if found.ended => {}
            Ok(None) => return true,
            Ok(Some(_)) | Err(_) => return false,
        }
    }
}

fn unclosed_error(text: &str, open: Unclosed) -> Error {
    let line = 1 + text[..open.at].matches('\n').count();
    Error::input(format!("{} is not terminated", open.what)).with("line", line)
}

/// A literal, name or comment that is not closed.
#[derive(Debug)]
struct Unclosed {
    what: &'static str,
    at: usize,
}

#[derive(Debug)]
struct Segment {
    start: usize,
    end: usize,
    /// Whether a semicolon (or the end of a command's line) follows it.
    ended: bool,
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn next(&mut self) -> Result<Option<Segment>, Unclosed> {
        let mut start = None;
        while let Some(byte) = self.peek(0) {
            let here = self.at;
            match byte {
                b'-' if self.peek(1) == Some(b'-') => self.line(),
                b'/' if self.peek(1) == Some(b'*') => self.comment()?,
                b';' => {
                    self.at += 1;
                    if let Some(start) = start {
                        return Ok(Some(Segment { start, end: here, ended: true }));
                    }
                }
                b'\\' if start.is_none() => {
                    self.line();
                    return Ok(Some(Segment { start: here, end: self.at, ended: true }));
                }
                _ => {
                    if !byte.is_ascii_whitespace() && start.is_none() {
                        start = Some(here);
                    }
                    match byte {
                        b'\'' => self.quoted(b'\'', "a text", self.escapes())?,
                        b'"' => self.quoted(b'"', "a quoted name", false)?,
                        b'`' => self.quoted(b'`', "a quoted name", false)?,
                        b'$' => self.dollars()?,
                        _ => self.at += 1,
                    }
                }
            }
        }
        let end = self.text.len();
        Ok(start.map(|start| Segment { start, end, ended: false }))
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// Goes to the end of the line.
    fn line(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.find('\n').unwrap_or(rest.len());
    }

    /// Comments nest.
    fn comment(&mut self) -> Result<(), Unclosed> {
        let (begin, mut depth) = (self.at, 0_usize);
        while let Some(byte) = self.peek(0) {
            match (byte, self.peek(1)) {
                (b'/', Some(b'*')) => depth += 1,
                (b'*', Some(b'/')) => depth -= 1,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return Ok(());
            }
        }
        Err(Unclosed { what: "a comment", at: begin })
    }

    /// Whether the quote here begins a string literal with escapes: `E'it\'s'`.
    fn escapes(&self) -> bool {
        let before = &self.text.as_bytes()[..self.at];
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        matches!(before, [rest @ .., b'e' | b'E'] if !rest.last().is_some_and(word))
    }

    /// A quote inside is written twice, which reads like the end of one and the beginning of the
    /// next.
    fn quoted(&mut self, quote: u8, what: &'static str, escapes: bool) -> Result<(), Unclosed> {
        let begin = self.at;
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += if byte == b'\\' && escapes { 2 } else { 1 };
            if byte == quote {
                return Ok(());
            }
        }
        Err(Unclosed { what, at: begin })
    }

    /// `$$ ... $$` or `$tag$ ... $tag$`; any other dollar is just that.
    fn dollars(&mut self) -> Result<(), Unclosed> {
        let rest = &self.text[self.at..];
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let tag = rest[1..].find('$').map(|end| &rest[..end + 2]);
        let Some(tag) = tag.filter(|tag| tag[1..tag.len() - 1].chars().all(word)) else {
            self.at += 1;
            return Ok(());
        };
        let open = Unclosed { what: "a text", at: self.at };
        let end = rest[tag.len()..].find(tag).ok_or(open)?;
        self.at += end + 2 * tag.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{is_complete, statements};

    #[track_caller]
    fn check(text: &str, expected: &[(usize, &str)]) {
        let found = statements(text).unwrap();
        let found: Vec<(usize, &str)> = found.iter().map(|s| (s.line, s.text)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn semicolons_end_statements() {
        check("", &[]);
        check(" ;; \n ;", &[]);
        check("SELECT 1", &[(1, "SELECT 1")]);
        check(
            "SELECT 1;\n\nSELECT\n2 ;SELECT 3;",
            &[(1, "SELECT 1"), (3, "SELECT\n2"), (4, "SELECT 3")],
        );
    }

    #[test]
    fn semicolons_inside_of_something_do_not() {
        check(
            "SELECT ';''', \"a;\"\"b\", `c;`; 2",
            &[(1, "SELECT ';''', \"a;\"\"b\", `c;`"), (1, "2")],
        );
        check("SELECT E'it\\'s;', 'C:\\';2", &[(1, "SELECT E'it\\'s;', 'C:\\'"), (1, "2")]);
        check("SELECT $$;$$, $a$;$$;$a$, $1;2", &[(1, "SELECT $$;$$, $a$;$$;$a$, $1"), (1, "2")]);
        check(
            "-- a;b\n/* c; /* d; */ e; */ SELECT 1 -- f;\n;2",
            &[(2, "SELECT 1 -- f;"), (3, "2")],
        );
    }

    #[test]
    fn commands_end_with_their_line() {
        check(
            "\\d visits; \nSELECT 1;\\q\n2",
            &[(1, "\\d visits;"), (2, "SELECT 1"), (2, "\\q"), (3, "2")],
        );
        assert!(statements("\\d").unwrap()[0].is_command());
        assert_eq!(statements("1;\n  2").unwrap()[1].padded(), "\n  2");
    }

    #[test]
    fn unclosed_literals_are_reported_with_their_line() {
        for (text, message) in [
            ("SELECT 1;\nSELECT 'a\n;", "a text is not terminated (line: 2)"),
            ("SELECT \"a", "a quoted name is not terminated (line: 1)"),
            ("\n/* a /* */", "a comment is not terminated (line: 2)"),
            ("SELECT $x$ ;", "a text is not terminated (line: 1)"),
        ] {
            assert_eq!(statements(text).unwrap_err().to_string(), message);
            assert!(!is_complete(text));
        }
    }

    #[test]
    fn a_prompt_waits_for_the_semicolon() {
        for (text, complete) in [
            ("", true),
            ("SELECT 1", false),
            ("SELECT 1;", true),
            ("SELECT 1; SELECT", false),
            ("SELECT 1; -- done", true),
            ("\\d", true),
        ] {
            assert_eq!(is_complete(text), complete, "{text}");
        }
    }
}
