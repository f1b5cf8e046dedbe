use super::cursor::{Broken, Cursor};
use super::{GgufType, GgufValue};
use crate::ModelError;
use crate::weights::map_file;
use memmap2::Mmap;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

const MAGIC: &[u8] = b"GGUF";
const ALIGNMENT: &str = "general.alignment";

/// A GGUF file: metadata and tensors, memory-mapped.
///
/// Versions 2 and 3 in little-endian order, whole models in one file.
///
/// ```no_run
/// use refire_model::GgufFile;
/// use std::path::Path;
/// let file = GgufFile::open(Path::new("SmolLM2-135M-Instruct.Q4_1.gguf"))?;
/// for (name, tensor) in file.tensors() {
///     println!("{name}: {:?} in {}", tensor.shape, tensor.kind.name());
/// }
/// # Ok::<(), refire_model::ModelError>(())
/// ```
pub struct GgufFile {
    path: PathBuf,
    map: Mmap,
    metadata: BTreeMap<String, GgufValue>,
    tensors: BTreeMap<String, GgufTensor>,
}

/// Where a tensor lies in a file, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufTensor {
    /// Rows first, as in safetensors: ggml's order reversed.
    pub shape: Vec<usize>,
    /// How its values are stored.
    pub kind: GgufType,
    /// Its bytes in the file.
    place: Range<usize>,
}

impl GgufFile {
    /// Opens a file and reads everything but the tensors' values.
    ///
    /// # Errors
    /// For a file that can't be read, isn't GGUF of version 2 or 3, is one of several parts, or has
    /// a tensor of an unsupported type or beyond the file's end.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let map = map_file(path)?;
        let (metadata, tensors) = parse(&map).map_err(|Broken { at, reason }| {
            let reason = format!("at byte {at}: {reason}");
            ModelError::Gguf { path: path.to_owned(), reason }
        })?;
        let file = Self { path: path.to_owned(), map, metadata, tensors };
        match file.metadata.get("split.count").and_then(GgufValue::as_usize) {
            Some(parts) if parts > 1 => {
                let reason =
                    format!("one of {parts} parts; join them with `llama-gguf-split --merge`");
                Err(ModelError::Gguf { path: path.to_owned(), reason })
            }
            _ => Ok(file),
        }
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything that isn't a tensor.
    pub fn metadata(&self) -> &BTreeMap<String, GgufValue> {
        &self.metadata
    }

    /// The tensors by ggml's names.
    pub fn tensors(&self) -> &BTreeMap<String, GgufTensor> {
        &self.tensors
    }

    /// A tensor's values in 32 bits, exactly as ggml's reference code dequantises them.
    ///
    /// # Errors
    /// When there is no such tensor.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        let tensor = self.tensor(name, &[])?;
        Ok(tensor.kind.dequantize(&self.map[tensor.place.clone()]))
    }

    /// Part `index` of a tensor that was cut into equal parts along its first dimension.
    pub(super) fn part(&self, name: &str, index: usize) -> Result<Vec<f32>, ModelError> {
        let tensor = self.tensor(name, &[])?;
        let bytes = tensor.place.len() / tensor.shape.first().copied().unwrap_or(1).max(1);
        let start = tensor.place.start + index * bytes;
        Ok(tensor.kind.dequantize(&self.map[start..start + bytes]))
    }

    /// A tensor; `expected` is the shape that an error names.
    pub(super) fn tensor(&self, name: &str, expected: &[usize]) -> Result<&GgufTensor, ModelError> {
        self.tensors.get(name).ok_or_else(|| ModelError::MissingTensor {
            path: self.path.clone(),
            tensor: name.to_owned(),
            expected: expected.to_vec(),
        })
    }
}

impl fmt::Debug for GgufFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GgufFile")
            .field("path", &self.path)
            .field("metadata", &self.metadata.len())
            .field("tensors", &self.tensors.len())
            .finish_non_exhaustive()
    }
}

type Parsed = (BTreeMap<String, GgufValue>, BTreeMap<String, GgufTensor>);

fn parse(bytes: &[u8]) -> Result<Parsed, Broken> {
    let mut cursor = Cursor::new(bytes);
    if cursor.slice(MAGIC.len())? != MAGIC {
        return Err(Broken { at: 0, reason: "the file doesn't begin with `GGUF`".to_owned() });
    }
    let version = cursor.u32()?;
    if !(2..=3).contains(&version) {
        let reason = match version.swap_bytes() {
            2..=3 => "the file is in big-endian order".to_owned(),
            _ => format!("version {version} isn't supported, 2 and 3 are"),
        };
        return Err(cursor.broken(reason));
    }
    // A tensor takes at least 24 bytes, an entry of the metadata at least 13.
    let tensor_count = cursor.count(24)?;
    let entry_count = cursor.count(13)?;
    let mut metadata = BTreeMap::new();
    for _ in 0..entry_count {
        let key = cursor.text()?;
        metadata.insert(key, GgufValue::read(&mut cursor)?);
    }
    let headers = (0..tensor_count).map(|_| Header::read(&mut cursor));
    let headers = headers.collect::<Result<Vec<_>, _>>()?;
    let alignment = match metadata.get(ALIGNMENT) {
        Some(value) => value.as_usize().filter(|n| *n > 0),
        None => Some(32),
    };
    let alignment =
        alignment.ok_or_else(|| cursor.broken(format!("{ALIGNMENT} isn't a positive integer")))?;
    let start = cursor.at.next_multiple_of(alignment);
    let tensors = headers.into_iter().map(|header| header.place(start, bytes.len()));
    Ok((metadata, tensors.collect::<Result<_, _>>()?))
}

/// What a file says of a tensor ahead of the values.
struct Header {
    name: String,
    shape: Vec<usize>,
    kind: GgufType,
    offset: u64,
    /// Where it says so.
    at: usize,
}

impl Header {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Broken> {
        let at = cursor.at;
        let name = cursor.text()?;
        let dimensions = cursor.u32()?;
        if dimensions > 4 {
            return Err(cursor.broken(format!("tensor `{name}` has {dimensions} dimensions")));
        }
        let sizes = (0..dimensions).map(|_| cursor.u64());
        let sizes = sizes.collect::<Result<Vec<_>, _>>()?;
        let shape = sizes.into_iter().rev().map(usize::try_from).collect::<Result<Vec<_>, _>>();
        let shape = shape.map_err(|_| cursor.broken(format!("tensor `{name}` is too large")))?;
        let number = cursor.u32()?;
        let Some(kind) = GgufType::from_number(number) else {
            let known = GgufType::ALL.map(GgufType::name).join(", ");
            let reason =
                format!("tensor `{name}` is of ggml's type {number}; supported are {known}");
            return Err(cursor.broken(reason));
        };
        Ok(Self { name, shape, kind, offset: cursor.u64()?, at })
    }

    /// The tensor, whose values must lie within the file.
    fn place(self, start: usize, length: usize) -> Result<(String, GgufTensor), Broken> {
        let Self { name, shape, kind, offset, at } = self;
        let broken = |reason: String| Broken { at, reason: format!("tensor `{name}` {reason}") };
        let row = shape.last().copied().unwrap_or(1);
        if !row.is_multiple_of(kind.block_len()) {
            let reason = format!("has rows of {row} values, no multiple of {}", kind.block_len());
            return Err(broken(reason));
        }
        let bytes = shape.iter().try_fold(1_usize, |product, n| product.checked_mul(*n));
        let bytes = bytes.and_then(|n| (n / kind.block_len()).checked_mul(kind.block_bytes()));
        let first = usize::try_from(offset).ok().and_then(|offset| start.checked_add(offset));
        let place = first.zip(bytes).and_then(|(first, n)| Some(first..first.checked_add(n)?));
        match place.filter(|place| place.end <= length) {
            Some(place) => Ok((name, GgufTensor { shape, kind, place })),
            None => {
                Err(broken(format!("of shape {shape:?} goes beyond the file's {length} bytes")))
            }
        }
    }
}
