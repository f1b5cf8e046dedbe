//! Launches.

use super::tile::{Dims, LANES};
use super::{backward, forward, newest};
use crate::AttentionOptions;
use crate::cube::launch::{Kernel, Kind};
use crate::cube::memory::{Arg, UNITS, empty, format, whole};
use burn::backend::TensorMetadata;
use burn::tensor::DType;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

/// Heads that a cube of the newest tokens takes at most.
const MOST_HEADS: usize = 8;
/// Cubes that keep a large GPU busy; with fewer, keys are split.
const ENOUGH_CUBES: usize = 256;

/// Options as kernels take them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Asked {
    scale: f32,
    cap: Option<f32>,
    reach: u32,
    tiles: usize,
    longest: usize,
}

impl Asked {
    pub(super) fn new(options: &AttentionOptions, tiles: usize, longest: usize) -> Self {
        let reach = u32::try_from(options.reach()).unwrap_or(u32::MAX);
        let cap = options.softcap.map(|cap| cap as f32);
        Self { scale: options.scale as f32, cap, reach, tiles, longest }
    }

    fn dims(&self, q: &CubeTensor, k: &CubeTensor) -> Dims {
        let (q, k) = (q.shape(), k.shape());
        let capped = self.cap.is_some();
        Dims { heads: q[1], kv: k[1], vectors: q[2] / LANES, capped }
    }

    fn cubes(&self, heads: usize) -> CubeCount {
        CubeCount::Static(self.tiles as u32, heads as u32, 1)
    }

    fn cap(&self) -> f32 {
        self.cap.unwrap_or(1.0)
    }
}

fn units() -> CubeDim {
    CubeDim::new_1d(UNITS as u32)
}

/// Of `q`, `k`, `v` and a map: the result, and the logarithm of each query's sum `[n, heads]`.
#[derive(Debug, Clone)]
pub(super) struct Attend(pub(super) Asked);

impl Kernel for Attend {
    const NAME: &'static str = "refire::attend";

    fn outputs(&self, inputs: &[Kind]) -> Vec<Kind> {
        let (shape, dtype) = inputs[0].clone();
        let log_sums = ([shape[0], shape[1]].into(), DType::F32);
        vec![(shape, dtype), log_sums]
    }

    fn run(&self, inputs: Vec<CubeTensor>) -> Vec<CubeTensor> {
        let asked = self.0;
        let [q, k, v, map] = whole(inputs);
        let dims = asked.dims(&q, &k);
        let (queries, dtype) = (q.shape(), q.dtype);
        let result = empty(&q, &queries, dtype);
        let log_sums = empty(&q, &[queries[0], queries[1]], DType::F32);
        forward::forward::launch(
            &q.client,
            asked.cubes(dims.heads),
            units(),
            q.arg(),
            k.arg(),
            v.arg(),
            map.arg(),
            result.arg(),
            log_sums.arg(),
            asked.scale,
            asked.cap(),
            asked.reach,
            dims,
            format(dtype),
        );
        vec![result, log_sums]
    }
}

/// Of `q`, `k`, `v`, the result, the logarithms of its sums, its gradient and a map: gradients of
/// the first three.
#[derive(Debug, Clone)]
pub(super) struct AttendBackward(pub(super) Asked);

impl Kernel for AttendBackward {
    const NAME: &'static str = "refire::attend_backward";

    fn outputs(&self, inputs: &[Kind]) -> Vec<Kind> {
        inputs[..3].to_vec()
    }

    fn run(&self, inputs: Vec<CubeTensor>) -> Vec<CubeTensor> {
        let asked = self.0;
        let [q, k, v, result, log_sums, grad, map] = whole(inputs);
        let dims = asked.dims(&q, &k);
        let format = format(q.dtype);
        let rows = q.shape()[0] * dims.heads;
        let dots = empty(&q, &[rows], DType::F32);
        backward::dots::launch(
            &q.client,
            CubeCount::Static(rows.div_ceil(UNITS) as u32, 1, 1),
            units(),
            result.arg(),
            grad.arg(),
            dots.arg(),
            rows as u32,
            dims.vectors,
            format,
        );
        let [q_grad, k_grad, v_grad] = [&q, &k, &v].map(|x| empty(x, &x.shape(), x.dtype));
        backward::query_grads::launch(
            &q.client,
            asked.cubes(dims.heads),
            units(),
            q.arg(),
            k.arg(),
            v.arg(),
            grad.arg(),
            log_sums.arg(),
            dots.arg(),
            map.arg(),
            q_grad.arg(),
            asked.scale,
            asked.cap(),
            asked.reach,
            dims,
            format,
        );
        backward::key_grads::launch(
            &q.client,
            asked.cubes(dims.kv),
            units(),
            q.arg(),
            k.arg(),
            v.arg(),
            grad.arg(),
            log_sums.arg(),
            dots.arg(),
            map.arg(),
            k_grad.arg(),
            v_grad.arg(),
            asked.scale,
            asked.cap(),
            asked.reach,
            dims,
            format,
        );
        vec![q_grad, k_grad, v_grad]
    }
}

/// Of `q`, `k`, `v` and a map each of whose tiles is one token: the result.
#[derive(Debug, Clone)]
pub(super) struct Newest(pub(super) Asked);

impl Kernel for Newest {
    const NAME: &'static str = "refire::newest";

    fn outputs(&self, inputs: &[Kind]) -> Vec<Kind> {
        inputs[..1].to_vec()
    }

    fn run(&self, inputs: Vec<CubeTensor>) -> Vec<CubeTensor> {
        let asked = self.0;
        let [q, k, v, map] = whole(inputs);
        let dims = asked.dims(&q, &k);
        let groups = dims.heads / dims.kv;
        let group = (1..=MOST_HEADS).rev().find(|count| groups.is_multiple_of(*count)).unwrap_or(1);
        let cubes = asked.tiles * dims.heads / group;
        let splits = ENOUGH_CUBES.div_ceil(cubes).min(asked.longest.div_ceil(UNITS)).max(1);
        let (shape, own, single) = (q.shape(), format(q.dtype), format(DType::F32));
        let result = empty(&q, &shape, q.dtype);
        let (rows, split) = (shape[0] * dims.heads, splits > 1);
        let parts = match split {
            true => empty(&q, &[rows * splits, shape[2]], DType::F32),
            false => result.clone(),
        };
        let stats = empty(&q, &[if split { rows * splits * 2 } else { 1 }], DType::F32);
        newest::newest::launch(
            &q.client,
            CubeCount::Static(asked.tiles as u32, (dims.heads / group) as u32, splits as u32),
            units(),
            q.arg(),
            k.arg(),
            v.arg(),
            map.arg(),
            parts.arg(),
            stats.arg(),
            asked.scale,
            asked.cap(),
            asked.reach,
            dims,
            group,
            split,
            [own, if split { single } else { own }],
        );
        if split {
            let total = rows * dims.vectors;
            newest::combine::launch(
                &q.client,
                CubeCount::Static(total.div_ceil(UNITS) as u32, 1, 1),
                units(),
                parts.arg(),
                stats.arg(),
                result.arg(),
                splits as u32,
                total as u32,
                dims.vectors,
                own,
            );
        }
        vec![result]
    }
}
