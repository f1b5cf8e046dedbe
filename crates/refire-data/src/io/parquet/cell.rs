//! Cells of a table as JSON.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Schema};
use serde_json::{Map, Number, Value};

/// Where a cell is wrong, as a path such as `messages[2].content`, and why.
type Bad = (String, String);

/// The columns of a row. `schema` says which bytes are texts.
pub(super) fn columns(
    batch: &RecordBatch,
    schema: &Schema,
    row: usize,
) -> Result<Map<String, Value>, Bad> {
    let fields = schema.fields().iter().zip(batch.columns());
    let read = fields.map(|(field, column)| {
        Ok((field.name().clone(), cell(column, field.data_type(), row, field.name())?))
    });
    read.collect()
}

fn cell(array: &dyn Array, kind: &DataType, row: usize, path: &str) -> Result<Value, Bad> {
    // A column of nulls alone has no bits that say so.
    if array.is_null(row) || *array.data_type() == DataType::Null {
        return Ok(Value::Null);
    }
    macro_rules! integer {
        ($kind:ty) => {
            Ok(array.as_primitive::<$kind>().value(row).into())
        };
    }
    match array.data_type() {
        DataType::Boolean => Ok(array.as_boolean().value(row).into()),
        DataType::Int8 => integer!(Int8Type),
        DataType::Int16 => integer!(Int16Type),
        DataType::Int32 => integer!(Int32Type),
        DataType::Int64 => integer!(Int64Type),
        DataType::UInt8 => integer!(UInt8Type),
        DataType::UInt16 => integer!(UInt16Type),
        DataType::UInt32 => integer!(UInt32Type),
        DataType::UInt64 => integer!(UInt64Type),
        DataType::Float16 => number(array.as_primitive::<Float16Type>().value(row).to_f64(), path),
        DataType::Float32 => {
            number(f64::from(array.as_primitive::<Float32Type>().value(row)), path)
        }
        DataType::Float64 => number(array.as_primitive::<Float64Type>().value(row), path),
        DataType::Binary if *kind == DataType::Utf8 => {
            text(array.as_binary::<i32>().value(row), path)
        }
        DataType::List(_) => list(&array.as_list::<i32>().value(row), kind, path),
        DataType::Struct(_) => group(array, kind, row, path),
        DataType::Map(..) => map(&array.as_map().value(row), kind, path),
        _ => shown(array, row, path),
    }
}

/// A number, which JSON has no infinite one of.
fn number(value: f64, path: &str) -> Result<Value, Bad> {
    let number = Number::from_f64(value).map(Value::Number);
    number.ok_or_else(|| (path.to_owned(), format!("{value} is no number of JSON")))
}

fn text(bytes: &[u8], path: &str) -> Result<Value, Bad> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.into()),
        Err(error) => {
            Err((path.to_owned(), format!("invalid UTF-8 at byte {}", error.valid_up_to())))
        }
    }
}

fn list(items: &dyn Array, kind: &DataType, path: &str) -> Result<Value, Bad> {
    let DataType::List(of) = kind else { return unlike(path) };
    let item = |at: usize| cell(items, of.data_type(), at, &format!("{path}[{at}]"));
    (0..items.len()).map(item).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn group(array: &dyn Array, kind: &DataType, row: usize, path: &str) -> Result<Value, Bad> {
    let DataType::Struct(fields) = kind else { return unlike(path) };
    let parts = fields.iter().zip(array.as_struct().columns());
    let read = parts.map(|(field, column)| {
        let path = format!("{path}.{}", field.name());
        Ok((field.name().clone(), cell(column, field.data_type(), row, &path)?))
    });
    read.collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

/// Entries of a map, with its keys as texts.
fn map(entries: &dyn Array, kind: &DataType, path: &str) -> Result<Value, Bad> {
    let DataType::Map(of, _) = kind else { return unlike(path) };
    let DataType::Struct(fields) = of.data_type() else { return unlike(path) };
    let columns = entries.as_struct().columns();
    let ([key, value], [keys, values]) = (fields.as_ref(), columns) else { return unlike(path) };
    let mut read = Map::new();
    for at in 0..entries.len() {
        let name = match cell(keys, key.data_type(), at, path)? {
            Value::String(name) => name,
            other => other.to_string(),
        };
        let inner = format!("{path}.{name}");
        let value = cell(values, value.data_type(), at, &inner)?;
        if read.insert(name, value).is_some() {
            return Err((inner, "the key stands twice".to_owned()));
        }
    }
    Ok(Value::Object(read))
}

/// Dates, times, decimals and plain bytes, as text.
fn shown(array: &dyn Array, row: usize, path: &str) -> Result<Value, Bad> {
    let options = FormatOptions::new();
    let text = ArrayFormatter::try_new(array, &options)
        .and_then(|formatter| formatter.value(row).try_to_string());
    text.map(Value::String).map_err(|error| (path.to_owned(), error.to_string()))
}

fn unlike<T>(path: &str) -> Result<T, Bad> {
    Err((path.to_owned(), "its columns contradict each other".to_owned()))
}
