//! No two files of a crate use each other, directly or through others.
//!
//! A file uses another one if a path in its code leads there: in a `use` line, or inline. Names that a
//! file only passes on (`pub use`) count for the file that defines them. Tests of a module are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A module's path within its crate.
type Module = Vec<String>;

#[test]
fn no_two_files_use_each_other() {
    for source in ["datasets/src", "engine/src", "sql/counters/src", "sql/src"] {
        let found = cycles(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(source));
        assert!(found.is_empty(), "{source}: these files use each other: {found:#?}");
    }
}

#[test]
fn cycles_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let found = || Vec::from_iter(cycles(folder.path()));
    write("lib.rs", "#[cfg(test)]\nmod tests;\nmod a;\nmod b;\npub use a::one::Uno as One;\n");
    write("a/mod.rs", "mod one;\nmod two;\npub(crate) use one::{Uno, x::{self, Y}};\n");
    write("a/one.rs", "use super::two::Two;\n#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}\n");
    // `crate::One` and `super::Uno` are one.rs, whoever passes them on.
    write("b.rs", "use crate::One;\npub(in crate::a) struct B;\n// use crate::a::two::Two;\n");
    write("a/two.rs", "fn two() -> crate::b::B {}\n");
    assert_eq!(found(), [["a::one", "a::two", "b"]]);
    // A module and its child.
    write("a/two.rs", "use super::Shared;\n");
    write("a/mod.rs", "mod one;\nmod two;\npub struct Shared;\nconst X: u8 = two::X;\n");
    assert_eq!(found(), [["a", "a::two"]]);
    write("a/two.rs", "pub struct Two;\n");
    assert!(found().is_empty());
}

/// The modules of files that use each other, in groups.
fn cycles(root: &Path) -> BTreeSet<Vec<String>> {
    let mut files = BTreeMap::new();
    read(root, &mut Vec::new(), &mut files);
    assert!(!files.is_empty(), "{} has moved", root.display());
    // What each file brings into scope, by name.
    let mut passed_on: BTreeMap<(Module, String), Module> = BTreeMap::new();
    for (module, text) in &files {
        for (name, path) in uses(text).0 {
            if let Some(path) = absolute(module, &path, &files) {
                passed_on.insert((module.clone(), name), path);
            }
        }
    }
    let mut edges: BTreeMap<&Module, BTreeSet<Module>> = BTreeMap::new();
    for (module, text) in &files {
        let (uses, inline) = uses(text);
        let paths = uses.iter().map(|(_, path)| path).chain(&inline);
        let targets = paths.filter_map(|path| absolute(module, path, &files));
        let targets = targets.map(|path| definer(path, &files, &passed_on));
        edges.insert(module, targets.filter(|target| target != module).collect());
    }
    let reach: BTreeMap<&Module, BTreeSet<Module>> =
        files.keys().map(|module| (module, reachable(module, &edges))).collect();
    let mut groups = BTreeSet::new();
    for module in files.keys().filter(|module| reach[module].contains(*module)) {
        let mutual = reach[module].iter().filter(|other| reach[other].contains(module));
        groups.insert(mutual.map(|module| module.join("::")).collect());
    }
    groups
}

fn reachable(from: &Module, edges: &BTreeMap<&Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
    while let Some(module) = open.pop() {
        for next in &edges[&module] {
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    seen
}

/// The code of all modules of a folder, without comments and tests.
fn read(folder: &Path, module: &mut Module, files: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            module.push(name);
            read(&path, module, files);
            module.pop();
        } else if path.extension().is_some_and(|ending| ending == "rs") && name != "main" {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines();
            let code: Vec<&str> =
                code.filter(|line| !line.trim_start().starts_with("//")).collect();
            let mut own = module.clone();
            if name != "mod" && name != "lib" {
                own.push(name);
            }
            files.insert(own, code.join("\n"));
        }
    }
}

/// The names that `use` lines bring into scope, each with its path; and the inline paths.
fn uses(text: &str) -> (Vec<(String, Module)>, Vec<Module>) {
    let (mut paths, mut inline) = (Vec::new(), Vec::new());
    for statement in text.split_inclusive([';', '{', '}']).scan(String::new(), |open, part| {
        // Braces of a `use` tree belong to the statement.
        open.push_str(part);
        let is_use = use_tree(open).is_some();
        let complete = !is_use || open.trim_end().ends_with(';');
        Some(if complete { Some(std::mem::take(open)) } else { None })
    }) {
        let Some(statement) = statement else { continue };
        match use_tree(&statement) {
            Some(tree) => expand(tree.trim_end().trim_end_matches(';'), &[], &mut paths),
            None => {
                let code = statement.replace("pub(in crate", "pub(in ");
                let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '$';
                let paths = code.split(|c| !word(c)).filter(|path| path.contains("::"));
                let names = |path: &str| path.split("::").map(str::to_owned).collect();
                inline.extend(paths.filter(|path| !path.starts_with(':')).map(names));
            }
        }
    }
    (paths, inline)
}

/// What follows `use` in a statement that is one.
fn use_tree(statement: &str) -> Option<&str> {
    let statement = statement.trim_start();
    let rest = statement.strip_prefix("pub").map_or(statement, |rest| {
        let rest = rest.trim_start();
        let inside = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        inside.map_or(rest, |(_, rest)| rest).trim_start()
    });
    rest.strip_prefix("use ")
}

fn expand(tree: &str, prefix: &[String], paths: &mut Vec<(String, Module)>) {
    let mut prefix = prefix.to_vec();
    let tree = tree.trim();
    if let Some((path, items)) = tree.split_once('{') {
        prefix.extend(path.split("::").map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned));
        let items = items.trim_end().strip_suffix('}').unwrap_or(items);
        let (mut depth, mut item) = (0, String::new());
        for letter in items.chars().chain([',']) {
            match letter {
                ',' if depth == 0 => {
                    expand(&std::mem::take(&mut item), &prefix, paths);
                    continue;
                }
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            item.push(letter);
        }
    } else if !tree.is_empty() {
        let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(p, a)| (p, Some(a)));
        prefix.extend(path.split("::").map(|part| part.trim().to_owned()));
        // `a::{self}` is `a`.
        if prefix.len() > 1 && prefix.last().is_some_and(|name| name == "self") {
            prefix.pop();
        }
        let name = alias.map_or_else(|| prefix.last().unwrap().clone(), |a| a.trim().to_owned());
        paths.push((name, prefix));
    }
}

/// A path from the root of the crate; `None` for one into another crate.
fn absolute(module: &Module, path: &[String], files: &BTreeMap<Module, String>) -> Option<Module> {
    let mut base = module.clone();
    let mut rest = path;
    match path[0].as_str() {
        "crate" => {
            base.clear();
            rest = &rest[1..];
        }
        "self" => rest = &rest[1..],
        "super" => {
            while rest.first().is_some_and(|name| name == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        child => {
            base.push(child.to_owned());
            if !files.contains_key(&base) {
                return None;
            }
            rest = &rest[1..];
        }
    }
    base.extend_from_slice(rest);
    (!base.is_empty()).then_some(base)
}

/// The module that defines what a path leads to, past those that only pass it on.
fn definer(
    mut path: Module,
    files: &BTreeMap<Module, String>,
    passed_on: &BTreeMap<(Module, String), Module>,
) -> Module {
    for _ in 0..10 {
        let depth = (0..=path.len()).rev().find(|depth| files.contains_key(&path[..*depth]));
        let (module, rest) = path.split_at(depth.unwrap_or(0));
        let next = rest.first().and_then(|name| passed_on.get(&(module.to_vec(), name.clone())));
        match next {
            Some(target) if *target != path[..=module.len()] => {
                path = [target.as_slice(), &rest[1..]].concat();
            }
            _ => return module.to_vec(),
        }
    }
    path
}
