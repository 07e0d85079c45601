//! Names and texts that are markup, SQL, paths, or very long.

use super::pages::{check_links, check_table};
use super::{site, table};
use crate::project::Project;

const NAMES: [&str; 12] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "../../../etc/passwd",
    "/absolute",
    "a'; DROP TABLE visits; --",
    "CON",
    "con",
    "ä 漢字 👩‍🚀",
    "right\u{202e}left",
    "a&amp;b",
    "javascript:alert(1)",
    ".hidden.",
];

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

#[test]
fn hostile_names_are_texts() {
    let project = Project::good();
    let long = "x.".repeat(700) + "x";
    let names: Vec<&str> = NAMES.into_iter().chain([long.as_str()]).collect();
    let mut metrics = String::new();
    let mut events =
        String::from("- {action: page_viewed, description: Somebody read, identifiers: [user]}\n");
    for name in &names {
        let name = quoted(name);
        metrics.push_str(&format!(
            "- {{key_path: {name}, description: {name}, product_group: pages, tiers: [{name}], \
             data_category: {name}, introduced_by_url: {name}, milestone: {name}, \
             performance_indicator_type: [smau], \
             events: [{{name: {name}, unique: user.id, filter: {{plan: {name}}}}}]}}\n"
        ));
        events.push_str(&format!(
            "- {{action: {name}, category: {name}, description: {name}, identifiers: [{name}], \
             additional_properties: {{{name}: {{description: {name}}}}}, product_group: search}}\n"
        ));
    }
    project.write("dictionary/metrics/all.yml", metrics);
    project.write("dictionary/events/all.yml", events);
    let stages = "stages:\n  <b>one</b>:\n    display_name: \"<script>alert(2)</script>\"\n    \
                  section: \"a/../b\"\n    groups: {pages: {name: \"<i>\"}, search: }\n";
    project.write("dictionary/stages.yml", stages);
    let out = Project::empty();
    let title = "<script>alert(3)</script>";
    let files = site(project.root(), &out, &["--title", title]);
    // The reader of HTML accepts no element or attribute that is not ours.
    check_links(&files);
    check_table(&files);
    for (file, text) in files.iter().filter(|(name, _)| name.ends_with(".html")) {
        for markup in ["<script>", "<img", "onerror=\"", "<i>", "<b>one", "href=\"javascript"] {
            assert!(!text.contains(markup), "{file}: {markup}");
        }
        let name = file.rsplit('/').next().unwrap();
        assert!(name.len() < 160 && !name.starts_with('.'), "{file}");
        let is_safe = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(c);
        assert!(name.chars().all(is_safe), "{file}");
    }
    // Nothing was written outside of the folder.
    let mut entries: Vec<_> =
        std::fs::read_dir(out.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
    entries.retain(|name| name != "site");
    assert!(entries.is_empty(), "{entries:?}");
    // The statements run.
    let sql: Vec<String> = table(&files).lines(&["sql"]);
    project.write("all.sql", sql.join("\n"));
    let ran = project.run(&["sql", "--format", "csv", "-f", "all.sql"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
}
