use flate2::{Compression, write::ZlibEncoder};
use std::io::Write;

/// How many times smaller zlib makes a text; 1 for one it can't make smaller.
pub(super) fn ratio(text: &str) -> f64 {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing to memory can't fail; if it did, the text would pass.
    let size = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    size.map_or(1.0, |bytes| text.len() as f64 / bytes.len().max(1) as f64).max(1.0)
}
