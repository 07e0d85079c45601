//! The pages of the demo: their links, and the table as HTML, CSV and JSON.

use std::collections::{BTreeMap, BTreeSet};

use super::html::{Part, parts, rows};
use super::{site, table};
use crate::metric_data;
use crate::project::{Project, contributions};

/// Every link of every page leads to a file and an element that are there; nothing is loaded from
/// elsewhere, and every page can be reached from the first.
pub(super) fn check_links(files: &BTreeMap<String, String>) {
    let mut reached = BTreeSet::from(["index.html".to_owned()]);
    for (name, page) in files.iter().filter(|(name, _)| name.ends_with(".html")) {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        for part in parts(page) {
            let Part::Start(element, attributes) = part else { continue };
            assert!(!attributes.contains_key("style") || element == "i", "{name}: a style");
            for attribute in ["href", "src", "xlink:href", "action", "poster", "data"] {
                let Some(address) = attributes.get(attribute) else { continue };
                if address.contains(':') && element == "a" {
                    assert!(address.starts_with("http"), "{name}: {address}");
                    assert_eq!(attributes.get("rel").unwrap(), "noopener noreferrer");
                    continue;
                }
                assert!(!address.contains(':') && !address.starts_with('/'), "{name}: {address}");
                let (path, fragment) = address.split_once('#').unwrap_or((address, ""));
                let target = match (path, path.strip_prefix("../")) {
                    ("", _) => name.clone(),
                    (_, Some(path)) => {
                        assert!(!folder.is_empty(), "{name}: {address}");
                        path.to_owned()
                    }
                    (path, None) if folder.is_empty() => path.to_owned(),
                    (path, None) => format!("{folder}/{path}"),
                };
                let text = files.get(&target);
                let text = text.unwrap_or_else(|| panic!("{name}: no {target}"));
                let is_plain = fragment.starts_with("kind=") && !fragment.contains('&');
                if is_plain {
                    assert!(text.contains(&format!("id=\"{fragment}\"")), "{name}: {address}");
                }
                reached.insert(target);
            }
        }
    }
    let all: BTreeSet<String> = files.keys().filter(|name| *name != "files.txt").cloned().collect();
    assert_eq!(reached, all);
    let listed: BTreeSet<String> = files["files.txt"].lines().map(str::to_owned).collect();
    assert_eq!(listed, all);
    for loading in ["@import", "url("] {
        assert!(!files["site.css"].contains(loading), "{loading}");
    }
    for loading in ["fetch(", "XMLHttpRequest", "import(", "WebSocket"] {
        assert!(!files["search.js"].contains(loading), "{loading}");
    }
}

/// The table on the first page has the rows and values of the CSV file, and that those of the JSON file.
pub(super) fn check_table(files: &BTreeMap<String, String>) {
    let csv = table(files);
    let json: Vec<BTreeMap<String, serde_json::Value>> =
        serde_json::from_str(&files["dictionary.json"]).unwrap();
    let html = rows(&files["index.html"]);
    let heading = files["index.html"].split("Latest <small>").nth(1).map(|after| &after[..7]);
    assert_eq!((csv.rows.len(), json.len()), (html.len(), html.len()));
    for ((csv_row, json), html) in csv.rows.iter().zip(&json).zip(&html) {
        let csv = |name: &str| csv_row[csv.column(name)].as_str();
        for name in &csv_header(files) {
            let value = match &json[name] {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(csv(name), value, "{name}");
        }
        assert_eq!(json.len(), csv_row.len());
        assert_eq!(html.name, csv("name"));
        assert_eq!(html.title, csv("title"));
        assert_eq!(html.description, csv("description").replace('\n', " "));
        for (attribute, column) in [
            ("kind", "kind"),
            ("section", "section"),
            ("stage", "stage"),
            ("group", "group"),
            ("status", "status"),
            ("data", "data"),
            ("indicator", "indicators"),
            ("frame", "time_frame"),
            ("tier", "tiers"),
            ("category", "data_category"),
            ("type", "value_type"),
        ] {
            let value = html.data.get(attribute).map_or("", String::as_str);
            assert_eq!(value, csv(column), "{}: {attribute}", html.name);
        }
        for (class, column) in [
            ("frame", "time_frame"),
            ("indicators", "indicators"),
            ("status", "status"),
            ("data", "data"),
            ("definition", "definition"),
            ("tiers", "tiers"),
            ("category", "data_category"),
            ("type", "value_type"),
            ("source", "data_source"),
            ("personal", "personal_data"),
            ("sql", "sql"),
        ] {
            assert_eq!(html.cell(class), csv(column), "{}: {class}", html.name);
        }
        let since = [csv("first_day"), csv("milestone")].join(" ");
        assert_eq!(html.cell("since"), since.trim());
        let latest = match csv("latest") {
            "" => String::new(),
            value => {
                let month = &csv("latest_month")[..7];
                match csv("latest_from") {
                    "pings" => format!("{value} {month} pings"),
                    _ if heading == Some(month) => value.to_owned(),
                    _ => format!("{value} {month}"),
                }
            }
        };
        assert_eq!(html.cell("latest").replace([',', '…'], "").replace("  ", " "), latest);
        let trend = html.cell("trend").split(": ").nth(1).unwrap_or_default();
        match csv("trend").split(' ').count() {
            0 | 1 => assert_eq!(trend, ""),
            _ => assert_eq!(trend, csv("trend")),
        }
        assert!(files.contains_key(&html.page), "{}", html.page);
    }
}

fn csv_header(files: &BTreeMap<String, String>) -> Vec<String> {
    table(files).header
}

#[test]
fn links_resolve_and_the_table_is_the_same_in_every_format() {
    let out = Project::empty();
    let files = site(&contributions(), &out, &[]);
    check_links(&files);
    check_table(&files);
    let kinds = |kind: &str| table(&files).rows.iter().filter(|row| row[0] == kind).count();
    assert_eq!(["metric", "event", "group", "stage", "section"].map(kinds), [29, 4, 22, 9, 3]);
}

#[test]
fn pings_statuses_and_time_frames() {
    let project = metric_data::project();
    let files = site(project.root(), &Project::empty(), &["--title", "Ours & theirs"]);
    check_links(&files);
    check_table(&files);
    let lines = table(&files).lines(&["name", "status", "data", "latest", "latest_from"]);
    let metrics = [
        "monthly.view_pages active both 1 events",
        "old.search removed events  ",
        "old.paid broken neither  ",
        "sums active events  ",
        "fleet.jobs active pings  ",
        "fleet.edition active pings  ",
        "fleet.failing active neither  ",
    ];
    assert_eq!(lines[..metrics.len()], metrics);
    let page = &files["metrics/monthly.view_pages.html"];
    assert!(page.contains("<b class=\"big\">7</b> recorded in 2026-01"), "{page}");
    assert!(page.contains("<b class=\"big\">1</b> user in 2026-02"), "{page}");
    let page = &files["metrics/fleet.jobs.html"];
    for path in
        ["fleet.<wbr>jobs_<wbr>weekly</code> (7d)", "fleet.<wbr>jobs_<wbr>monthly</code> (28d)"]
    {
        assert!(page.contains(path), "no {path} in {page}");
    }
    assert!(files["privacy.html"].contains("license_subscription_id"));
    assert!(files["index.html"].contains("<h1>Ours &amp; theirs</h1>"));
}

#[test]
fn gitlab_definitions_have_their_fields() {
    let project = Project::good();
    let gitlab = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/gitlab");
    let gitlab = gitlab.canonicalize().unwrap();
    let settings = std::fs::read_to_string(project.path("headcount.yaml")).unwrap();
    let gitlab = gitlab.display();
    project.write(
        "headcount.yaml",
        format!(
            "{settings}dictionary: {{stages: {gitlab}/stages.yml, events: {gitlab}/config/events, \
             metrics: {gitlab}/config/metrics, aggregates: {gitlab}/config/metrics/aggregates}}\n"
        ),
    );
    let out = Project::empty();
    let files = site(project.root(), &out, &[]);
    check_links(&files);
    check_table(&files);
    let page =
        &files["metrics/redis_hll_counters.code_review.i_code_review_user_create_mr_monthly.html"];
    for part in [
        "<dd>free, premium, ultimate</dd>",
        "<dd>operational</dd>",
        "<dd>&lt;13.9</dd>",
        "<a href=\"https://gitlab.com/gitlab-org/gitlab/-/merge_requests/54332\" rel=\"noopener noreferrer\">",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    let page = &files["events/start_mcp_tool_call.html"];
    for part in ["session_id", "Session ID that", "tells users apart"] {
        assert!(page.contains(part), "no {part} in {page}");
    }
}
