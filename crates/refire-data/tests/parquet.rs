//! Parquet: what was written comes back, and what is broken is named and costs nothing else.
#![cfg(feature = "parquet")]
#![allow(clippy::unwrap_used, clippy::panic)]

use arrow_array::builder::{ListBuilder, StringBuilder, StructBuilder};
use arrow_array::{
    ArrayRef, BinaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use refire_core::{Message, Purpose, Role, Stream, ToolCall};
use refire_data::{Content, DataError, Example, OnBad, ParquetWriter, ReadConfig, Reader, Record};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

fn read(path: &Path) -> (Vec<Record>, Vec<DataError>) {
    let config = ReadConfig { unique: None, ..ReadConfig::default() };
    let (good, bad): (Vec<_>, Vec<_>) =
        Reader::open(&[path], config).unwrap().partition(Result::is_ok);
    let bad = bad.into_iter().map(Result::unwrap_err).collect();
    (good.into_iter().map(Result::unwrap).collect(), bad)
}

fn write(path: &Path, rows_a_group: usize, columns: &[(&str, ArrayRef)]) {
    let batch = RecordBatch::try_from_iter(columns.iter().cloned()).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(rows_a_group))
        .set_data_page_row_count_limit(16)
        .set_write_batch_size(16)
        .build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn texts(of: impl IntoIterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(of.into_iter().collect::<StringArray>())
}

fn chat(call: bool, n: u64) -> Record {
    let mut answer = Message::new(Role::Assistant, format!("{n}"));
    if call {
        // Arguments of other names and types in each row.
        let arguments = json!({ format!("argument {}", n % 3): [n, null, { "deep": "text" }] });
        answer.tool_calls =
            vec![ToolCall { id: Some(format!("call {n}")), name: "add".to_owned(), arguments }];
    }
    let question = Message::new(Role::User, format!("What is {n}? 中文 🙂 \"quoted\"\n"));
    let mut record = Record::new(Example::PromptCompletion {
        prompt: vec![Message::new(Role::System, ""), question].into(),
        completion: vec![answer].into(),
    });
    if call {
        record.tools = vec![json!({ "name": "add", format!("parameter {}", n % 2): { "a": n } })];
    }
    record.extra.insert("difficulty".to_owned(), json!(n as f64 / 8.0));
    record.extra.insert("source".to_owned(), json!({ "file": format!("f{n}"), "line": n }));
    record
}

#[test]
fn chats_with_tools_survive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chats.parquet");
    let records: Vec<Record> = (0..10_000).map(|n| chat(n % 3 == 0, n)).collect();
    let mut writer = ParquetWriter::create(&path).unwrap();
    records.iter().for_each(|record| writer.write(record).unwrap());
    assert!(!path.exists(), "it has its name when it is whole");
    assert_eq!(writer.finish().unwrap(), 10_000);
    let (back, errors) = read(&path);
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(back.len(), records.len());
    for (back, record) in back.iter().zip(&records) {
        assert_eq!((back.id(), &back.extra), (record.id(), &record.extra));
        assert_eq!((&back.example, &back.tools), (&record.example, &record.tools));
    }
    assert_eq!(back[4321].provenance[0].line, 4322);
}

#[test]
fn every_kind_survives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let examples = [
        Example::LanguageModelling { content: "The sky is blue.".into() },
        Example::PromptOnly { prompt: "The sky".into() },
        Example::Preference { prompt: "2 + 3 =".into(), chosen: " 5".into(), rejected: "6".into() },
        Example::ImplicitPreference { chosen: "2 + 3 = 5".into(), rejected: "2 + 3 = 6".into() },
        Example::Unpaired { prompt: "2 + 3 =".into(), completion: " 6".into(), label: false },
        Example::Stepwise {
            prompt: "2 + 3 * 2".into(),
            completions: vec!["3 * 2 = 6".into(), "2 + 6 = 9".into()],
            labels: vec![true, false],
        },
        Example::Verifiable { prompt: "2 + 3".into(), answer: "5".into(), verifier: "v".into() },
        Example::PromptOnly { prompt: Content::Messages(vec![Message::new(Role::User, "a\0b")]) },
    ];
    for example in examples {
        let record = Record::new(example);
        let mut writer = ParquetWriter::create(&path).unwrap();
        writer.write(&record).unwrap();
        writer.write(&record).unwrap();
        assert_eq!(writer.finish().unwrap(), 2);
        let (back, errors) = read(&path);
        assert!(errors.is_empty(), "{errors:?}");
        assert!(back.iter().all(|b| b.example == record.example), "{back:?}");
    }
}

#[test]
fn records_that_fit_no_column_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let empty = ParquetWriter::create(&path).unwrap().finish().unwrap_err().to_string();
    assert!(empty.contains("no records"), "{empty}");
    let mut writer = ParquetWriter::create(&path).unwrap();
    let record = |prompt: Content| Record::new(Example::PromptOnly { prompt });
    writer.write(&record("text".into())).unwrap();
    writer.write(&record(vec![Message::new(Role::User, "a")].into())).unwrap();
    let error = writer.finish().unwrap_err().to_string();
    assert!(error.contains("rows.parquet"), "{error}");
    assert!(!path.exists(), "a file with its name is whole");
}

/// Bytes of texts that aren't UTF-8, which no writer of texts would write.
fn bad_text(path: &Path, rows: usize, bad: &[usize]) {
    let prompt =
        |row: usize| if bad.contains(&row) { b"a\xff".to_vec() } else { b"2 + 3".to_vec() };
    let prompts: Vec<Vec<u8>> = (0..rows).map(prompt).collect();
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values(&prompts));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
    write(path, 1 << 20, &[("prompt", bytes), ("id", ids)]);
    mark_as_text(path);
}

/// Writes the file once more with the binary columns called texts: the bytes stay.
fn mark_as_text(path: &Path) {
    use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::record::RowAccessor;
    use parquet::schema::types::Type;
    let rows: Vec<(ByteArray, i64)> = {
        let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
        let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
        rows.map(|row| (row.get_bytes(0).unwrap().clone(), row.get_long(1).unwrap())).collect()
    };
    let text = Type::primitive_type_builder("prompt", Physical::BYTE_ARRAY)
        .with_repetition(Repetition::REQUIRED)
        .with_converted_type(ConvertedType::UTF8)
        .with_logical_type(Some(LogicalType::String))
        .build()
        .unwrap();
    let id = Type::primitive_type_builder("id", Physical::INT64)
        .with_repetition(Repetition::REQUIRED)
        .build()
        .unwrap();
    let root = Type::group_type_builder("schema")
        .with_fields(vec![Arc::new(text), Arc::new(id)])
        .build()
        .unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer =
        SerializedFileWriter::new(file, Arc::new(root), WriterProperties::builder().build().into())
            .unwrap();
    let mut group = writer.next_row_group().unwrap();
    let (prompts, ids): (Vec<ByteArray>, Vec<i64>) = rows.into_iter().unzip();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&prompts, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&ids, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn a_bad_cell_costs_its_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    bad_text(&path, 3000, &[0, 7, 1024, 2999]);
    let (good, errors) = read(&path);
    assert_eq!((good.len(), errors.len()), (2996, 4), "{errors:?}");
    let lines: Vec<u64> = errors
        .iter()
        .map(|error| match error {
            DataError::Row { line, field, reason, .. } if field == "prompt" => {
                assert_eq!(reason, "invalid UTF-8 at byte 1");
                *line
            }
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(lines, [1, 8, 1025, 3000]);

    // Cells of the wrong kind, missing and null ones, within messages too.
    let message = |content: Option<&str>| {
        let fields = ["role", "content"].map(|name| Field::new(name, DataType::Utf8, true));
        let texts: Vec<Box<dyn arrow_array::builder::ArrayBuilder>> =
            vec![Box::new(StringBuilder::new()), Box::new(StringBuilder::new())];
        let mut list = ListBuilder::new(StructBuilder::new(Vec::from(fields), texts));
        for content in [Some("2 + 3?"), content, Some("4?")] {
            let row = list.values();
            row.field_builder::<StringBuilder>(0).unwrap().append_value("user");
            row.field_builder::<StringBuilder>(1).unwrap().append_option(content);
            row.append(true);
            list.append(true);
        }
        Arc::new(list.finish()) as ArrayRef
    };
    let three = |text: &str| texts([Some("a".to_owned()), Some(text.to_owned()), None]);
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let infinite: ArrayRef = Arc::new(Float64Array::from(vec![0.5, f64::NAN, 1.5]));
    let late: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![0, i64::MAX, 1]));
    type Case<'a> = (Vec<(&'a str, ArrayRef)>, usize, &'a str, &'a str);
    let cases: Vec<Case<'_>> = vec![
        (vec![("prompt", numbers.clone())], 0, "prompt", "expected text"),
        (vec![("prompt", three("b"))], 2, "prompt", "is null"),
        (vec![("prompt", message(None))], 2, "prompt[0].content", "found null"),
        (vec![("prompt", message(Some("3?"))), ("reward", infinite)], 2, "reward", "no number"),
        (vec![("prompt", message(Some("3?"))), ("time", late)], 2, "time", ""),
        (vec![("number", numbers)], 0, "row", "no known format has the columns number"),
    ];
    for (columns, valid, field, reason) in cases {
        write(&path, 1 << 20, &columns);
        let (good, errors) = read(&path);
        assert_eq!(good.len(), valid, "{errors:?}");
        assert_eq!(errors.len(), 3 - valid);
        for error in errors {
            let DataError::Row { field: found, reason: why, .. } = &error else {
                panic!("{error}")
            };
            assert!(found == field && why.contains(reason), "{error}");
        }
    }
}

/// A damaged page costs what is left of its row group; rows before it and other groups stay.
#[test]
fn a_damaged_page_costs_its_row_group() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let row = |n: u64| Some(format!("question {n} {:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    write(&path, 500, &[("prompt", texts((0..2000).map(row)))]);
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(read(&path).0.len(), 2000);
    // In the second group, behind its first rows: a page header becomes nonsense.
    let text = b"question 700 ";
    let at = whole.windows(text.len()).position(|bytes| bytes == text).unwrap();
    let mut damaged = whole.clone();
    damaged[at - 200..at + 2000].fill(0xff);
    std::fs::write(&path, &damaged).unwrap();
    let rejects = folder.path().join("rejects.jsonl");
    let config =
        ReadConfig { on_bad: OnBad::SetAside { path: rejects.clone() }, ..ReadConfig::default() };
    let good: Vec<Record> =
        Reader::open(&[&path], config).unwrap().collect::<Result<_, _>>().unwrap();
    assert!((1500..1800).contains(&good.len()), "{}", good.len());
    assert_eq!(good.last().unwrap().provenance[0].line, 2000);
    let text = std::fs::read_to_string(&rejects).unwrap();
    assert!(text.contains("can't be read"), "{text}");
}

/// Whatever bytes are damaged: an error or a row, never a panic, and all that is read is as it was
/// or says where it was.
#[test]
fn damage_anywhere_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let records: Vec<Record> = (0..40).map(|n| chat(n % 3 == 0, n)).collect();
    let mut writer = ParquetWriter::create(&path).unwrap();
    records.iter().for_each(|record| writer.write(record).unwrap());
    writer.finish().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut draw = Stream::new(1, Purpose::named("damage"), 0, 0, 0);
    let (mut errors, n) = (0, 2000);
    for _ in 0..n {
        let mut bytes = whole.clone();
        match draw.below(4) {
            0 => bytes.truncate(5 + draw.below(bytes.len() - 5)),
            1 => bytes.drain(4..4 + draw.below(200)).for_each(drop),
            _ => {
                for _ in 0..1 + draw.below(4) {
                    let at = 4 + draw.below(bytes.len() - 4);
                    bytes[at] = draw.below(256) as u8;
                }
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        let (good, bad) = read(&path);
        assert!(good.len() + bad.len() <= 2 * records.len());
        errors += usize::from(!bad.is_empty());
        assert!(bad.iter().all(|error| error.to_string().contains("rows.parquet")));
    }
    assert!(errors > n / 2, "{errors} of {n}");
}
