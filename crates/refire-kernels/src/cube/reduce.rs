//! What all units of a cube hold, in one number.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// The sum, in an order that depends on the number of units alone.
#[cube]
pub(super) fn together(value: f32, shared: &mut Shared<[f32]>, #[comptime] units: usize) -> f32 {
    tree(value, shared, units, false)
}

/// The greatest.
#[cube]
pub(super) fn greatest(value: f32, shared: &mut Shared<[f32]>, #[comptime] units: usize) -> f32 {
    tree(value, shared, units, true)
}

/// `units` is a power of two. Begins by waiting for those that still read `shared`.
#[cube]
fn tree(
    value: f32,
    shared: &mut Shared<[f32]>,
    #[comptime] units: usize,
    #[comptime] greatest: bool,
) -> f32 {
    let unit = UNIT_POS as usize;
    sync_cube();
    shared[unit] = value;
    sync_cube();
    let mut step = comptime!(units / 2).runtime();
    while step > 0 {
        if unit < step {
            let other = shared[unit + step];
            if comptime!(greatest) {
                shared[unit] = max(shared[unit], other);
            } else {
                shared[unit] += other;
            }
        }
        sync_cube();
        step /= 2;
    }
    shared[0]
}
