//! Products of a call's rows with weights: several maps at once, their columns shared among threads.

use super::kernel::{Tile, gated};
use crate::Activation;
use half::bf16;
use pulp::Arch;
use rayon::prelude::*;

/// Products below this many multiply-adds aren't worth a second thread.
const PARALLEL: usize = 1 << 17;

/// Rows of a matrix as they are stored.
#[derive(Clone, Copy)]
pub(super) enum Values<'a> {
    F32(&'a [f32]),
    Bf16(&'a [bf16]),
}

impl<'a> Values<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Bf16(values) => values.len(),
        }
    }

    /// `count` values from `start` on.
    pub(super) fn part(self, start: usize, count: usize) -> Self {
        match self {
            Self::F32(values) => Self::F32(&values[start..][..count]),
            Self::Bf16(values) => Self::Bf16(&values[start..][..count]),
        }
    }

    pub(super) fn copy_to(self, out: &mut [f32]) {
        match self {
            Self::F32(values) => out.copy_from_slice(values),
            Self::Bf16(values) => widen(values, out),
        }
    }
}

/// Every bfloat16 is the upper half of a float.
#[inline(always)]
pub(super) fn widen(values: &[bf16], out: &mut [f32]) {
    out.iter_mut().zip(values).for_each(|(y, x)| *y = f32::from_bits(u32::from(x.to_bits()) << 16));
}

/// `x W^T + b` of one map.
#[derive(Clone, Copy)]
pub(super) struct Map<'a> {
    /// `[n, k]`.
    pub(super) weight: Values<'a>,
    /// `[n]`.
    pub(super) bias: Option<&'a [f32]>,
}

/// A map, or two of the same shape as `act(first) * second`.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) map: Map<'a>,
    pub(super) gate: Option<(Map<'a>, Activation)>,
}

/// Some of a job's columns.
struct Task<'a, 'y> {
    job: Job<'a>,
    /// A piece of each row.
    out: Vec<&'y mut [f32]>,
}

/// Each job's product with `x` `[m, k]`, written to its rows `[m][n]`.
pub(super) fn products<'a>(
    x: &[f32],
    k: usize,
    jobs: impl IntoIterator<Item = (Job<'a>, Vec<&'a mut [f32]>)>,
    parallel: bool,
) {
    let jobs: Vec<_> = jobs.into_iter().collect();
    let size: usize = jobs.iter().map(|(job, out)| job.columns(k) * out.len()).sum();
    let columns: usize = jobs.iter().map(|(job, _)| job.columns(k)).sum();
    let part = match parallel && size * k >= PARALLEL {
        true => columns.div_ceil(rayon::current_num_threads() * 4).next_multiple_of(8),
        false => columns,
    };
    let mut tasks = Vec::new();
    jobs.into_iter().for_each(|(job, out)| split(job, out, k, part.max(1), &mut tasks));
    match &mut tasks[..] {
        [task] => task.run(x, k),
        tasks => tasks.par_iter_mut().for_each(|task| task.run(x, k)),
    }
}

fn split<'a, 'y>(
    job: Job<'a>,
    out: Vec<&'y mut [f32]>,
    k: usize,
    part: usize,
    tasks: &mut Vec<Task<'a, 'y>>,
) {
    let (first, n) = (tasks.len(), job.columns(k));
    tasks.extend((0..n).step_by(part).map(|start| Task {
        job: job.part(start, part.min(n - start), k),
        out: Vec::with_capacity(out.len()),
    }));
    for row in out {
        let pieces = row.chunks_mut(part);
        tasks[first..].iter_mut().zip(pieces).for_each(|(task, piece)| task.out.push(piece));
    }
}

impl<'a> Job<'a> {
    pub(super) fn plain(weight: Values<'a>, bias: Option<&'a [f32]>) -> Self {
        Self { map: Map { weight, bias }, gate: None }
    }

    fn columns(&self, k: usize) -> usize {
        self.map.weight.len() / k.max(1)
    }

    fn part(&self, start: usize, count: usize, k: usize) -> Self {
        let of = |map: Map<'a>| Map {
            weight: map.weight.part(start * k, count * k),
            bias: map.bias.map(|bias| &bias[start..][..count]),
        };
        Self { map: of(self.map), gate: self.gate.map(|(map, act)| (of(map), act)) }
    }
}

impl Task<'_, '_> {
    fn run(&mut self, x: &[f32], k: usize) {
        self.job.map.run(x, k, &mut self.out);
        let Some((second, act)) = self.job.gate else { return };
        let n = self.job.columns(k);
        let mut up = vec![0.0; n * self.out.len()];
        let mut rows: Vec<&mut [f32]> = up.chunks_exact_mut(n).collect();
        second.run(x, k, &mut rows);
        self.out.iter_mut().zip(&rows).for_each(|(gate, up)| gated(gate, up, act));
    }
}

impl Map<'_> {
    fn run(&self, x: &[f32], k: usize, out: &mut [&mut [f32]]) {
        Arch::new().dispatch(Tile { x, weight: self.weight, out, k });
        if let Some(bias) = self.bias {
            for row in out {
                row.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
            }
        }
    }
}
