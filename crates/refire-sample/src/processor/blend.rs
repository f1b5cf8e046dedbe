use super::{LogitsProcessor, Scratch, TokenContext};

/// Blends two policies in logit space (RLG): `pi ~ partner^(1-w) policy^w`.
///
/// `(1-w) partner + w policy` on the logits; constants of either drop out in the softmax. Beyond 1
/// it extrapolates away from the partner. A token that either policy forbids stays forbidden.
/// Without a partner in the context nothing changes.
///
/// ```
/// use refire_sample::{Blend, LogitsProcessor, Scratch, TokenContext};
/// let mut logits = [1.0, 0.0];
/// let context = TokenContext { partner: Some(&[0.0, 2.0]), ..Default::default() };
/// Blend::new(1.5).process(&context, &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [1.5, -1.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blend {
    weight: f32,
}

impl Blend {
    /// The policy's own share.
    pub fn new(weight: f32) -> Self {
        Self { weight }
    }
}

impl LogitsProcessor for Blend {
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32], _scratch: &mut Scratch) {
        let Some(partner) = context.partner else { return };
        let (w, none) = (f64::from(self.weight), f32::NEG_INFINITY);
        for (x, other) in logits.iter_mut().zip(partner) {
            let blend = (1.0 - w) * f64::from(*other) + w * f64::from(*x);
            *x = if *x == none || *other == none { none } else { blend as f32 };
        }
    }
}
