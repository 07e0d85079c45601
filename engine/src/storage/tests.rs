//! Addresses and folders, and files in folders.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::{Digest, Storage};

#[test]
fn a_store_is_in_a_folder_or_at_an_address() {
    let at = |text: &str| Storage::parse(Path::new("/project"), text);
    assert_eq!(at("store").unwrap(), Storage::folder(PathBuf::from("/project/store")));
    assert_eq!(at("/other").unwrap(), Storage::folder(PathBuf::from("/other")));
    for address in ["s3://bucket/a/b", "gs://bucket/a", "az://container/a", "s3://bucket"] {
        let place = at(&format!("{address}/")).unwrap();
        assert_eq!(place.to_string(), address);
        assert_eq!(place.child("users").address("x"), format!("{address}/users/x"));
    }
    for (address, what) in [
        ("ftp://host/a", "`ftp` URLs are not supported"),
        ("http://host/a", "`http` URLs are not supported"),
        ("s3:///a", "not a URL of an object store"),
    ] {
        let error = at(address).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("s3://bucket/path"), "{error}");
    }
}

/// Names and folders that have a meaning in URLs are taken as they are.
#[test]
fn a_folder_has_the_files_that_were_written() {
    let folder = tempfile::tempdir().unwrap();
    Storage::folder(folder.path().join("a#1")).create_folder().unwrap();
    let storage = Storage::folder(folder.path().join("a#1/../ä?b %20~"));
    storage.create_folder().unwrap();
    assert!(!storage.exists("x").unwrap() && !storage.child("none").exists("x").unwrap());
    storage.write("x", b"durable".to_vec()).unwrap();
    storage.write_unsynced("y%20 é", b"fast".to_vec()).unwrap();
    storage.sync("y%20 é").unwrap();
    let items = storage.list().unwrap();
    let found: Vec<_> = items.iter().map(|item| (item.name.as_str(), item.size)).collect();
    assert_eq!(found, [("x", 7), ("y%20 é", 4)]);
    assert!(items.iter().all(|item| storage.modified(&item.name).unwrap() == item.modified));
    assert_eq!(storage.read("x").unwrap(), "durable");
    let (_, digest, size) = storage.fetch_all("x").unwrap().unwrap();
    assert_eq!((digest, size), (Digest::of_bytes(b"durable"), 7));
    assert_eq!(storage.digest("x").unwrap(), Some((digest, size)));
    let chunks = storage.fetch("x", 7, &[1..3, 5..7]).unwrap();
    assert_eq!(chunks.fetched()[0], (1, Bytes::from("ur")));
    storage.copy_out("x", &folder.path().join("copy")).unwrap();
    assert_eq!(std::fs::read(folder.path().join("copy")).unwrap(), b"durable");
    storage.delete("x").unwrap();
    assert_eq!(storage.digest("x").unwrap(), None);
    let no_file = format!("no such file (file: {})", storage.address("x"));
    assert_eq!(storage.read("x").unwrap_err().to_string(), no_file);
    assert!(
        storage.fetch("y%20 é", 4, &[0..1, 2..9]).unwrap_err().to_string().contains("truncated")
    );
}
