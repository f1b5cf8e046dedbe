use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, AggregateUDF, Volatility, create_udaf};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of pairs of alike items (earlier, later) the items to remove: those that are alike to an earlier
/// one which stays, as [`NearDedup`](crate::NearDedup) has it. An item only alike to removed ones
/// stays.
pub(super) fn duplicates() -> AggregateUDF {
    create_udaf(
        "refire_duplicates",
        vec![DataType::Int64; 2],
        Arc::new(list()),
        Volatility::Immutable,
        Arc::new(|_| Ok(Box::<Pairs>::default())),
        Arc::new(vec![list()]),
    )
}

fn list() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)))
}

/// For each item those earlier ones it is alike to.
#[derive(Debug, Default)]
struct Pairs {
    earlier: BTreeMap<i64, Vec<i64>>,
    pairs: usize,
}

impl Pairs {
    fn add(&mut self, a: i64, b: i64) {
        self.earlier.entry(a.max(b)).or_default().push(a.min(b));
        self.pairs += 1;
    }

    fn removed(&self) -> Vec<i64> {
        let mut removed: Vec<i64> = Vec::new();
        for (item, alike) in &self.earlier {
            // Items come in order, so whatever is removed before this one is known.
            let stays = |of: &i64| of != item && removed.binary_search(of).is_err();
            if alike.iter().any(stays) {
                removed.push(*item);
            }
        }
        removed
    }
}

fn scalar(numbers: impl IntoIterator<Item = i64>) -> ScalarValue {
    let values: Vec<ScalarValue> = numbers.into_iter().map(|n| Some(n).into()).collect();
    ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Int64))
}

impl Accumulator for Pairs {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [earlier, later] = [0, 1].map(|at| values[at].as_primitive::<Int64Type>());
        for (a, b) in earlier.iter().zip(later) {
            if let (Some(a), Some(b)) = (a, b) {
                self.add(a, b);
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for pairs in states[0].as_list::<i32>().iter().flatten() {
            for pair in pairs.as_primitive::<Int64Type>().values().chunks_exact(2) {
                self.add(pair[0], pair[1]);
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let pairs = self.earlier.iter().flat_map(|(b, all)| all.iter().flat_map(|a| [*a, *b]));
        Ok(vec![scalar(pairs)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(scalar(self.removed()))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.pairs * size_of::<i64>() + self.earlier.len() * 48
    }
}
