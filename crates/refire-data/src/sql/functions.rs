//! The scalar functions, a column at a time.

use crate::{Contamination, Decontaminator, ExactDedup, NearDedup, Profile, Trace, Words};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryBuilder, Float64Array, Float64Builder,
    ListBuilder, StringArray, StringBuilder, StructBuilder, UInt64Builder,
};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use std::sync::Arc;

/// A function of texts, all of whose columns have the same length.
fn function(
    name: &str,
    texts: usize,
    gives: DataType,
    work: impl Fn(&[StringArray]) -> Result<ArrayRef> + Send + Sync + 'static,
) -> ScalarUDF {
    let run = move |given: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(given)?;
        let texts: Vec<StringArray> = arrays.iter().map(|a| a.as_string::<i32>().clone()).collect();
        Ok(ColumnarValue::Array(work(&texts)?))
    };
    create_udf(name, vec![DataType::Utf8; texts], gives, Volatility::Immutable, Arc::new(run))
}

pub(super) fn normalise(words: Words) -> ScalarUDF {
    function("refire_normalise", 1, DataType::Utf8, move |texts| {
        let of = texts[0].iter().map(|text| text.map(|text| words.normalise(text)));
        Ok(Arc::new(of.collect::<StringArray>()))
    })
}

/// Bytes of a hash.
const HASH: i32 = 16;

pub(super) fn hash(words: Words) -> ScalarUDF {
    function("refire_hash", 1, DataType::FixedSizeBinary(HASH), move |texts| {
        let mut hashes = FixedSizeBinaryBuilder::with_capacity(texts[0].len(), HASH);
        for text in &texts[0] {
            match text {
                Some(text) => {
                    hashes.append_value(ExactDedup::key(Some(words), text).to_le_bytes())?;
                }
                None => hashes.append_null(),
            }
        }
        Ok(Arc::new(hashes.finish()))
    })
}

pub(super) fn bands(near: Arc<NearDedup>) -> ScalarUDF {
    let gives = DataType::List(Arc::new(Field::new_list_field(DataType::UInt64, true)));
    function("refire_bands", 1, gives, move |texts| {
        let mut bands = ListBuilder::new(UInt64Builder::new());
        for text in &texts[0] {
            match text {
                Some(text) => {
                    bands.append_value(near.fingerprint(text).keys.into_iter().map(Some));
                }
                None => bands.append_null(),
            }
        }
        Ok(Arc::new(bands.finish()))
    })
}

pub(super) fn similarity(near: Arc<NearDedup>) -> ScalarUDF {
    function("refire_similarity", 2, DataType::Float64, move |texts| {
        let pairs = texts[0].iter().zip(&texts[1]);
        let of = pairs.map(|(a, b)| Some(near.similarity(a?, b?)));
        Ok(Arc::new(of.collect::<Float64Array>()))
    })
}

pub(super) fn renumbered() -> ScalarUDF {
    function("refire_renumbered", 2, DataType::Boolean, move |texts| {
        let pairs = texts[0].iter().zip(&texts[1]);
        let of = pairs.map(|(a, b)| Some(crate::renumbered(a?, b?)));
        Ok(Arc::new(of.collect::<BooleanArray>()))
    })
}

pub(super) fn quality(profile: Arc<Profile>) -> ScalarUDF {
    function("refire_quality", 3, DataType::Utf8, move |texts| {
        let mut rules = StringBuilder::new();
        for ((prompt, response), answer) in texts[0].iter().zip(&texts[1]).zip(&texts[2]) {
            let (Some(prompt), Some(response)) = (prompt, response) else {
                rules.append_value("null");
                continue;
            };
            let found = profile.check(&Trace { prompt, response, answer, ..Trace::default() });
            rules.append_option(found.map(|rejection| rejection.rule));
        }
        Ok(Arc::new(rules.finish()))
    })
}

fn overlap_fields() -> Fields {
    let text = ["benchmark", "item", "pass", "matched"];
    let texts = text.map(|name| Field::new(name, DataType::Utf8, true));
    texts.into_iter().chain([Field::new("coverage", DataType::Float64, true)]).collect()
}

pub(super) fn overlap(check: Arc<Decontaminator>) -> ScalarUDF {
    let fields = overlap_fields();
    function("refire_overlap", 1, DataType::Struct(fields.clone()), move |texts| {
        let mut found = StructBuilder::from_fields(fields.clone(), texts[0].len());
        for text in &texts[0] {
            append(&mut found, text.and_then(|text| check.check(text)));
        }
        Ok(Arc::new(found.finish()))
    })
}

fn append(to: &mut StructBuilder, found: Option<Contamination>) {
    let known = found.is_some();
    let (texts, coverage) = match found {
        Some(Contamination { benchmark, item, pass, matched, coverage }) => {
            let pass = serde_json::to_value(pass).unwrap_or_default();
            let pass = pass.as_str().unwrap_or_default().to_owned();
            ([Some(benchmark), Some(item), Some(pass), Some(matched)], Some(coverage))
        }
        None => ([const { None }; 4], None),
    };
    for (at, text) in texts.into_iter().enumerate() {
        if let Some(column) = to.field_builder::<StringBuilder>(at) {
            column.append_option(text);
        }
    }
    if let Some(column) = to.field_builder::<Float64Builder>(4) {
        column.append_option(coverage);
    }
    to.append(known);
}
