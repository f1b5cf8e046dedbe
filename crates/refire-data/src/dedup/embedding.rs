use crate::DataError;
use rayon::prelude::*;
use refire_core::{Purpose, Stream};
use serde::{Deserialize, Serialize};

/// Which of several alike items stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The one farthest from its cluster's centre, as SemDeDup: the least usual.
    #[default]
    Farthest,
    /// The first in order.
    First,
}

/// How duplicates by meaning are found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddingConfig {
    /// Items are alike from this cosine on; SemDeDup's `1 - epsilon`.
    pub cosine: f64,
    /// Clusters of k-means; only items of one cluster are compared. 0 takes the root of the number
    /// of items.
    pub clusters: usize,
    /// Passes of k-means.
    pub passes: usize,
    /// Which stays.
    pub keep: Keep,
    /// Seed of the first centres.
    pub seed: u64,
}

impl Default for EmbeddingConfig {
    fn default() -> Self {
        Self { cosine: 0.95, clusters: 0, passes: 10, keep: Keep::Farthest, seed: 0 }
    }
}

/// An item that means the same as one that stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmbeddingDuplicate {
    /// Position of the one that stays.
    pub of: usize,
    /// Cosine between them.
    pub cosine: f64,
}

/// Finds items that mean the same, by vectors that somebody else computed (SemDeDup, Abbas et al.,
/// arXiv 2303.09540): k-means over the directions, then every pair within a cluster. The result
/// doesn't depend on the number of threads.
///
/// ```
/// use refire_data::{EmbeddingConfig, embedding_duplicates};
/// let vectors = [vec![1.0, 0.0], vec![0.0, 1.0], vec![2.0, 0.01]];
/// let config = EmbeddingConfig { clusters: 1, keep: refire_data::Keep::First, ..Default::default() };
/// let found = embedding_duplicates(&vectors, &config)?;
/// assert_eq!(found[2].unwrap().of, 0);
/// # Ok::<(), refire_data::DataError>(())
/// ```
///
/// # Errors
/// When vectors differ in length, are zero or not finite, or the cosine is out of range.
pub fn embedding_duplicates(
    vectors: &[Vec<f32>],
    config: &EmbeddingConfig,
) -> Result<Vec<Option<EmbeddingDuplicate>>, DataError> {
    if !(-1.0..=1.0).contains(&config.cosine) {
        return Err(DataError::out_of_range("cosine", config.cosine, "from -1 to 1"));
    }
    let units = units(vectors)?;
    let mut found = vec![None; vectors.len()];
    if units.is_empty() {
        return Ok(found);
    }
    let wanted = if config.clusters == 0 { units.len().isqrt() } else { config.clusters };
    let clusters = Clusters::fit(&units, wanted.clamp(1, units.len()), config);
    let alike: Vec<_> = clusters
        .members()
        .into_par_iter()
        .enumerate()
        .map(|(cluster, members)| within(&units, members, &clusters.centres[cluster], config))
        .collect();
    for (item, duplicate) in alike.into_iter().flatten() {
        found[item] = Some(duplicate);
    }
    Ok(found)
}

fn units(vectors: &[Vec<f32>]) -> Result<Vec<Vec<f32>>, DataError> {
    let expected = vectors.first().map_or(0, Vec::len);
    vectors
        .iter()
        .map(|vector| {
            if vector.len() != expected {
                let found = vector.len();
                return Err(DataError::Count { what: "numbers of a vector", found, expected });
            }
            let norm = dot(vector, vector).sqrt();
            if !norm.is_finite() || norm == 0.0 {
                return Err(DataError::out_of_range("vectors", norm, "finite and not zero"));
            }
            Ok(vector.iter().map(|x| (f64::from(*x) / norm) as f32).collect())
        })
        .collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

/// Duplicates within one cluster.
fn within(
    units: &[Vec<f32>],
    mut members: Vec<usize>,
    centre: &[f32],
    config: &EmbeddingConfig,
) -> Vec<(usize, EmbeddingDuplicate)> {
    if config.keep == Keep::Farthest {
        members.sort_by(|a, b| dot(&units[*a], centre).total_cmp(&dot(&units[*b], centre)));
    }
    let (mut kept, mut found): (Vec<usize>, Vec<_>) = (Vec::new(), Vec::new());
    for item in members {
        let nearest = kept
            .iter()
            .map(|of| EmbeddingDuplicate { of: *of, cosine: dot(&units[item], &units[*of]) })
            .max_by(|a, b| a.cosine.total_cmp(&b.cosine));
        match nearest.filter(|duplicate| duplicate.cosine >= config.cosine) {
            Some(duplicate) => found.push((item, duplicate)),
            None => kept.push(item),
        }
    }
    found
}

/// Spherical k-means.
struct Clusters {
    centres: Vec<Vec<f32>>,
    of: Vec<usize>,
}

impl Clusters {
    fn fit(units: &[Vec<f32>], k: usize, config: &EmbeddingConfig) -> Self {
        let mut order: Vec<usize> = (0..units.len()).collect();
        Stream::new(config.seed, Purpose::named("k-means"), 0, 0, 0).shuffle(&mut order);
        let centres = order[..k].iter().map(|item| units[*item].clone()).collect();
        let mut clusters = Self { centres, of: Vec::new() };
        clusters.assign(units);
        for _ in 0..config.passes {
            let before = clusters.of.clone();
            clusters.recentre(units);
            clusters.assign(units);
            if clusters.of == before {
                break;
            }
        }
        clusters
    }

    fn assign(&mut self, units: &[Vec<f32>]) {
        let nearest = |unit: &Vec<f32>| {
            let (mut best, mut cosine) = (0, f64::NEG_INFINITY);
            for (index, centre) in self.centres.iter().enumerate() {
                let here = dot(unit, centre);
                if here > cosine {
                    (best, cosine) = (index, here);
                }
            }
            best
        };
        self.of = units.par_iter().map(nearest).collect();
    }

    fn recentre(&mut self, units: &[Vec<f32>]) {
        let mut sums = vec![vec![0.0_f64; units[0].len()]; self.centres.len()];
        for (unit, cluster) in units.iter().zip(&self.of) {
            sums[*cluster].iter_mut().zip(unit).for_each(|(sum, x)| *sum += f64::from(*x));
        }
        for (centre, sum) in self.centres.iter_mut().zip(sums) {
            let norm = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
            // A centre without members stays where it is.
            if norm > 0.0 {
                *centre = sum.iter().map(|x| (x / norm) as f32).collect();
            }
        }
    }

    fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.centres.len()];
        self.of.iter().enumerate().for_each(|(item, cluster)| members[*cluster].push(item));
        members
    }
}
