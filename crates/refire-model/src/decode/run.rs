//! One call of the decoder: all new tokens of all sequences through all layers.

use super::attend::Attend;
use super::cache::Blocks;
use super::host::{HostDecoder, HostWork};
use super::kernel::{add, add_to, gated, linear, rms_norm, rms_norm_in_place, soft_cap};
use super::layer::{HostGated, HostLayer, HostLinear, HostMlp, LoraRows};
use super::product::{Job, Map, PARALLEL, Values, products};
use super::slice::Weight;
use super::turns::Table;
use crate::nn::{router_weights, softmax};
use crate::{ModelConfig, MoeSpec};
use pulp::Arch;
use rayon::prelude::*;

/// Buffers of one call, `[tokens, width]` each.
pub(super) struct Run<'a> {
    host: &'a HostDecoder,
    config: &'a ModelConfig,
    tables: Vec<Table>,
    eps: f32,
    x: Vec<f32>,
    normed: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    mixed: Vec<f32>,
    delta: Vec<f32>,
    scratch: Scratch,
}

/// Buffers of products.
struct Scratch {
    parallel: bool,
    gate: Vec<f32>,
    up: Vec<f32>,
    scores: Vec<f32>,
    /// Inputs and outputs of one expert.
    sent: Vec<f32>,
    returned: Vec<f32>,
    /// What an adapter's two products give.
    thin: Vec<f32>,
    adapted: Vec<f32>,
    /// Inputs as a network that rounds reads them.
    rounded: Vec<f32>,
}

impl<'a> Run<'a> {
    pub(super) fn new(host: &'a HostDecoder, work: &[HostWork<'_>], parallel: bool) -> Self {
        let config = &host.config;
        let m: usize = work.iter().map(|w| w.tokens.len()).sum();
        let [q_width, _] = config.projection_widths();
        Self {
            host,
            config,
            tables: host.turns.tables(work),
            eps: config.rms_norm_eps as f32,
            x: vec![0.0; m * config.hidden_size],
            normed: vec![0.0; m * config.hidden_size],
            mixed: vec![0.0; m * q_width],
            q: Vec::new(),
            k: Vec::new(),
            v: Vec::new(),
            delta: Vec::new(),
            scratch: Scratch {
                parallel,
                gate: Vec::new(),
                up: Vec::new(),
                scores: Vec::new(),
                sent: Vec::new(),
                returned: Vec::new(),
                thin: Vec::new(),
                adapted: Vec::new(),
                rounded: Vec::new(),
            },
        }
    }

    pub(super) fn forward(mut self, work: &mut [HostWork<'_>]) {
        self.embed(work);
        for (index, layer) in self.host.layers.iter().enumerate() {
            self.normalize(&layer.before_attention);
            self.project(layer);
            self.remember(index, layer, work);
            self.attend(index, layer, work);
            let (scratch, o) = (&mut self.scratch, &layer.o);
            scratch.apply(o, &self.mixed, &mut self.delta);
            self.join(&layer.after_attention);
            self.normalize(&layer.before_mlp);
            self.mlp(layer);
            self.join(&layer.after_mlp);
        }
        self.logits(work);
        for item in work {
            item.cache.own.len += item.tokens.len();
        }
    }

    fn embed(&mut self, work: &[HostWork<'_>]) {
        let (width, scale) = (self.config.hidden_size, self.config.embedding_scale as f32);
        let embedding = self.host.embedding.get();
        let tokens = work.iter().flat_map(|w| w.tokens);
        for (x, token) in self.x.chunks_exact_mut(width).zip(tokens) {
            embedding.part(*token as usize * width, width).copy_to(x);
            if let Some(lora) = &self.host.embedding_lora {
                lora.add_column(*token as usize, x);
            }
            if scale != 1.0 {
                x.iter_mut().for_each(|x| *x *= scale);
            }
        }
    }

    /// What the next part reads: the residual stream, normalised where there is a norm.
    fn normalize(&mut self, norm: &Option<Weight>) {
        match norm {
            Some(norm) => rms_norm(&self.x, norm.get(), self.eps, &mut self.normed),
            None => self.normed.copy_from_slice(&self.x),
        }
    }

    /// Adds what a part gave, normalised where there is a norm, to the residual stream.
    fn join(&mut self, norm: &Option<Weight>) {
        if let Some(norm) = norm {
            rms_norm_in_place(&mut self.delta, norm.get(), self.eps);
        }
        add(&mut self.x, &self.delta);
    }

    fn project(&mut self, layer: &HostLayer) {
        let outputs = [&mut self.q, &mut self.k, &mut self.v];
        self.scratch.apply_all(layer.qkv.each_ref(), &self.normed, outputs);
        // A norm as wide as a head is one of each head.
        for (norm, values) in [(&layer.q_norm, &mut self.q), (&layer.k_norm, &mut self.k)] {
            if let Some(norm) = norm {
                rms_norm_in_place(values, norm.get(), self.eps);
            }
        }
    }

    /// Rotates queries and keys, and puts keys and values into the caches: a prompt's tokens see
    /// one another.
    fn remember(&mut self, index: usize, layer: &HostLayer, work: &mut [HostWork<'_>]) {
        let [q_width, kv_width] = self.config.projection_widths();
        let (head_dim, scale) = (self.config.head_dim, self.config.attention.scale as f32);
        let table = layer.rope.map(|rope| &self.tables[rope]);
        let mut row = 0;
        for item in work.iter_mut() {
            let cache = &mut item.cache;
            for i in 0..item.tokens.len() {
                let q = &mut self.q[row * q_width..][..q_width];
                let k = &mut self.k[row * kv_width..][..kv_width];
                if let Some(table) = table {
                    table.rotate(q, head_dim, row);
                    table.rotate(k, head_dim, row);
                }
                q.iter_mut().for_each(|q| *q *= scale);
                let at = cache.own.at(index, cache.own.len + i);
                cache.own.keys[at..at + kv_width].copy_from_slice(k);
                let v = &self.v[row * kv_width..][..kv_width];
                cache.own.values[at..at + kv_width].copy_from_slice(v);
                row += 1;
            }
        }
    }

    fn attend(&mut self, index: usize, layer: &HostLayer, work: &[HostWork<'_>]) {
        let c = self.config;
        let heads = c.num_key_value_heads;
        let width = c.num_attention_heads / heads * c.head_dim;
        let mut sights: Vec<(&Blocks<'_>, usize)> =
            Vec::with_capacity(self.x.len() / c.hidden_size);
        for item in work {
            let own = item.cache.own.len;
            sights.extend((1..=item.tokens.len()).map(|i| (&item.cache, own + i)));
        }
        let attend = |scores: &mut Vec<f32>, task: usize, out: &mut [f32], query: &[f32]| {
            let (cache, own) = sights[task / heads];
            let seen = cache.prefix_len() + own;
            Arch::new().dispatch(Attend {
                query,
                cache,
                layer: index,
                head: task % heads,
                own,
                first: layer.window.map_or(0, |window| seen.saturating_sub(window)),
                softcap: c.attention.softcap.map(|cap| cap as f32),
                head_dim: c.head_dim,
                out,
                scores,
            });
        };
        if self.scratch.parallel {
            let longest = sights.iter().map(|(cache, own)| cache.prefix_len() + own).max();
            let work = 2 * width * longest.unwrap_or(1).max(1);
            let tasks = self.mixed.par_chunks_mut(width).zip(self.q.par_chunks(width));
            tasks.enumerate().with_min_len(PARALLEL.div_ceil(work)).for_each_init(
                Vec::new,
                |scores, (task, (out, query))| {
                    attend(scores, task, out, query);
                },
            );
        } else {
            let tasks = self.mixed.chunks_mut(width).zip(self.q.chunks(width));
            tasks.enumerate().for_each(|(task, (out, query))| {
                attend(&mut self.scratch.scores, task, out, query);
            });
        }
    }

    fn mlp(&mut self, layer: &HostLayer) {
        match &layer.mlp {
            HostMlp::Dense(maps) => {
                self.scratch.gated(maps, &self.normed, &mut self.delta, self.config);
            }
            HostMlp::Experts { router, experts, spec } => self.experts(router, experts, spec),
        }
    }

    /// Each expert reads the tokens that were sent to it. What a token gets back is added up in
    /// the order of experts, so that it doesn't depend on the other tokens.
    fn experts(&mut self, router: &HostLinear, experts: &[HostGated], spec: &MoeSpec) {
        let width = self.config.hidden_size;
        let mut probabilities = Vec::new();
        self.scratch.apply(router, &self.normed, &mut probabilities);
        let mut sent: Vec<Vec<(usize, f32)>> = vec![Vec::new(); spec.experts];
        for (row, probabilities) in probabilities.chunks_exact_mut(spec.experts).enumerate() {
            softmax(probabilities);
            for (expert, weight) in router_weights(probabilities, spec.active, spec.normalize) {
                sent[expert].push((row, weight));
            }
        }
        self.delta.clear();
        self.delta.resize(self.x.len(), 0.0);
        let mut input = std::mem::take(&mut self.scratch.sent);
        let mut output = std::mem::take(&mut self.scratch.returned);
        for (maps, rows) in experts.iter().zip(&sent).filter(|(_, rows)| !rows.is_empty()) {
            input.clear();
            for (row, _) in rows {
                input.extend_from_slice(&self.normed[row * width..][..width]);
            }
            self.scratch.gated(maps, &input, &mut output, self.config);
            for ((row, weight), output) in rows.iter().zip(output.chunks_exact(width)) {
                add_to(&mut self.delta[row * width..][..width], output, *weight);
            }
        }
        (self.scratch.sent, self.scratch.returned) = (input, output);
    }

    fn logits(&mut self, work: &mut [HostWork<'_>]) {
        let h = self.config.hidden_size;
        let mut last = Vec::with_capacity(work.len() * h);
        let mut row = 0;
        for item in work.iter() {
            row += item.tokens.len();
            last.extend_from_slice(&self.x[(row - 1) * h..row * h]);
        }
        let mut normed = vec![0.0; last.len()];
        rms_norm(&last, self.host.norm.get(), self.eps, &mut normed);
        let tied = || Map { weight: self.host.embedding.get(), bias: None };
        let head = self.host.head.as_ref();
        let map = head.map_or_else(tied, HostLinear::map);
        let parallel = self.scratch.parallel;
        let rows = work.iter_mut().map(|item| &mut *item.logits).collect();
        products(&normed, h, [(Job { map, gate: None }, rows)], parallel);
        if let Some(lora) = head.and_then(HostLinear::lora) {
            let shape = [work.len(), self.config.vocab_size, h];
            let rows = work.iter_mut().map(|item| &mut *item.logits);
            self.scratch.adapt(&lora, &normed, rows, shape);
        }
        if let Some(cap) = self.config.final_softcap {
            work.iter_mut().for_each(|item| soft_cap(item.logits, cap as f32));
        }
        if let Some(copilot) = &self.host.copilot {
            let rows = work.iter_mut().map(|item| &mut *item.logits);
            copilot.rectify(&normed, rows, self.config.vocab_size, parallel);
        }
    }
}

impl Scratch {
    /// `y = x W^T + b`.
    fn apply(&mut self, map: &HostLinear, x: &[f32], y: &mut Vec<f32>) {
        self.apply_all([map], x, [y]);
    }

    /// The same for several maps of one input at once, which round it alike if they do.
    fn apply_all<const N: usize>(
        &mut self,
        maps: [&HostLinear; N],
        x: &[f32],
        mut outputs: [&mut Vec<f32>; N],
    ) {
        let columns = maps.first().map_or(1, |map| map.columns);
        let m = x.len() / columns.max(1);
        let mut rounded = std::mem::take(&mut self.rounded);
        let x = match maps.first().and_then(|map| map.rounding()) {
            Some(rounding) => {
                rounding.inputs(x, columns, &mut rounded);
                &rounded
            }
            None => x,
        };
        let jobs = maps.iter().zip(&mut outputs).map(|(map, y)| {
            y.resize(m * map.rows, 0.0);
            // What an adapter scales is the product without the bias.
            let bias = map.bias().filter(|_| map.lora().is_none());
            (Job::plain(map.weight(), bias), y.chunks_exact_mut(map.rows.max(1)).collect())
        });
        products(x, columns, jobs, self.parallel);
        for (map, y) in maps.into_iter().zip(outputs) {
            let Some(lora) = map.lora() else { continue };
            self.adapt(&lora, x, y.chunks_exact_mut(map.rows), [m, map.rows, columns]);
            if let Some(bias) = map.bias() {
                y.chunks_exact_mut(map.rows).for_each(|row| add(row, bias));
            }
        }
        self.rounded = rounded;
    }

    /// `y = c (y + s B A x)`, row by row of `y`.
    fn adapt<'y>(
        &mut self,
        lora: &LoraRows<'_>,
        x: &[f32],
        y: impl Iterator<Item = &'y mut [f32]>,
        [m, n, k]: [usize; 3],
    ) {
        let (mut thin, mut delta) =
            (std::mem::take(&mut self.thin), std::mem::take(&mut self.adapted));
        thin.resize(m * lora.rank, 0.0);
        delta.resize(m * n, 0.0);
        let (a, b, parallel) = (Values::F32(lora.a), Values::F32(lora.b), self.parallel);
        linear(x, a, None, &mut thin, [lora.rank, k], parallel);
        linear(&thin, b, None, &mut delta, [n, lora.rank], parallel);
        for (y, delta) in y.zip(delta.chunks_exact(n.max(1))) {
            add_to(y, delta, lora.scale);
            if let Some(factors) = lora.factors {
                y.iter_mut().zip(factors).for_each(|(y, c)| *y *= c);
            }
        }
        (self.thin, self.adapted) = (thin, delta);
    }

    fn gated(&mut self, maps: &HostGated, x: &[f32], y: &mut Vec<f32>, config: &ModelConfig) {
        let (mut gate, mut up) = (std::mem::take(&mut self.gate), std::mem::take(&mut self.up));
        let both = [&maps.gate, &maps.up];
        if both.iter().any(|map| map.lora().is_some() || map.rounding().is_some()) {
            self.apply_all(both, x, [&mut gate, &mut up]);
            gated(&mut gate, &up, config.activation);
        } else {
            let [first, second] = both.map(HostLinear::map);
            let job = Job { map: first, gate: Some((second, config.activation)) };
            gate.resize(x.len() / maps.gate.columns.max(1) * maps.gate.rows, 0.0);
            let rows = gate.chunks_exact_mut(maps.gate.rows.max(1)).collect();
            products(x, maps.gate.columns, [(job, rows)], self.parallel);
        }
        self.apply(&maps.down, &gate, y);
        (self.gate, self.up) = (gate, up);
    }
}
