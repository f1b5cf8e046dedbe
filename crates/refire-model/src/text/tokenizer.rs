use super::codec::TextCodec;
use super::special::TokenizerConfig;
use super::stream::DecodeStream;
use crate::ModelError;
use refire_core::BoxError;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The tokenizer of a Hugging Face folder.
///
/// `tokenizer.json` is the truth: text is split exactly as the `tokenizers` library splits it from
/// that file. Where `tokenizer_class` names a slow class such as `GPT2Tokenizer`, transformers 5
/// rebuilds parts of the file and may split differently; refire doesn't. Truncation and padding
/// stored in the file are switched off. `clean_up_tokenization_spaces` is not applied.
///
/// `tokenizer_config.json` (and for special tokens `special_tokens_map.json`) adds the names of
/// the special tokens, `add_bos_token`, `add_eos_token` and `model_max_length`.
///
/// ```no_run
/// use refire_model::Tokenizer;
///
/// let tokenizer = Tokenizer::from_dir("SmolLM2-135M-Instruct")?;
/// let ids = tokenizer.encode("Hello world", true)?;
/// assert_eq!(tokenizer.decode(&ids, true)?, "Hello world");
/// tokenizer.check_fits(49_152)?;
/// # Ok::<(), refire_model::ModelError>(())
/// ```
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    path: PathBuf,
    special_tokens: BTreeMap<String, String>,
    bos: Option<u32>,
    eos: Option<u32>,
    pad: Option<u32>,
    edges: Edges,
    largest_id: u32,
    model_max_length: Option<usize>,
}

/// What stands in front of and behind an encoded text.
struct Edges {
    /// The file's own post-processor begins texts with `bos`.
    file_adds_bos: bool,
    add_bos: bool,
    add_eos: bool,
}

impl Tokenizer {
    /// Opens the folder's `tokenizer.json`, with `tokenizer_config.json` and
    /// `special_tokens_map.json` where they exist.
    ///
    /// # Errors
    /// [`ModelError::Io`] and [`ModelError::Json`] for files that can't be read,
    /// [`ModelError::Tokenizer`] for a tokenizer that can't be built, a special token it doesn't
    /// have, or `add_bos_token` without a `bos_token`.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, ModelError> {
        let dir = dir.as_ref();
        let path = dir.join("tokenizer.json");
        let bytes = std::fs::read(&path).map_err(ModelError::io(&path))?;
        let inner = tokenizers::Tokenizer::from_bytes(&bytes)
            .map_err(|error| failed(&path, error.to_string()))?;
        Self::new(inner, TokenizerConfig::from_dir(dir)?, path)
    }

    /// A tokenizer of the contents of `tokenizer.json` and `tokenizer_config.json`; `path` names
    /// it in errors.
    #[cfg(feature = "gguf")]
    pub(crate) fn from_texts(json: &str, config: &str, path: &Path) -> Result<Self, ModelError> {
        let inner = tokenizers::Tokenizer::from_bytes(json.as_bytes())
            .map_err(|error| failed(path, error.to_string()))?;
        Self::new(inner, TokenizerConfig::from_text(config, path)?, path.to_owned())
    }

    fn new(
        mut inner: tokenizers::Tokenizer,
        config: TokenizerConfig,
        path: PathBuf,
    ) -> Result<Self, ModelError> {
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| failed(&path, error.to_string()))?;
        let id_of = |role: &str| match config.roles.get(role) {
            Some(text) => match inner.token_to_id(text) {
                Some(id) => Ok(Some(id)),
                None => Err(failed(&path, format!("it has no token {text:?}, its {role}"))),
            },
            None => Ok(None),
        };
        let (bos, eos, pad) = (id_of("bos_token")?, id_of("eos_token")?, id_of("pad_token")?);
        let edges = Edges::new(&inner, &config, bos, eos, &path)?;
        let largest_id = inner.get_vocab(true).into_values().max();
        let largest_id = largest_id.ok_or_else(|| failed(&path, "it has no tokens".to_owned()))?;
        Ok(Self {
            inner,
            path,
            special_tokens: config.roles,
            bos,
            eos,
            pad,
            edges,
            largest_id,
            model_max_length: config.model_max_length,
        })
    }

    /// The tokens of `text`.
    ///
    /// With `add_special`, what the file's post-processor and `add_bos_token`, `add_eos_token` ask
    /// for stands around them; where the two disagree on the first token, `add_bos_token` wins.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] when the tokenizer fails.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, ModelError> {
        let encoding = self
            .inner
            .encode_fast(text, add_special)
            .map_err(|error| failed(&self.path, error.to_string()))?;
        let ids = encoding.get_ids().to_vec();
        Ok(if add_special { self.with_edges(ids) } else { ids })
    }

    /// The tokens of a text that a chat template rendered.
    ///
    /// The template writes its own special tokens, so none are added: a rendered text that begins
    /// with `bos` gets it once, and one that doesn't gets none, as in transformers.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] when the tokenizer fails.
    pub fn encode_rendered(&self, rendered: &str) -> Result<Vec<u32>, ModelError> {
        self.encode(rendered, false)
    }

    /// As [`encode_rendered`](Self::encode_rendered), with the bytes of the text that each token
    /// stands for.
    pub(super) fn encode_rendered_with_places(
        &self,
        rendered: &str,
    ) -> Result<(Vec<u32>, Vec<Range<usize>>), ModelError> {
        let encoding = self.inner.encode(rendered, false);
        let encoding = encoding.map_err(|error| failed(&self.path, error.to_string()))?;
        let places = encoding.get_offsets().iter().map(|(start, end)| *start..*end);
        Ok((encoding.get_ids().to_vec(), places.collect()))
    }

    /// The text of `ids`, with U+FFFD for bytes that aren't UTF-8.
    ///
    /// Ids without a token give no text: models often have more embedding rows than tokens, and
    /// may sample one of them.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] when the tokenizer's decoder fails.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, ModelError> {
        self.inner.decode(ids, skip_special).map_err(|error| failed(&self.path, error.to_string()))
    }

    /// A decoder that takes tokens one by one.
    pub fn stream(&self, skip_special: bool) -> DecodeStream<'_> {
        DecodeStream::with(move |ids| Ok(self.decode(ids, skip_special)?))
    }

    /// Id of the token that begins a text.
    pub fn bos_id(&self) -> Option<u32> {
        self.bos
    }

    /// Id of the token that ends a text.
    pub fn eos_id(&self) -> Option<u32> {
        self.eos
    }

    /// Id of the token that fills up shorter rows.
    pub fn pad_id(&self) -> Option<u32> {
        self.pad
    }

    /// Id of a token, by its text.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Texts of the special tokens by role (`bos_token`, `eos_token`, …).
    pub fn special_tokens(&self) -> &BTreeMap<String, String> {
        &self.special_tokens
    }

    /// Number of tokens, added ones included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The largest id a token has. Ids may have gaps, so this can exceed `vocab_size() - 1`.
    pub fn largest_id(&self) -> u32 {
        self.largest_id
    }

    /// Most tokens the model should read at once, where the folder says so.
    pub fn model_max_length(&self) -> Option<usize> {
        self.model_max_length
    }

    /// Checks that every token has a row in an embedding of `embedding_rows` rows.
    ///
    /// # Errors
    /// [`ModelError::TokenizerTooLarge`].
    pub fn check_fits(&self, embedding_rows: usize) -> Result<(), ModelError> {
        if (self.largest_id as usize) < embedding_rows {
            return Ok(());
        }
        Err(ModelError::TokenizerTooLarge {
            path: self.path.clone(),
            largest: self.largest_id,
            rows: embedding_rows,
        })
    }

    fn with_edges(&self, mut ids: Vec<u32>) -> Vec<u32> {
        let Edges { file_adds_bos, add_bos, add_eos } = self.edges;
        if let Some(bos) = self.bos {
            match ids.first() == Some(&bos) {
                true if file_adds_bos && !add_bos => drop(ids.remove(0)),
                false if add_bos => ids.insert(0, bos),
                _ => {}
            }
        }
        if let Some(eos) = self.eos
            && add_eos
            && ids.last() != Some(&eos)
        {
            ids.push(eos);
        }
        ids
    }
}

impl Edges {
    fn new(
        inner: &tokenizers::Tokenizer,
        config: &TokenizerConfig,
        bos: Option<u32>,
        eos: Option<u32>,
        path: &Path,
    ) -> Result<Self, ModelError> {
        let empty = inner.encode_fast("", true).map_err(|e| failed(path, e.to_string()))?;
        let file_adds_bos = bos.is_some() && empty.get_ids().first() == bos.as_ref();
        let add_bos = config.add_bos.unwrap_or(file_adds_bos);
        let add_eos = config.add_eos.unwrap_or(false);
        for (wanted, id, role) in [(add_bos, bos, "bos"), (add_eos, eos, "eos")] {
            if wanted && id.is_none() {
                return Err(failed(path, format!("add_{role}_token is set without {role}_token")));
            }
        }
        Ok(Self { file_adds_bos, add_bos, add_eos })
    }
}

impl TextCodec for Tokenizer {
    fn decode(&self, tokens: &[u32]) -> Result<String, BoxError> {
        Ok(self.decode(tokens, true)?)
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        Ok(self.encode(text, false)?)
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer")
            .field("path", &self.path)
            .field("vocab_size", &self.vocab_size())
            .field("special_tokens", &self.special_tokens)
            .finish_non_exhaustive()
    }
}

fn failed(path: &Path, reason: String) -> ModelError {
    ModelError::Tokenizer { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests;
