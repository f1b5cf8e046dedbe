use super::Lsh;
use crate::DataError;
use std::io::{Read, Write};

const MAGIC: &[u8; 8] = b"RFSIGN01";

/// Writes signatures with their ids, to be compared with other data later: little-endian numbers
/// after a header, the same bytes on every machine.
///
/// ```
/// use refire_data::{Lsh, MinHash, read_signatures, write_signatures};
/// let lsh = Lsh { bands: 2, rows: 2 };
/// let signature = MinHash::new(lsh, 1).signature(&[7 << 32]);
/// let mut file = Vec::new();
/// write_signatures(&mut file, lsh, 1, &[(42, signature.clone())])?;
/// assert_eq!(read_signatures(&mut file.as_slice())?, (lsh, 1, vec![(42, signature)]));
/// # Ok::<(), refire_data::DataError>(())
/// ```
///
/// # Errors
/// When a signature has another length than `lsh` says, or the file can't take it.
pub fn write_signatures(
    to: &mut dyn Write,
    lsh: Lsh,
    seed: u64,
    signatures: &[(u64, Vec<u32>)],
) -> Result<(), DataError> {
    let expected = lsh.hashes();
    let mut bytes = MAGIC.to_vec();
    for number in [lsh.bands as u64, lsh.rows as u64, seed, signatures.len() as u64] {
        bytes.extend(number.to_le_bytes());
    }
    for (id, signature) in signatures {
        let found = signature.len();
        if found != expected {
            return Err(DataError::Count { what: "minima of a signature", found, expected });
        }
        bytes.extend(id.to_le_bytes());
        signature.iter().for_each(|minimum| bytes.extend(minimum.to_le_bytes()));
    }
    to.write_all(&bytes)
        .map_err(|source| DataError::Caller { what: "writing signatures", source: source.into() })
}

/// Bands and rows, the seed, and signatures by id.
type Signatures = (Lsh, u64, Vec<(u64, Vec<u32>)>);

/// Reads what [`write_signatures`] wrote.
///
/// # Errors
/// When it isn't that, or isn't whole.
pub fn read_signatures(from: &mut dyn Read) -> Result<Signatures, DataError> {
    let bad = |reason: String| DataError::Format { what: "a file of signatures", reason };
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).map_err(|error| bad(error.to_string()))?;
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| bad("its first bytes differ".to_owned()))?;
    let short = || bad("it is cut off".to_owned());
    let (header, body) = rest.split_at_checked(32).ok_or_else(short)?;
    let number =
        |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |n, byte| (n << 8) | u64::from(*byte));
    let [bands, rows, seed, count] = [0, 8, 16, 24].map(|at| number(&header[at..at + 8]));
    let size = bands.checked_mul(rows).and_then(|n| n.checked_mul(4)?.checked_add(8));
    let whole = size.and_then(|size| size.checked_mul(count)) == Some(body.len() as u64);
    let size = size.filter(|_| whole).ok_or_else(short)? as usize;
    let read = |entry: &[u8]| {
        let minima = entry[8..].chunks_exact(4).map(|minimum| number(minimum) as u32);
        (number(&entry[..8]), minima.collect())
    };
    let signatures = body.chunks_exact(size).map(read).collect();
    Ok((Lsh { bands: bands as usize, rows: rows as usize }, seed, signatures))
}
