//! Arithmetic on slices. Loops without branches, which the compiler turns into vectors of the
//! machine's width where they run inside `pulp::Arch::dispatch`.

#![cfg_attr(not(feature = "flex"), allow(dead_code))]

mod product;

pub(crate) use product::{Factor, add_product};
