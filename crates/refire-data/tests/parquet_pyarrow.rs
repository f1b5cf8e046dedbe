//! Parquet files both ways with pyarrow. `REFIRE_PYTHON` names a Python that has it.
#![cfg(feature = "parquet")]
#![allow(clippy::unwrap_used, clippy::panic)]

use refire_core::{Message, Role, ToolCall};
use refire_data::{Example, ParquetWriter, ReadConfig, Reader, Record};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Runs a script; false where there is no Python for it.
fn python(script: &str, folder: &Path) -> bool {
    let Some(python) = std::env::var_os("REFIRE_PYTHON") else {
        println!("skipped: REFIRE_PYTHON names no Python with pyarrow");
        return false;
    };
    let output = Command::new(python).arg("-c").arg(script).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    print!("{}", String::from_utf8_lossy(&output.stdout));
    true
}

/// The same 300 rows in every form pyarrow and `datasets` write.
const WRITE: &str = r#"
import decimal, json, sys, pyarrow as pa, pyarrow.parquet as pq
folder = sys.argv[1]
rows = [{"prompt": [{"role": "user", "content": f"Was ist {n}? 中文\u0000", "name": None}],
         "completion": [{"role": "assistant", "content": None if n % 3 == 0 else str(n),
                         "tool_calls": [{"id": f"c{n}", "function": {"name": "f", "arguments": json.dumps({"n": n})}}] if n % 3 == 0 else None}],
         "score": n / 8, "flag": n % 2 == 0, "none": None, "many": [[n], [], None, [1, None]],
         "info": {"index": n, "tags": ["a", None]}} for n in range(300)]
table = pa.Table.from_pylist(rows)
json.dump(rows, open(f"{folder}/rows.json", "w"))
for codec in ["none", "snappy", "gzip", "zstd", "lz4"]:
    pq.write_table(table, f"{folder}/{codec}.parquet", compression=codec, row_group_size=70)
pq.write_table(table, f"{folder}/v2.parquet", data_page_version="2.0", version="2.6", use_dictionary=False)
pq.write_table(table, f"{folder}/delta.parquet", use_dictionary=False, column_encoding={"prompt.list.element.content": "DELTA_BYTE_ARRAY"})
def large(kind):
    if pa.types.is_string(kind): return pa.large_string()
    if pa.types.is_list(kind): return pa.large_list(large(kind.value_type))
    if pa.types.is_struct(kind): return pa.struct([pa.field(f.name, large(f.type)) for f in kind])
    return kind
pq.write_table(table.cast(pa.schema([pa.field(f.name, large(f.type)) for f in table.schema])), f"{folder}/large.parquet")
kinds = pa.table({
    "prompt": pa.array(["a", "b", "a"]).dictionary_encode(),
    "when": pa.array([0, 1_700_000_000_000, -1], pa.timestamp("ms")), "day": pa.array([0, 1, 2], pa.date32()),
    "price": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("-0.01")]), "half": pa.array([1, 2, 3], pa.float32()),
    "small": pa.array([1, None, 255], pa.uint8()), "huge": pa.array([2**64 - 1, 0, 1], pa.uint64()),
    "map": pa.array([[("x", 1)], [], None], pa.map_(pa.string(), pa.int64())), "raw": pa.array([b"\x00\xff", b"", None]),
    "fixed": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int32(), 2))})
pq.write_table(kinds, f"{folder}/kinds.parquet")
"#;

#[test]
fn what_pyarrow_writes_is_read() {
    let folder = tempfile::tempdir().unwrap();
    if !python(WRITE, folder.path()) {
        return;
    }
    let text = std::fs::read_to_string(folder.path().join("rows.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let read = |name: &str| -> Vec<Record> {
        let path = folder.path().join(name);
        Reader::open(&[path], ReadConfig::default()).unwrap().collect::<Result<_, _>>().unwrap()
    };
    for name in ["none", "snappy", "gzip", "zstd", "lz4", "v2", "delta", "large"] {
        let records = read(&format!("{name}.parquet"));
        assert_eq!(records.len(), rows.len(), "{name}");
        for (n, (record, row)) in records.iter().zip(&rows).enumerate() {
            let Example::PromptCompletion { prompt, completion } = &record.example else {
                panic!("{name}: {:?}", record.example)
            };
            assert_eq!(prompt.text(), row["prompt"][0]["content"].as_str().unwrap(), "{name}");
            let refire_data::Content::Messages(messages) = completion else { panic!() };
            match messages[0].tool_calls.as_slice() {
                [call] => assert_eq!((n % 3, &call.arguments), (0, &json!({ "n": n })), "{name}"),
                _ => assert_eq!(messages[0].content, n.to_string(), "{name}"),
            }
            for column in ["score", "flag", "none", "many", "info"] {
                assert_eq!(record.extra[column], row[column], "{name} {column}");
            }
        }
    }
    let extra: Vec<_> = read("kinds.parquet").into_iter().map(|record| record.extra).collect();
    assert_eq!(extra[1]["when"], "2023-11-14T22:13:20");
    assert_eq!((&extra[2]["day"], &extra[2]["price"]), (&json!("1970-01-03"), &json!("-0.01")));
    assert_eq!((&extra[0]["huge"], &extra[2]["small"]), (&json!(u64::MAX), &json!(255)));
    assert_eq!((&extra[0]["map"], &extra[1]["map"]), (&json!({ "x": 1 }), &json!({})));
    assert_eq!((&extra[2]["fixed"], &extra[0]["raw"]), (&json!([5, 6]), &json!("00ff")));
}

const READ: &str = r#"
import json, sys, pyarrow.parquet as pq
table = pq.read_table(f"{sys.argv[1]}/ours.parquet")
rows = table.to_pylist()
assert len(rows) == 5000, len(rows)
for n, row in enumerate(rows):
    assert row["prompt"][0] == {"role": "user", "content": f"Was ist {n}? 中文"}, row
    call = row["completion"][0]["tool_calls"]
    assert (call is None) == (n % 2 == 1), row
    if call: assert json.loads(call[0]["arguments"]) == {f"key {n % 3}": n}, row
    assert row["difficulty"] == n / 8 and row["source"]["line"] == n
print(table.schema.to_string()[:400])
"#;

#[test]
fn what_is_written_pyarrow_reads() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = ParquetWriter::create(folder.path().join("ours.parquet")).unwrap();
    for n in 0..5000_u64 {
        let mut answer = Message::new(Role::Assistant, n.to_string());
        if n % 2 == 0 {
            let arguments = json!({ format!("key {}", n % 3): n });
            answer.tool_calls = vec![ToolCall { id: None, name: "f".to_owned(), arguments }];
        }
        let mut record = Record::new(Example::PromptCompletion {
            prompt: vec![Message::new(Role::User, format!("Was ist {n}? 中文"))].into(),
            completion: vec![answer].into(),
        });
        record.extra.insert("difficulty".to_owned(), json!(n as f64 / 8.0));
        record.extra.insert("source".to_owned(), json!({ "line": n }));
        writer.write(&record).unwrap();
    }
    writer.finish().unwrap();
    python(READ, folder.path());
}
