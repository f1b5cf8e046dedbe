use super::attend::Attend;
use super::kernel::{add, linear, rms_norm, swiglu};
use super::slice::Weight;
use super::{Decode, KvCache, KvPrefix, Work};
use crate::{Decoder, Linear, ModelConfig, ModelError, RmsNorm};
use pulp::Arch;
use rayon::prelude::*;

/// Networks smaller than this run whole on each thread, with different sequences; larger ones
/// share every product among the threads, so that weights are read once.
const SMALL_PARAMETERS: usize = 2_000_000;

/// Generates from a decoder's weights on the CPU.
///
/// The weights are not copied where they live in CPU memory; drop this before they are updated.
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
    config: ModelConfig,
    embedding: Weight,
    layers: Vec<HostLayer>,
    norm: Weight,
    head: Option<Weight>,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

struct HostLinear {
    weight: Weight,
    bias: Option<Weight>,
    rows: usize,
}

struct HostLayer {
    attention_norm: Weight,
    q: HostLinear,
    k: HostLinear,
    v: HostLinear,
    o: HostLinear,
    mlp_norm: Weight,
    gate: HostLinear,
    up: HostLinear,
    down: HostLinear,
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
        let config = decoder.config.clone();
        let positions: Vec<usize> = (0..config.max_position_embeddings).collect();
        let (cos, sin) = config.rope.tables(config.head_dim, &positions);
        let layers = decoder.model.layers.iter().map(|layer| {
            let (attention, mlp) = (&layer.self_attn, &layer.mlp);
            Ok(HostLayer {
                attention_norm: norm(&layer.input_layernorm)?,
                q: HostLinear::new("q_proj", &attention.q_proj)?,
                k: HostLinear::new("k_proj", &attention.k_proj)?,
                v: HostLinear::new("v_proj", &attention.v_proj)?,
                o: HostLinear::new("o_proj", &attention.o_proj)?,
                mlp_norm: norm(&layer.post_attention_layernorm)?,
                gate: HostLinear::new("gate_proj", &mlp.gate_proj)?,
                up: HostLinear::new("up_proj", &mlp.up_proj)?,
                down: HostLinear::new("down_proj", &mlp.down_proj)?,
            })
        });
        Ok(Self {
            embedding: Weight::new("embed_tokens", decoder.model.embed_tokens.weight.val())?,
            layers: layers.collect::<Result<_, ModelError>>()?,
            norm: norm(&decoder.model.norm)?,
            head: match &decoder.lm_head {
                Some(head) => Some(Weight::new("lm_head", head.weight.val())?),
                None => None,
            },
            config,
            cos,
            sin,
        })
    }

    fn check(&self, work: &[Work<'_>]) -> Result<(), ModelError> {
        for (row, item) in work.iter().enumerate() {
            let (cache, rows) = (&item.cache, self.config.vocab_size);
            let tokens = cache.len() + item.tokens.len();
            let room = cache.prefix_len() + cache.capacity();
            let context = room.min(self.config.max_position_embeddings);
            if tokens > context || item.tokens.is_empty() {
                return Err(ModelError::ContextLength { row, tokens, context });
            }
            if let Some(token) = item.tokens.iter().find(|t| **t as usize >= rows) {
                return Err(ModelError::TokenId { token: *token, row, rows });
            }
        }
        Ok(())
    }

    fn run(&self, work: &mut [Work<'_>], parallel: bool) {
        let c = &self.config;
        let m = work.iter().map(|w| w.tokens.len()).sum();
        let mut run = Run::new(c, m, parallel);
        let embedding = self.embedding.get();
        let tokens = work.iter().flat_map(|w| w.tokens);
        for (x, token) in run.x.chunks_exact_mut(c.hidden_size).zip(tokens) {
            x.copy_from_slice(&embedding[*token as usize * c.hidden_size..][..c.hidden_size]);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            self.attention(index, layer, work, &mut run);
            run.mlp(layer, c);
        }
        self.logits(work, &mut run);
        for item in work {
            item.cache.own.len += item.tokens.len();
        }
    }

    fn attention(&self, index: usize, layer: &HostLayer, work: &mut [Work<'_>], run: &mut Run) {
        let c = &self.config;
        rms_norm(&run.x, layer.attention_norm.get(), c.rms_norm_eps as f32, &mut run.normed);
        let mut product = |linear: &HostLinear, y: &mut Vec<f32>| {
            linear.apply(&run.normed, y, run.m, &mut run.turned, run.parallel);
        };
        product(&layer.q, &mut run.q);
        product(&layer.k, &mut run.k);
        product(&layer.v, &mut run.v);
        let (q_width, kv_width) = (layer.q.rows, layer.k.rows);
        let scale = (c.head_dim as f32).sqrt().recip();
        // Keys and values go into the caches first: a prompt's tokens see one another.
        let mut row = 0;
        for item in work.iter_mut() {
            let cache = &mut *item.cache;
            let start = cache.len();
            for i in 0..item.tokens.len() {
                let q = &mut run.q[row * q_width..][..q_width];
                self.rotate(q, start + i);
                q.iter_mut().for_each(|q| *q *= scale);
                let k = &mut run.k[row * kv_width..][..kv_width];
                self.rotate(k, start + i);
                let at = cache.own.at(index, cache.own.len + i);
                cache.own.keys[at..at + kv_width].copy_from_slice(k);
                cache.own.values[at..at + kv_width]
                    .copy_from_slice(&run.v[row * kv_width..][..kv_width]);
                row += 1;
            }
        }
        let mut sights = Vec::with_capacity(run.m);
        for item in work.iter() {
            let own = item.cache.own.len;
            sights.extend((1..=item.tokens.len()).map(|i| (&*item.cache, own + i)));
        }
        let attend =
            |scores: &mut Vec<f32>, out: &mut [f32], query: &[f32], sight: (&KvCache, usize)| {
                Arch::new().dispatch(Attend {
                    query,
                    cache: sight.0,
                    layer: index,
                    own: sight.1,
                    head_dim: c.head_dim,
                    groups: c.num_attention_heads / c.num_key_value_heads,
                    out,
                    scores,
                });
            };
        if run.parallel {
            let rows = run.mixed.par_chunks_mut(q_width).zip(run.q.par_chunks(q_width));
            rows.zip(&sights).for_each_init(Vec::new, |scores, ((out, query), sight)| {
                attend(scores, out, query, *sight);
            });
        } else {
            let rows = run.mixed.chunks_mut(q_width).zip(run.q.chunks(q_width));
            rows.zip(&sights).for_each(|((out, query), sight)| {
                attend(&mut run.scores, out, query, *sight);
            });
        }
        layer.o.apply(&run.mixed, &mut run.delta, run.m, &mut run.turned, run.parallel);
        add(&mut run.x, &run.delta);
    }

    fn rotate(&self, heads: &mut [f32], position: usize) {
        let half = self.config.head_dim / 2;
        let cos = &self.cos[position * half..][..half];
        let sin = &self.sin[position * half..][..half];
        for head in heads.chunks_exact_mut(2 * half) {
            let (low, high) = head.split_at_mut(half);
            for i in 0..half {
                let (a, b) = (low[i], high[i]);
                low[i] = a * cos[i] - b * sin[i];
                high[i] = b * cos[i] + a * sin[i];
            }
        }
    }

    fn logits(&self, work: &mut [Work<'_>], run: &mut Run) {
        let (h, vocab) = (self.config.hidden_size, self.config.vocab_size);
        let mut last = Vec::with_capacity(work.len() * h);
        let mut row = 0;
        for item in work.iter() {
            row += item.tokens.len();
            last.extend_from_slice(&run.x[(row - 1) * h..row * h]);
        }
        let mut normed = vec![0.0; last.len()];
        rms_norm(&last, self.norm.get(), self.config.rms_norm_eps as f32, &mut normed);
        let weight = self.head.as_ref().unwrap_or(&self.embedding).get();
        let shape = [work.len(), vocab, h];
        let mut logits = vec![0.0; work.len() * vocab];
        linear(&normed, weight, None, &mut logits, shape, &mut run.turned, run.parallel);
        for (item, logits) in work.iter_mut().zip(logits.chunks_exact(vocab)) {
            item.logits.copy_from_slice(logits);
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
        let c = &self.config;
        2 * size_of::<f32>() * c.num_hidden_layers * c.num_key_value_heads * c.head_dim
    }

    fn cache(&self, prefix: Option<KvPrefix>, capacity: usize) -> KvCache {
        let c = &self.config;
        KvCache::new(c.num_hidden_layers, c.num_key_value_heads * c.head_dim, prefix, capacity)
    }

    fn forward(&self, work: &mut [Work<'_>]) -> Result<(), ModelError> {
        self.check(work)?;
        if work.is_empty() {
            return Ok(());
        }
        let threads = rayon::current_num_threads();
        if self.config.parameters() < SMALL_PARAMETERS && work.len() > 1 {
            let part = work.len().div_ceil(threads);
            work.par_chunks_mut(part).for_each(|part| self.run(part, false));
        } else {
            self.run(work, true);
        }
        Ok(())
    }
}

impl HostLinear {
    fn new(what: &str, linear: &Linear) -> Result<Self, ModelError> {
        let bias = match &linear.bias {
            Some(bias) => Some(Weight::new(what, bias.val())?),
            None => None,
        };
        let rows = linear.weight.val().dims()[0];
        Ok(Self { weight: Weight::new(what, linear.weight.val())?, bias, rows })
    }

    fn apply(&self, x: &[f32], y: &mut Vec<f32>, m: usize, turned: &mut Vec<f32>, parallel: bool) {
        y.resize(m * self.rows, 0.0);
        let bias = self.bias.as_ref().map(Weight::get);
        let shape = [m, self.rows, x.len() / m.max(1)];
        linear(x, self.weight.get(), bias, y, shape, turned, parallel);
    }
}

fn norm(norm: &RmsNorm) -> Result<Weight, ModelError> {
    Weight::new("a norm", norm.weight.val())
}

/// Buffers of one call.
struct Run {
    m: usize,
    parallel: bool,
    x: Vec<f32>,
    normed: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    mixed: Vec<f32>,
    delta: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    turned: Vec<f32>,
    scores: Vec<f32>,
}

impl Run {
    fn new(c: &ModelConfig, m: usize, parallel: bool) -> Self {
        let rows = |width: usize| vec![0.0; m * width];
        Self {
            m,
            parallel,
            x: rows(c.hidden_size),
            normed: rows(c.hidden_size),
            mixed: rows(c.num_attention_heads * c.head_dim),
            q: Vec::new(),
            k: Vec::new(),
            v: Vec::new(),
            delta: Vec::new(),
            gate: Vec::new(),
            up: Vec::new(),
            turned: Vec::new(),
            scores: Vec::new(),
        }
    }

    fn mlp(&mut self, layer: &HostLayer, c: &ModelConfig) {
        rms_norm(&self.x, layer.mlp_norm.get(), c.rms_norm_eps as f32, &mut self.normed);
        layer.gate.apply(&self.normed, &mut self.gate, self.m, &mut self.turned, self.parallel);
        layer.up.apply(&self.normed, &mut self.up, self.m, &mut self.turned, self.parallel);
        swiglu(&mut self.gate, &self.up);
        layer.down.apply(&self.gate, &mut self.delta, self.m, &mut self.turned, self.parallel);
        add(&mut self.x, &self.delta);
    }
}
