use crate::DataError;

/// Predicts pass rates of all prompts from those of a few, by nearness of their features
/// (Nadaraya and Watson): `rate(i) = sum_j k(i, j) rate(j) w(j) / sum_j k(i, j) w(j)` with
/// `k = exp(-|x_i - x_j|^2 / (2 bandwidth^2))`.
///
/// DOTS trains an attention model for this; the kernel needs no training. Far from every
/// observation the prediction is the mean of all of them: a weak prior of weight `prior` holds it.
///
/// ```
/// use refire_data::KernelPredictor;
/// let predictor = KernelPredictor::new(vec![vec![0.0], vec![1.0], vec![0.1]], 0.2, 1e-3)?;
/// let rates = predictor.predict(&[(0, 0.9, 1.0), (1, 0.1, 1.0)]);
/// assert!(rates[2] > 0.85);
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct KernelPredictor {
    features: Vec<Vec<f64>>,
    bandwidth: f64,
    prior: f64,
}

impl KernelPredictor {
    /// A predictor over features, one vector a prompt: embeddings, or a difficulty known beforehand.
    ///
    /// # Errors
    /// When features differ in number or aren't finite, or the bandwidth isn't above 0.
    pub fn new(features: Vec<Vec<f64>>, bandwidth: f64, prior: f64) -> Result<Self, DataError> {
        let expected = features.first().map_or(0, Vec::len);
        for vector in &features {
            let found = vector.len();
            if found != expected {
                return Err(DataError::Count { what: "features of a prompt", found, expected });
            }
            if let Some(bad) = vector.iter().find(|x| !x.is_finite()) {
                return Err(DataError::out_of_range("features", bad, "finite numbers"));
            }
        }
        for (field, value) in [("bandwidth", bandwidth), ("prior", prior)] {
            if value <= 0.0 || !value.is_finite() {
                return Err(DataError::out_of_range(field, value, "above 0"));
            }
        }
        Ok(Self { features, bandwidth, prior })
    }

    /// Prompts it knows.
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// True without prompts.
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// Predicted pass rates of all prompts from observations (prompt, pass rate, weight); 0.5
    /// without any.
    pub fn predict(&self, observed: &[(usize, f64, f64)]) -> Vec<f64> {
        let weights: f64 = observed.iter().map(|(.., weight)| weight).sum();
        if weights <= 0.0 {
            return vec![0.5; self.len()];
        }
        let mean = observed.iter().map(|(_, rate, weight)| rate * weight).sum::<f64>() / weights;
        let one = |features: &Vec<f64>| {
            let (mut sum, mut all) = (self.prior * mean, self.prior);
            for (at, rate, weight) in observed {
                let near = weight * self.kernel(features, &self.features[*at]);
                sum += near * rate;
                all += near;
            }
            sum / all
        };
        self.features.iter().map(one).collect()
    }

    fn kernel(&self, a: &[f64], b: &[f64]) -> f64 {
        let square: f64 = a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum();
        (-square / (2.0 * self.bandwidth * self.bandwidth)).exp()
    }
}
