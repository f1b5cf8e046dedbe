use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// How two measurements of one metric become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduce {
    /// Weighted mean: sums and weights add up.
    Mean,
    /// Sum.
    Sum,
    /// Smallest.
    Min,
    /// Largest.
    Max,
}

/// A measurement that can be merged with others of its name without loss.
///
/// A mean of means over micro-batches of different sizes is wrong; keeping sum and weight apart
/// until the end is not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Name as in the logs, such as `clip_ratio/high_mean`.
    pub name: Cow<'static, str>,
    /// Weighted sum, or the extreme value.
    pub sum: f64,
    /// Total weight; tells for extremes only whether there is a value.
    pub weight: f64,
    /// How to merge.
    pub reduce: Reduce,
}

impl Metric {
    /// A mean: `sum` of values that weigh `weight` together.
    pub fn mean(name: impl Into<Cow<'static, str>>, sum: f64, weight: f64) -> Self {
        Self { name: name.into(), sum, weight, reduce: Reduce::Mean }
    }

    /// A sum.
    pub fn sum(name: impl Into<Cow<'static, str>>, sum: f64) -> Self {
        Self { name: name.into(), sum, weight: 1.0, reduce: Reduce::Sum }
    }

    /// A minimum.
    pub fn min(name: impl Into<Cow<'static, str>>, value: f64) -> Self {
        Self { name: name.into(), sum: value, weight: 1.0, reduce: Reduce::Min }
    }

    /// A maximum.
    pub fn max(name: impl Into<Cow<'static, str>>, value: f64) -> Self {
        Self { name: name.into(), sum: value, weight: 1.0, reduce: Reduce::Max }
    }

    /// The value; `None` for a mean over nothing.
    pub fn value(&self) -> Option<f64> {
        match self.reduce {
            Reduce::Mean => (self.weight != 0.0).then(|| self.sum / self.weight),
            Reduce::Sum => Some(self.sum),
            Reduce::Min | Reduce::Max => (self.weight != 0.0).then_some(self.sum),
        }
    }

    fn merge(&mut self, other: &Self) {
        match self.reduce {
            Reduce::Mean | Reduce::Sum => {
                self.sum += other.sum;
                self.weight += other.weight;
            }
            Reduce::Min => self.sum = self.sum.min(other.sum),
            Reduce::Max => self.sum = self.sum.max(other.sum),
        }
    }
}

/// Metrics by name, in order of first appearance.
///
/// ```
/// use refire_core::{Metric, Metrics};
/// let mut metrics = Metrics::default();
/// metrics.add(Metric::mean("entropy", 3.0, 2.0));
/// metrics.add(Metric::mean("entropy", 1.0, 2.0));
/// assert_eq!(metrics.get("entropy"), Some(1.0));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics(Vec<Metric>);

impl Metrics {
    /// Adds a measurement, merging it with one of the same name.
    pub fn add(&mut self, metric: Metric) {
        match self.0.iter_mut().find(|m| m.name == metric.name) {
            Some(known) => known.merge(&metric),
            None => self.0.push(metric),
        }
    }

    /// Adds many.
    pub fn extend(&mut self, metrics: impl IntoIterator<Item = Metric>) {
        metrics.into_iter().for_each(|metric| self.add(metric));
    }

    /// The value of one metric.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|m| m.name == name).and_then(Metric::value)
    }

    /// Names and values, without means over nothing.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().filter_map(|m| Some((m.name.as_ref(), m.value()?)))
    }
}

impl IntoIterator for Metrics {
    type Item = Metric;
    type IntoIter = std::vec::IntoIter<Metric>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
