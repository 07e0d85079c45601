//! The pages in headless Chromium: search, filters, addresses, keyboard, dark mode, print, narrow
//! screens, and without JavaScript.

use super::site;
use crate::project::{Project, contributions};
use crate::python;

#[test]
fn the_pages_work_in_a_browser() {
    let out = Project::empty();
    site(&contributions(), &out, &[]);
    python::run("docs_site.py", &[&out.path("site").display().to_string()]);
}
