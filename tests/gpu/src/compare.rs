//! How far two results may be apart.

use refire::burn::tensor::Tensor;
use refire::core::BoxError;
use std::collections::BTreeMap;

/// Of sums and products in 32 bits that are made in another order, up to a few hundred terms, with
/// exponentials that WGSL allows to be some units in the last place off: relative to the greatest
/// number of a tensor.
pub const FORWARD: f64 = 2e-5;

/// The same for gradients and what is updated by them, which go through every layer twice.
pub const BACKWARD: f64 = 1e-4;

/// The numbers of a tensor.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, BoxError> {
    let data = tensor.inner().try_into_data().map_err(|error| error.to_string())?;
    Ok(data.iter::<f32>().collect())
}

/// The greatest difference, relative to the greatest expected number.
fn gap(found: &[f32], expected: &[f32]) -> Result<f64, BoxError> {
    if found.len() != expected.len() {
        return Err(format!("{} numbers instead of {}", found.len(), expected.len()).into());
    }
    if let Some(value) = found.iter().chain(expected).find(|value| !value.is_finite()) {
        return Err(format!("a number is {value}").into());
    }
    let greatest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let pairs = found.iter().zip(expected);
    let difference = greatest(&mut pairs.map(|(a, b)| f64::from(a - b).abs()));
    let scale = greatest(&mut expected.iter().map(|b| f64::from(b.abs())));
    Ok(if difference == 0.0 { 0.0 } else { difference / scale })
}

/// The greatest difference between tensors of the same names; an error where one is too large.
pub fn all(
    found: &BTreeMap<String, Vec<f32>>,
    expected: &BTreeMap<String, Vec<f32>>,
    tolerance: f64,
) -> Result<f64, BoxError> {
    if !found.keys().eq(expected.keys()) {
        return Err(format!("{:?} instead of {:?}", found.keys(), expected.keys()).into());
    }
    let mut greatest = 0.0_f64;
    for (name, expected) in expected {
        let gap = gap(&found[name], expected).map_err(|error| format!("{name}: {error}"))?;
        if gap > tolerance {
            return Err(format!("{name} is {gap:.1e} off, allowed are {tolerance:.0e}").into());
        }
        greatest = greatest.max(gap);
    }
    Ok(greatest)
}

/// As [`all`], for one tensor.
pub fn one(found: Vec<f32>, expected: Vec<f32>, tolerance: f64) -> Result<f64, BoxError> {
    let named = |values| BTreeMap::from([("the result".to_owned(), values)]);
    all(&named(found), &named(expected), tolerance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_relative_to_the_greatest_number() {
        let apart = |found: &[f32]| one(found.to_vec(), vec![100.0, 0.0], 1e-3).ok();
        assert_eq!(apart(&[100.0, 0.0]), Some(0.0));
        assert!(apart(&[100.0, 0.05]).is_some());
        assert_eq!(apart(&[100.0, 0.2]), None);
        assert_eq!(apart(&[100.0, f32::NAN]), None);
        assert_eq!(apart(&[100.0]), None);
    }
}
