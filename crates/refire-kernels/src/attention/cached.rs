//! Attention of new tokens to keys and values that are remembered.

use super::rows::{PlacedRows, Row, Rows};
use super::{AttentionOptions, shape};
use crate::KernelError;
use burn::tensor::{DType, Device, Tensor};
use std::sync::OnceLock;

/// Keys are padded to a multiple of this: devices that tune a product for its shape meet few.
const STEP: usize = 64;

/// Scores of one head, and keys, that are in memory at once; a row that needs more has it.
const MOST_SCORES: usize = 1 << 22;
const MOST_KEYS: usize = 1 << 18;

/// New tokens of several sequences, and where all that each sees lies in a store of keys and values.
///
/// Made once for a step of decoding and read by every layer.
#[derive(Debug, Clone)]
pub struct Recall {
    /// Of each sequence that has new tokens: their number, and where all its tokens lie.
    rows: Vec<(usize, Vec<usize>)>,
    reaches: Vec<usize>,
    tokens: usize,
    /// Tokens that the store must have.
    store: usize,
    device: Device,
    dtype: DType,
    /// Scores and keys in memory at once.
    most: [usize; 2],
    /// What the composition reads, made when it is first asked for.
    parts: OnceLock<Vec<Part>>,
    /// What kernels read, where the device has some.
    #[cfg(feature = "cube")]
    map: Option<crate::cube::Map>,
}

/// Neighbouring rows, padded alike.
#[derive(Debug, Clone)]
struct Part {
    rows: PlacedRows,
    tokens: usize,
    /// One for each reach.
    masks: Vec<Tensor<5>>,
}

impl Recall {
    /// Of each sequence: the number of its new tokens, which lie one sequence after another among
    /// the queries, and the places of all its tokens in the store, the new ones last. `windows` are
    /// those of all layers that will ask; `dtype` is the format of the queries.
    ///
    /// # Errors
    /// When a sequence has more new tokens than tokens.
    pub fn new(
        sequences: impl IntoIterator<Item = (usize, Vec<usize>)>,
        windows: impl IntoIterator<Item = Option<usize>>,
        device: &Device,
        dtype: DType,
    ) -> Result<Self, KernelError> {
        Self::within([MOST_SCORES, MOST_KEYS], sequences, windows, device, dtype)
    }

    fn within(
        most: [usize; 2],
        sequences: impl IntoIterator<Item = (usize, Vec<usize>)>,
        windows: impl IntoIterator<Item = Option<usize>>,
        device: &Device,
        dtype: DType,
    ) -> Result<Self, KernelError> {
        let (mut rows, mut store) = (Vec::new(), 0);
        for (row, (len, keys)) in sequences.into_iter().enumerate() {
            if len > keys.len() {
                let (what, found) = ("number of new tokens", len as u32);
                return Err(KernelError::Index { what, row, found, limit: keys.len() + 1 });
            }
            store = keys.iter().map(|place| place + 1).fold(store, usize::max);
            if len > 0 {
                rows.push((len, keys));
            }
        }
        let mut reaches: Vec<usize> = windows
            .into_iter()
            .map(|window| AttentionOptions { scale: 1.0, window, softcap: None }.reach())
            .collect();
        reaches.sort_unstable();
        reaches.dedup();
        let tokens = rows.iter().map(|(len, _)| len).sum();
        #[cfg(feature = "cube")]
        let map = {
            let sequences = rows.iter().scan(0, |first, (len, keys)| {
                *first += len;
                Some((*first - len, *len, &keys[..]))
            });
            crate::cube::Map::newest(sequences, device)
        };
        Ok(Self {
            rows,
            reaches,
            tokens,
            store,
            device: device.clone(),
            dtype,
            most,
            parts: OnceLock::new(),
            #[cfg(feature = "cube")]
            map,
        })
    }

    /// Which of the reaches it was made for this is.
    fn index_of(&self, reach: usize) -> Result<usize, KernelError> {
        let index = self.reaches.iter().position(|other| *other == reach);
        index.ok_or_else(|| {
            let expected = self.reaches.clone();
            KernelError::Shape { what: "the window", found: vec![reach], expected }
        })
    }

    fn parts(&self) -> &[Part] {
        self.parts.get_or_init(|| {
            let parts = split(&self.rows, self.most).into_iter().map(|rows| {
                let mask = |reach: &usize| rows.put_mask(*reach, &self.device, self.dtype);
                let masks = self.reaches.iter().map(mask).collect();
                Part { tokens: rows.tokens(), rows: rows.put(&self.device), masks }
            });
            parts.collect()
        })
    }
}

/// Neighbouring rows together as long as their padded scores and keys fit.
fn split(rows: &[(usize, Vec<usize>)], [scores, keys]: [usize; 2]) -> Vec<Rows> {
    let (mut parts, mut part, mut first) = (Vec::new(), Vec::<Row>::new(), 0);
    let (mut time, mut width) = (0, 0);
    for (len, places) in rows {
        let padded = (time.max(*len), width.max(places.len()));
        let count = part.len() + 1;
        if !part.is_empty() && (count * padded.0 * padded.1 > scores || count * padded.1 > keys) {
            parts.push(Rows::new(std::mem::take(&mut part), STEP));
            (first, time, width) = (0, 0, 0);
        }
        (time, width) = (time.max(*len), width.max(places.len()));
        part.push(Row { first, len: *len, keys: places.clone() });
        first += len;
    }
    if !part.is_empty() {
        parts.push(Rows::new(part, STEP));
    }
    parts
}

/// [`attention`](crate::attention) of new tokens `q` `[n, heads, d]` to what a store remembers,
/// `keys` and `values` `[places, kv_heads, d]`, the new tokens included. Without gradient in mind.
/// What is remembered is read by place: by a kernel on GPUs, by the composition, which copies it
/// into padded rows, elsewhere.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_kernels::{AttentionOptions, Recall, recall};
/// let device = Device::flex();
/// let options = AttentionOptions { scale: 1.0, window: None, softcap: None };
/// // One sequence, its tokens in places 2, 0 and 1; the last is new.
/// let values = Tensor::<3>::from_data([[[3.0]], [[6.0]], [[0.0]]], &device);
/// let q = Tensor::<3>::zeros([1, 1, 1], &device);
/// let seen = Recall::new([(1, vec![2, 0, 1])], [None], &device, q.dtype())?;
/// let y = recall(q, &values.zeros_like(), &values, &seen, &options)?;
/// assert!((y.into_scalar::<f32>() - 3.0).abs() < 1e-6);
/// # Ok::<(), refire_kernels::KernelError>(())
/// ```
///
/// # Errors
/// When shapes don't fit, and for a window that `seen` was not made for.
pub fn recall(
    q: Tensor<3>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
    seen: &Recall,
    options: &AttentionOptions,
) -> Result<Tensor<3>, KernelError> {
    let ([n, heads, d], [places, kv, _]) = (q.dims(), keys.dims());
    shape("the queries", q.dims(), [seen.tokens, heads, d])?;
    let expected = if kv > 0 && heads % kv == 0 { kv } else { heads };
    let places = places.max(seen.store);
    shape("the keys", keys.dims(), [places, expected, d])?;
    shape("the values", values.dims(), [places, expected, d])?;
    if n == 0 || heads == 0 {
        return Ok(q);
    }
    let reach = seen.index_of(options.reach())?;
    #[cfg(feature = "cube")]
    if let Some(map) = &seen.map
        && let Some(y) = crate::cube::recall(&q, keys, values, map, options)
    {
        return Ok(y);
    }
    let attend = |q: Tensor<3>, part: &Part| {
        part.rows.attend(q, keys.clone(), values.clone(), part.masks[reach].clone(), options)
    };
    if let [part] = seen.parts() {
        return Ok(attend(q, part));
    }
    let mut start = 0;
    let parts = seen.parts().iter().map(|part| {
        let q = q.clone().narrow(0, start, part.tokens);
        start += part.tokens;
        attend(q, part)
    });
    Ok(Tensor::cat(parts.collect(), 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Layout;
    use burn::tensor::{Distribution, TensorData};

    /// The last tokens of rows that lie packed, against attention over all of them.
    #[test]
    fn new_tokens_see_what_they_saw_when_all_were_read() {
        let device = Device::flex();
        let (heads, kv, d, lengths, new) = (4, 2, 8, [5, 70, 1, 130], [1, 3, 1, 2]);
        let n: usize = lengths.iter().sum();
        let random = |heads| Tensor::<3>::random([n, heads, d], Distribution::Default, &device);
        let (q, k, v) = (random(heads), random(kv), random(kv));
        for (window, softcap) in [(None, None), (Some(4), Some(2.0)), (Some(64), None)] {
            let options = AttentionOptions { scale: 0.3, window, softcap };
            let layout = Layout::rows(lengths);
            let all = crate::plain::attention(q.clone(), k.clone(), v.clone(), &layout, &options);
            let last = layout.runs().iter().enumerate().flat_map(|(run, _)| {
                let places = layout.places(run);
                places.end - new[run]..places.end
            });
            let last: Vec<i64> = last.map(|place| place as i64).collect();
            let count = last.len();
            let last = Tensor::from_data(TensorData::new(last, [count]), &device);
            let newest = q.clone().select(0, last);
            let ends = layout.runs().iter().enumerate().flat_map(|(run, _)| {
                let places = layout.places(run);
                places.end - new[run]..places.end
            });
            let ends: Vec<i64> = ends.map(|place| place as i64).collect();
            let ends = Tensor::from_data(TensorData::new(ends, [count]), &device);
            let all = all.unwrap().select(0, ends);
            // Together, in two parts by either limit, each row alone.
            for most in [[MOST_SCORES, MOST_KEYS], [450, 1_000], [1_000, 150], [1, 1]] {
                let sequences = (0..4).map(|run| (new[run], layout.places(run).collect()));
                let windows = [None, Some(4), Some(64)];
                let seen = Recall::within(most, sequences, windows, &device, q.dtype()).unwrap();
                let found = recall(newest.clone(), &k, &v, &seen, &options).unwrap();
                let gap = (found - all.clone()).abs().max().into_scalar::<f32>();
                assert!(gap < 1e-6, "{window:?}, {most:?}: {gap}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let device = Device::flex();
        let x = Tensor::<3>::zeros([2, 1, 1], &device);
        let seen = |places| Recall::new([(1, places)], [None], &device, x.dtype()).unwrap();
        let options = AttentionOptions { scale: 1.0, window: None, softcap: None };
        let q = x.clone().narrow(0, 0, 1);
        let error = recall(q.clone(), &x, &x, &seen(vec![5]), &options).unwrap_err();
        assert!(error.to_string().contains("the keys"), "{error}");
        let options = AttentionOptions { window: Some(3), ..options };
        let error = recall(q, &x, &x, &seen(vec![0]), &options).unwrap_err();
        assert!(error.to_string().contains("the window"), "{error}");
        let more = Recall::new([(2, vec![0])], [None], &device, x.dtype()).unwrap_err();
        assert!(more.to_string().contains("new tokens"), "{more}");
    }
}
