use super::op::{tensor, whole};
use crate::LogitStats;
use crate::functions::exp;
use crate::logits::Coefficients;
use crate::sums::{LANES, max, total};
use burn::backend::Flex;
use burn::tensor::Tensor;
use pulp::Arch;
use rayon::prelude::*;

/// Numbers of a row that are added up in 32 bits; their sums are added in 64.
const PIECE: usize = 2048;

fn numbers(values: Vec<f32>) -> Tensor<1> {
    let n = values.len();
    Tensor::from_primitive::<Flex>(tensor(values, [n]))
}

/// Logarithms of the sums of exponentials, and the statistics; `None` where a kernel can't read
/// the logits.
pub(crate) fn logit_stats(
    logits: &Tensor<2>,
    labels: &[u32],
    inverse: &[f32],
) -> Option<(Tensor<1>, LogitStats)> {
    let [n, vocab] = logits.dims();
    let fits = labels.len() == n
        && inverse.len() == n
        && labels.iter().all(|label| (*label as usize) < vocab);
    let logits = if fits { whole(logits)? } else { return None };
    let rows = logits.storage::<f32>().par_chunks(vocab.max(1)).zip(labels).zip(inverse);
    let rows: Vec<Row> = rows
        .map(|((row, label), inverse)| {
            Arch::new().dispatch(|| Row::new(row, *label as usize, *inverse))
        })
        .collect();
    let column = |of: fn(&Row) -> f64| numbers(rows.iter().map(|row| of(row) as f32).collect());
    let stats = LogitStats {
        logprobs: column(|row| row.logprob),
        entropy: Some(column(|row| row.entropy)),
        sum_sq: Some(column(|row| row.sum_sq)),
        mean_logprob: Some(column(|row| row.mean_logprob)),
    };
    Some((column(|row| row.log_sum), stats))
}

struct Row {
    log_sum: f64,
    logprob: f64,
    entropy: f64,
    sum_sq: f64,
    mean_logprob: f64,
}

impl Row {
    #[inline(always)]
    fn new(row: &[f32], label: usize, inverse: f32) -> Self {
        let highest = max(row) * inverse;
        let mut sums = [0.0_f64; 4];
        for piece in row.chunks(PIECE) {
            let parts = piece_sums(piece, inverse, highest);
            sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += f64::from(part));
        }
        let [plain, of_exp, weighted, squares] = sums;
        let log_exp = of_exp.ln();
        let log_sum = f64::from(highest) + log_exp;
        let scale = f64::from(inverse);
        Self {
            log_sum,
            logprob: f64::from(row[label]) * scale - log_sum,
            entropy: log_exp - weighted / of_exp,
            sum_sq: squares / (of_exp * of_exp),
            mean_logprob: plain / row.len() as f64 * scale - log_sum,
        }
    }
}

/// Sums of `x`, `e`, `e z` and `e^2` with `z = x inverse - highest` and `e = exp(z)`.
#[inline(always)]
fn piece_sums(x: &[f32], inverse: f32, highest: f32) -> [f32; 4] {
    let mut lanes = [[0.0_f32; LANES]; 4];
    let mut add = |lane: usize, x: f32| {
        let z = x * inverse - highest;
        let e = exp(z);
        // Far below the highest, where e is 0, z may be infinite.
        let product = if e > 0.0 { e * z } else { e };
        lanes[0][lane] += x;
        lanes[1][lane] += e;
        lanes[2][lane] += product;
        lanes[3][lane] += e * e;
    };
    let full = x.chunks_exact(LANES);
    let rest = full.remainder();
    for x in full {
        x.iter().enumerate().for_each(|(lane, x)| add(lane, *x));
    }
    rest.iter().enumerate().for_each(|(lane, x)| add(lane, *x));
    lanes.map(total)
}

/// The gradient in the place of the logits, which come back where a kernel can't read something.
pub(crate) fn logit_grads(
    logits: Tensor<2>,
    labels: &[u32],
    inverse: &[f32],
    log_sums: &Tensor<1>,
    coefficients: &Coefficients,
) -> Result<Tensor<2>, Tensor<2>> {
    let [n, vocab] = logits.dims();
    let Coefficients { label, constant, log, linear, everywhere } = coefficients;
    let zeros = || Some(tensor(vec![0.0; n], [n]));
    let column = |x: &Option<Tensor<1>>| x.as_ref().map_or_else(zeros, whole);
    let columns = [
        whole(log_sums),
        whole(label),
        whole(constant),
        column(log),
        column(linear),
        column(everywhere),
    ];
    let [Some(log_sums), Some(label), Some(constant), Some(log), Some(linear), Some(everywhere)] =
        columns
    else {
        return Err(logits);
    };
    let fits = labels.len() == n && labels.iter().all(|label| (*label as usize) < vocab);
    let Some(mut d) = whole(&logits).filter(|_| fits) else { return Err(logits) };
    drop(logits);
    let [log_sums, label, constant, log, linear, everywhere] =
        [&log_sums, &label, &constant, &log, &linear, &everywhere].map(|x| x.storage::<f32>());
    let rows = d.storage_mut::<f32>().par_chunks_mut(vocab.max(1)).enumerate();
    rows.for_each(|(i, row)| {
        let (scale, log_sum) = (inverse[i], log_sums[i]);
        let (constant, log, linear, everywhere) = (constant[i], log[i], linear[i], everywhere[i]);
        Arch::new().dispatch(|| {
            for x in row.iter_mut() {
                let log_p = *x * scale - log_sum;
                let p = exp(log_p);
                // Where p is 0, log p may be infinite.
                let entropy = if p > 0.0 { log * log_p } else { 0.0 };
                *x = (p * (constant + entropy + linear * p) + everywhere) * scale;
            }
        });
        row[labels[i] as usize] += label[i] * scale;
    });
    Ok(Tensor::from_primitive::<Flex>(d))
}
