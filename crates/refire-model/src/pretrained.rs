use crate::{
    ChatTemplate, Decoder, GenerationConfig, Learner, LearnerConfig, ModelConfig, ModelEncoder,
    ModelError, Tokenizer, load_weights, load_weights_in_4_bits,
};
use burn::tensor::Device;
use refire_objective::Dtype;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Files that an exported folder takes over from the one it was opened from.
pub(crate) const COMPANIONS: [&str; 11] = [
    "additional_chat_templates",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
];

/// A Hugging Face folder, opened: configuration, weights, tokenizer, chat template. With the
/// feature `gguf`, a GGUF file is as good.
///
/// ```no_run
/// use burn::tensor::Device;
/// use refire_model::Pretrained;
/// use std::path::Path;
/// let model = Pretrained::open(Path::new("SmolLM2-135M-Instruct"), &Device::flex())?;
/// println!("{} parameters", model.decoder.config.parameters());
/// # Ok::<(), refire_model::ModelError>(())
/// ```
#[derive(Debug)]
pub struct Pretrained {
    /// Where it was opened from.
    pub dir: PathBuf,
    /// The network.
    pub decoder: Decoder,
    /// The tokenizer; its ids all fit the embedding.
    pub tokenizer: Tokenizer,
    /// The chat template, if the folder has one.
    pub chat: Option<ChatTemplate>,
    /// Defaults for generation; rollouts don't inherit their sampling silently.
    pub generation: GenerationConfig,
    /// What a folder would have beside the weights, of a model that wasn't opened from one.
    texts: Vec<(String, String)>,
}

impl Pretrained {
    /// Opens a folder, or a GGUF file.
    ///
    /// # Errors
    /// Names the file, and the field or tensor, of whatever is missing or doesn't fit.
    pub fn open(dir: &Path, device: &Device) -> Result<Self, ModelError> {
        if dir.is_file() {
            return Self::open_file(dir, device);
        }
        Self::open_folder(dir, |config| load_weights(dir, config, device))
    }

    /// Opens a folder with the weights of its layers in 4 bits, to train an adapter beside them; see
    /// [`Decoder::quantized`]. A folder's network is never in memory as a whole.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_in_4_bits(dir: &Path, device: &Device) -> Result<Self, ModelError> {
        if dir.is_file() {
            let opened = Self::open_file(dir, device)?;
            return Ok(Self { decoder: opened.decoder.quantized()?, ..opened });
        }
        Self::open_folder(dir, |config| load_weights_in_4_bits(dir, config, device))
    }

    fn open_folder(
        dir: &Path,
        load: impl FnOnce(&ModelConfig) -> Result<Decoder, ModelError>,
    ) -> Result<Self, ModelError> {
        let config = ModelConfig::read(dir)?;
        let tokenizer = Tokenizer::from_dir(dir)?;
        tokenizer.check_fits(config.vocab_size)?;
        let chat = ChatTemplate::from_dir(dir)?;
        let generation = GenerationConfig::from_dir(dir)?;
        let decoder = load(&config)?;
        let texts = Vec::new();
        Ok(Self { dir: dir.to_owned(), decoder, tokenizer, chat, generation, texts })
    }

    #[cfg(feature = "gguf")]
    fn open_file(path: &Path, device: &Device) -> Result<Self, ModelError> {
        let file = crate::GgufFile::open(path)?;
        let texts = file.text_files()?;
        let crate::gguf::Text { tokenizer, chat, generation } = crate::gguf::text(&file, &texts)?;
        let config = file.config()?;
        tokenizer.check_fits(config.vocab_size)?;
        let decoder = file.decoder(&config, device, Dtype::F32)?;
        Ok(Self { dir: path.to_owned(), decoder, tokenizer, chat, generation, texts })
    }

    #[cfg(not(feature = "gguf"))]
    fn open_file(path: &Path, _: &Device) -> Result<Self, ModelError> {
        let reason = "a model is a folder; GGUF files need the feature `gguf`".to_owned();
        Err(ModelError::Gguf { path: path.to_owned(), reason })
    }

    /// Tokens that end a reply: those of `generation_config.json` and of `config.json`.
    pub fn end_tokens(&self) -> Vec<u32> {
        self.generation.end_tokens(&self.decoder.config.eos_token_ids)
    }

    /// What turns records into tokens for this model: its tokenizer and its chat template.
    pub fn encoder(&self) -> ModelEncoder<'_> {
        ModelEncoder::new(&self.tokenizer, self.chat.as_ref())
    }

    /// A learner of these weights that exports a folder like the one opened.
    pub fn learner(&self, config: LearnerConfig) -> Learner {
        let files = COMPANIONS.iter().map(|name| self.dir.join(name)).filter(|path| path.exists());
        let learner = Learner::new(self.decoder.clone(), config).with_companions(files.collect());
        learner.with_texts(self.texts.clone())
    }
}

/// Writes `config.json` and `generation_config.json`.
pub(crate) fn write_config(
    config: &ModelConfig,
    dir: &Path,
    dtype: Dtype,
) -> Result<(), ModelError> {
    write_raw_config(config, dir, dtype)?;
    let generation = json!({
        "bos_token_id": config.bos_token_id,
        "eos_token_id": config.eos_token_ids,
    });
    write_json(&dir.join("generation_config.json"), &generation)
}

/// Writes `config.json`: what was read, with the number format of the new weights.
pub(crate) fn write_raw_config(
    config: &ModelConfig,
    dir: &Path,
    dtype: Dtype,
) -> Result<(), ModelError> {
    let mut raw = config.raw.clone();
    let name = match dtype {
        Dtype::F32 => "float32",
        Dtype::Bf16 => "bfloat16",
        Dtype::F16 => "float16",
    };
    let key = if raw.contains_key("dtype") { "dtype" } else { "torch_dtype" };
    raw.insert(key.to_owned(), json!(name));
    write_json(&dir.join("config.json"), &Value::Object(raw))
}

fn write_json(path: &Path, value: &Value) -> Result<(), ModelError> {
    let text = serde_json::to_vec_pretty(value).map_err(ModelError::json(path))?;
    std::fs::write(path, text).map_err(ModelError::io(path))
}

/// Writes files, which may lie in folders.
pub(crate) fn write_texts(files: &[(String, String)], dir: &Path) -> Result<(), ModelError> {
    for (name, text) in files {
        let path = dir.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(ModelError::io(folder))?;
        }
        std::fs::write(&path, text).map_err(ModelError::io(&path))?;
    }
    Ok(())
}

/// Copies a file, or a folder of files.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), ModelError> {
    if !from.is_dir() {
        return std::fs::copy(from, to).map(|_| ()).map_err(ModelError::io(from));
    }
    std::fs::create_dir_all(to).map_err(ModelError::io(to))?;
    for entry in std::fs::read_dir(from).map_err(ModelError::io(from))? {
        let entry = entry.map_err(ModelError::io(from))?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
