//! The folder of a site: refused if it is not empty, replaced on request, other files kept.

use super::{files, site};
use crate::project::{GOOD, Project, copy_folder};

#[test]
fn the_same_input_gives_the_same_files() {
    let (project, copy) = (Project::good(), Project::empty());
    copy_folder(project.root(), copy.root());
    let first = site(project.root(), &Project::empty(), &[]);
    assert_eq!(site(copy.root(), &Project::empty(), &[]), first);
}

#[test]
fn a_folder_that_is_not_empty_is_refused() {
    let project = Project::good();
    let run = |more: &[&str]| {
        let arguments = [["docs", "-o", "site"].as_slice(), more].concat();
        project.run(&arguments)
    };
    project.write("site/mine.txt", "mine");
    let ran = run(&[]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("not empty") && ran.err.contains("--overwrite"), "{}", ran.err);
    let ran = run(&["--overwrite"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("something else than a site"), "{}", ran.err);
    assert_eq!(files(&project.path("site")).len(), 1);
    // A list of files that leads outside.
    project.write("site/files.txt", "index.html\n../headcount.yaml\n");
    let ran = run(&["--overwrite"]);
    assert!(ran.err.contains("outside of the folder"), "{}", ran.err);
    assert!(project.path("headcount.yaml").exists());
    assert_eq!(project.run(&["docs", "-o", "headcount.yaml"]).code, 1);
    assert_eq!(project.run(&["docs"]).code, 2);
}

#[test]
fn an_earlier_site_is_replaced_and_other_files_stay() {
    let project = Project::good();
    let run = || project.run(&["docs", "-o", "site", "--overwrite"]);
    assert_eq!(run().code, 0);
    project.write("site/metrics/mine.html", "mine");
    project.write("site/CNAME", "example.com");
    assert!(project.path("site/metrics/monthly.search.html").exists());
    let (name, metrics) = GOOD[3];
    project.write(name, metrics.replace("monthly.search", "monthly.find"));
    let ran = run();
    assert_eq!(ran.code, 0, "{}", ran.err);
    let found = files(&project.path("site"));
    assert!(!found.contains_key("metrics/monthly.search.html"));
    assert!(found.contains_key("metrics/monthly.find.html"));
    assert_eq!(
        (found["metrics/mine.html"].as_str(), found["CNAME"].as_str()),
        ("mine", "example.com")
    );
    // One that would be overwritten is in the way.
    project.write(name, metrics.replace("monthly.search", "mine"));
    let ran = run();
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("in the way") && ran.err.contains("mine.html"), "{}", ran.err);
    assert_eq!(files(&project.path("site")), found);
    // Broken definitions leave the site as it was.
    project.write(name, "- {key_path: }");
    assert_eq!(run().code, 1);
    assert_eq!(files(&project.path("site")), found);
}
