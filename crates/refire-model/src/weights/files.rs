//! Memory-mapped safetensors files, alone or as shards with an index.

use crate::ModelError;
use burn::tensor::TensorData;
use half::{bf16, f16};
use memmap2::Mmap;
use refire_objective::Dtype;
use safetensors::{SafeTensors, tensor::TensorView};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

pub(super) const SINGLE: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// A file's bytes, mapped into memory.
pub(crate) fn map_file(path: &Path) -> Result<Mmap, ModelError> {
    let file = File::open(path).map_err(ModelError::io(path))?;
    // SAFETY: the map is read-only and private; should another process change the file meanwhile,
    // wrong weights are read, which no reader of a file can prevent.
    #[allow(unsafe_code)]
    unsafe { Mmap::map(&file) }.map_err(ModelError::io(path))
}

/// Memory-mapped safetensors files.
pub(crate) struct TensorFiles {
    folder: PathBuf,
    maps: Vec<(PathBuf, Mmap)>,
    /// File of each tensor, as an index has it.
    index: BTreeMap<String, usize>,
}

/// The tensors of [`TensorFiles`], by name.
pub(crate) struct Tensors<'a> {
    folder: &'a Path,
    files: Vec<(&'a Path, SafeTensors<'a>)>,
    by_name: BTreeMap<String, usize>,
}

impl TensorFiles {
    /// A model's weights: one file, or the shards of an index.
    pub(crate) fn open_model(dir: &Path) -> Result<Self, ModelError> {
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
        let names: BTreeSet<&String> = parsed.weight_map.values().collect();
        // Shards lie beside their index: anything else is no file of this folder.
        if let Some(name) =
            names.iter().find(|name| Path::new(name).file_name() != Some(name.as_ref()))
        {
            let field = "weight_map".to_owned();
            let (found, expected) = (format!("`{name}`"), "file names only".to_owned());
            return Err(ModelError::Field { file: index, field, found, expected });
        }
        let files = Self::open(dir, names.iter().map(|name| dir.join(name)))?;
        let places: BTreeMap<&String, usize> = names.into_iter().zip(0..).collect();
        let placed = parsed.weight_map.iter().map(|(name, file)| (name.clone(), places[file]));
        Ok(Self { index: placed.collect(), ..files })
    }

    pub(crate) fn open(
        folder: &Path,
        paths: impl IntoIterator<Item = PathBuf>,
    ) -> Result<Self, ModelError> {
        let maps = paths.into_iter().map(|path| {
            let map = map_file(&path)?;
            Ok((path, map))
        });
        let maps = maps.collect::<Result<_, ModelError>>()?;
        Ok(Self { folder: folder.to_owned(), maps, index: BTreeMap::new() })
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
        for (name, file) in &self.index {
            let (path, tensors) = &files[*file];
            if tensors.tensor(name).is_err() {
                return Err(ModelError::WrongShard {
                    index: self.folder.join(INDEX),
                    tensor: name.clone(),
                    file: path.to_path_buf(),
                });
            }
            by_name.insert(name.clone(), *file);
        }
        Ok(Tensors { folder: &self.folder, files, by_name })
    }
}

impl<'a> Tensors<'a> {
    /// A tensor's values, if it is there with this shape.
    pub(crate) fn values(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, ModelError> {
        let view = self.view(name, expected)?;
        floats(&view).ok_or_else(|| self.unsupported(name, &view))
    }

    /// As [`values`](Self::values), in a number format.
    pub(super) fn data(
        &self,
        name: &str,
        expected: &[usize],
        dtype: Dtype,
    ) -> Result<TensorData, ModelError> {
        let view = self.view(name, expected)?;
        data(&view, dtype).ok_or_else(|| self.unsupported(name, &view))
    }

    /// A tensor, if it is there with this shape.
    pub(crate) fn view(
        &self,
        name: &str,
        expected: &[usize],
    ) -> Result<TensorView<'a>, ModelError> {
        let Some(index) = self.by_name.get(name) else {
            let (path, expected) = (self.folder.to_owned(), expected.to_vec());
            return Err(ModelError::MissingTensor { path, tensor: name.to_owned(), expected });
        };
        let view = self.in_file(*index, name)?;
        if view.shape() == expected {
            return Ok(view);
        }
        Err(ModelError::TensorShape {
            path: self.path(name),
            tensor: name.to_owned(),
            found: view.shape().to_vec(),
            expected: expected.to_vec(),
        })
    }

    /// The shape of a tensor that must be there.
    pub(crate) fn shape(&self, name: &str) -> Result<Vec<usize>, ModelError> {
        let Some(index) = self.by_name.get(name) else {
            let (path, tensor) = (self.folder.to_owned(), name.to_owned());
            return Err(ModelError::MissingTensor { path, tensor, expected: Vec::new() });
        };
        Ok(self.in_file(*index, name)?.shape().to_vec())
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    fn in_file(&self, index: usize, name: &str) -> Result<TensorView<'a>, ModelError> {
        let (path, file) = &self.files[index];
        file.tensor(name).map_err(|error| {
            let reason = format!("tensor `{name}`: {error}");
            ModelError::Safetensors { path: path.to_path_buf(), reason }
        })
    }

    fn unsupported(&self, name: &str, view: &TensorView<'_>) -> ModelError {
        ModelError::TensorDtype {
            path: self.path(name),
            tensor: name.to_owned(),
            dtype: format!("{:?}", view.dtype()),
        }
    }

    /// Whether two tensors of one shape hold the same values.
    pub(super) fn equal(&self, a: &str, b: &str, shape: &[usize]) -> Result<bool, ModelError> {
        let (left, right) = (self.view(a, shape)?, self.view(b, shape)?);
        Ok(left.dtype() == right.dtype() && left.data() == right.data())
    }

    /// The file of a tensor that is there; the folder for one that isn't.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let file = self.by_name.get(name).map(|index| self.files[*index].0);
        file.unwrap_or(self.folder).to_owned()
    }

    /// Names in the files, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}

/// Values in 32 bits.
fn floats(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let pairs = || view.data().chunks_exact(2).map(|b| [b[0], b[1]]);
    match view.dtype() {
        safetensors::Dtype::F32 => {
            let quads = view.data().chunks_exact(4);
            Some(quads.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
        }
        safetensors::Dtype::BF16 => {
            Some(pairs().map(|b| bf16::from_le_bytes(b).to_f32()).collect())
        }
        safetensors::Dtype::F16 => Some(pairs().map(|b| f16::from_le_bytes(b).to_f32()).collect()),
        _ => None,
    }
}

/// Values in a format; those that are in it already are taken over bit for bit.
fn data(view: &TensorView<'_>, dtype: Dtype) -> Option<TensorData> {
    let shape = view.shape().to_vec();
    let pairs = || view.data().chunks_exact(2).map(|b| [b[0], b[1]]);
    Some(match (dtype, view.dtype()) {
        (Dtype::Bf16, safetensors::Dtype::BF16) => {
            TensorData::new(pairs().map(bf16::from_le_bytes).collect(), shape)
        }
        (Dtype::F16, safetensors::Dtype::F16) => {
            TensorData::new(pairs().map(f16::from_le_bytes).collect(), shape)
        }
        _ => cast(floats(view)?, shape, dtype),
    })
}

/// Values in a format, rounded to nearest.
pub(crate) fn cast(values: Vec<f32>, shape: impl Into<Vec<usize>>, dtype: Dtype) -> TensorData {
    let shape: Vec<usize> = shape.into();
    match dtype {
        Dtype::F32 => TensorData::new(values, shape),
        Dtype::Bf16 => TensorData::new(values.into_iter().map(bf16::from_f32).collect(), shape),
        Dtype::F16 => TensorData::new(values.into_iter().map(f16::from_f32).collect(), shape),
    }
}
