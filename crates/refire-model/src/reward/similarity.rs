mod cache;

use crate::{FrozenDecoder, ModelError, Pooling, PoolingKind, Rows, TextCodec};
use cache::{Cache, Key};
use refire_core::{BoxError, Prompt, Reward, Score, Scored};
use refire_objective::ObjectiveError;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

/// Settings of [`SimilarityReward`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimilarityConfig {
    /// Which hidden states a text's vector is made of.
    pub pooling: PoolingKind,
    /// Where the reference text is: a key of `Prompt::meta` (a worked solution, say), or nothing
    /// for `Prompt::answer`.
    pub reference: Option<String>,
    /// Whether both texts are read after the prompt, as its continuations; otherwise they are read
    /// by themselves. The prompt's tokens are never part of a vector.
    pub after_prompt: bool,
    /// Tokens that are read but not part of a vector: end tokens, which references don't have.
    pub ignore: BTreeSet<u32>,
    /// What a completion without a token to compare scores.
    pub empty: f64,
    /// Most reference vectors that are kept, the oldest leaving first; each takes the model's width
    /// times 4 bytes.
    pub cache: usize,
}

impl Default for SimilarityConfig {
    /// Means over each text by itself, compared with `Prompt::answer`.
    fn default() -> Self {
        Self {
            pooling: PoolingKind::Mean,
            reference: None,
            after_prompt: false,
            ignore: BTreeSet::new(),
            empty: 0.0,
            cache: 65_536,
        }
    }
}

impl SimilarityConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<ObjectiveError> {
        let (field, expected) = ("empty", "a number from -1 to 1");
        let bad = !(-1.0..=1.0).contains(&self.empty);
        let value = self.empty.to_string();
        bad.then_some(ObjectiveError::OutOfRange { field, value, expected }).into_iter().collect()
    }
}

/// How near a completion is to the reference answer: the cosine of their vectors, from -1 to 1.
///
/// ```text
/// reward = <u, v> / (|u| |v|)      u, v: pooled hidden states of completion and reference
/// ```
///
/// The vectors are hidden states of a frozen decoder after its last norm: the policy's own
/// beginning, or any model with its tokenizer. Of a completion the tokens that the policy wrote are
/// pooled. Each row is read by itself, so a score has the same bits in any company, and references
/// are read once.
///
/// Hidden states of language models lie in a narrow cone: look at the scores of wrong answers too
/// before a threshold is set, or use the reward where only differences within a group count.
///
/// A prompt without a reference, and texts that the model can't read, are [`Score::Unscorable`]; a
/// cosine that isn't a number is [`Score::Unavailable`].
///
/// ```
/// use burn::tensor::Device;
/// use refire_core::{BoxError, Completion, Prompt, Reward, Scored};
/// use refire_model::{
///     Decoder, FrozenDecoder, SimilarityConfig, SimilarityReward, TextCodec, TinyLlama,
/// };
///
/// /// One token per byte.
/// struct Bytes;
///
/// impl TextCodec for Bytes {
///     fn decode(&self, tokens: &[u32]) -> Result<String, BoxError> {
///         let bytes = tokens.iter().map(|&t| u8::try_from(t)).collect::<Result<Vec<_>, _>>()?;
///         Ok(String::from_utf8_lossy(&bytes).into_owned())
///     }
///     fn encode(&self, text: &str) -> Result<Vec<u32>, BoxError> {
///         Ok(text.bytes().map(u32::from).collect())
///     }
/// }
///
/// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
/// let config = SimilarityConfig::default();
/// let reward = SimilarityReward::new(FrozenDecoder::new(&decoder), Bytes, config)?;
/// let prompt = Prompt { answer: Some("4 + 5".into()), ..Prompt::default() };
/// let same = Completion::given(Bytes.encode("4 + 5")?);
/// let other = Completion::given(Bytes.encode("none")?);
/// let item = |completion| Scored { prompt: &prompt, completion, group: 0 };
/// let scores = reward.score(&[item(&same), item(&other)])?;
/// assert!(scores[0].total() > Some(0.999_999) && scores[1].total() < scores[0].total());
/// # Ok::<(), BoxError>(())
/// ```
pub struct SimilarityReward {
    name: String,
    model: FrozenDecoder,
    codec: Arc<dyn TextCodec>,
    config: SimilarityConfig,
    references: Mutex<Cache>,
}

impl std::fmt::Debug for SimilarityReward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimilarityReward")
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// A row to be read, and what of it is pooled.
struct Row {
    tokens: Vec<u32>,
    mask: Vec<bool>,
}

/// One item's texts, or its score where there is nothing to compare.
type Texts = Result<(Row, Row), Score>;

impl SimilarityReward {
    /// The reward, named `similarity`; `codec` encodes references.
    ///
    /// # Errors
    /// When [`SimilarityConfig::validate`] finds a problem.
    pub fn new(
        model: FrozenDecoder,
        codec: impl TextCodec + 'static,
        config: SimilarityConfig,
    ) -> Result<Self, ModelError> {
        ModelError::collect("similarity", config.validate())?;
        let references = Mutex::new(Cache::new(config.cache));
        let (name, codec) = ("similarity".to_owned(), Arc::new(codec));
        Ok(Self { name, model, codec, config, references })
    }

    /// The same reward under another name.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    fn reference<'a>(&self, prompt: &'a Prompt) -> Result<&'a str, Score> {
        let (text, place) = match &self.config.reference {
            None => (prompt.answer.as_deref(), "the prompt has no reference answer".to_owned()),
            Some(key) => {
                let text = prompt.meta.get(key).and_then(|value| value.as_str());
                (text, format!("the prompt's meta has no text `{key}`"))
            }
        };
        text.ok_or_else(|| Score::unscorable(place))
    }

    /// A text as it is read; `written` says which of its tokens count.
    fn row(&self, prompt: &Prompt, text: &[u32], written: impl Fn(usize) -> bool) -> Row {
        let before = if self.config.after_prompt { &prompt.tokens[..] } else { &[] };
        let counts = |(position, token)| written(position) && !self.config.ignore.contains(token);
        let mask = std::iter::repeat_n(false, before.len());
        Row {
            tokens: [before, text].concat(),
            mask: mask.chain(text.iter().enumerate().map(counts)).collect(),
        }
    }

    fn texts(&self, item: &Scored<'_>) -> Texts {
        let reference = self.reference(item.prompt)?;
        let tokens = self.codec.encode(reference).map_err(|error| {
            Score::unscorable(format!("the reference can't be encoded: {error}"))
        })?;
        let reference = self.row(item.prompt, &tokens, |_| true);
        if !reference.mask.contains(&true) {
            return Err(Score::unscorable("the reference answer has no token to compare"));
        }
        let mask = &item.completion.loss_mask;
        let written = |position: usize| mask.get(position).copied().unwrap_or(false);
        let completion = self.row(item.prompt, &item.completion.tokens, written);
        for (what, row) in [("reference", &reference), ("completion", &completion)] {
            let rows = Rows::new(vec![row.tokens.clone()]);
            rows.check(&self.model.decoder().config)
                .map_err(|error| Score::unscorable(format!("the {what}: {error}")))?;
        }
        if !completion.mask.contains(&true) {
            return Err(Score::value(self.config.empty));
        }
        Ok((completion, reference))
    }

    /// Vectors of rows, in their order.
    fn vectors(&self, rows: Vec<Row>) -> Result<Vec<Arc<[f32]>>, BoxError> {
        let (tokens, mask): (Vec<_>, Vec<_>) =
            rows.into_iter().map(|row| (row.tokens, row.mask)).unzip();
        // Lengths are divided by on the host, in 64 bits.
        let pooling = Pooling { kind: self.config.pooling, normalize: false };
        let vectors = self.model.pooled(&Rows::new(tokens), Some(&mask), pooling)?;
        let [n, size] = vectors.dims();
        let values: Vec<f32> = vectors.into_data().iter::<f32>().collect();
        Ok((0..n).map(|row| Arc::from(&values[row * size..][..size])).collect())
    }

    /// Vectors of references; those that were read before come from the cache.
    fn references(&self, rows: Vec<Row>) -> Result<Vec<Arc<[f32]>>, BoxError> {
        let keys: Vec<Key> =
            rows.iter().map(|row| (row.tokens.clone(), row.mask.clone())).collect();
        // Held while rows are read: two callers don't read the same references.
        let mut cache = self.references.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut found = cache.of_batch(&keys);
        let mut seen = HashSet::new();
        let unread = keys.iter().zip(rows);
        let unread = unread.filter(|(key, _)| !found.contains_key(key) && seen.insert(*key));
        let (new, rows): (Vec<&Key>, Vec<Row>) = unread.unzip();
        for (key, vector) in new.into_iter().zip(self.vectors(rows)?) {
            cache.insert(key.clone(), vector.clone());
            found.insert(key.clone(), vector);
        }
        Ok(keys.iter().filter_map(|key| found.get(key).cloned()).collect())
    }
}

impl Reward for SimilarityReward {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, items: &[Scored<'_>]) -> Result<Vec<Score>, BoxError> {
        let (mut scores, mut places) = (Vec::with_capacity(items.len()), Vec::new());
        let (mut completions, mut references) = (Vec::new(), Vec::new());
        for (place, item) in items.iter().enumerate() {
            scores.push(match self.texts(item) {
                Ok((completion, reference)) => {
                    places.push(place);
                    completions.push(completion);
                    references.push(reference);
                    Score::value(self.config.empty)
                }
                Err(score) => score,
            });
        }
        let (completions, references) = (self.vectors(completions)?, self.references(references)?);
        for ((place, u), v) in places.into_iter().zip(&completions).zip(&references) {
            scores[place] = cosine(u, v);
        }
        Ok(scores)
    }
}

fn cosine(u: &[f32], v: &[f32]) -> Score {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
    };
    let cosine = dot(u, v) / (dot(u, u) * dot(v, v)).sqrt();
    if cosine.is_finite() {
        Score::value(cosine.clamp(-1.0, 1.0))
    } else {
        Score::unavailable(format!("the cosine is {cosine}"), false)
    }
}
