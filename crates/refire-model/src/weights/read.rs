use super::check_format;
use super::files::{TensorFiles, Tensors};
use crate::{Decoder, ModelConfig, ModelError};
use burn::tensor::{Device, TensorData};
use refire_objective::Dtype;
use std::collections::BTreeSet;
use std::path::Path;

/// Loads a decoder's weights from a folder, in 32-bit floats: `model.safetensors`, or shards with
/// an index.
///
/// Files are memory-mapped; each tensor is converted once, straight into the buffer that the model
/// keeps.
///
/// # Errors
/// For a file that can't be parsed, for an index that places a tensor in a file without it, and
/// for tensors that are missing, of the wrong shape, of an unsupported number format or not part of
/// the model; file and tensor are named.
pub fn load_weights(
    dir: &Path,
    config: &ModelConfig,
    device: &Device,
) -> Result<Decoder, ModelError> {
    load_weights_as(dir, config, device, Dtype::F32)
}

/// As [`load_weights`], in a number format of choice; weights that are stored in it keep their
/// bits.
///
/// Half formats halve the memory, for models that only answer: training and decoding on the CPU
/// are done in 32 bits.
///
/// # Errors
/// As for [`load_weights`], and for a format that the device can't compute with.
pub fn load_weights_as(
    dir: &Path,
    config: &ModelConfig,
    device: &Device,
    dtype: Dtype,
) -> Result<Decoder, ModelError> {
    check_format(device, dtype)?;
    load(dir, config, dtype, |values| Ok(Decoder::build_data(config, device, values)))
}

/// As [`load_weights`], with the weights of the layers' linear maps in 4 bits, as
/// [`Decoder::quantized`] has them; each is put in 4 bits before the next is read.
///
/// # Errors
/// As for [`load_weights`], and for numbers that aren't finite.
pub fn load_weights_in_4_bits(
    dir: &Path,
    config: &ModelConfig,
    device: &Device,
) -> Result<Decoder, ModelError> {
    load(dir, config, Dtype::F32, |values| Decoder::build_packed(config, device, values))
}

/// What makes a decoder of the values by path and shape.
type Build<'a> = &'a mut dyn FnMut(&str, &[usize]) -> TensorData;

fn load(
    dir: &Path,
    config: &ModelConfig,
    dtype: Dtype,
    build: impl FnOnce(Build<'_>) -> Result<Decoder, ModelError>,
) -> Result<Decoder, ModelError> {
    let files = TensorFiles::open_model(dir)?;
    let tensors = files.tensors()?;
    let mut taken = BTreeSet::new();
    let mut problem = None;
    let decoder = build(&mut |name, shape| {
        let empty = || TensorData::new(vec![0.0_f32; shape.iter().product()], shape.to_vec());
        if problem.is_some() {
            return empty();
        }
        taken.insert(name.to_owned());
        tensors.data(name, shape, dtype).unwrap_or_else(|error| {
            problem = Some(error);
            empty()
        })
    });
    match problem {
        Some(error) => Err(error),
        None => check_rest(&tensors, &taken, config).and(decoder),
    }
}

/// Refuses tensors that the model has no place for.
fn check_rest(
    tensors: &Tensors<'_>,
    taken: &BTreeSet<String>,
    config: &ModelConfig,
) -> Result<(), ModelError> {
    const HEAD: &str = "lm_head.weight";
    for name in tensors.names().filter(|name| !taken.contains(*name)) {
        // Old files hold rope buffers.
        if name.ends_with("rotary_emb.inv_freq") {
            continue;
        }
        // A tied head is sometimes stored all the same.
        if name == HEAD && config.tie_word_embeddings {
            let shape = [config.vocab_size, config.hidden_size];
            if tensors.equal(HEAD, "model.embed_tokens.weight", &shape)? {
                continue;
            }
            return Err(ModelError::HeadNotTied { path: tensors.path(name) });
        }
        return Err(ModelError::UnknownTensor {
            path: tensors.path(name),
            tensor: name.to_owned(),
            model_type: config.family.model_type().to_owned(),
        });
    }
    Ok(())
}
