//! Certified numerics: balls that contain the exact value, of any precision.

mod complex;
mod eval;
mod function;
mod real;
mod separation;

pub(crate) use complex::Complex;
pub(crate) use eval::{Evaluator, Point};
pub(crate) use real::Ball;
pub(crate) use separation::separation_bits;
