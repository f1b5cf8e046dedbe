//! Beam search.

use super::LocalEngine;
use super::plan::Plan;
use super::pool::Pool;
use crate::processor::LogSoftmax;
use crate::softmax::Softmax;
use crate::{Chain, Constraint, LogitsProcessor, SampleError, Scratch, TokenContext};
use refire_core::{Author, Completion, CoreError, Finish, Request, Turn};
use refire_model::{Decode, KvCache, KvPrefix, Work};
use serde::{Deserialize, Serialize};

/// How [`LocalEngine::beam_search`] searches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BeamSearch {
    /// Hypotheses that are gone on with.
    pub beams: usize,
    /// Completions wanted, at most `beams`.
    pub keep: usize,
    /// A score is the sum of log-probabilities over `tokens^length_penalty`: above 0 favours long
    /// completions, below 0 short ones.
    pub length_penalty: f64,
    /// When to stop.
    pub early_stopping: EarlyStopping,
}

/// When a beam search stops before its length limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EarlyStopping {
    /// When as many completions have ended as there are beams.
    WhenFull,
    /// When the best beam, at its present length, can't beat the worst that ended.
    #[default]
    Heuristic,
    /// When no beam can beat the worst that ended at any length.
    Never,
}

impl Default for BeamSearch {
    /// 4 beams, one completion, and transformers' defaults for the rest (1.0, heuristic).
    fn default() -> Self {
        Self { beams: 4, keep: 1, length_penalty: 1.0, early_stopping: EarlyStopping::default() }
    }
}

/// A completion that a beam search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Beam {
    /// The completion; nothing was drawn, so its behaviour log-probabilities are 0.
    pub completion: Completion,
    /// Sum of its log-probabilities after all processors, over its length to the penalty.
    pub score: f64,
}

/// A beginning that is gone on with.
#[derive(Debug)]
struct Hypothesis {
    tokens: Vec<u32>,
    logprobs: Vec<f32>,
    sum: f64,
    cache: KvCache,
    unread: Vec<u32>,
    logits: Vec<f32>,
}

/// One more token for a hypothesis.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    parent: usize,
    token: u32,
    sum: f64,
    logprob: f32,
}

struct Search<'a> {
    plan: &'a Plan,
    prompt: &'a [u32],
    settings: BeamSearch,
    chain: Chain,
    constraint: Option<Box<dyn Constraint>>,
    ended: Vec<(f64, Vec<u32>, Vec<f32>)>,
    scratch: Scratch,
    scores: Vec<f32>,
}

impl LocalEngine {
    /// The likeliest completions by beam search, best first, as transformers' `generate` with
    /// `num_beams` finds them: of the `2 beams` best continuations (more with several end tokens)
    /// those that end among the first `beams` are set aside, the others go on.
    ///
    /// Processors act on log-probabilities that are not normalised again, as there. The request
    /// must be greedy (`temperature` 0) and single-turn: stop texts, budgets, blends and completions
    /// to go on from are refused. `n` plays no part. A beam that branches reads its completion again
    /// for the second branch, since caches can't be copied.
    ///
    /// ```
    /// # use burn::tensor::Device;
    /// # use refire_core::{BoxError, Prompt, Request, SamplingParams};
    /// # use refire_model::{Decoder, Learner, LearnerConfig, TinyLlama};
    /// # use refire_sample::{BeamSearch, Detokenize, EngineConfig, LocalEngine};
    /// # struct Letters;
    /// # impl Detokenize for Letters {
    /// #     fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
    /// #         Ok(tokens.iter().filter_map(|t| char::from_u32(*t)).collect())
    /// #     }
    /// #     fn end_tokens(&self) -> &[u32] {
    /// #         &[0]
    /// #     }
    /// # }
    /// # let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    /// # let learner = Learner::new(decoder, LearnerConfig::default());
    /// # let codec = std::sync::Arc::new(Letters);
    /// let mut engine = LocalEngine::new(learner.handle(), codec, EngineConfig::default())?;
    /// let prompt = Prompt { tokens: vec![1, 2], ..Default::default() };
    /// let request = Request { prompt, n: 1, params: SamplingParams::greedy(6), ..Default::default() };
    /// let beams = engine.beam_search(&request, &BeamSearch { keep: 2, ..Default::default() })?;
    /// assert!(beams.len() == 2 && beams[0].score >= beams[1].score);
    /// # Ok::<(), BoxError>(())
    /// ```
    ///
    /// # Errors
    /// For requests that can't be served, for beams that need more cache than `max_cache_tokens`, and
    /// for a guide that leaves no token.
    pub fn beam_search(
        &mut self,
        request: &Request,
        settings: &BeamSearch,
    ) -> Result<Vec<Beam>, SampleError> {
        check(request, settings)?;
        let (plans, _) = self.plan(std::slice::from_ref(request))?;
        let plan = &plans[0];
        self.check_beams(request, plan, settings.beams)?;
        self.reserve(plan.limit);
        let decoder = self.decoder.as_deref().ok_or(SampleError::NoWeights)?;
        let mut chain = Chain::new(&plan.params, &plan.ends);
        if let Some(make) = &self.processors {
            make(request, 0).into_iter().for_each(|processor| chain.push(processor));
        }
        let mut search = Search {
            plan,
            prompt: &request.prompt.tokens,
            settings: *settings,
            chain,
            constraint: plan.constraint(request.id, self.guides.as_deref())?,
            ended: Vec::new(),
            scratch: Scratch::default(),
            scores: Vec::new(),
        };
        search.run(decoder, &mut self.pool, request.id)?;
        let version = u32::try_from(self.version);
        let version = version.map_err(|_| SampleError::Version { version: self.version })?;
        let ended = search.ended.into_iter().take(settings.keep);
        let beams = ended.map(|(score, tokens, logprobs)| {
            let completion = self.finished(request, plan, tokens, logprobs, version)?;
            Ok(Beam { completion, score })
        });
        beams.collect()
    }

    fn finished(
        &self,
        request: &Request,
        plan: &Plan,
        tokens: Vec<u32>,
        model_logprobs: Vec<f32>,
        version: u32,
    ) -> Result<Completion, SampleError> {
        let last = tokens.last().copied().filter(|token| plan.ends.contains(token));
        let finish = last.map_or(Finish::Length, |token| Finish::EndToken { token });
        let end = tokens.len();
        let spoken = &tokens[..end - usize::from(last.is_some())];
        let text = self.codec.text(spoken).map_err(|source| {
            let (request, sample) = (request.id, 0);
            SampleError::Text { request, sample, source }
        })?;
        let turn = Turn { author: Author::Policy, start: 0, end, text: text.clone() };
        let versions = vec![version; end];
        let turns = vec![turn];
        Ok(Completion {
            model_logprobs,
            versions,
            turns,
            text,
            finish,
            ..Completion::given(tokens)
        })
    }
}

fn check(request: &Request, settings: &BeamSearch) -> Result<(), SampleError> {
    let wrong = |field, value: String, expected| {
        let source = CoreError::OutOfRange { field, value, expected };
        Err(SampleError::Params { request: request.id, source })
    };
    let BeamSearch { beams, keep, length_penalty, .. } = settings;
    if *beams == 0 {
        return wrong("beams", beams.to_string(), "at least 1");
    }
    if *keep == 0 || keep > beams {
        return wrong("keep", keep.to_string(), "from 1 to `beams`");
    }
    if !length_penalty.is_finite() {
        return wrong("length_penalty", length_penalty.to_string(), "a finite number");
    }
    let p = &request.params;
    if p.temperature != 0.0 {
        return wrong("temperature", p.temperature.to_string(), "0 for a beam search");
    }
    let unknown = [
        ("stop", !p.stop.is_empty()),
        ("budget", p.budget.is_some()),
        ("blend", p.blend.is_some()),
        ("resume", request.resume.is_some()),
    ];
    match unknown.into_iter().find(|(_, set)| *set) {
        Some((field, _)) => wrong(field, "set".to_owned(), "nothing in a beam search"),
        None => Ok(()),
    }
}

impl Search<'_> {
    fn run(
        &mut self,
        decoder: &dyn Decode,
        pool: &mut Pool,
        request: u64,
    ) -> Result<(), SampleError> {
        let (prefix, logits) = read(decoder, self.prompt)?;
        let mut running = vec![Hypothesis {
            tokens: Vec::new(),
            logprobs: Vec::new(),
            sum: 0.0,
            cache: pool.take(decoder, prefix.clone()),
            unread: Vec::new(),
            logits,
        }];
        loop {
            let candidates = self.candidates(&mut running, request)?;
            let chosen = self.set_aside(&running, &candidates);
            let length = running[0].tokens.len() + 1;
            if chosen.is_empty() || self.is_over(&chosen, length) {
                break;
            }
            running = branch(running, &chosen, decoder, pool, &prefix);
            forward(decoder, &mut running)?;
        }
        running.into_iter().for_each(|beam| pool.give_back(beam.cache));
        Ok(())
    }

    /// The best continuations of all beams, best first.
    fn candidates(
        &mut self,
        running: &mut [Hypothesis],
        request: u64,
    ) -> Result<Vec<Candidate>, SampleError> {
        let most = self.settings.beams * (1 + self.plan.ends.len()).max(2);
        let mut best: Vec<Candidate> = Vec::new();
        for (parent, beam) in running.iter_mut().enumerate() {
            let position = beam.tokens.len();
            let failed = |source| SampleError::Draw { request, sample: 0, position, source };
            let context = TokenContext::new(self.prompt, &beam.tokens);
            let Some(model) = Softmax::of(&beam.logits) else {
                return Err(failed(crate::DrawError::NotFinite));
            };
            self.scores.clear();
            self.scores.extend_from_slice(&beam.logits);
            LogSoftmax.process(&context, &mut self.scores, &mut self.scratch);
            if let Some(constraint) = &mut self.constraint {
                let restricted = constraint.restrict(&beam.tokens, &mut self.scores);
                restricted.map_err(|source| failed(crate::DrawError::Guide(source)))?;
            }
            self.chain.process(&context, &mut self.scores, &mut self.scratch);
            let pairs = &mut self.scratch.pairs;
            let live = self.scores.iter().copied().zip(0..).filter(|(x, _)| x.is_finite());
            pairs.clear();
            pairs.extend(live);
            let before = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
            if pairs.len() > most {
                pairs.select_nth_unstable_by(most - 1, before);
                pairs.truncate(most);
            }
            best.extend(pairs.iter().map(|(score, token)| Candidate {
                parent,
                token: *token,
                sum: beam.sum + f64::from(*score),
                logprob: model.logprob(beam.logits[*token as usize]) as f32,
            }));
        }
        best.sort_by(|a, b| {
            b.sum.total_cmp(&a.sum).then(a.parent.cmp(&b.parent)).then(a.token.cmp(&b.token))
        });
        best.truncate(most);
        if best.is_empty() {
            let (position, source) = (running[0].tokens.len(), crate::DrawError::NothingLeft);
            return Err(SampleError::Draw { request, sample: 0, position, source });
        }
        Ok(best)
    }

    /// Sets those aside that end among the first, and gives those to go on with.
    fn set_aside(&mut self, running: &[Hypothesis], candidates: &[Candidate]) -> Vec<Candidate> {
        let (beams, limit) = (self.settings.beams, self.plan.limit);
        let mut chosen = Vec::new();
        for (rank, candidate) in candidates.iter().enumerate() {
            let parent = &running[candidate.parent];
            let length = parent.tokens.len() + 1;
            let ends = self.plan.ends.contains(&candidate.token) || length >= limit;
            if !ends {
                chosen.push(*candidate);
            } else if rank < beams {
                let tokens = [parent.tokens.as_slice(), &[candidate.token]].concat();
                let logprobs = [parent.logprobs.as_slice(), &[candidate.logprob]].concat();
                self.ended.push((self.score(candidate.sum, length), tokens, logprobs));
            }
        }
        self.ended.sort_by(|a, b| b.0.total_cmp(&a.0));
        self.ended.truncate(beams);
        chosen.truncate(beams);
        chosen
    }

    fn score(&self, sum: f64, length: usize) -> f64 {
        sum / (length as f64).powf(self.settings.length_penalty)
    }

    fn is_over(&self, chosen: &[Candidate], length: usize) -> bool {
        let settings = &self.settings;
        let Some((worst, ..)) = self.ended.get(settings.beams - 1) else { return false };
        let longest = match settings.early_stopping {
            EarlyStopping::WhenFull => return true,
            EarlyStopping::Never if settings.length_penalty > 0.0 => self.plan.limit,
            _ => length,
        };
        self.score(chosen[0].sum, longest) <= *worst
    }
}

fn read(decoder: &dyn Decode, prompt: &[u32]) -> Result<(KvPrefix, Vec<f32>), SampleError> {
    let (mut cache, mut logits) = (decoder.cache(None, prompt.len()), vec![0.0; decoder.vocab()]);
    decoder.forward(&mut [Work { tokens: prompt, cache: &mut cache, logits: &mut logits }])?;
    Ok((cache.into_prefix().ok_or(SampleError::Prefix)?, logits))
}

/// The next beams: a parent's first child takes its cache over, others read the tokens again.
fn branch(
    parents: Vec<Hypothesis>,
    chosen: &[Candidate],
    decoder: &dyn Decode,
    pool: &mut Pool,
    prefix: &KvPrefix,
) -> Vec<Hypothesis> {
    let mut rest: Vec<(Option<KvCache>, Vec<f32>)> = Vec::new();
    let mut told = Vec::new();
    for (parent, hypothesis) in parents.into_iter().enumerate() {
        let Hypothesis { tokens, logprobs, cache, logits, .. } = hypothesis;
        let mut cache = Some(cache);
        // Those without a child first, so that there are never more caches than beams.
        if chosen.iter().all(|candidate| candidate.parent != parent) {
            cache.take().into_iter().for_each(|cache| pool.give_back(cache));
        }
        rest.push((cache, logits));
        told.push((tokens, logprobs));
    }
    let mut next: Vec<Hypothesis> = Vec::with_capacity(chosen.len());
    for candidate in chosen {
        let (tokens, logprobs) = &told[candidate.parent];
        let tokens = [tokens.as_slice(), &[candidate.token]].concat();
        let (cache, logits) = &mut rest[candidate.parent];
        let (cache, unread) = match cache.take() {
            Some(cache) => (cache, vec![candidate.token]),
            None => (pool.take(decoder, prefix.clone()), tokens.clone()),
        };
        next.push(Hypothesis {
            logprobs: [logprobs.as_slice(), &[candidate.logprob]].concat(),
            sum: candidate.sum,
            cache,
            unread,
            logits: logits.clone(),
            tokens,
        });
    }
    next
}

fn forward(decoder: &dyn Decode, running: &mut [Hypothesis]) -> Result<(), SampleError> {
    let mut work: Vec<Work<'_>> = running
        .iter_mut()
        .map(|Hypothesis { cache, unread, logits, .. }| Work { tokens: unread, cache, logits })
        .collect();
    Ok(decoder.forward(&mut work)?)
}
