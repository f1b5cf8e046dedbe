//! The operations of `refire-kernels`: the CPU's kernels against what other devices take, with the
//! same program. Both are compiled in, so that a tensor has to find its own way.

use crate::compare::{self, BACKWARD};
use crate::tally::Tally;
use refire::burn::tensor::{DType, Device, Gradients, Tensor, TensorData};
use refire::core::{BoxError, Purpose, Stream};
use refire::kernels::{
    AdamWStep, AttentionOptions, Layout, LogitRows, LogitStats, Run, Turns, adamw, add_rows,
    attention, geglu, linear, rms_norm, rope, seed, square_sum, swiglu,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Results and gradients, by name.
type Named = BTreeMap<String, Vec<f32>>;

type Operation = fn(&Device) -> Result<Named, BoxError>;

/// Every operation, with its gradient if it has one.
pub fn run(tally: &mut Tally, device: &Device) {
    let operations: [(&str, Operation); 9] = [
        ("linear", linear_map),
        ("swiglu and geglu", gated_units),
        ("attention", |device| attend(device, None, None)),
        ("attention with a window and a cap", |device| attend(device, Some(16), Some(4.0))),
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
    let (x, weight) = (leaf(1, [7, 24], device), leaf(2, [16, 24], device));
    let y = linear(x.clone(), weight.clone());
    let grads = backward(&y);
    note(&mut named, "y", y)?;
    note_grad(&mut named, "x", &x, &grads)?;
    note_grad(&mut named, "weight", &weight, &grads)?;
    note(&mut named, "untracked", linear(x.inner(), weight.inner()))?;
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

fn attend(device: &Device, window: Option<usize>, softcap: Option<f64>) -> Result<Named, BoxError> {
    let mut named = Named::new();
    let run = |len, parent| Run { len, parent };
    let runs = vec![run(70, None), run(9, Some(0)), run(5, Some(0)), run(30, None)];
    let layout = Arc::new(Layout::new(runs)?);
    let n = layout.tokens();
    let (q, k) = (leaf(1, [n, 4, 8], device), leaf(2, [n, 2, 8], device));
    let v = leaf(3, [n, 2, 8], device);
    let options = AttentionOptions { scale: 0.9, window, softcap };
    let y = attention(q.clone(), k.clone(), v.clone(), &layout, &options)?;
    let grads = backward(&y);
    note(&mut named, "y", y)?;
    for (name, leaf) in [("q", &q), ("k", &k), ("v", &v)] {
        note_grad(&mut named, name, leaf, &grads)?;
    }
    Ok(named)
}

fn norms(device: &Device) -> Result<Named, BoxError> {
    let mut named = Named::new();
    for (name, offset) in [("plain", false), ("with offset", true)] {
        let (x, weight) = (leaf(1, [40, 24], device), leaf(2, [24], device));
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
    let labels = [3, 0, 40, 12, 12];
    let logits = constant(1, [5, 41], device) * 6.0;
    let rows = LogitRows::new(logits, &labels, &[1.0, 0.7, 1.3, 1.0, 0.9]);
    note(&mut named, "logprobs", rows.logprobs())?;
    note(&mut named, "entropy", rows.entropy())?;
    note(&mut named, "sum_sq", rows.sum_sq())?;
    note(&mut named, "mean_logprob", rows.mean_logprob())?;
    let grads = LogitStats {
        logprobs: constant(2, [5], device),
        entropy: Some(constant(3, [5], device)),
        sum_sq: Some(constant(4, [5], device)),
        mean_logprob: Some(constant(5, [5], device)),
    };
    note(&mut named, "gradient of the logits", rows.backward(grads))?;
    Ok(named)
}

fn updates(device: &Device) -> Result<Named, BoxError> {
    let mut named = Named::new();
    let (mut weight, mut moments) = (constant(1, [300], device), None);
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
    }
    note(&mut named, "sum of squares", square_sum(&weight))?;
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
    Ok(named)
}
