//! The frame of every page, and small parts of pages.

use engine::scan::Rejects;

use super::content::Site;
use super::entry::{Entry, Owner, owner_keys};
use super::file_names::{INDEX, PRIVACY, TABLE_CSV, TABLE_JSON};
use crate::output::html::escape;

/// A page, in the order in which it is read.
pub(super) struct Page<'a> {
    /// For the browser's title bar.
    pub(super) title: &'a str,
    /// From the folder of the page to that of the site: empty or `../`.
    pub(super) up: &'static str,
    pub(super) has_script: bool,
    /// What is between the links at the top and those at the bottom, as HTML.
    pub(super) body: String,
}

impl Page<'_> {
    pub(super) fn render(&self, site: &Site<'_>) -> String {
        let Self { title, up, has_script, body } = self;
        let script = match has_script {
            true => format!("<script src=\"{up}search.js\" defer></script>\n"),
            false => String::new(),
        };
        let (title, name) = (escape(title), escape(&site.title));
        let title = if title == name { title } else { format!("{title} · {name}") };
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n\
             <meta name=\"generator\" content=\"headcount\">\n\
             <title>{title}</title>\n<link rel=\"stylesheet\" href=\"{up}site.css\">\n{script}\
             </head>\n<body>\n<nav class=\"top\" aria-label=\"Pages\">\
             <a href=\"{up}{INDEX}\">{name}</a> <a href=\"{up}{PRIVACY}\">What is collected</a> \
             <span><a href=\"{up}{TABLE_CSV}\" download>CSV</a> \
             <a href=\"{up}{TABLE_JSON}\" download>JSON</a></span></nav>\n\
             {body}</body>\n</html>\n"
        )
    }
}

/// A key with places at which a line may break.
pub(super) fn breakable(key: &str) -> String {
    escape(key).replace('.', ".<wbr>").replace('_', "_<wbr>")
}

/// A link to the page of an entry.
pub(super) fn link(up: &str, entry: &Entry) -> String {
    let key = match &entry.title {
        Some(title) => escape(title),
        None => format!("<code>{}</code>", breakable(&entry.key)),
    };
    format!("<a href=\"{up}{}\">{key}</a>", escape(&entry.page))
}

/// The page of an owner, if it has one.
pub(super) fn owner_link(site: &Site<'_>, up: &str, entry: &Entry, rank: usize) -> String {
    let Some(Owner { name, .. }) = &entry.owners[rank] else { return String::new() };
    match site.owner_pages.get(&owner_keys(entry, rank)) {
        Some(page) if *page != entry.page => {
            format!("<a href=\"{up}{}\">{}</a>", escape(page), escape(name))
        }
        _ => escape(name),
    }
}

/// Terms and their meaning; both are HTML.
pub(super) fn terms(items: &[(&str, String)]) -> String {
    let item = |(term, meaning): &(&str, String)| {
        format!("<div><dt>{}</dt><dd>{meaning}</dd></div>\n", escape(term))
    };
    let filled = items.iter().filter(|(_, meaning)| !meaning.is_empty());
    format!("<dl>\n{}</dl>\n", filled.map(item).collect::<String>())
}

/// How many rows were rejected, as a sentence.
pub(super) fn rejected(rejects: &Rejects) -> Option<String> {
    let total = rejects.total();
    let rows = crate::output::text::format_number(total);
    match total {
        0 => None,
        1 => Some("1 row of events was rejected and not counted.".to_owned()),
        _ => Some(format!("{rows} rows of events were rejected and not counted.")),
    }
}
