//! `headcount docs`: the pages, the table in all its forms, the statements, and the folder.

mod browser;
mod folder;
mod hostile;
mod html;
mod numbers;
mod pages;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::project::Project;
use crate::table::Table;

/// Writes the site of a project in a folder of another one, with these options, and returns its files.
fn site(root: &Path, out: &Project, more: &[&str]) -> BTreeMap<String, String> {
    let folder = out.path("site").display().to_string();
    let root = root.display().to_string();
    let arguments = ["docs", "--project", &root, "-o", &folder];
    let ran = out.run(&[arguments.as_slice(), more].concat());
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    files(&out.path("site"))
}

/// All files below a folder by their path in it.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    found
}

fn table(files: &BTreeMap<String, String>) -> Table {
    Table::of_csv(&files["dictionary.csv"])
}
