use std::cmp::Ordering;

use num_bigint::Sign;

use crate::canon::sign;
use crate::exact::Fraction;
use crate::fuel::{Fuel, Stop};

/// An end of a piece of the real line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bound {
    MinusInfinity,
    At(Fraction),
    PlusInfinity,
}

/// A connected piece of the real line; a single point if both ends are the same.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Piece {
    pub(crate) low: Bound,
    pub(crate) low_closed: bool,
    pub(crate) high: Bound,
    pub(crate) high_closed: bool,
}

/// A finite union of pieces: sorted, apart from each other, none empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Region {
    pub(crate) pieces: Vec<Piece>,
}

/// Most pieces of a region.
const MAX_PIECES: usize = 64;

impl Bound {
    /// The order of two ends, if it can be told.
    pub(crate) fn order(&self, other: &Self, fuel: &Fuel) -> Result<Ordering, Stop> {
        use Bound::{At, MinusInfinity, PlusInfinity};
        Ok(match (self, other) {
            (MinusInfinity, MinusInfinity) | (PlusInfinity, PlusInfinity) => Ordering::Equal,
            (MinusInfinity, _) | (_, PlusInfinity) => Ordering::Less,
            (PlusInfinity, _) | (_, MinusInfinity) => Ordering::Greater,
            (At(a), At(b)) => {
                if a.equals(b, fuel)? {
                    return Ok(Ordering::Equal);
                }
                match sign(&a.sub(b, fuel)?, fuel).ok_or(Stop::Unsupported)? {
                    Sign::Minus => Ordering::Less,
                    Sign::NoSign => Ordering::Equal,
                    Sign::Plus => Ordering::Greater,
                }
            }
        })
    }
}

impl Piece {
    pub(crate) fn point(value: Fraction) -> Self {
        Self {
            low: Bound::At(value.clone()),
            low_closed: true,
            high: Bound::At(value),
            high_closed: true,
        }
    }

    fn is_empty(&self, fuel: &Fuel) -> Result<bool, Stop> {
        Ok(match self.low.order(&self.high, fuel)? {
            Ordering::Less => false,
            Ordering::Equal => !(self.low_closed && self.high_closed),
            Ordering::Greater => true,
        })
    }
}

impl Region {
    pub(crate) fn empty() -> Self {
        Self { pieces: Vec::new() }
    }

    pub(crate) fn reals() -> Self {
        Self {
            pieces: vec![Piece {
                low: Bound::MinusInfinity,
                low_closed: false,
                high: Bound::PlusInfinity,
                high_closed: false,
            }],
        }
    }

    /// The union of pieces in any order.
    pub(crate) fn new(pieces: Vec<Piece>, fuel: &Fuel) -> Result<Self, Stop> {
        if pieces.len() > MAX_PIECES {
            return Err(Stop::TooBig);
        }
        let mut sorted: Vec<Piece> = Vec::with_capacity(pieces.len());
        for mut piece in pieces {
            piece.low_closed &= matches!(piece.low, Bound::At(_));
            piece.high_closed &= matches!(piece.high, Bound::At(_));
            if piece.is_empty(fuel)? {
                continue;
            }
            let mut at = sorted.len();
            while at > 0 && starts_before(&piece, &sorted[at - 1], fuel)? {
                at -= 1;
            }
            sorted.insert(at, piece);
        }
        let mut merged: Vec<Piece> = Vec::with_capacity(sorted.len());
        for piece in sorted {
            let Some(last) = merged.last_mut() else {
                merged.push(piece);
                continue;
            };
            let touching = match last.high.order(&piece.low, fuel)? {
                Ordering::Greater => true,
                Ordering::Equal => last.high_closed || piece.low_closed,
                Ordering::Less => false,
            };
            if !touching {
                merged.push(piece);
                continue;
            }
            match last.high.order(&piece.high, fuel)? {
                Ordering::Less => {
                    last.high = piece.high;
                    last.high_closed = piece.high_closed;
                }
                Ordering::Equal => last.high_closed |= piece.high_closed,
                Ordering::Greater => {}
            }
        }
        Ok(Self { pieces: merged })
    }

    pub(crate) fn union(mut self, other: Self, fuel: &Fuel) -> Result<Self, Stop> {
        self.pieces.extend(other.pieces);
        Self::new(self.pieces, fuel)
    }

    pub(crate) fn intersection(&self, other: &Self, fuel: &Fuel) -> Result<Self, Stop> {
        let mut pieces = Vec::new();
        for a in &self.pieces {
            for b in &other.pieces {
                let (low, low_closed) = match a.low.order(&b.low, fuel)? {
                    Ordering::Less => (&b.low, b.low_closed),
                    Ordering::Equal => (&a.low, a.low_closed && b.low_closed),
                    Ordering::Greater => (&a.low, a.low_closed),
                };
                let (high, high_closed) = match a.high.order(&b.high, fuel)? {
                    Ordering::Less => (&a.high, a.high_closed),
                    Ordering::Equal => (&a.high, a.high_closed && b.high_closed),
                    Ordering::Greater => (&b.high, b.high_closed),
                };
                pieces.push(Piece {
                    low: low.clone(),
                    low_closed,
                    high: high.clone(),
                    high_closed,
                });
            }
        }
        Self::new(pieces, fuel)
    }

    pub(crate) fn complement(&self, fuel: &Fuel) -> Result<Self, Stop> {
        let mut pieces = Vec::with_capacity(self.pieces.len() + 1);
        let (mut low, mut low_closed) = (Bound::MinusInfinity, false);
        for piece in &self.pieces {
            pieces.push(Piece {
                low,
                low_closed,
                high: piece.low.clone(),
                high_closed: !piece.low_closed,
            });
            (low, low_closed) = (piece.high.clone(), !piece.high_closed);
        }
        pieces.push(Piece { low, low_closed, high: Bound::PlusInfinity, high_closed: false });
        Self::new(pieces, fuel)
    }
}

fn starts_before(a: &Piece, b: &Piece, fuel: &Fuel) -> Result<bool, Stop> {
    Ok(match a.low.order(&b.low, fuel)? {
        Ordering::Less => true,
        Ordering::Equal => a.low_closed && !b.low_closed,
        Ordering::Greater => false,
    })
}
