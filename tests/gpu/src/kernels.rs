//! The operations of `refire-kernels`: the CPU's kernels against what other devices take, with the
//! same program. Both are compiled in, so that a tensor has to find its own way.

use crate::compare::{self, BACKWARD};
use crate::tally::Tally;
use refire::burn::tensor::{DType, Device, Gradients, Tensor, TensorData};
use refire::core::{BoxError, Purpose, Stream};
use refire::kernels::{
    AdamWStep, AttentionOptions, Layout, LogitRows, LogitStats, Recall, Run, Turns, adamw,
    add_rows, attention, geglu, linear, recall, rms_norm, rope, seed, square_sum, swiglu,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Results and gradients, by name.
type Named = BTreeMap<String, Vec<f32>>;

type Operation = fn(&Device) -> Result<Named, BoxError>;

/// Every operation, with its gradient if it has one.
pub fn run(tally: &mut Tally, device: &Device) {
    let operations: [(&str, Operation); 13] = [
        ("linear", linear_map),
        ("swiglu and geglu", gated_units),
        ("attention", |device| attend(device, None, None)),
        ("attention with a window and a cap", |device| attend(device, Some(16), Some(4.0))),
        ("attention of odd sizes", odd_sizes),
        ("attention of every head that kernels take", widths),
        ("recall", remembered),
        ("extreme numbers", extremes),
        ("rms_norm", norms),
        ("rope", rotation),
        ("LogitRows", logit_rows),
        ("adamw and square_sum", updates),
        ("add_rows and seed", rows),
    ];
    for (name, operation) in operations {
        tally.check(&format!("kernels: {name}"), || {
            let (found, expected) = (operation(device)?, operation(&Device::flex())?);
            let gap = compare::all(&found, &expected, BACKWARD)?;
            Ok(format!("{} tensors {gap:.1e} apart", found.len()))
        });
    }
}

/// Some numbers between -1 and 1.
fn numbers(id: u64, count: usize) -> Vec<f32> {
    let mut stream = Stream::new(1, Purpose::DATA, 0, id, 0);
    (0..count).map(|_| (2.0 * stream.uniform() - 1.0) as f32).collect()
}

fn constant<const D: usize>(id: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    let data = TensorData::new(numbers(id, shape.iter().product()), shape);
    Tensor::from_data(data, device)
}

/// The same, as a leaf.
fn leaf<const D: usize>(id: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    constant(id, shape, &device.clone().autodiff()).require_grad()
}

/// The backward pass of a result that counts by random weights.
fn backward<const D: usize>(y: &Tensor<D>) -> Gradients {
    let weights = constant(99, y.dims(), &y.device());
    (y.clone() * weights).sum().backward()
}

fn note<const D: usize>(named: &mut Named, name: &str, tensor: Tensor<D>) -> Result<(), BoxError> {
    named.insert(name.to_owned(), compare::values(tensor)?);
    Ok(())
}

fn note_grad<const D: usize>(
    named: &mut Named,
    name: &str,
    leaf: &Tensor<D>,
    grads: &Gradients,
) -> Result<(), BoxError> {
    let grad = leaf.grad(grads).ok_or_else(|| format!("{name} has no gradient"))?;
    note(named, &format!("gradient of {name}"), grad)
}

fn linear_map(device: &Device) -> Result<Named, BoxError> {
    let mut named = Named::new();
    for (rows, width, out) in [(7, 24, 16), (17, 1, 3)] {
        let mut note = |name: &str, of| note(&mut named, &format!("{name} {rows} {width}"), of);
        let (x, weight) = (leaf(1, [rows, width], device), leaf(2, [out, width], device));
        let y = linear(x.clone(), weight.clone());
        let grads = backward(&y);
        note("y", y)?;
        note("gradient of x", x.grad(&grads).ok_or("x has no gradient")?)?;
        note("gradient of the weight", weight.grad(&grads).ok_or("none of the weight")?)?;
        note("untracked", linear(x.clone().inner(), weight.clone().inner()))?;
        // A weight that doesn't learn, as beside an adapter.
        let grads = backward(&linear(x.clone(), weight.detach()));
        note("gradient of x alone", x.grad(&grads).ok_or("x has no gradient")?)?;
    }
    Ok(named)
}

fn gated_units(device: &Device) -> Result<Named, BoxError> {
    let mut named = Named::new();
    for (name, unit) in [("swiglu", swiglu as fn(_, _) -> _), ("geglu", geglu)] {
        let (gate, up) = (leaf(1, [5, 33], device) * 4.0, leaf(2, [5, 33], device));
        let gate = gate.detach().require_grad();
        let y: Tensor<2> = unit(gate.clone(), up.clone());
        let grads = backward(&y);
        note(&mut named, name, y)?;
        note_grad(&mut named, &format!("{name}'s gate"), &gate, &grads)?;
        note_grad(&mut named, &format!("{name}'s other input"), &up, &grads)?;
    }
    Ok(named)
}

const fn run_of(len: usize, parent: Option<usize>) -> Run {
    Run { len, parent }
}

fn attend(device: &Device, window: Option<usize>, softcap: Option<f64>) -> Result<Named, BoxError> {
    let mut named = Named::new();
    let runs = [run_of(70, None), run_of(9, Some(0)), run_of(5, Some(0)), run_of(30, None)];
    let options = AttentionOptions { scale: 0.9, window, softcap };
    note_attention(&mut named, "runs", &runs, [4, 2, 8], &options, device)?;
    Ok(named)
}

/// Attention of these runs with `[heads, kv_heads, d]`, and its gradients.
fn note_attention(
    named: &mut Named,
    name: &str,
    runs: &[Run],
    [heads, kv, d]: [usize; 3],
    options: &AttentionOptions,
    device: &Device,
) -> Result<(), BoxError> {
    let layout = Arc::new(Layout::new(runs.to_vec())?);
    let n = layout.tokens();
    let (q, k) = (leaf(1, [n, heads, d], device), leaf(2, [n, kv, d], device));
    let v = leaf(3, [n, kv, d], device);
    let y = attention(q.clone(), k.clone(), v.clone(), &layout, options)?;
    let grads = backward(&y);
    note(named, &format!("{name}: y"), y)?;
    for (of, leaf) in [("q", &q), ("k", &k), ("v", &v)] {
        note_grad(named, &format!("{name}: {of}"), leaf, &grads)?;
    }
    Ok(())
}

/// Rows of 1, 3, 17 and 257 tokens, empty ones among them, alone and behind one another.
fn odd_sizes(device: &Device) -> Result<Named, BoxError> {
    let mut named = Named::new();
    let alone = [1, 0, 3, 17, 257, 64, 65].map(|len| run_of(len, None));
    let tree = [
        run_of(65, None),
        run_of(0, Some(0)),
        run_of(17, Some(1)),
        run_of(257, Some(0)),
        run_of(3, Some(3)),
        run_of(1, Some(0)),
        run_of(1, None),
    ];
    for (name, window) in [("all", None), ("7 back", Some(7)), ("100 back", Some(100))] {
        let options = AttentionOptions { scale: 0.4, window, softcap: None };
        note_attention(&mut named, &format!("rows, {name}"), &alone, [3, 1, 16], &options, device)?;
        note_attention(&mut named, &format!("tree, {name}"), &tree, [2, 2, 16], &options, device)?;
    }
    Ok(named)
}

/// Heads from 4 numbers to 256; 6, 12 and 300 are for the composition.
fn widths(device: &Device) -> Result<Named, BoxError> {
    let mut named = Named::new();
    let runs = [run_of(40, None), run_of(33, Some(0)), run_of(70, Some(0))];
    for d in [4, 6, 12, 64, 80, 96, 128, 256, 300] {
        let scale = (d as f64).powf(-0.5);
        let options = AttentionOptions { scale, window: None, softcap: None };
        note_attention(&mut named, &format!("{d}"), &runs, [4, 2, d], &options, device)?;
    }
    Ok(named)
}

/// New tokens of sequences that lie scattered in a store.
fn remembered(device: &Device) -> Result<Named, BoxError> {
    let mut named = Named::new();
    let scattered = |len: usize, step: usize| (0..len).map(|i| (i * step) % 1031).collect();
    let lengths: [usize; 5] = [1, 17, 257, 900, 64];
    let news: [[usize; 5]; 3] = [[1; 5], [1, 3, 70, 0, 64], [1, 1, 130, 2, 1]];
    for (heads, kv, d) in [(6, 2, 64), (9, 9, 16), (22, 2, 80)] {
        let store = |id| constant::<3>(id, [1031, kv, d], device);
        let (keys, values) = (store(1), store(2));
        for (index, new) in news.iter().enumerate() {
            let n: usize = new.iter().sum();
            let q = constant::<3>(3, [n, heads, d], device);
            for (window, softcap) in [(None, None), (Some(33), Some(3.0))] {
                let options = AttentionOptions { scale: 0.3, window, softcap };
                let sequences = new.iter().zip(lengths).enumerate();
                let sequences = sequences.map(|(i, (new, len))| (*new, scattered(len, 2 * i + 1)));
                let seen = Recall::new(sequences, [window], device, DType::F32)?;
                let y = recall(q.clone(), &keys, &values, &seen, &options)?;
                note(&mut named, &format!("{heads} {kv} {d}, {index}, {window:?}"), y)?;
            }
        }
    }
    // One sequence, whose keys several cubes share.
    let seen = Recall::new([(1, scattered(1000, 3))], [None], device, DType::F32)?;
    let store = |id| constant::<3>(id, [1031, 1, 64], device) * 30.0;
    let options = AttentionOptions { scale: 0.3, window: None, softcap: None };
    let y = recall(constant(3, [1, 2, 64], device), &store(1), &store(2), &seen, &options)?;
    note(&mut named, "alone", y)?;
    Ok(named)
}

/// Numbers so large that their exponentials and squares are beyond all others.
fn extremes(device: &Device) -> Result<Named, BoxError> {
    let mut named = Named::new();
    let large = [1e20_f32, -1e20, 3e4, -3e4, 90.0, -90.0, 0.0, 1e-20];
    let gate = || Tensor::<1>::from_floats(large, &device.clone().autodiff()).require_grad();
    let up = || Tensor::<1>::from_floats([1e-9_f32; 8], &device.clone().autodiff());
    for (name, unit) in [("swiglu", swiglu as fn(_, _) -> _), ("geglu", geglu)] {
        let gate = gate();
        let y: Tensor<1> = unit(gate.clone(), up());
        let grads = y.clone().sum().backward();
        note(&mut named, name, y)?;
        note_grad(&mut named, &format!("{name}'s gate"), &gate, &grads)?;
    }
    let options = AttentionOptions { scale: 100.0, window: None, softcap: None };
    note_attention(&mut named, "sharp", &[run_of(70, None)], [2, 1, 16], &options, device)?;
    Ok(named)
}

fn norms(device: &Device) -> Result<Named, BoxError> {
    let mut named = Named::new();
    let cases = [
        ("plain", false, 40, 24),
        ("with offset", true, 40, 24),
        ("narrow", false, 257, 3),
        ("wide", false, 65, 1001),
        ("one number", true, 1, 1),
    ];
    for (name, offset, rows, width) in cases {
        let (x, weight) = (leaf(1, [rows, width], device), leaf(2, [width], device));
        let y = rms_norm(x.clone(), weight.clone(), 1e-5, offset);
        let grads = backward(&y);
        note(&mut named, name, y)?;
        note_grad(&mut named, &format!("x, {name}"), &x, &grads)?;
        note_grad(&mut named, &format!("weight, {name}"), &weight, &grads)?;
    }
    Ok(named)
}

fn rotation(device: &Device) -> Result<Named, BoxError> {
    let mut named = Named::new();
    let x = leaf(1, [6, 2, 10], device);
    let angles = numbers(2, 24);
    let table = |f: fn(f32) -> f32| angles.iter().map(|angle| f(3.0 * angle)).collect();
    let turns = Turns::new(table(f32::cos), table(f32::sin), 4, device, DType::F32);
    let y = rope(x.clone(), &turns);
    let grads = backward(&y);
    note(&mut named, "y", y)?;
    note_grad(&mut named, "x", &x, &grads)?;
    Ok(named)
}

fn logit_rows(device: &Device) -> Result<Named, BoxError> {
    let mut named = Named::new();
    // Rows and labels; the last has logits far apart.
    for (n, vocab, spread) in
        [(5, 41, 6.0), (1, 2, 1.0), (65, 1003, 6.0), (3, 3, 6.0), (7, 257, 400.0)]
    {
        let labels: Vec<u32> = (0..n).map(|row| (row * 37 % vocab) as u32).collect();
        let temperature: Vec<f32> = (0..n).map(|row| 0.7 + 0.1 * (row % 7) as f32).collect();
        let logits = constant(1, [n, vocab], device) * spread;
        let mut note = |name: &str, of| note(&mut named, &format!("{name} {n} {vocab}"), of);
        let rows = LogitRows::new(logits.clone(), &labels, &temperature);
        note("logprobs", rows.logprobs())?;
        note("entropy", rows.entropy())?;
        note("sum_sq", rows.sum_sq())?;
        note("mean_logprob", rows.mean_logprob())?;
        let column = |id| constant(id, [n], device);
        let all = LogitStats {
            logprobs: column(2),
            entropy: Some(column(3)),
            sum_sq: Some(column(4)),
            mean_logprob: Some(column(5)),
        };
        note("gradient of all", rows.backward(all).flatten(0, 1))?;
        let rows = LogitRows::new(logits.clone(), &labels, &temperature);
        let one =
            LogitStats { logprobs: column(2), entropy: None, sum_sq: None, mean_logprob: None };
        note("gradient of one", rows.backward(one).flatten(0, 1))?;
        // What a kernel writes to is nobody else's.
        note("the logits", logits.flatten(0, 1))?;
    }
    Ok(named)
}

fn updates(device: &Device) -> Result<Named, BoxError> {
    let mut named = Named::new();
    let (mut weight, mut moments) = (constant(1, [300], device), None);
    let (first, mut second) = (weight.clone(), None);
    for step in 1..=3 {
        let step = AdamWStep {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-2,
            rate: 0.1,
            decay: 0.01,
            grad_scale: 0.5,
            step,
        };
        let (next, kept) = adamw(&step, weight, constant(1 + step.step, [300], device), moments);
        (weight, moments) = (next, Some(kept));
        second.get_or_insert_with(|| weight.clone());
    }
    // What is updated in place is nobody else's.
    note(&mut named, "the weight before", first)?;
    note(&mut named, "the weight after one", second.ok_or("no update was made")?)?;
    note(&mut named, "sum of squares", square_sum(&weight))?;
    for n in [1, 257, 70_001] {
        note(&mut named, &format!("{n} squares"), square_sum(&constant(9, [n], device)))?;
    }
    note(&mut named, "weight", weight)?;
    let [mean, square] = moments.ok_or("no moments were kept")?;
    note(&mut named, "mean", mean)?;
    note(&mut named, "mean square", square)?;
    Ok(named)
}

fn rows(device: &Device) -> Result<Named, BoxError> {
    let mut named = Named::new();
    let sum = constant(1, [6, 9], device);
    // Rows that are named several times add up.
    let added = add_rows(sum, &[4, 0, 4, 4, 5], constant(2, [5, 9], device));
    note(&mut named, "sum of rows", added)?;
    let x = leaf(3, [6, 9], device);
    let number = seed(x.clone() * 2.0, constant(4, [6, 9], device));
    let grads = number.backward();
    note_grad(&mut named, "x", &x, &grads)?;
    let other = x.clone().sum();
    let grads = (seed(x.clone() * 2.0, constant(5, [6, 9], device)) * 3.0 + other).backward();
    note_grad(&mut named, "x of a sum", &x, &grads)?;
    Ok(named)
}
