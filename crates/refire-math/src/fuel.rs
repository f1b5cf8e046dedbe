//! The budget of one comparison. It is counted in steps, not in time, so that a verdict is the
//! same on every machine.

use std::cell::Cell;

/// Why a computation was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The steps are used up.
    Fuel,
    /// A number or a polynomial would be larger than allowed.
    TooBig,
    /// Division by zero, a logarithm of zero and the like.
    Undefined,
    /// A notation that has no exact value here.
    Unsupported,
}

/// Largest number that is ever built, in bits.
const MAX_BITS: u64 = 1 << 16;

/// Steps left to spend. One step is some 50 nanoseconds: an operation on machine words with its
/// share of the memory it touches.
#[derive(Debug)]
pub(crate) struct Fuel {
    left: Cell<u64>,
}

impl Fuel {
    pub(crate) fn new(steps: u64) -> Self {
        Self { left: Cell::new(steps) }
    }

    pub(crate) fn spend(&self, steps: u64) -> Result<(), Stop> {
        let left = self.left.get().checked_sub(steps);
        self.left.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or(Stop::Fuel)
    }

    /// Pays for bringing a quotient of numbers of `bits` bits to lowest terms.
    pub(crate) fn reduction(&self, bits: u64) -> Result<(), Stop> {
        self.number(bits)?;
        self.spend(bits * (bits / 64 + 8) / 40)
    }

    /// Pays for an operation whose result has about `bits` bits.
    pub(crate) fn number(&self, bits: u64) -> Result<(), Stop> {
        if bits > MAX_BITS {
            return Err(Stop::TooBig);
        }
        let words = bits / 64;
        self.spend(2 + words / 2 + words * words / 16)
    }
}
