//! A file is told by its first bytes, and those may be the broken ones: whatever stands first, what
//! is valid behind it comes through.
#![allow(clippy::unwrap_used, clippy::panic)]

use refire_data::{ReadConfig, Reader};

const GOOD: &str = r#"{"prompt":"2 + 3?","completion":"5"}"#;

/// Records of a file, and its errors.
fn read(bytes: &[u8]) -> (usize, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    std::fs::write(&path, bytes).unwrap();
    let rows = Reader::open(&[path], ReadConfig::default()).unwrap();
    let (good, bad): (Vec<_>, Vec<_>) = rows.partition(Result::is_ok);
    (good.len(), bad.into_iter().map(|row| row.unwrap_err().to_string()).collect())
}

#[test]
fn a_first_line_that_looks_like_another_format() {
    let starts: [&[u8]; 12] = [
        b"[1, 2]",
        b"[\"prompt\", \"completion\"]",
        b"[[]]",
        b"[null]",
        b"[{}]",
        b"[}]",
        b"\xff\xfe",
        b"\xfe\xff{}",
        b"\x00\x00\x00\x00",
        b"PK\x03\x04",
        b"<html>",
        b"id,prompt,completion",
    ];
    for start in starts {
        let name = String::from_utf8_lossy(start);
        let (valid, errors) = read(&[start, GOOD.as_bytes(), GOOD.as_bytes()].join(&b'\n'));
        assert_eq!(valid, 2, "{name}: {errors:?}");
        assert!(!errors.is_empty(), "{name}");
        assert!(errors.iter().all(|error| error.contains("rows.jsonl, line 1")), "{errors:?}");
    }
}

#[test]
fn what_stands_behind_a_list_is_not_dropped() {
    let (valid, errors) = read(format!("[{GOOD},\n{GOOD}]\n{GOOD}\nno row\n\n").as_bytes());
    assert_eq!((valid, errors.len()), (3, 1), "{errors:?}");
    assert!(errors[0].contains("line 4, row: not a JSON object"), "{errors:?}");
    let (valid, errors) = read(format!("[{GOOD}] and more").as_bytes());
    assert_eq!((valid, errors.len()), (1, 1), "{errors:?}");
    assert_eq!(read(format!("[{GOOD}]\n \n").as_bytes()), (1, Vec::new()));
}

#[test]
fn commas_that_are_missing_or_too_many() {
    let (valid, errors) = read(format!("[{GOOD}\n{GOOD},{GOOD}]").as_bytes());
    assert_eq!((valid, errors.len()), (3, 1), "{errors:?}");
    assert!(errors[0].contains("line 2, row: no comma"), "{errors:?}");
    let (valid, errors) = read(format!("[{GOOD},,{GOOD}]").as_bytes());
    assert_eq!((valid, errors.len()), (2, 1), "{errors:?}");
    // A list that is opened and never closed, in front of lines.
    let (valid, errors) = read(format!("[\n{GOOD}\n{GOOD}\n").as_bytes());
    assert_eq!((valid, errors.len()), (2, 2), "{errors:?}");
    assert!(errors[1].contains("the list isn't closed"), "{errors:?}");
}
