use super::cache::Blocks;
use super::check::{FOREIGN, check};
use super::copilot::HostCopilot;
use super::layer::{HostLayer, HostLinear, HostLora, norm};
use super::run::Run;
use super::slice::{Matrix, Weight};
use super::turns::Turns;
use super::{Decode, KvCache, KvPrefix, Work};
use crate::{Decoder, ModelConfig, ModelError};
use rayon::prelude::*;
use refire_objective::Dtype;

/// Networks smaller than this run whole on each thread, with different sequences; larger ones
/// share every product among the threads, so that weights are read once.
const SMALL_PARAMETERS: usize = 2_000_000;

/// Work whose caches are on the CPU.
pub(super) struct HostWork<'a> {
    pub(super) tokens: &'a [u32],
    pub(super) cache: Blocks<'a>,
    pub(super) logits: &'a mut [f32],
}

/// Generates from a decoder's weights on the CPU.
///
/// The weights are not copied where they live in CPU memory; drop this before they are updated.
/// Weights in 4 bits are made whole, and those of a network that rounds
/// ([`Decoder::with_rounding`]) are rounded, once and in memory of their own.
///
/// Where frequencies depend on a row's length ([`RopeScaling::LongRope`](crate::RopeScaling)), a
/// sequence that grows across the border is read again from its first token, as transformers does:
/// its logits are always those of the whole row read at once. A prefix that it shared has to be
/// its own from then on, and takes memory of its own.
///
/// ```
/// use burn::tensor::Device;
/// use refire_model::{Decode, Decoder, HostDecoder, TinyLlama, Work};
/// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
/// let host = HostDecoder::new(&decoder)?;
/// let (mut cache, mut logits) = (host.cache(None, 8), vec![0.0; host.vocab()]);
/// host.forward(&mut [Work { tokens: &[1, 2], cache: &mut cache, logits: &mut logits }])?;
/// assert_eq!(cache.len(), 2);
/// # Ok::<(), refire_model::ModelError>(())
/// ```
pub struct HostDecoder {
    pub(super) config: ModelConfig,
    pub(super) embedding: Matrix,
    pub(super) layers: Vec<HostLayer>,
    pub(super) norm: Weight,
    pub(super) embedding_lora: Option<HostLora>,
    pub(super) head: Option<HostLinear>,
    pub(super) copilot: Option<HostCopilot>,
    pub(super) turns: Turns,
    parameters: usize,
}

impl std::fmt::Debug for HostDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostDecoder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl HostDecoder {
    /// Takes handles on a decoder's weights.
    ///
    /// # Errors
    /// When a tensor can't be read from its device.
    pub fn new(decoder: &Decoder) -> Result<Self, ModelError> {
        Self::stored(decoder, Dtype::F32)
    }

    /// The same with matrices stored as `dtype`: bfloat16 takes half of the memory's time per
    /// token, and memory of its own beside the learner's weights. Sums are made in f32. What comes
    /// out differs from the learner by the rounding of weights; in f32 only by the order of sums.
    ///
    /// # Errors
    /// When a tensor can't be read from its device, and for half precision.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use refire_model::{Decoder, HostDecoder, TinyLlama};
    /// use refire_objective::Dtype;
    /// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    /// let host = HostDecoder::stored(&decoder, Dtype::Bf16)?;
    /// # Ok::<(), refire_model::ModelError>(())
    /// ```
    pub fn stored(decoder: &Decoder, dtype: Dtype) -> Result<Self, ModelError> {
        let config = decoder.config.clone();
        let (ropes, rope_of) = config.ropes();
        let parts = decoder.model.layers.iter().zip(&config.layers).zip(rope_of);
        let layers =
            parts.map(|((layer, spec), rope)| HostLayer::new(layer, spec, rope, &config, dtype));
        Ok(Self {
            embedding: Matrix::new("embed_tokens", decoder.model.embed_tokens.weight.val(), dtype)?,
            layers: layers.collect::<Result<_, ModelError>>()?,
            norm: norm(&decoder.model.norm)?,
            embedding_lora: HostLora::of_embedding(&decoder.model.embed_tokens)?,
            head: match &decoder.lm_head {
                Some(head) => Some(HostLinear::new("lm_head", head, dtype)?),
                None => None,
            },
            copilot: decoder.copilot.as_deref().map(HostCopilot::new).transpose()?,
            turns: Turns::new(&ropes, &config),
            parameters: config.parameters(),
            config,
        })
    }

    /// Empties the caches of sequences that are about to have other frequencies, and gives all
    /// their tokens.
    fn start_again(&self, work: &mut [Work<'_>]) -> Vec<Option<Vec<u32>>> {
        let c = &self.config;
        let [_, width] = c.projection_widths();
        let again = work.iter_mut().map(|item| {
            let before = item.cache.len();
            self.turns.crosses(before, before + item.tokens.len()).then(|| {
                let mut tokens = item.cache.start_again(c.layers.len(), width);
                tokens.extend_from_slice(item.tokens);
                tokens
            })
        });
        again.collect()
    }

    fn run_all(&self, work: &mut [HostWork<'_>]) {
        if self.parameters < SMALL_PARAMETERS && work.len() > 1 {
            let part = work.len().div_ceil(rayon::current_num_threads());
            work.par_chunks_mut(part).for_each(|part| Run::new(self, part, false).forward(part));
        } else {
            // As one of the pool's threads, which hand parts to each other without sleeping.
            rayon::scope(|_| Run::new(self, work, true).forward(work));
        }
    }
}

impl Decode for HostDecoder {
    fn vocab(&self) -> usize {
        self.config.vocab_size
    }

    fn context(&self) -> usize {
        self.config.max_position_embeddings
    }

    fn cache_bytes_per_token(&self) -> usize {
        let [_, width] = self.config.projection_widths();
        2 * size_of::<f32>() * self.layers.len() * width
    }

    fn keeps_caches(&self) -> bool {
        true
    }

    fn cache(&self, prefix: Option<KvPrefix>, capacity: usize) -> KvCache {
        let [_, width] = self.config.projection_widths();
        KvCache::host(self.layers.len(), width, prefix, capacity)
    }

    fn forward(&self, work: &mut [Work<'_>]) -> Result<(), ModelError> {
        check(&self.config, work)?;
        if work.is_empty() {
            return Ok(());
        }
        // Before any cache is touched.
        if work.iter_mut().any(|item| item.cache.blocks().is_none()) {
            return Err(FOREIGN);
        }
        let again = match self.turns.has_border() {
            true => self.start_again(work),
            false => work.iter().map(|_| None).collect(),
        };
        let items = work.iter_mut().zip(&again).map(|(item, again)| {
            let tokens = again.as_deref().unwrap_or(item.tokens);
            let cache = item.cache.blocks().ok_or(FOREIGN)?;
            Ok(HostWork { tokens, cache, logits: item.logits })
        });
        let mut items: Vec<HostWork<'_>> = items.collect::<Result<_, ModelError>>()?;
        self.run_all(&mut items);
        if self.turns.has_border() {
            for item in items {
                item.cache.own.tokens.extend_from_slice(item.tokens);
            }
        }
        Ok(())
    }
}
