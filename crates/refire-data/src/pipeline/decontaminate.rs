use super::{Passed, Stage};
use crate::{DataError, DecontaminationReport, Decontaminator, Record};
use rayon::prelude::*;
use serde_json::{Value, json};

/// Removes records of which a part overlaps with a benchmark: prompt, response, or the response of
/// a preference that was rejected.
///
/// ```
/// use refire_data::{DecontaminateStage, DecontaminationConfig, Decontaminator};
/// use refire_data::{Example, Pipeline, Record};
/// let mut check = Decontaminator::new(DecontaminationConfig::default())?;
/// check.add("toy", "q1", "How many pens has Tom?");
/// let mut pipeline = Pipeline::new(vec![Box::new(DecontaminateStage::new(check))]);
/// let leak = Record::new(Example::PromptOnly { prompt: "How many pens has Tom?".into() });
/// pipeline.run([leak], &mut |_| Ok(()))?;
/// let report = pipeline.stage::<DecontaminateStage>().unwrap().report();
/// assert_eq!((report.found[0].0, report.found[0].1.item.as_str()), (0, "q1"));
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct DecontaminateStage {
    check: Decontaminator,
    report: DecontaminationReport,
}

impl DecontaminateStage {
    /// Checks the parts one by one: a leak is often all of one and little of the whole.
    pub fn new(check: Decontaminator) -> Self {
        Self { check, report: DecontaminationReport::default() }
    }

    /// Every overlap so far, by the position of the record among those that came in.
    pub fn report(&self) -> &DecontaminationReport {
        &self.report
    }
}

impl Stage for DecontaminateStage {
    fn name(&self) -> &str {
        "benchmark overlap"
    }

    fn run(&mut self, records: Vec<Record>) -> Result<Passed, DataError> {
        let check = &self.check;
        let one = |record: &Record| {
            let mut parts = record.example.parts().into_iter();
            parts.find_map(|(part, text)| Some((part, check.check(&text)?)))
        };
        let found: Vec<_> = records.par_iter().map(one).collect();
        let mut passed = Passed::default();
        for (record, found) in records.into_iter().zip(found) {
            self.report.add(found.as_ref().map(|(_, found)| found.clone()));
            match found {
                None => passed.records.push(record),
                Some((part, found)) => {
                    let reason = format!("{} in the {part}", found.benchmark);
                    let detail = format!(
                        "item {}, coverage {:.2}: {}",
                        found.item, found.coverage, found.matched
                    );
                    passed.remove(record, &reason, detail);
                }
            }
        }
        Ok(passed)
    }

    fn details(&self) -> Value {
        json!({
            "items": self.check.len(),
            "counts": self.report.counts,
            "index": format!("{:016x}", self.check.version()),
        })
    }
}
