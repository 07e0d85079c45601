//! A self-contained HTML page, without scripts or external resources: its frame, and the parts that
//! pages are made of.

pub(crate) mod chart;
mod escape;
mod grid;
pub(crate) mod scale;

use arrow::record_batch::RecordBatch;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use engine::Result;

use super::batch_writer::BatchWriter;
use super::csv;

pub(crate) use escape::escape;
pub(crate) use grid::grid;

/// The style sheet of every page.
pub(crate) const CSS: &str = include_str!("style.css");

/// A page, in the order in which it is read; texts are not escaped yet.
pub(crate) struct Page<'a> {
    pub(crate) title: String,
    /// A sentence below the title.
    pub(crate) lead: String,
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) notes: &'a [String],
    /// Sections, as HTML.
    pub(crate) sections: String,
    /// Terms and their meaning.
    pub(crate) glossary: Vec<(&'static str, &'static str)>,
    /// A paragraph below the glossary; can be empty.
    pub(crate) remark: &'static str,
    /// The numbers to download, and the name of that file.
    pub(crate) csv: (&'a RecordBatch, String),
}

impl Page<'_> {
    /// The page as HTML.
    ///
    /// # Errors
    /// When the numbers cannot be written as CSV.
    pub(crate) fn render(&self) -> Result<String> {
        let title = escape(&self.title);
        let list = |items: &mut dyn Iterator<Item = (&str, &str)>| -> String {
            let item =
                |(term, text)| format!("<div><dt>{term}</dt><dd>{}</dd></div>\n", escape(text));
            items.map(item).collect()
        };
        let facts = list(&mut self.facts.iter().map(|(label, fact)| (*label, fact.as_str())));
        let note = |note: &String| format!("<p class=\"note\">{}</p>\n", escape(note));
        let notes: String = self.notes.iter().map(note).collect();
        let glossary = list(&mut self.glossary.iter().copied());
        let remark = match self.remark {
            "" => String::new(),
            remark => format!("<p>{}</p>\n", escape(remark)),
        };
        let (numbers, file) = &self.csv;
        let mut csv = Vec::new();
        csv::Writer::new(',', &numbers.schema(), &mut csv)?.write(numbers)?;
        Ok(format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta name=\"generator\" content=\"headcount\">\n\
             <title>{title}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n\
             <header>\n<h1>{title}</h1>\n<p class=\"lead\">{lead}</p>\n\
             <dl>\n{facts}</dl>\n{notes}</header>\n\
             <main>\n{sections}</main>\n\
             <footer>\n<h2>How to read this</h2>\n<dl>\n{glossary}</dl>\n{remark}\
             <p><a download=\"{file}\" href=\"data:text/csv;charset=utf-8;base64,{csv}\">\
             All numbers as CSV</a></p>\n</footer>\n</body>\n</html>\n",
            lead = escape(&self.lead),
            sections = self.sections,
            file = escape(file),
            csv = BASE64_STANDARD.encode(&csv),
        ))
    }
}

/// A section with a hint, which can be empty, above its body.
pub(crate) fn section(title: &str, hint: &str, body: &str) -> String {
    let hint = match hint {
        "" => String::new(),
        hint => format!("<p class=\"hint\">{}</p>\n", escape(hint)),
    };
    format!("<section>\n<h2>{}</h2>\n{hint}{body}</section>\n", escape(title))
}

/// A chart with its name and a number.
pub(crate) fn figure(name: &str, number: &str, chart: &str) -> String {
    let (name, number) = (escape(name), escape(number));
    format!("<figure><figcaption>{name} <b>{number}</b></figcaption>{chart}</figure>\n")
}

/// What the colours of a chart mean: a name and a number, which can be empty, for each.
pub(crate) fn legend(entries: impl Iterator<Item = (usize, String, String)>) -> String {
    let entry = |(color, name, number): (usize, String, String)| {
        let number = match number.as_str() {
            "" => String::new(),
            number => format!(" <b>{}</b>", escape(number)),
        };
        format!("<li><i class=\"c{color}\"></i>{}{number}</li>", escape(&name))
    };
    format!("<ul class=\"legend\">{}</ul>\n", entries.map(entry).collect::<String>())
}
