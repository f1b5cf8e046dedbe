use crate::DataError;
use serde::{Deserialize, Serialize};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// How loads are spread over workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// Karmarkar and Karp's differencing, in its form for many parts.
    #[default]
    KarmarkarKarp,
    /// The same with equally many items in each part; the number of items must be divisible.
    EqualSize,
    /// The largest item first, each to the part with the least load.
    Greedy,
}

/// Splits items with the given loads into `parts`, their sums as equal as the method makes them.
/// Returns the indices of each part, ascending. Follows verl's `get_seqlen_balanced_partitions`,
/// ties included.
///
/// ```
/// use refire_data::{Balance, balance};
/// let parts = balance(&[8, 7, 6, 5, 4], 2, Balance::KarmarkarKarp)?;
/// let sums: Vec<usize> = parts.iter().map(|p| p.iter().map(|i| [8, 7, 6, 5, 4][*i]).sum()).collect();
/// assert_eq!(sums, [16, 14]);
/// # Ok::<(), refire_data::DataError>(())
/// ```
///
/// # Errors
/// For no part, for fewer items than parts, and for a number of items that `EqualSize` can't
/// divide.
pub fn balance(
    loads: &[usize],
    parts: usize,
    method: Balance,
) -> Result<Vec<Vec<usize>>, DataError> {
    if parts == 0 || loads.len() < parts {
        return Err(DataError::out_of_range("parts", parts, "from 1 to the number of items"));
    }
    if method == Balance::EqualSize && !loads.len().is_multiple_of(parts) {
        let expected = "a divisor of the number of items";
        return Err(DataError::out_of_range("parts", parts, expected));
    }
    let mut order: Vec<(usize, usize)> = loads.iter().copied().zip(0..).collect();
    order.sort_unstable();
    let sets = match method {
        Balance::Greedy => greedy(&order, parts),
        Balance::KarmarkarKarp => difference(order.chunks(1), parts),
        Balance::EqualSize => difference(order.chunks(parts), parts),
    };
    let sorted = sets.into_iter().map(|mut set| {
        set.items.sort_unstable_by_key(|(index, _)| *index);
        set.items.into_iter().map(|(index, _)| index).collect()
    });
    Ok(sorted.collect())
}

/// Items (index, load) with their sum; ordered by sum, size and items.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Set {
    sum: usize,
    size: usize,
    items: Vec<(usize, usize)>,
}

impl Set {
    fn add(&mut self, items: impl IntoIterator<Item = (usize, usize)>) {
        for (index, load) in items {
            self.sum += load;
            self.size += 1;
            self.items.push((index, load));
        }
    }
}

/// A partial solution: one set a part, the largest first.
#[derive(PartialEq, Eq)]
struct State {
    sets: Vec<Set>,
}

impl State {
    fn new(items: &[(usize, usize)], parts: usize) -> Self {
        let mut sets = vec![Set::default(); parts];
        for (set, (load, index)) in sets.iter_mut().zip(items) {
            set.add([(*index, *load)]);
        }
        Self { sets }.sorted()
    }

    fn sorted(mut self) -> Self {
        self.sets.sort_by(|a, b| b.cmp(a));
        self
    }

    /// Joins the largest set of one with the smallest of the other, and so on.
    fn merge(mut self, other: Self) -> Self {
        for (set, small) in self.sets.iter_mut().zip(other.sets.into_iter().rev()) {
            set.add(small.items);
        }
        self.sorted()
    }

    fn spread(&self) -> usize {
        self.sets[0].sum - self.sets[self.sets.len() - 1].sum
    }
}

impl Ord for State {
    fn cmp(&self, other: &Self) -> Ordering {
        self.spread().cmp(&other.spread()).then_with(|| self.sets[0].cmp(&other.sets[0]))
    }
}

impl PartialOrd for State {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn difference<'a>(groups: impl Iterator<Item = &'a [(usize, usize)]>, parts: usize) -> Vec<Set> {
    let mut heap: BinaryHeap<State> = groups.map(|items| State::new(items, parts)).collect();
    while let Some(first) = heap.pop() {
        match heap.pop() {
            Some(second) => heap.push(first.merge(second)),
            None => return first.sets,
        }
    }
    Vec::new()
}

fn greedy(order: &[(usize, usize)], parts: usize) -> Vec<Set> {
    let mut sets = vec![Set::default(); parts];
    let mut heap: BinaryHeap<Reverse<(usize, usize)>> =
        (0..parts).map(|p| Reverse((0, p))).collect();
    for (load, index) in order.iter().rev() {
        if let Some(Reverse((sum, part))) = heap.pop() {
            sets[part].add([(*index, *load)]);
            heap.push(Reverse((sum + load, part)));
        }
    }
    sets
}
