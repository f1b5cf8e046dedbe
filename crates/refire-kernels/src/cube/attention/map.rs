//! Who sees whom, as kernels read it.

use crate::Layout;
use crate::cube::memory::{MOST_CUBES, capable};
use burn::backend::Cube;
use burn::backend::tensor::IntTensor;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// Numbers that describe a tile.
pub(super) const ENTRY: usize = 6;

/// Tiles of neighbouring query tokens and what they see, on a device.
///
/// One array: for each tile its first token, its number of tokens, the position of the first, where
/// the places of its row's keys begin (the key of position `p` lies at that plus `p`), and from
/// where to where the tiles are listed that see tokens of this one; then those lists.
#[derive(Debug, Clone)]
pub(crate) struct Map {
    pub(super) tensor: IntTensor<Cube>,
    pub(super) tiles: usize,
    /// Most keys that a tile has.
    pub(super) longest: usize,
    /// Whether each tile is one token.
    pub(super) single: bool,
}

/// New tokens of a sequence: where the first lies among the queries, their number, and the places
/// of all keys, the new ones last.
pub(crate) type Sequence<'a> = (usize, usize, &'a [usize]);

impl Map {
    /// Of packed tokens; `None` where the device isn't one with kernels, or the numbers are too
    /// large for them.
    pub(crate) fn of(layout: &Layout, device: &Device) -> Option<Self> {
        let mut draft = Draft::new(layout.blocks.len());
        let mut offsets = Vec::with_capacity(layout.runs().len());
        for run in 0..layout.runs().len() {
            offsets.push(draft.rest.len());
            for above in layout.chain(run) {
                draft.rest.extend(layout.places(above).map(|place| place as u32));
            }
        }
        for (index, block) in layout.blocks.iter().enumerate() {
            let from = draft.rest.len();
            draft.rest.extend(layout.seeing(index).map(|other| other as u32));
            draft.tile([block.start, block.len, block.position, offsets[block.run]], from);
        }
        draft.put(device)
    }

    /// Of new tokens that see what a store remembers; nobody asks who sees them.
    pub(crate) fn newest<'a>(
        sequences: impl Iterator<Item = Sequence<'a>> + Clone,
        device: &Device,
    ) -> Option<Self> {
        let tiles = sequences.clone().map(|(_, len, _)| len.div_ceil(crate::attention::BLOCK));
        let mut draft = Draft::new(tiles.sum());
        for (first, len, keys) in sequences {
            let offset = draft.rest.len();
            draft.rest.extend(keys.iter().map(|place| *place as u32));
            let before = keys.len() - len;
            for at in (0..len).step_by(crate::attention::BLOCK) {
                let count = crate::attention::BLOCK.min(len - at);
                let end = draft.rest.len();
                draft.tile([first + at, count, before + at, offset], end);
            }
        }
        draft.put(device)
    }
}

struct Draft {
    tiles: Vec<u32>,
    rest: Vec<u32>,
    /// Where the rest will begin.
    base: usize,
    longest: usize,
    single: bool,
}

impl Draft {
    fn new(tiles: usize) -> Self {
        let base = tiles * ENTRY;
        Self { tiles: Vec::with_capacity(base), rest: Vec::new(), base, longest: 0, single: true }
    }

    fn tile(&mut self, [first, len, position, keys]: [usize; 4], listed: usize) {
        self.longest = self.longest.max(position + len);
        self.single &= len == 1;
        let (base, end) = (self.base, self.rest.len());
        let entry = [first, len, position, base + keys, base + listed, base + end];
        self.tiles.extend(entry.map(|number| number as u32));
    }

    fn put(mut self, device: &Device) -> Option<Map> {
        let tiles = self.tiles.len() / ENTRY;
        self.tiles.append(&mut self.rest);
        let n = self.tiles.len();
        if tiles > MOST_CUBES || u32::try_from(n).is_err() {
            return None;
        }
        let numbers = TensorData::new(self.tiles, [n]);
        let device = device.clone().inner();
        let tensor = Tensor::<1, Int>::from_data(numbers, (&device, DType::U32));
        let tensor = tensor.try_into_primitive::<Cube>().ok().filter(capable)?;
        Some(Map { tensor, tiles, longest: self.longest, single: self.single })
    }
}
