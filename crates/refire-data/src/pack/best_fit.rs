use super::Piece;
use std::collections::VecDeque;

/// Pieces (none longer than a row) into rows, by best-fit decreasing.
pub(super) fn rows(pieces: &[Piece], seq_length: usize) -> Vec<Vec<Piece>> {
    let mut order: Vec<&Piece> = pieces.iter().collect();
    order.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
    let mut rows: Vec<Vec<Piece>> = Vec::new();
    let mut rooms = Rooms::new(seq_length);
    for piece in order {
        let (row, room) = rooms.take(piece.len()).unwrap_or_else(|| {
            rows.push(Vec::new());
            (rows.len() - 1, seq_length)
        });
        rows[row].push(*piece);
        rooms.put(row, room - piece.len());
    }
    rows
}

/// Open rows by the room they have left, and a segment tree over the rooms that occur.
struct Rooms {
    /// Rows with a given room, oldest first.
    rows: Vec<VecDeque<usize>>,
    /// Node `i` holds the largest room below it; leaf `leaves + room - 1` holds `room` or 0.
    tree: Vec<usize>,
    leaves: usize,
}

impl Rooms {
    fn new(seq_length: usize) -> Self {
        let leaves = seq_length.next_power_of_two();
        Self { rows: vec![VecDeque::new(); seq_length + 1], tree: vec![0; 2 * leaves], leaves }
    }

    /// The row with the least room of at least `length`, and that room.
    fn take(&mut self, length: usize) -> Option<(usize, usize)> {
        if self.tree[1] < length {
            return None;
        }
        let mut node = 1;
        while node < self.leaves {
            node *= 2;
            if self.tree[node] < length {
                node += 1;
            }
        }
        let room = self.tree[node];
        let row = self.rows[room].pop_front()?;
        if self.rows[room].is_empty() {
            self.set(room, 0);
        }
        Some((row, room))
    }

    fn put(&mut self, row: usize, room: usize) {
        if room > 0 {
            self.rows[room].push_back(row);
            self.set(room, room);
        }
    }

    fn set(&mut self, room: usize, value: usize) {
        let mut node = self.leaves + room - 1;
        self.tree[node] = value;
        while node > 1 {
            node /= 2;
            self.tree[node] = self.tree[2 * node].max(self.tree[2 * node + 1]);
        }
    }
}
