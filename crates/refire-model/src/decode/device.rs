//! Decoding where the weights are.

use super::cache::{Own, PrefixKind};
use super::check::{FOREIGN, check};
use super::store::{Store, Ticket, lock};
use super::turns::Turns;
use super::{Decode, KvCache, KvPrefix, Work};
use crate::decoder::{EmbeddingEdit, Packed};
use crate::nn::{Memory, Positions, Seen, Span};
use crate::weights::host_values;
use crate::{Decoder, ModelConfig, ModelError, Rows};
use burn::module::Module;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use refire_kernels::{AttentionOptions, KernelError, Recall, recall};
use std::sync::{Arc, Mutex};

/// Generates on the device that a decoder's weights are on: what a GPU is for.
/// On a CPU, [`HostDecoder`](super::HostDecoder) is many times as fast.
///
/// Keys and values of all sequences lie in one store on the device, `[tokens, kv_heads, d]` for each
/// layer, a shared prefix once. Each step reads them by place: in a kernel on GPUs, elsewhere padded
/// to the longest sequence of the call. The store has room for at least twice the tokens in use.
/// Logits are read back at every step.
///
/// Weights are shared with the decoder it is made from; drop this before they are updated, or the
/// update keeps a copy of the old ones. They are read as they are: there is no rounding to bf16.
/// Logits of a sequence depend on the others of a call by rounding, as a device may add in another
/// order for another number of rows.
///
/// ```
/// use burn::tensor::Device;
/// use refire_model::{Decode, Decoder, DeviceDecoder, TinyLlama, Work};
/// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
/// let device = DeviceDecoder::new(&decoder)?;
/// let (mut cache, mut logits) = (device.cache(None, 8), vec![0.0; device.vocab()]);
/// device.forward(&mut [Work { tokens: &[1, 2], cache: &mut cache, logits: &mut logits }])?;
/// assert_eq!(cache.len(), 2);
/// # Ok::<(), refire_model::ModelError>(())
/// ```
#[derive(Debug)]
pub struct DeviceDecoder {
    decoder: Decoder,
    device: Device,
    dtype: DType,
    store: Arc<Mutex<Store>>,
}

impl DeviceDecoder {
    /// Takes handles on a decoder's weights.
    ///
    /// # Errors
    /// For a model whose frequencies change with the length of a row
    /// ([`RopeScaling::LongRope`](crate::RopeScaling)): it decodes on the CPU.
    pub fn new(decoder: &Decoder) -> Result<Self, ModelError> {
        let (config, decoder) = (&decoder.config, decoder.valid());
        if !Self::supports(config) {
            let reason = "frequencies that change with a row's length are decoded on the CPU only";
            return Err(ModelError::Weights { reason });
        }
        let weight = decoder.model.embed_tokens.weight.val();
        let (device, dtype) = (weight.device(), weight.dtype());
        let shape = [config.num_key_value_heads, config.head_dim];
        let store = Store::new(config.layers.len(), shape, device.clone(), dtype);
        Ok(Self { decoder, device, dtype, store: Arc::new(Mutex::new(store)) })
    }

    pub(super) fn supports(config: &ModelConfig) -> bool {
        !Turns::new(&config.ropes().0, config).has_border()
    }

    /// The sequence's own ticket, and its prefix's.
    fn tickets<'a>(
        &self,
        cache: &'a KvCache,
    ) -> Result<(&'a Ticket, Option<&'a Ticket>), ModelError> {
        let prefix = match &cache.prefix {
            None => None,
            Some(KvPrefix(PrefixKind::Device(prefix))) => Some(&**prefix),
            Some(_) => return Err(FOREIGN),
        };
        match &cache.own {
            Own::Device(own)
                if own.is_of(&self.store) && prefix.is_none_or(|p| p.is_of(&self.store)) =>
            {
                Ok((own, prefix))
            }
            _ => Err(FOREIGN),
        }
    }

    /// Gives new tokens their places, and says what each of them sees.
    fn remember(&self, work: &[Work<'_>]) -> Result<Step, ModelError> {
        let tickets: Vec<_> =
            work.iter().map(|item| self.tickets(item.cache)).collect::<Result<_, _>>()?;
        let mut store = lock(&self.store);
        let start = store.make_room(work.iter().map(|item| item.tokens.len()).sum());
        let (mut next, mut sequences) = (start, Vec::with_capacity(work.len()));
        for (item, (own, prefix)) in work.iter().zip(tickets) {
            let new = item.tokens.len();
            store.extend(own, next..next + new);
            next += new;
            let before = prefix.map_or(&[][..], |prefix| store.places(prefix));
            sequences.push((new, [before, store.places(own)].concat()));
        }
        let windows = self.decoder.config.layers.iter().map(|layer| layer.window);
        let seen = Recall::new(sequences, windows, &self.device, self.dtype);
        let seen = seen.map_err(ModelError::Kernel)?;
        Ok(Step { store: self.store.clone(), start, seen })
    }

    /// Forgets what a failed step has remembered.
    fn forget(&self, work: &[Work<'_>], lengths: &[usize]) {
        for (item, length) in work.iter().zip(lengths) {
            if let Ok((own, _)) = self.tickets(item.cache) {
                // Looks into the store itself.
                let before = item.cache.prefix_len();
                lock(&self.store).truncate(own, length - before);
            }
        }
    }

    /// Logits after the last token of each sequence, `[sequences, vocab]`.
    fn logits(&self, work: &[Work<'_>], lengths: &[usize]) -> Result<Vec<f32>, ModelError> {
        let spans: Vec<Span> = work
            .iter()
            .zip(lengths)
            .map(|(item, first)| {
                let len = item.tokens.len();
                Span { first: *first, len, length: first + len }
            })
            .collect();
        let seen = Seen::Remembered(Arc::new(self.remember(work)?));
        let decoder = &self.decoder;
        let positions = Positions::new(&decoder.config, &spans, seen, &self.device, self.dtype);
        let tokens = work.iter().flat_map(|item| item.tokens).copied().collect();
        let packed = Packed::rows(&Rows::new(vec![tokens]));
        let x = decoder.embed(&packed, EmbeddingEdit::default())?;
        let (hidden, _) = decoder.through(x, &positions)?;
        let ends = spans.iter().scan(0, |end, span| {
            *end += span.len;
            Some(*end as i64 - 1)
        });
        let ends = TensorData::new(ends.collect::<Vec<_>>(), [spans.len()]);
        let ends: Tensor<1, Int> = Tensor::from_data(ends, &self.device);
        host_values("logits", decoder.logits_of(hidden.select(0, ends)))
    }
}

impl Decode for DeviceDecoder {
    fn vocab(&self) -> usize {
        self.decoder.config.vocab_size
    }

    fn context(&self) -> usize {
        self.decoder.config.max_position_embeddings
    }

    fn cache_bytes_per_token(&self) -> usize {
        let [_, width] = self.decoder.config.projection_widths();
        // Half of the store may be free.
        2 * 2 * self.dtype.size() * self.decoder.config.layers.len() * width
    }

    fn keeps_caches(&self) -> bool {
        false
    }

    fn cache(&self, prefix: Option<KvPrefix>, capacity: usize) -> KvCache {
        KvCache::device(Ticket::new(&self.store), prefix, capacity)
    }

    fn forward(&self, work: &mut [Work<'_>]) -> Result<(), ModelError> {
        check(&self.decoder.config, work)?;
        if work.is_empty() {
            return Ok(());
        }
        let lengths: Vec<usize> = work.iter().map(|item| item.cache.len()).collect();
        let logits = self.logits(work, &lengths).inspect_err(|_| self.forget(work, &lengths))?;
        for (item, logits) in work.iter_mut().zip(logits.chunks_exact(self.vocab())) {
            item.logits.copy_from_slice(logits);
        }
        Ok(())
    }
}

/// One call's view of the store.
#[derive(Debug)]
struct Step {
    store: Arc<Mutex<Store>>,
    /// Where the new tokens are.
    start: usize,
    seen: Recall,
}

impl Memory for Step {
    fn attend(
        &self,
        layer: usize,
        [q, k, v]: [Tensor<3>; 3],
        options: &AttentionOptions,
    ) -> Result<Tensor<3>, KernelError> {
        let written = lock(&self.store).write(layer, self.start, [k, v]);
        let Some([keys, values]) = written else {
            let (what, found) = ("the store of a layer", vec![layer]);
            return Err(KernelError::Shape { what, found, expected: Vec::new() });
        };
        recall(q, &keys, &values, &self.seen, options)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::TinyLlama;

    /// A device that fails in the middle of a step, as far as the store can tell.
    #[test]
    fn a_failed_step_is_forgotten_behind_a_prefix_too() {
        let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
        let device = DeviceDecoder::new(&decoder).unwrap();
        let mut logits = vec![0.0; device.vocab()];
        let mut prompt = device.cache(None, 3);
        let work = Work { tokens: &[1, 2, 3], cache: &mut prompt, logits: &mut logits };
        device.forward(&mut [work]).unwrap();
        let mut cache = device.cache(prompt.into_prefix(), 4);
        let mut step = |tokens: &[u32]| {
            device.forward(&mut [Work { tokens, cache: &mut cache, logits: &mut logits }])
        };
        step(&[4]).unwrap();
        let kept = std::mem::take(&mut lock(&device.store).layers);
        let error = step(&[5]).unwrap_err().to_string();
        assert!(error.contains("the store of a layer"), "{error}");
        lock(&device.store).layers = kept;
        step(&[5]).unwrap();
        assert_eq!(cache.len(), 5);
    }
}
