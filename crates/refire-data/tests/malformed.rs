//! Every kind of broken input gives an error or a reject that says where and why, and everything
//! valid around it comes through.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/broken.rs"]
mod broken;

use broken::{Case, GOOD, broken_rows, good};
use flate2::{Compression, write::GzEncoder};
use refire_data::{DataError, Format, Kind, OnBad, ReadConfig, Reader};
use std::io::Write;
use std::path::Path;

fn config(on_bad: OnBad) -> ReadConfig {
    ReadConfig {
        on_bad,
        max_line_bytes: 4096,
        unique: Some("id".to_owned()),
        ..ReadConfig::default()
    }
}

fn read(path: &Path, config: ReadConfig) -> (usize, Vec<DataError>) {
    let (good, bad): (Vec<_>, Vec<_>) =
        Reader::open(&[path], config).unwrap().partition(Result::is_ok);
    (good.len(), bad.into_iter().map(Result::unwrap_err).collect())
}

#[test]
fn a_broken_row_is_named_and_the_rest_comes_through() {
    let folder = tempfile::tempdir().unwrap();
    let cases = broken_rows();
    assert!(cases.len() >= 20);
    for Case { name, bad, field, reason } in &cases {
        let path = folder.path().join("rows.jsonl");
        let lines = [good("first"), good("second"), bad.clone(), good("third")];
        std::fs::write(&path, lines.join(&b'\n')).unwrap();
        let (valid, errors) = read(&path, config(OnBad::Error));
        assert_eq!((valid, errors.len()), (3, 1), "{name}: {errors:?}");
        let DataError::Row { path: found, line: 3, field: found_field, reason: found_reason } =
            &errors[0]
        else {
            panic!("{name}: {}", errors[0])
        };
        assert_eq!((found, found_field.as_str()), (&path, *field), "{name}: {found_reason}");
        assert!(found_reason.contains(reason), "{name}: {found_reason}");

        let rejects = folder.path().join("rejects.jsonl");
        let (valid, errors) = read(&path, config(OnBad::SetAside { path: rejects.clone() }));
        assert_eq!((valid, errors.len()), (3, 0), "{name}");
        let text = std::fs::read_to_string(&rejects).unwrap();
        let row: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(row["line"], 3, "{name}");
        assert_eq!(row["field"], *field, "{name}");
        assert!(row["reason"].as_str().unwrap().contains(reason), "{name}");
        assert!(!row["row"].as_str().unwrap().is_empty(), "{name}");
    }
}

#[test]
fn all_broken_rows_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let mut lines = vec![good("first")];
    for (index, case) in broken_rows().into_iter().enumerate() {
        lines.push(case.bad);
        lines.push(good(&format!("good-{index}")));
    }
    std::fs::write(&path, lines.join(&b'\n')).unwrap();
    let n = broken_rows().len();
    let (valid, errors) = read(&path, config(OnBad::Error));
    assert_eq!((valid, errors.len()), (n + 1, n));
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Rows that compress badly, so that a cut file still holds many.
fn many(n: u64) -> Vec<u8> {
    let row = |i: u64| {
        let noise = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("{{\"id\":\"{i}\",\"prompt\":\"{noise:x}\",\"completion\":\"{i}\"}}\n")
    };
    (0..n).map(row).collect::<String>().into_bytes()
}

#[test]
fn truncated_compressed_files_give_what_they_hold() {
    let folder = tempfile::tempdir().unwrap();
    let whole = gzip(&many(20_000));
    let path = folder.path().join("rows.jsonl.gz");
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let (valid, errors) = read(&path, config(OnBad::Error));
    assert!(valid > 5_000, "{valid}");
    assert_eq!(errors.len(), 1, "{errors:?}");
    let error = errors[0].to_string();
    assert!(error.contains("can't be read on"), "{error}");
    assert!(matches!(errors[0], DataError::Row { line, .. } if line == valid as u64 + 1));
}

#[cfg(feature = "zstd")]
#[test]
fn truncated_zstd_too() {
    let folder = tempfile::tempdir().unwrap();
    let whole = zstd::encode_all(&many(40_000)[..], 3).unwrap();
    let path = folder.path().join("rows.jsonl.zst");
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let (valid, errors) = read(&path, config(OnBad::Error));
    assert!(valid > 5_000 && errors.len() == 1, "{valid} {errors:?}");
}

#[test]
fn broken_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend(GOOD.encode_utf16().flat_map(u16::to_le_bytes));
    let cases = [
        (write("empty.jsonl", b""), "is empty"),
        (write("blank.jsonl", b"\n \n\t\n"), "is empty"),
        (write("utf16.jsonl", &utf16), "UTF-16"),
        (write("noise.jsonl.gz", b"\x1f\x8bnot gzip at all"), "gzip"),
        (write("header.parquet", b"PAR1 and no table"), "arquet"),
        (write("columns.jsonl", br#"{"a":1}"#), "no known format has the columns a"),
        (write("open.json", br#"[{"prompt":"a"}, {"prompt":"b""#), "isn't closed"),
    ];
    for (path, reason) in &cases {
        let (_, errors) = read(path, ReadConfig::default());
        assert_eq!(errors.len(), 1, "{path:?}: {errors:?}");
        let error = errors[0].to_string();
        assert!(error.contains(reason) && error.contains(path.to_str().unwrap()), "{error}");
    }
    assert!(Reader::open(&[folder.path().join("none.jsonl")], ReadConfig::default()).is_err());
    assert!(Reader::open(&[folder.path().join("*.csv")], ReadConfig::default()).is_err());

    // A bad file among good ones takes nothing with it.
    let fine = write("fine.jsonl", &good("x"));
    let rejects = folder.path().join("rejects.jsonl");
    let all = [&cases[0].0, &fine, &cases[2].0, &fine];
    let config =
        ReadConfig { on_bad: OnBad::SetAside { path: rejects.clone() }, ..ReadConfig::default() };
    let records: Vec<_> = Reader::open(&all, config).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(records.len(), 1, "the same file twice is read once");
    assert_eq!(std::fs::read_to_string(&rejects).unwrap().lines().count(), 2);
}

/// All broken rows with good ones around them, in every container of text.
#[test]
fn broken_rows_in_every_container() {
    let folder = tempfile::tempdir().unwrap();
    let cases = broken_rows();
    let mut lines = vec![good("first")];
    for (at, case) in cases.iter().enumerate() {
        lines.extend([case.bad.clone(), good(&format!("good-{at}"))]);
    }
    let text = lines.join(&b'\n');
    // Two members in one file, as `cat a.gz b.gz` makes them, cut within a line.
    let (a, b) = text.split_at(text.len() / 3);
    let mut files =
        vec![("rows.jsonl.gz", gzip(&text)), ("two.jsonl.gz", [gzip(a), gzip(b)].concat())];
    #[cfg(feature = "zstd")]
    {
        let whole = zstd::encode_all(&text[..], 1).unwrap();
        let [a, b] = [a, b].map(|part| zstd::encode_all(part, 1).unwrap());
        files.extend([("rows.jsonl.zst", whole), ("two.jsonl.zst", [a, b].concat())]);
    }
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let (valid, errors) = read(&path, config(OnBad::Error));
        assert_eq!((valid, errors.len()), (cases.len() + 1, cases.len()), "{name}");
        let rejects = folder.path().join("rejects.jsonl.gz");
        let on_bad = OnBad::SetAside { path: rejects.clone() };
        let (valid, errors) = read(&path, config(on_bad));
        assert_eq!((valid, errors.len()), (cases.len() + 1, 0), "{name}");
        let mut shown = String::new();
        let file = std::fs::File::open(&rejects).unwrap();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut shown).unwrap();
        assert_eq!(shown.lines().count(), cases.len(), "{name}");
    }
}

/// A gigabyte of zeros in a megabyte: read without holding it.
#[test]
fn a_compressed_bomb_is_one_bad_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl.gz");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&good("before")).unwrap();
    encoder.write_all(b"\n").unwrap();
    let zeros = vec![b'0'; 1 << 20];
    (0..256).for_each(|_| encoder.write_all(&zeros).unwrap());
    encoder.write_all(b"\n").unwrap();
    encoder.write_all(&good("behind")).unwrap();
    std::fs::write(&path, encoder.finish().unwrap()).unwrap();
    let (valid, errors) = read(&path, config(OnBad::Error));
    assert_eq!((valid, errors.len()), (2, 1));
    assert!(errors[0].to_string().contains("a line of 268435456 bytes"), "{}", errors[0]);
}

#[test]
fn damaged_compression_gives_what_stood_before() {
    let folder = tempfile::tempdir().unwrap();
    let whole = gzip(&many(20_000));
    let path = folder.path().join("rows.jsonl.gz");
    let damaged = |at: usize, with: u8| {
        let mut bytes = whole.clone();
        bytes[at..at + 40].fill(with);
        bytes
    };
    let mut wrong_sum = whole.clone();
    let end = wrong_sum.len();
    wrong_sum[end - 8] ^= 1;
    let cases = [
        ("damaged in the middle", damaged(whole.len() / 2, 0xff), 5_000..20_000),
        ("a wrong checksum", wrong_sum, 19_000..20_001),
        ("text behind the end", [whole.clone(), b"not gzip".to_vec()].concat(), 19_000..20_001),
    ];
    for (name, bytes, expected) in cases {
        std::fs::write(&path, bytes).unwrap();
        let (valid, errors) = read(&path, config(OnBad::Error));
        assert!(
            expected.contains(&valid) && !errors.is_empty(),
            "{name}: {valid} {}",
            errors.len()
        );
        assert!(errors.iter().all(|e| e.to_string().contains("rows.jsonl.gz")), "{name}");
    }
}

/// What isn't wrong must not be turned down.
#[test]
fn unusual_rows_that_are_fine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let rows = [
        r#"{"id":"line separators","prompt":"a\u2028b\u0085","completion":"5"}"#.to_owned(),
        "{\"id\":\"raw separators\",\"prompt\":\"a\u{2028}b\u{85}c\",\"completion\":\"5\"}".to_owned(),
        r#"{"id":"pairs","prompt":"\ud83d\ude42","completion":"5"}"#.to_owned(),
        r#"  {"id":"spaces","prompt":"a","completion":"b"}  "#.to_owned(),
        r#"{"id":"nulls in further columns","prompt":"a","completion":"b","x":{"y":[null]},"tools":null}"#
            .to_owned(),
        r#"{"id":"numbers","prompt":"a","completion":"b","n":123456789012345678901234567890}"#.to_owned(),
        r#"{"completion":"b","prompt":"a","id":"another order"}"#.to_owned(),
        format!(r#"{{"id":"long","prompt":"{}","completion":"b"}}"#, "ab ".repeat(1200)),
    ];
    std::fs::write(&path, rows.join("\n")).unwrap();
    let (valid, errors) = read(&path, config(OnBad::Error));
    assert_eq!((valid, errors.len()), (rows.len(), 0), "{errors:?}");
}

#[test]
fn ids_that_stood_in_another_file() {
    let folder = tempfile::tempdir().unwrap();
    for (name, ids) in [("a.jsonl", ["1", "2"]), ("b.jsonl", ["2", "3"])] {
        let rows = ids.map(good).join(&b'\n');
        std::fs::write(folder.path().join(name), rows).unwrap();
    }
    let (valid, errors) = read(folder.path(), config(OnBad::Error));
    assert_eq!((valid, errors.len()), (3, 1));
    let error = errors[0].to_string();
    assert!(error.contains("b.jsonl, line 1, id"), "{error}");
}

#[test]
fn marks_and_line_ends_of_other_systems_are_no_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let mut text = b"\xef\xbb\xbf".to_vec();
    text.extend([good("a"), Vec::new(), good("b"), good("c")].join(&b"\r\n"[..]));
    std::fs::write(&path, text).unwrap();
    let (valid, errors) = read(&path, config(OnBad::Error));
    assert_eq!((valid, errors.len()), (3, 0), "{errors:?}");
}

#[test]
fn the_first_row_may_be_the_broken_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let lines = [br#"{"id":"0","prompt":"a"}"#.to_vec(), good("1"), good("2")];
    std::fs::write(&path, lines.join(&b'\n')).unwrap();
    let (valid, errors) = read(&path, config(OnBad::Error));
    assert_eq!((valid, errors.len()), (2, 1), "{errors:?}");
    let explicit =
        ReadConfig { format: Format::Trl { rows: Kind::PromptOnly }, ..config(OnBad::Error) };
    assert_eq!(read(&path, explicit).0, 3);
}
