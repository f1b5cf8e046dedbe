//! Statistics of rows of logits, one cube for each row, and their gradient in the logits' memory.

use super::launch::{Kernel, Kind, Launch, fixed};
use super::memory::{Arg, UNITS, capable, each, empty, owned, row_cubes, single, whole};
use super::reduce::{greatest, together};
use crate::LogitStats;
use crate::logits::Coefficients;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::{DType, Int, Tensor, TensorData};
use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Logarithms of the sums of exponentials, and the statistics; `None` where kernels can't read the
/// logits.
pub(crate) fn logit_stats(
    logits: &Tensor<2>,
    labels: &[u32],
    inverse: &[f32],
) -> Option<(Tensor<1>, LogitStats)> {
    let [n, vocab] = logits.dims();
    if n * vocab == 0 {
        return None;
    }
    let all = read(logits).filter(capable)?;
    let inputs = vec![all, indices(labels, logits)?, numbers(inverse, logits)?];
    let found = fixed(Cube::launch(Stats, inputs));
    let [log_sums, logprobs, entropy, sum_sq, mean] = found.map(Tensor::from_primitive::<Cube>);
    let stats = LogitStats {
        logprobs,
        entropy: Some(entropy),
        sum_sq: Some(sum_sq),
        mean_logprob: Some(mean),
    };
    Some((log_sums, stats))
}

/// The gradient in the place of the logits, which come back where kernels can't read something.
pub(crate) fn logit_grads(
    logits: Tensor<2>,
    labels: &[u32],
    inverse: &[f32],
    log_sums: &Tensor<1>,
    coefficients: &Coefficients,
) -> Result<Tensor<2>, Tensor<2>> {
    let Coefficients { label, constant, log, linear, everywhere } = coefficients;
    let small = || {
        let mut inputs = vec![indices(labels, &logits)?, numbers(inverse, &logits)?];
        // What isn't there has a stand-in that isn't read.
        let [log, linear, everywhere] =
            [log, linear, everywhere].map(|column| column.as_ref().unwrap_or(constant));
        for column in [log_sums, label, constant, log, linear, everywhere] {
            inputs.push(read(column)?);
        }
        capable(&inputs[0]).then_some(inputs)
    };
    let Some(small) = small() else { return Err(logits) };
    if !single(&logits) {
        return Err(logits);
    }
    let Ok(all) = logits.clone().try_into_primitive::<Cube>() else { return Err(logits) };
    drop(logits);
    let kernel =
        Parts { log: log.is_some(), linear: linear.is_some(), everywhere: everywhere.is_some() };
    let inputs = std::iter::once(all).chain(small).collect();
    let [found] = fixed(Cube::launch(kernel, inputs));
    Ok(Tensor::from_primitive::<Cube>(found))
}

fn read<const D: usize>(tensor: &Tensor<D>) -> Option<FloatTensor<Cube>> {
    single(tensor).then(|| tensor.clone().try_into_primitive::<Cube>().ok()).flatten()
}

fn indices(labels: &[u32], like: &Tensor<2>) -> Option<FloatTensor<Cube>> {
    let labels = TensorData::new(labels.to_vec(), [labels.len()]);
    let labels = Tensor::<1, Int>::from_data(labels, (&like.device(), DType::U32));
    labels.try_into_primitive::<Cube>().ok()
}

fn numbers(values: &[f32], like: &Tensor<2>) -> Option<FloatTensor<Cube>> {
    let values = TensorData::new(values.to_vec(), [values.len()]);
    let values = Tensor::<1>::from_data(values, (&like.device(), DType::F32));
    values.try_into_primitive::<Cube>().ok()
}

/// Of logits, labels and inverse temperatures.
#[derive(Debug, Clone)]
struct Stats;

impl Kernel for Stats {
    const NAME: &'static str = "refire::logit_stats";

    fn outputs(&self, inputs: &[Kind]) -> Vec<Kind> {
        vec![([inputs[0].0[0]].into(), DType::F32); 5]
    }

    fn run(&self, inputs: Vec<CubeTensor>) -> Vec<CubeTensor> {
        let [logits, labels, inverse] = whole(inputs);
        let (n, vocab) = (logits.shape()[0], logits.shape()[1]);
        let found = [(); 5].map(|()| empty(&logits, &[n], DType::F32));
        let [log_sums, logprobs, entropy, sum_sq, mean] = found.each_ref().map(Arg::arg);
        stats::launch(
            &logits.client,
            row_cubes(n),
            CubeDim::new_1d(UNITS as u32),
            logits.arg(),
            labels.arg(),
            inverse.arg(),
            log_sums,
            logprobs,
            entropy,
            sum_sq,
            mean,
            n as u32,
            vocab as u32,
        );
        found.into()
    }
}

/// Of logits, labels, inverse temperatures, logarithms of sums and the coefficients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Parts {
    log: bool,
    linear: bool,
    everywhere: bool,
}

impl Kernel for Parts {
    const NAME: &'static str = "refire::logit_grads";

    fn outputs(&self, inputs: &[Kind]) -> Vec<Kind> {
        inputs[..1].to_vec()
    }

    fn run(&self, inputs: Vec<CubeTensor>) -> Vec<CubeTensor> {
        let inputs = whole(inputs);
        let [logits, labels, inverse, log_sums, label, constant, log, linear, everywhere] = inputs;
        let logits = owned(logits);
        let (count, dim, total) = each(&logits);
        grads::launch(
            &logits.client,
            count,
            dim,
            logits.arg(),
            labels.arg(),
            inverse.arg(),
            log_sums.arg(),
            label.arg(),
            constant.arg(),
            log.arg(),
            linear.arg(),
            everywhere.arg(),
            total,
            logits.shape()[1] as u32,
            *self,
        );
        vec![logits]
    }
}

#[cube(launch)]
fn stats(
    logits: &[f32],
    labels: &[u32],
    inverse: &[f32],
    log_sums: &mut [f32],
    logprobs: &mut [f32],
    entropy: &mut [f32],
    sum_sq: &mut [f32],
    mean: &mut [f32],
    rows: u32,
    vocab: u32,
) {
    let row = (CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X) as usize;
    let mut sums = Shared::<[f32]>::new_slice(UNITS);
    if row < rows as usize {
        let begin = row * vocab as usize;
        let scale = inverse[row];
        let mut highest = logits[begin];
        let mut at = UNIT_POS;
        while at < vocab {
            highest = max(highest, logits[begin + at as usize]);
            at += CUBE_DIM;
        }
        let highest = greatest(highest, &mut sums, UNITS) * scale;
        let mut plain = f32::new(0.0);
        let mut of_exp = f32::new(0.0);
        let mut weighted = f32::new(0.0);
        let mut squares = f32::new(0.0);
        let mut at = UNIT_POS;
        while at < vocab {
            let x = logits[begin + at as usize];
            let z = x * scale - highest;
            let e = z.exp();
            plain += x;
            of_exp += e;
            squares += e * e;
            // Far below the highest, where e is 0, z may be infinite.
            if e > 0.0 {
                weighted += e * z;
            }
            at += CUBE_DIM;
        }
        let plain = together(plain, &mut sums, UNITS);
        let of_exp = together(of_exp, &mut sums, UNITS);
        let weighted = together(weighted, &mut sums, UNITS);
        let squares = together(squares, &mut sums, UNITS);
        if UNIT_POS == 0 {
            let log_exp = of_exp.ln();
            let log_sum = highest + log_exp;
            log_sums[row] = log_sum;
            logprobs[row] = logits[begin + labels[row] as usize] * scale - highest - log_exp;
            entropy[row] = log_exp - weighted / of_exp;
            sum_sq[row] = squares / (of_exp * of_exp);
            mean[row] = plain / f32::cast_from(vocab) * scale - log_sum;
        }
    }
}

#[cube(launch)]
fn grads(
    logits: &mut [f32],
    labels: &[u32],
    inverse: &[f32],
    log_sums: &[f32],
    label: &[f32],
    constant: &[f32],
    log: &[f32],
    linear: &[f32],
    everywhere: &[f32],
    total: u32,
    vocab: u32,
    #[comptime] parts: Parts,
) {
    let at = ABSOLUTE_POS;
    if at < total as usize {
        let row = at / vocab as usize;
        let column = at % vocab as usize;
        let scale = inverse[row];
        let log_p = logits[at] * scale - log_sums[row];
        let p = log_p.exp();
        let mut factor = constant[row];
        if comptime!(parts.log) {
            // Where p is 0, log p may be infinite.
            if p > 0.0 {
                factor += log[row] * log_p;
            }
        }
        if comptime!(parts.linear) {
            factor += linear[row] * p;
        }
        let mut d = p * factor;
        if comptime!(parts.everywhere) {
            d += everywhere[row];
        }
        if column == labels[row] as usize {
            d += label[row];
        }
        logits[at] = d * scale;
    }
}
