use crate::DataError;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

const BUFFER: usize = 1 << 18;

/// Opens a file for reading and undoes its compression, which its first bytes tell.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, DataError> {
    let failed = |source| DataError::File { path: path.to_owned(), source };
    let mut file = BufReader::with_capacity(BUFFER, File::open(path).map_err(failed)?);
    let start = file.fill_buf().map_err(failed)?;
    if start.starts_with(&[0x1f, 0x8b]) {
        let decoder = flate2::bufread::MultiGzDecoder::new(file);
        return Ok(Box::new(BufReader::with_capacity(BUFFER, decoder)));
    }
    if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return zstd_reader(path, file);
    }
    Ok(Box::new(file))
}

#[cfg(feature = "zstd")]
fn zstd_reader(
    path: &Path,
    file: impl BufRead + Send + 'static,
) -> Result<Box<dyn BufRead + Send>, DataError> {
    let failed = |source| DataError::File { path: path.to_owned(), source };
    let decoder = zstd::Decoder::with_buffer(file).map_err(failed)?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, decoder)))
}

#[cfg(not(feature = "zstd"))]
fn zstd_reader(path: &Path, _file: impl BufRead) -> Result<Box<dyn BufRead + Send>, DataError> {
    let reason = "zstd files need the feature `zstd` of refire-data".to_owned();
    Err(DataError::Unsupported { path: path.to_owned(), reason })
}

/// A file being written, compressed as its name says.
pub(super) enum Sink {
    Plain(BufWriter<File>),
    Gzip(flate2::write::GzEncoder<BufWriter<File>>),
    #[cfg(feature = "zstd")]
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl Sink {
    /// Creates `at`, to hold what the name `named` says.
    pub(super) fn create(at: &Path, named: &Path) -> Result<Self, DataError> {
        let failed = |source| DataError::File { path: at.to_owned(), source };
        let extension = named.extension().and_then(|e| e.to_str()).unwrap_or_default();
        #[cfg(not(feature = "zstd"))]
        if extension == "zst" {
            let reason = "zstd files need the feature `zstd` of refire-data".to_owned();
            return Err(DataError::Unsupported { path: named.to_owned(), reason });
        }
        let file = BufWriter::with_capacity(BUFFER, File::create(at).map_err(failed)?);
        match extension {
            "gz" => {
                let level = flate2::Compression::default();
                Ok(Self::Gzip(flate2::write::GzEncoder::new(file, level)))
            }
            #[cfg(feature = "zstd")]
            "zst" => Ok(Self::Zstd(zstd::Encoder::new(file, 0).map_err(failed)?)),
            _ => Ok(Self::Plain(file)),
        }
    }

    /// Writes what is left and waits until it is on disk.
    pub(super) fn finish(self) -> std::io::Result<()> {
        let file = match self {
            Self::Plain(file) => file,
            Self::Gzip(encoder) => encoder.finish()?,
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => encoder.finish()?,
        };
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(file) => file.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sink")
    }
}
