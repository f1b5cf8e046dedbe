//! One curation, as a query and as a pipeline.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::UInt64Type;
use datafusion::common::Result;
use datafusion::prelude::{DataFrame, JsonReadOptions, SessionContext};
use refire_data::{
    DataError, DecontaminateStage, DecontaminationConfig, Decontaminator, ExactStage, NearConfig,
    NearStage, Part, Pipeline, QualityStage, ReadConfig, Reader, Record, SqlStages,
};
use std::path::{Path, PathBuf};

pub const FILES: usize = 4;
pub const DOCUMENTS: u64 = 2000;

const QUESTION: &str = "A robe takes 2 bolts of blue fiber and half that much white fiber. How many \
                        bolts in total does it take?";

pub fn benchmark() -> Result<Decontaminator, DataError> {
    let mut check = Decontaminator::new(DecontaminationConfig::default())?;
    check.add("toy", "q1", QUESTION);
    Ok(check)
}

/// The functions, as every worker registers them.
pub fn stages() -> Result<SqlStages, DataError> {
    Ok(SqlStages::new(NearConfig::default())?.with_benchmark(benchmark()?))
}

/// A made-up question of one topic and one number.
fn text(seed: u64, words: u64) -> String {
    let word = |at: u64| {
        let mut x = (seed << 20 | at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ x >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        format!("w{}", (x >> 40) % 5000)
    };
    (0..words).map(word).collect::<Vec<_>>().join(" ")
}

/// Document `id`: new, equal to an earlier one, nearly so, with a benchmark's question in it, or
/// with an answer that goes round in circles.
fn document(id: u64) -> (String, String) {
    let answer = format!("She has {id} + 1 = {} of them.", id + 1);
    match id % 10 {
        3 => (text(id - 3, 60), answer),
        5 => (text(id - 5, 60).replacen(' ', " indeed ", 1), answer),
        6 => (format!("{} indeed {}", text(id - 6, 60), text(id - 6, 3)), answer),
        7 => (format!("{} {QUESTION}", text(id, 30)), answer),
        8 => (text(id, 60), "Wait, let me check that once more. ".repeat(20)),
        _ => (text(id, 60), answer),
    }
}

/// Writes the documents into files, so that copies stand in different ones.
pub fn write(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = vec![String::new(); FILES];
    for id in 0..DOCUMENTS {
        let (prompt, completion) = document(id);
        let row = serde_json::json!({ "id": id, "prompt": prompt, "completion": completion });
        files[id as usize % FILES] += &format!("{row}\n");
    }
    let paths = (0..FILES).map(|at| folder.join(format!("{at}.json")));
    let write = |(path, rows): (PathBuf, String)| std::fs::write(&path, rows).map(|()| path);
    paths.zip(files).map(write).collect()
}

/// The documents that stay, by a query.
pub async fn query(context: &SessionContext, folder: &Path) -> Result<DataFrame> {
    let folder = folder.display().to_string();
    context.register_json("documents", folder, JsonReadOptions::default()).await?;
    let good = context
        .sql(
            "SELECT id, prompt FROM documents
             WHERE refire_quality(prompt, completion, NULL) IS NULL
             AND refire_overlap(prompt) IS NULL AND refire_overlap(completion) IS NULL",
        )
        .await?;
    let stages =
        stages().map_err(|error| datafusion::error::DataFusionError::External(error.into()))?;
    let distinct = stages.exact_dedup(good, "id", "prompt")?;
    stages.near_dedup(distinct, "id", "prompt")
}

/// Ids of a frame's rows, sorted.
pub async fn ids(frame: DataFrame) -> Result<Vec<u64>> {
    let batches = frame
        .select(vec![datafusion::logical_expr::cast(
            datafusion::logical_expr::col("id"),
            datafusion::arrow::datatypes::DataType::UInt64,
        )])?
        .collect()
        .await?;
    let columns = batches.iter().flat_map(|b| b.column(0).as_primitive::<UInt64Type>().values());
    let mut ids: Vec<u64> = columns.copied().collect();
    ids.sort_unstable();
    Ok(ids)
}

/// The documents that stay, by a pipeline in the order of the ids.
pub fn pipeline(files: &[PathBuf]) -> Result<Vec<u64>, DataError> {
    let id = |record: &Record| record.extra["id"].as_u64().unwrap_or(u64::MAX);
    let mut records: Vec<Record> =
        Reader::open(files, ReadConfig::default())?.collect::<Result<_, _>>()?;
    records.sort_by_key(id);
    let words = Some(NearConfig::default().words);
    let mut pipeline = Pipeline::new(vec![
        Box::new(QualityStage::default()),
        Box::new(DecontaminateStage::new(benchmark()?)),
        Box::new(ExactStage::new(Part::Prompt, words)),
        Box::new(NearStage::new(Part::Prompt, NearConfig::default())?),
    ]);
    let mut kept = Vec::new();
    pipeline.run(records, &mut |record| {
        kept.push(id(&record));
        Ok(())
    })?;
    Ok(kept)
}
