use crate::{Decoder, ModelConfig, ModelError};
use burn::tensor::Device;
use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Loads a decoder's weights from a folder: `model.safetensors`, or shards with an index.
///
/// Files are memory-mapped; each tensor is converted to 32-bit floats once, straight into the
/// buffer that the model keeps.
///
/// # Errors
/// For a file that can't be parsed, and for tensors that are missing, of the wrong shape, of an
/// unsupported number format or not part of the model; file and tensor are named.
pub fn load_weights(
    dir: &Path,
    config: &ModelConfig,
    device: &Device,
) -> Result<Decoder, ModelError> {
    let files = TensorFiles::open_model(dir)?;
    let tensors = files.tensors()?;
    let mut taken = BTreeSet::new();
    let mut problem = None;
    let decoder = Decoder::build(config, device, &mut |name, shape| {
        if problem.is_some() {
            return vec![0.0; shape.iter().product()];
        }
        taken.insert(name.to_owned());
        tensors.values(name, shape).unwrap_or_else(|error| {
            problem = Some(error);
            vec![0.0; shape.iter().product()]
        })
    });
    match problem {
        Some(error) => Err(error),
        None => tensors.check_rest(&taken, config).map(|()| decoder),
    }
}

/// Memory-mapped safetensors files.
pub(crate) struct TensorFiles {
    folder: PathBuf,
    maps: Vec<(PathBuf, Mmap)>,
}

/// The tensors of [`TensorFiles`], by name.
pub(crate) struct Tensors<'a> {
    folder: &'a Path,
    files: Vec<(&'a Path, SafeTensors<'a>)>,
    by_name: BTreeMap<String, usize>,
}

impl TensorFiles {
    fn open_model(dir: &Path) -> Result<Self, ModelError> {
        let index = dir.join(INDEX);
        if dir.join(SINGLE).exists() || !index.exists() {
            return Self::open(dir, [dir.join(SINGLE)]);
        }
        #[derive(Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        let text = std::fs::read_to_string(&index).map_err(ModelError::io(&index))?;
        let parsed: Index = serde_json::from_str(&text).map_err(ModelError::json(&index))?;
        let names: BTreeSet<String> = parsed.weight_map.into_values().collect();
        Self::open(dir, names.into_iter().map(|name| dir.join(name)))
    }

    pub(crate) fn open(
        folder: &Path,
        paths: impl IntoIterator<Item = PathBuf>,
    ) -> Result<Self, ModelError> {
        let maps = paths.into_iter().map(|path| {
            let file = File::open(&path).map_err(ModelError::io(&path))?;
            // SAFETY: the map is read-only and private; should another process change the file
            // meanwhile, wrong weights are read, which no reader of a file can prevent.
            #[allow(unsafe_code)]
            let map = unsafe { Mmap::map(&file) }.map_err(ModelError::io(&path))?;
            Ok((path, map))
        });
        Ok(Self { folder: folder.to_owned(), maps: maps.collect::<Result<_, ModelError>>()? })
    }

    pub(crate) fn tensors(&self) -> Result<Tensors<'_>, ModelError> {
        let mut by_name = BTreeMap::new();
        let mut files = Vec::new();
        for (index, (path, map)) in self.maps.iter().enumerate() {
            let parsed = SafeTensors::deserialize(map).map_err(|error| {
                let reason = error.to_string();
                ModelError::Safetensors { path: path.clone(), reason }
            })?;
            by_name.extend(parsed.names().into_iter().map(|name| (name.to_owned(), index)));
            files.push((path.as_path(), parsed));
        }
        Ok(Tensors { folder: &self.folder, files, by_name })
    }
}

impl Tensors<'_> {
    /// A tensor's values, if it is there with this shape.
    pub(crate) fn values(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, ModelError> {
        let Some(index) = self.by_name.get(name) else {
            let (path, expected) = (self.folder.to_owned(), expected.to_vec());
            return Err(ModelError::MissingTensor { path, tensor: name.to_owned(), expected });
        };
        let (path, file) = &self.files[*index];
        let view = file.tensor(name).map_err(|error| {
            let reason = format!("tensor `{name}`: {error}");
            ModelError::Safetensors { path: path.to_path_buf(), reason }
        })?;
        if view.shape() != expected {
            return Err(ModelError::TensorShape {
                path: path.to_path_buf(),
                tensor: name.to_owned(),
                found: view.shape().to_vec(),
                expected: expected.to_vec(),
            });
        }
        floats(&view).ok_or_else(|| ModelError::TensorDtype {
            path: path.to_path_buf(),
            tensor: name.to_owned(),
            dtype: format!("{:?}", view.dtype()),
        })
    }

    /// Names in the files, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    fn check_rest(&self, taken: &BTreeSet<String>, config: &ModelConfig) -> Result<(), ModelError> {
        // A tied head is sometimes stored all the same; old files hold rope buffers.
        let harmless = |name: &str| {
            name.ends_with("rotary_emb.inv_freq")
                || (config.tie_word_embeddings && name == "lm_head.weight")
        };
        let unknown = self.names().find(|name| !taken.contains(*name) && !harmless(name));
        match unknown {
            None => Ok(()),
            Some(name) => Err(ModelError::UnknownTensor {
                path: self.files[self.by_name[name]].0.to_path_buf(),
                tensor: name.to_owned(),
                model_type: "llama".to_owned(),
            }),
        }
    }
}

fn floats(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let pairs = || view.data().chunks_exact(2).map(|b| [b[0], b[1]]);
    match view.dtype() {
        Dtype::F32 => {
            let quads = view.data().chunks_exact(4);
            Some(quads.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
        }
        Dtype::BF16 => Some(pairs().map(|b| bf16::from_le_bytes(b).to_f32()).collect()),
        Dtype::F16 => Some(pairs().map(|b| f16::from_le_bytes(b).to_f32()).collect()),
        _ => None,
    }
}
