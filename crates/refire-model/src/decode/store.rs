//! Keys and values on a device, in the order in which tokens came.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Room is made for so many tokens at a time.
const STEP: usize = 1024;

/// What a decoder on a device remembers of all sequences: new tokens follow the last ones, and when
/// there is no more room, those that are still of use move together.
#[derive(Debug)]
pub(super) struct Store {
    /// Keys and values of each layer, `[room, kv_heads, d]`; `None` while one is being written.
    pub(super) layers: Vec<Option<[Tensor<3>; 2]>>,
    room: usize,
    /// Where the next token goes.
    end: usize,
    /// Where each sequence's own tokens are.
    places: BTreeMap<u64, Vec<usize>>,
    next: u64,
    make: Make,
}

/// How a layer's tensors are made.
#[derive(Debug, Clone)]
struct Make {
    kv_heads: usize,
    head_dim: usize,
    device: Device,
    dtype: DType,
}

impl Make {
    fn zeros(&self, tokens: usize) -> Tensor<3> {
        Tensor::zeros([tokens, self.kv_heads, self.head_dim], (&self.device, self.dtype))
    }
}

impl Store {
    pub(super) fn new(
        layers: usize,
        [kv_heads, head_dim]: [usize; 2],
        device: Device,
        dtype: DType,
    ) -> Self {
        let make = Make { kv_heads, head_dim, device, dtype };
        let empty = || Some([make.zeros(0), make.zeros(0)]);
        let layers = (0..layers).map(|_| empty()).collect();
        Self { layers, room: 0, end: 0, places: BTreeMap::new(), next: 0, make }
    }

    /// Where new tokens go, all next to one another; others may move for it.
    pub(super) fn make_room(&mut self, tokens: usize) -> usize {
        if self.end + tokens > self.room {
            self.move_together(tokens);
        }
        let start = self.end;
        self.end += tokens;
        start
    }

    fn move_together(&mut self, tokens: usize) {
        let live: Vec<i64> = self.places.values().flatten().map(|place| *place as i64).collect();
        let kept = live.len();
        // At least half of the room is free afterwards, so that moves are rare.
        self.room = self.room.max((2 * (kept + tokens)).next_multiple_of(STEP));
        let indices = TensorData::new(live, [kept]);
        let indices: Tensor<1, Int> = Tensor::from_data(indices, &self.make.device);
        let free = self.make.zeros(self.room - kept);
        // Taken out, so that a device that fails leaves no layer that others don't fit; one layer at
        // a time holds its tensors twice.
        let layers = std::mem::take(&mut self.layers).into_iter().map(|layer| {
            let moved = |x: Tensor<3>| match kept {
                0 => free.clone(),
                _ => Tensor::cat(vec![x.select(0, indices.clone()), free.clone()], 0),
            };
            layer.map(|pair| pair.map(moved))
        });
        self.layers = layers.collect();
        for (new, place) in self.places.values_mut().flatten().enumerate() {
            *place = new;
        }
        self.end = kept;
    }

    /// Writes new tokens of a layer, and gives the whole layer.
    pub(super) fn write(
        &mut self,
        layer: usize,
        start: usize,
        new: [Tensor<3>; 2],
    ) -> Option<[Tensor<3>; 2]> {
        let slot = self.layers.get_mut(layer)?;
        // Taken out, so that nobody else holds it and it is written in place.
        let [keys, values] = slot.take()?;
        let write = |old: Tensor<3>, new: Tensor<3>| {
            let [n, kv, d] = new.dims();
            old.slice_assign([start..start + n, 0..kv, 0..d], new)
        };
        let [new_keys, new_values] = new;
        let pair = [write(keys, new_keys), write(values, new_values)];
        *slot = Some(pair.clone());
        Some(pair)
    }

    pub(super) fn places(&self, ticket: &Ticket) -> &[usize] {
        self.places.get(&ticket.id).map_or(&[], Vec::as_slice)
    }

    pub(super) fn extend(&mut self, ticket: &Ticket, places: std::ops::Range<usize>) {
        self.places.entry(ticket.id).or_default().extend(places);
    }

    pub(super) fn truncate(&mut self, ticket: &Ticket, tokens: usize) {
        if let Some(places) = self.places.get_mut(&ticket.id) {
            places.truncate(tokens);
        }
    }
}

/// A sequence's claim on its places, until it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    id: u64,
    store: Arc<Mutex<Store>>,
}

impl Ticket {
    pub(super) fn new(store: &Arc<Mutex<Store>>) -> Self {
        let id = {
            let mut store = lock(store);
            store.next += 1;
            store.next
        };
        Self { id, store: store.clone() }
    }

    pub(super) fn is_of(&self, store: &Arc<Mutex<Store>>) -> bool {
        Arc::ptr_eq(&self.store, store)
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.store).places(self).len()
    }

    pub(super) fn clear(&self) {
        lock(&self.store).places.remove(&self.id);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Also after a panic: what was being written is missing then, and says so where it is read.
pub(super) fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}
