//! Guides by llguidance (feature `guided`).

use crate::{Constraint, Guides, SampleError};
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory, panic_utils, token_bytes_from_tokenizer_json};
use refire_core::{BoxError, Guide};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Holds text within regular expressions, JSON schemas and grammars, through
/// [llguidance](https://docs.rs/llguidance).
///
/// A token is allowed if the text can still become one of the language with it; an end token is
/// allowed where the text is one. Nothing else is said about tokens, so every way to split the text
/// into tokens stays possible.
///
/// ```
/// use refire_core::Guide;
/// use refire_sample::{Guides, TokenGuides};
/// // One token per byte, and one that ends the text.
/// let bytes = (0..=255).map(|byte| vec![byte]).chain([vec![]]).collect();
/// let guides = TokenGuides::from_vocabulary(bytes)?;
/// let guide = Guide::Regex { pattern: "[0-9]{2}".to_owned() };
/// let mut constraint = guides.constraint(&guide, &[256])?;
/// let mut logits = [0.0; 257];
/// constraint.restrict(&[u32::from(b'4')], &mut logits)?;
/// assert!(logits[b'7' as usize] == 0.0 && logits[b'x' as usize] == f32::NEG_INFINITY);
/// assert_eq!(logits[256], f32::NEG_INFINITY, "one digit is not enough");
/// # Ok::<(), refire_core::BoxError>(())
/// ```
pub struct TokenGuides {
    trie: TokTrie,
    /// By end tokens.
    factories: Mutex<BTreeMap<Vec<u32>, Arc<ParserFactory>>>,
    /// The last guides that were compiled: completions of a group begin with copies.
    recent: Mutex<VecDeque<Compiled>>,
}

struct Compiled {
    guide: Guide,
    end_tokens: Vec<u32>,
    matcher: Matcher,
}

/// Compiled guides that are kept.
const KEPT: usize = 16;

impl fmt::Debug for TokenGuides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenGuides")
            .field("tokens", &self.trie.vocab_size())
            .finish_non_exhaustive()
    }
}

impl TokenGuides {
    /// Guides for the bytes of each token. Tokens without bytes are drawn only as end tokens.
    ///
    /// # Errors
    /// For a vocabulary that can't be indexed.
    pub fn from_vocabulary(tokens: Vec<Vec<u8>>) -> Result<Self, SampleError> {
        let size = u32::try_from(tokens.len()).map_err(failed)?;
        if size == 0 {
            return Err(failed("the vocabulary is empty"));
        }
        let build = || Ok(TokTrie::from(&TokRxInfo::new(size, 0), &tokens));
        let trie = panic_utils::catch_unwind(AssertUnwindSafe(build)).map_err(failed)?;
        Ok(Self { trie, factories: Mutex::default(), recent: Mutex::default() })
    }

    /// Guides for the `tokenizer.json` of a model with `vocab` logits.
    ///
    /// # Errors
    /// For a file that can't be read, whose decoder is neither byte-level nor with byte fallback, or
    /// that has more tokens than the model.
    pub fn from_tokenizer(path: &Path, vocab: usize) -> Result<Self, SampleError> {
        let named = |error: &dyn fmt::Display| failed(format!("{}: {error}", path.display()));
        let bytes = std::fs::read(path).map_err(|e| named(&e))?;
        let json = serde_json::from_slice(&bytes).map_err(|e| named(&e))?;
        let read = || token_bytes_from_tokenizer_json(&json);
        let read = panic_utils::catch_unwind(AssertUnwindSafe(read));
        let mut tokens = read.map_err(|e| named(&e))?;
        if tokens.len() > vocab {
            let (found, expected) = (tokens.len(), vocab);
            return Err(SampleError::Vocabulary { found, expected });
        }
        tokens.resize(vocab, Vec::new());
        Self::from_vocabulary(tokens)
    }

    fn factory(&self, end_tokens: &[u32]) -> Result<Arc<ParserFactory>, BoxError> {
        let size = self.trie.vocab_size();
        if end_tokens.is_empty() {
            return Err("no token can end the text: `ignore_end` is set, or there is none".into());
        }
        if let Some(token) = end_tokens.iter().find(|token| **token as usize >= size) {
            return Err(format!("end token {token} is beyond the vocabulary of {size}").into());
        }
        let mut factories = self.factories.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(factory) = factories.get(end_tokens) {
            return Ok(Arc::clone(factory));
        }
        let trie = self.trie.with_eos_tokens(end_tokens);
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&environment)?;
        factory.quiet();
        let factory = Arc::new(factory);
        factories.insert(end_tokens.to_vec(), Arc::clone(&factory));
        Ok(factory)
    }

    fn compile(&self, guide: &Guide, end_tokens: &[u32]) -> Result<Matcher, BoxError> {
        let grammar = match guide {
            Guide::Regex { pattern } => TopLevelGrammar::from_regex(pattern),
            Guide::JsonSchema { schema } => TopLevelGrammar::from_json_schema(schema.clone()),
            Guide::Lark { grammar } => TopLevelGrammar::from_lark(grammar.clone()),
            _ => return Err("this kind of guide is not supported".into()),
        };
        let matcher = Matcher::new(self.factory(end_tokens)?.create_parser(grammar));
        match matcher.get_error() {
            Some(error) => Err(error.into()),
            None => Ok(matcher),
        }
    }
}

impl Guides for TokenGuides {
    fn constraint(
        &self,
        guide: &Guide,
        end_tokens: &[u32],
    ) -> Result<Box<dyn Constraint>, BoxError> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = recent.iter().position(|c| c.guide == *guide && c.end_tokens == end_tokens);
        let compiled = match known.and_then(|at| recent.remove(at)) {
            Some(compiled) => compiled,
            None => {
                let matcher = self.compile(guide, end_tokens)?;
                Compiled { guide: guide.clone(), end_tokens: end_tokens.to_vec(), matcher }
            }
        };
        // A deep copy shares no lock with those of other completions.
        let fresh = compiled.matcher.deep_clone();
        recent.push_front(compiled);
        recent.truncate(KEPT);
        Ok(Box::new(Grammar { matcher: fresh.clone(), fresh, read: Vec::new() }))
    }
}

fn failed(reason: impl ToString) -> SampleError {
    SampleError::Guides { reason: reason.to_string() }
}

/// A text in the making.
struct Grammar {
    fresh: Matcher,
    matcher: Matcher,
    /// Tokens that the matcher has read.
    read: Vec<u32>,
}

impl fmt::Debug for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grammar").field("read", &self.read.len()).finish_non_exhaustive()
    }
}

impl Constraint for Grammar {
    fn restrict(&mut self, output: &[u32], logits: &mut [f32]) -> Result<(), BoxError> {
        if !output.starts_with(&self.read) {
            self.matcher = self.fresh.clone();
            self.read.clear();
        }
        let new = &output[self.read.len()..];
        self.matcher.consume_tokens(new)?;
        self.read.extend_from_slice(new);
        let allowed = self.matcher.compute_mask_or_eos()?;
        let known = logits.len().min(allowed.len());
        let (known, beyond) = logits.split_at_mut(known);
        for (token, x) in known.iter_mut().enumerate() {
            if !allowed.get(token) {
                *x = f32::NEG_INFINITY;
            }
        }
        beyond.fill(f32::NEG_INFINITY);
        Ok(())
    }
}
