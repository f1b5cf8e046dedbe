use crate::TrainError;
use crate::learn::Passes;
use refire_core::{BoxError, Needs, StepView};
use refire_objective::{FrozenPolicy, HeadQuery, TokenBatch};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// A frozen model's log-probabilities on disk, by content.
///
/// A row's key is a hash of the model's answer to a fixed question, of the prompt's tokens and of
/// the completion's; so another model, or a changed row, never gets an old answer. The file is one
/// JSON object a line, only ever appended to; a line that a kill cut short is dropped and computed
/// again.
pub struct ReferenceCache {
    path: PathBuf,
    file: File,
    known: HashMap<String, Vec<f32>>,
    model: Option<blake3::Hash>,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    key: std::borrow::Cow<'a, str>,
    logprobs: std::borrow::Cow<'a, [f32]>,
}

impl std::fmt::Debug for ReferenceCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("ReferenceCache");
        debug.field("path", &self.path).field("rows", &self.known.len()).finish_non_exhaustive()
    }
}

impl ReferenceCache {
    /// Opens the file `ref_logprobs.jsonl` of a folder, or begins it.
    ///
    /// ```
    /// # let dir = std::env::temp_dir().join(format!("refire-cache-{}", std::process::id()));
    /// use refire_train::ReferenceCache;
    /// let cache = ReferenceCache::open(&dir)?;
    /// assert!(cache.is_empty());
    /// # std::fs::remove_dir_all(dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the file can't be read or written, or holds anything else.
    pub fn open(dir: &Path) -> Result<Self, TrainError> {
        std::fs::create_dir_all(dir).map_err(TrainError::io("create", dir))?;
        let path = dir.join("ref_logprobs.jsonl");
        let (known, whole) = if path.exists() { read(&path)? } else { Default::default() };
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(&path);
        let file = file.map_err(TrainError::io("open", &path))?;
        file.set_len(whole).map_err(TrainError::io("write", &path))?;
        Ok(Self { path, file, known, model: None })
    }

    /// Rows it knows.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// True if it knows none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Log-probabilities of all rows of a step; those that are new are computed and kept.
    pub(crate) fn logprobs(
        &mut self,
        model: &dyn FrozenPolicy,
        passes: &Passes<'_>,
    ) -> Result<Vec<Vec<f32>>, BoxError> {
        let fingerprint = match self.model {
            Some(hash) => hash,
            None => *self.model.insert(fingerprint(model)?),
        };
        let keys = keys(&fingerprint, passes.view);
        if keys.iter().any(|key| !self.known.contains_key(key)) {
            let rows = passes
                .stats(Needs::NONE, &|batch, query| model.token_stats(batch, query))?
                .logprobs;
            for (key, logprobs) in keys.iter().zip(rows) {
                self.keep(key, logprobs)?;
            }
        }
        Ok(keys.iter().map(|key| self.known[key].clone()).collect())
    }

    fn keep(&mut self, key: &str, logprobs: Vec<f32>) -> Result<(), BoxError> {
        if self.known.contains_key(key) {
            return Ok(());
        }
        let mut line = serde_json::to_vec(&Line { key: key.into(), logprobs: (&logprobs).into() })?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(TrainError::io("write", &self.path))?;
        self.known.insert(key.to_owned(), logprobs);
        Ok(())
    }
}

/// Whole lines of the file, and their length in bytes.
fn read(path: &Path) -> Result<(HashMap<String, Vec<f32>>, u64), TrainError> {
    let file = File::open(path).map_err(TrainError::io("open", path))?;
    let (mut reader, mut text) = (BufReader::new(file), String::new());
    let (mut known, mut whole, mut line) = (HashMap::new(), 0, 0);
    loop {
        text.clear();
        let bytes = reader.read_line(&mut text).map_err(TrainError::io("read", path))?;
        if !text.ends_with('\n') {
            return Ok((known, whole));
        }
        (whole, line) = (whole + bytes as u64, line + 1);
        let parsed: Line<'_> = serde_json::from_str(&text).map_err(|source| {
            let path = path.to_owned();
            TrainError::Json { path, line, source }
        })?;
        known.insert(parsed.key.into_owned(), parsed.logprobs.into_owned());
    }
}

/// The bits of the model's answer to a fixed question.
fn fingerprint(model: &dyn FrozenPolicy) -> Result<blake3::Hash, BoxError> {
    let tokens: [u32; 8] = [1, 0, 2, 1, 1, 2, 0, 1];
    let batch = TokenBatch::continuations([(&tokens[..1], &tokens[1..])]);
    let query = HeadQuery::new(Needs::NONE, &[1.0]);
    let answer = model.token_stats(&batch, &query)?.logprobs.into_data();
    let mut hash = blake3::Hasher::new();
    answer.iter::<f32>().for_each(|x| {
        hash.update(&x.to_le_bytes());
    });
    Ok(hash.finalize())
}

fn keys(model: &blake3::Hash, view: &StepView<'_>) -> Vec<String> {
    let key = |prompt: &[u32], completion: &[u32]| {
        let mut hash = blake3::Hasher::new();
        hash.update(model.as_bytes());
        for tokens in [prompt, completion] {
            hash.update(&(tokens.len() as u64).to_le_bytes());
            tokens.iter().for_each(|token| {
                hash.update(&token.to_le_bytes());
            });
        }
        hash.finalize().to_hex().to_string()
    };
    view.iter().map(|(_, prompt, completion)| key(&prompt.tokens, &completion.tokens)).collect()
}
