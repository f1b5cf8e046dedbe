use super::folders::{MergeOptions, merge};
use crate::ModelError;
use std::path::Path;

/// Above this cosine two tensors are taken for parallel, as in mergekit.
const PARALLEL: f64 = 0.9995;

/// The model at a fraction `t` of the way from one model to another, along the arc.
///
/// Of every tensor as one vector, with the angle `a` between the two:
///
/// ```text
/// W = sin((1 - t) a) / sin(a) W_0 + sin(t a) / sin(a) W_1       cos(a) = W_0 W_1 / (|W_0| |W_1|)
/// ```
///
/// Tensors that are nearly parallel or opposite (`|cos(a)| > 0.9995`), or all zeros, are
/// interpolated on the straight line. Shoemake 1985; constants are mergekit's.
///
/// # Errors
/// For a `t` outside of 0 to 1, for models of different shapes, and for files that can't be read or
/// written; file and tensor are named.
pub fn slerp(
    first: &Path,
    second: &Path,
    t: f64,
    out: &Path,
    options: &MergeOptions,
) -> Result<(), ModelError> {
    if !(0.0..=1.0).contains(&t) {
        let (value, expected) = (t.to_string(), "from 0 to 1");
        return Err(ModelError::OutOfRange { field: "t", value, expected });
    }
    merge(&[first, second], out, options, &|sources| {
        let (a, b) = (&sources.values[0], &sources.values[1]);
        let [p, q] = factors(a, b, t);
        let mixed = a.iter().zip(b).map(|(a, b)| p * f64::from(*a) + q * f64::from(*b));
        Ok(mixed.map(|value| value as f32).collect())
    })
}

/// What the two tensors are multiplied with.
fn factors(a: &[f32], b: &[f32], t: f64) -> [f64; 2] {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    // Not a number where a tensor is all zeros.
    if cosine.is_nan() || cosine.abs() > PARALLEL {
        return [1.0 - t, t];
    }
    let angle = cosine.acos();
    [((1.0 - t) * angle).sin() / angle.sin(), (t * angle).sin() / angle.sin()]
}
