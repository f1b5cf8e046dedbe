//! How much of what a fine-tuning changed lies in the directions that alignment had changed.

use super::folders::Sources;
use crate::ModelError;
use crate::weights::host_values;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Columns shorter than this part of the longest one are taken for zero.
const RANK_TOLERANCE: f64 = 1e-6;

/// A fine-tuned model and the two that came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SafeFolders<'a> {
    /// The pretrained model, before alignment.
    pub base: &'a Path,
    /// The aligned model, from which fine-tuning started.
    pub aligned: &'a Path,
    /// The fine-tuned model.
    pub tuned: &'a Path,
}

/// The map of a change onto the directions `V = W_aligned - W_base` of alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Projection {
    /// `C = V V^T / ||V||_F`: what Safe LoRA uses. No projection in the strict sense (`C C` isn't
    /// `C`): directions in which alignment changed little fade out.
    #[default]
    Fast,
    /// `C = V (V^T V)^-1 V^T`, onto the column space of `V`; for matrices that alignment changed by
    /// a low rank, as a full rank of rows leaves every change as it is. Slow for large matrices.
    Orthogonal,
}

/// What was found of one matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alignment {
    /// The tensor's name.
    pub tensor: String,
    /// Cosine between the change and its projection; none where alignment or fine-tuning left the
    /// matrix as it was, and it is kept.
    pub cosine: Option<f64>,
    /// The cosine was below the threshold, and the matrix was replaced.
    pub replaced: bool,
}

/// The matrices that are looked at: those of attention and feed-forward layers.
pub(super) fn default_targets() -> Vec<String> {
    let names = [
        "q_proj",
        "k_proj",
        "v_proj",
        "qkv_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "gate_up_proj",
        "down_proj",
    ];
    names.map(str::to_owned).to_vec()
}

/// Whether a tensor is the weight of one of these modules.
pub(super) fn is_target(sources: &Sources, targets: &[String]) -> bool {
    let module = sources.name.strip_suffix(".weight").and_then(|path| path.rsplit('.').next());
    sources.shape.len() == 2 && module.is_some_and(|m| targets.iter().any(|target| target == m))
}

/// A change, and its projection.
pub(super) struct Change {
    pub(super) whole: Vec<f32>,
    pub(super) projected: Vec<f32>,
    pub(super) cosine: Option<f64>,
}

/// What fine-tuning changed in a matrix of `[base, aligned, tuned, ..]`.
pub(super) fn change(
    sources: &Sources,
    projection: Projection,
    device: &Device,
) -> Result<Change, ModelError> {
    let [base, aligned, tuned] = [0, 1, 2].map(|model| &sources.values[model][..]);
    let (whole, directions) = (difference(tuned, aligned), difference(aligned, base));
    let shape = [sources.shape[0], sources.shape[1]];
    let projected = project(&sources.name, &directions, &whole, shape, projection, device)?;
    let cosine = cosine(&whole, &projected);
    Ok(Change { whole, projected, cosine })
}

fn difference(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    (norms > 0.0).then(|| dot(a, b) / norms)
}

/// `C D` for directions `V` and a change `D`, both `[rows, columns]`.
pub(super) fn project(
    what: &str,
    directions: &[f32],
    change: &[f32],
    [rows, columns]: [usize; 2],
    projection: Projection,
    device: &Device,
) -> Result<Vec<f32>, ModelError> {
    let matrix = |values: Vec<f32>, shape: [usize; 2]| -> Tensor<2> {
        Tensor::from_data(TensorData::new(values, shape), device)
    };
    let delta = matrix(change.to_vec(), [rows, columns]);
    let norm = directions.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    if norm == 0.0 {
        return Ok(vec![0.0; change.len()]);
    }
    let (left, factor) = match projection {
        Projection::Fast => (matrix(directions.to_vec(), [rows, columns]), norm.recip()),
        Projection::Orthogonal => {
            let basis = orthonormal_columns(directions, [rows, columns]);
            let rank = basis.len();
            let values = basis.into_iter().flatten().map(|value| value as f32).collect();
            (matrix(values, [rank, rows]).transpose(), 1.0)
        }
    };
    // The cheaper order of the products.
    let projected = match rows < columns {
        true => left.clone().matmul(left.transpose()).matmul(delta),
        false => left.clone().matmul(left.transpose().matmul(delta)),
    };
    host_values(what, projected * factor)
}

/// An orthonormal basis of the column space, one vector after another, by Gram and Schmidt's method
/// with the longest remaining column first.
fn orthonormal_columns(values: &[f32], [rows, columns]: [usize; 2]) -> Vec<Vec<f64>> {
    let column = |c: usize| (0..rows).map(|r| f64::from(values[r * columns + c])).collect();
    let mut rest: Vec<Vec<f64>> = (0..columns).map(column).collect();
    let square = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>();
    let longest = rest.iter().map(|v| square(v)).fold(0.0, f64::max);
    let mut basis: Vec<Vec<f64>> = Vec::new();
    while basis.len() < rows {
        let next = (0..rest.len()).max_by(|a, b| square(&rest[*a]).total_cmp(&square(&rest[*b])));
        let Some(next) = next else { break };
        let mut vector = rest.swap_remove(next);
        if square(&vector) <= longest * RANK_TOLERANCE.powi(2) {
            break;
        }
        // Once more, against what rounding has left.
        basis.iter().for_each(|known| remove(&mut vector, known));
        let length = square(&vector).sqrt();
        vector.iter_mut().for_each(|x| *x /= length);
        rest.iter_mut().for_each(|column| remove(column, &vector));
        basis.push(vector);
    }
    basis
}

/// Takes away a vector's part along a unit vector.
fn remove(vector: &mut [f64], unit: &[f64]) {
    let part: f64 = vector.iter().zip(unit).map(|(v, u)| v * u).sum();
    vector.iter_mut().zip(unit).for_each(|(v, u)| *v -= part * u);
}
