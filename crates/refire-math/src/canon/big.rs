//! Sums and products over a range: multiplied out if finite and short, otherwise kept as they are.

use std::sync::Arc;

use crate::canon::{Canon, Exact};
use crate::exact::{Fraction, Gen, Rational};
use crate::fuel::Stop;
use crate::syntax::{BigOp, Id, Node};

/// Most terms that are added up.
const MAX_TERMS: i64 = 2_000;

impl Canon<'_> {
    pub(super) fn big(
        &mut self,
        op: BigOp,
        var: Option<Id>,
        low: Option<Id>,
        high: Option<Id>,
        body: Id,
    ) -> Exact {
        let name = match var.map(|var| self.ast.get(var)) {
            Some(Node::Symbol(name)) => Some(name.clone()),
            Some(Node::I) => return Err(Stop::Unsupported),
            _ => None,
        };
        let bounds = [low, high].into_iter().flatten().map(|id| self.bound(id));
        let bounds = bounds.collect::<Result<Vec<_>, _>>()?;
        if let (BigOp::Sum | BigOp::Product, Some(name), [from, to]) =
            (op, &name, bounds.as_slice())
        {
            let whole = |f: &Fraction| f.rational().and_then(Rational::to_i64);
            if let (Some(from), Some(to)) = (whole(from), whole(to)) {
                return self.unroll(op, name, from, to, body);
            }
        }
        let Some(name) = name else { return Err(Stop::Unsupported) };
        // The bound name is replaced, so that its spelling doesn't matter.
        let mark: Arc<str> = format!("#{}", self.bound.len()).into();
        self.bound.push((name, Fraction::of(Gen::Var(mark))));
        let inside = self.scalar(body);
        self.bound.pop();
        let mut arguments = vec![inside?];
        arguments.extend(bounds);
        Ok(self.call_kernel(&format!("{op:?}"), arguments))
    }

    /// A bound of a range; infinity is a name like any other.
    fn bound(&mut self, id: Id) -> Exact {
        match self.ast.get(id) {
            Node::Infinity => Ok(Fraction::of(Gen::Var("infinity".into()))),
            Node::Neg(inner) if matches!(self.ast.get(*inner), Node::Infinity) => {
                Ok(Fraction::of(Gen::Var("infinity".into())).neg())
            }
            _ => self.scalar(id),
        }
    }

    fn unroll(&mut self, op: BigOp, name: &Arc<str>, from: i64, to: i64, body: Id) -> Exact {
        if to.checked_sub(from).is_none_or(|count| count >= MAX_TERMS) {
            return Err(Stop::TooBig);
        }
        let product = op == BigOp::Product;
        let mut total = if product { Fraction::ONE } else { Fraction::ZERO };
        for k in from..=to {
            self.bound.push((name.clone(), Fraction::integer(k)));
            let term = self.scalar(body);
            self.bound.pop();
            let term = term?;
            total =
                if product { total.mul(&term, self.fuel)? } else { total.add(&term, self.fuel)? };
        }
        Ok(total)
    }
}
