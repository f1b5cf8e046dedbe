//! Duplicate search over data frames.

use super::SqlStages;
use super::duplicates::duplicates;
use super::functions;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, UnnestOptions};
use datafusion::functions_aggregate::expr_fn::min;
use datafusion::logical_expr::{JoinType, cast, col, ident, lit, not, when};
use datafusion::prelude::DataFrame;
use std::sync::Arc;

impl SqlStages {
    /// The rows whose text has no equal with a smaller id. `id` and `text` name columns; ids are
    /// whole numbers and differ. A row without id or without text stays, and is compared with none.
    ///
    /// # Errors
    /// When the columns aren't there or have other types.
    pub fn exact_dedup(&self, frame: DataFrame, id: &str, text: &str) -> Result<DataFrame> {
        let key = functions::hash(self.words).call(vec![ident(text)]).alias("refire_key");
        // Rows without text are no copies of each other: each is a group of its own.
        let alone = when(ident(text).is_null(), ident(id)).end()?.alias("refire_alone");
        let first = frame
            .clone()
            .aggregate(vec![key, alone], vec![min(ident(id)).alias("refire_first")])?
            .select(vec![col("refire_first")])?;
        let without_id = frame.clone().filter(ident(id).is_null())?;
        frame.join(first, JoinType::LeftSemi, &[id], &["refire_first"], None)?.union(without_id)
    }

    /// The rows whose text isn't nearly equal to one with a smaller id that stays. `id` and `text`
    /// name columns; ids are whole numbers and differ. A row without id or without text stays, and
    /// is compared with none.
    ///
    /// Texts meet in a join on their bands, are verified in pairs, and only the pairs come together
    /// in one place.
    ///
    /// # Errors
    /// When the columns aren't there or have other types.
    pub fn near_dedup(&self, frame: DataFrame, id: &str, text: &str) -> Result<DataFrame> {
        let number = || cast(ident(id), DataType::Int64);
        let bands = functions::bands(Arc::clone(&self.near)).call(vec![ident(text)]);
        let bands = frame.clone().select(vec![number().alias("a"), bands.alias("band")])?;
        let bands = bands.unnest_columns_with_options(&["band"], UnnestOptions::default())?;
        let others =
            bands.clone().select(vec![col("a").alias("b"), col("band").alias("band_b")])?;
        let mut pairs = bands
            .join(others, JoinType::Inner, &["band"], &["band_b"], None)?
            .filter(col("a").lt(col("b")))?
            .select(vec![col("a"), col("b")])?
            .distinct()?;
        if let Some(least) = self.verify {
            let texts = |number_as: &str, text_as: &str| {
                let columns = vec![number().alias(number_as), ident(text).alias(text_as)];
                frame.clone().select(columns)
            };
            let alike = functions::similarity(Arc::clone(&self.near));
            let alike = alike.call(vec![col("text_a"), col("text_b")]);
            let mut same = alike.gt_eq(lit(least));
            if self.near.minds_numbers() {
                let other = functions::renumbered().call(vec![col("text_a"), col("text_b")]);
                same = same.and(not(other));
            }
            pairs = pairs
                .join(texts("id_a", "text_a")?, JoinType::Inner, &["a"], &["id_a"], None)?
                .join(texts("id_b", "text_b")?, JoinType::Inner, &["b"], &["id_b"], None)?
                .filter(same)?
                .select(vec![col("a"), col("b")])?;
        }
        let removed = duplicates().call(vec![col("a"), col("b")]).alias("refire_removed");
        let removed = pairs.aggregate(Vec::new(), vec![removed])?;
        let removed = removed.unnest_columns(&["refire_removed"])?;
        let columns: Vec<_> = frame.schema().columns().into_iter().map(col).collect();
        frame
            .with_column("refire_id", number())?
            .join(removed, JoinType::LeftAnti, &["refire_id"], &["refire_removed"], None)?
            .select(columns)
    }
}
