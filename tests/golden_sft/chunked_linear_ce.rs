//! Cross-entropy from hidden states, through the head in chunks.

use crate::harness::{Case, Problem};
use crate::tensors::host;
use refire::burn::tensor::{DType, Device, Tensor, TensorData};
use refire::core::Needs;
use refire::objective::head::{Head, HeadLayer, HeadStats};

/// Label of a token that isn't learned.
const IGNORED: f64 = -100.0;

/// Hidden states in front of learned tokens, and where they stand among all.
struct Rows {
    hidden: Vec<f64>,
    labels: Vec<u32>,
    places: Vec<usize>,
}

fn rows(hidden: &[f64], labels: &[f64], [time, width]: [usize; 2]) -> Rows {
    let learned = |place: &usize| {
        // A state predicts the next token of its row.
        place % time + 1 < time && labels[place + 1] != IGNORED
    };
    let places: Vec<usize> = (0..labels.len()).filter(learned).collect();
    let state = |place: &usize| hidden[place * width..(place + 1) * width].to_vec();
    Rows {
        hidden: places.iter().flat_map(state).collect(),
        labels: places.iter().map(|place| labels[place + 1] as u32).collect(),
        places,
    }
}

pub(crate) fn check(case: &Case) -> Result<(), Problem> {
    let (config, inputs) = (&case.config, &case.inputs);
    let shape = inputs.shape("hidden")?;
    let (time, width) = (shape[1], shape[2]);
    let labels = inputs.nums("labels")?;
    let vocab = inputs.shape("weight")?[0];
    let rows = rows(&inputs.nums("hidden")?, &labels, [time, width]);
    let n = rows.labels.len();
    let plain = Device::flex();
    let tensor = |values: Vec<f64>, dims: [usize; 2]| {
        Tensor::<2>::from_data(TensorData::new(values, dims), (&plain, DType::F64))
    };
    let vector = |values: Vec<f64>| {
        let n = values.len();
        Tensor::<1>::from_data(TensorData::new(values, [n]), (&plain, DType::F64))
    };
    let layer = HeadLayer {
        weight: tensor(inputs.nums("weight")?, [vocab, width]),
        thin: None,
        bias: inputs.nums_if("bias")?.map(vector),
        logit_scale: config.num_or("logit_scale", 1.0)?,
        softcap: config.value("final_logit_softcapping").and_then(serde_json::Value::as_f64),
    };
    let temperature = vec![1.0; n];
    let hidden = tensor(rows.hidden, [n, width]);
    let chunk_rows = config.num("chunk_size")? as usize;
    let head = Head { chunk_rows, ..Head::new(hidden, layer, &rows.labels, &temperature) };
    let needs = Needs { entropy: true, ..Needs::NONE };
    let stats = head.stats(needs).map_err(|error| error.to_string())?;
    let close = |what: &str, ours: &[f64]| case.close(what, ours, &case.outputs.nums(what)?);
    close("n_valid", &[n as f64])?;
    let share = (n.max(1) as f64).recip();
    let loss = -host(&stats.logprobs).iter().sum::<f64>() * share;
    close("loss", &[loss])?;
    let entropy = stats.entropy.ok_or("no entropy")?;
    close("entropy_sum", &[host(&entropy).iter().sum()])?;

    let grads = HeadStats::from_logprobs(vector(vec![-share; n]));
    let grads = head.backward(Needs::NONE, &grads, true).map_err(|error| error.to_string())?;
    let mut spread = vec![0.0; labels.len() * width];
    for (place, state) in rows.places.iter().zip(host(&grads.hidden).chunks(width)) {
        spread[place * width..(place + 1) * width].copy_from_slice(state);
    }
    close("grad_hidden", &spread)?;
    let weight = grads.weight.map_or_else(|| vec![0.0; vocab * width], |weight| host(&weight));
    close("grad_weight", &weight)?;
    if let Some(theirs) = case.outputs.nums_if("grad_bias")? {
        case.close(
            "grad_bias",
            &grads.bias.map_or_else(|| vec![0.0; vocab], |b| host(&b)),
            &theirs,
        )?;
    }
    // What else the peer counts, and its own answer in single precision.
    case.outputs.value("num_correct");
    case.outputs.value("peer_f32_loss");
    Ok(())
}
