//! Sets of real numbers.

use crate::equal::{Compare, stopped};
use crate::exact::Gen;
use crate::fuel::Stop;
use crate::syntax::{Bracket, NamedSet};
use crate::value::{Bound, Piece, Region, Relation, Value, solve, unknown};
use crate::{Path, Reason, Verdict};

impl Compare<'_> {
    /// Whether a value may be read as a set of reals.
    pub(super) fn is_region(&self, value: &Value) -> bool {
        match value {
            Value::Region(_) | Value::Union(_) | Value::Intersection(_) | Value::Without(..) => {
                true
            }
            Value::Tuple { items, .. } => {
                items.len() == 2
                    && items.iter().all(|i| matches!(i, Value::Scalar(_) | Value::Infinity(_)))
            }
            Value::Set(items) => items.is_empty(),
            _ => false,
        }
    }

    pub(super) fn regions(&self, gold: &Value, answer: &Value) -> Verdict {
        let (a, b) = match (self.region(gold), self.region(answer)) {
            (Ok(a), Ok(b)) => (a, b),
            // Ends that can't be ordered: piece by piece.
            (Err(Stop::Unsupported), _) | (_, Err(Stop::Unsupported)) => {
                return self.collections(gold, answer);
            }
            (Err(stop), _) | (_, Err(stop)) => return stopped(stop),
        };
        self.same_region(&a, &b)
    }

    pub(super) fn same_region(&self, a: &Region, b: &Region) -> Verdict {
        if a.pieces.len() != b.pieces.len() {
            return Verdict::NotEqual(Path::Region);
        }
        let same = |a: &Piece, b: &Piece| {
            if (a.low_closed, a.high_closed) != (b.low_closed, b.high_closed) {
                return Verdict::NotEqual(Path::Region);
            }
            self.every(
                [self.bounds(&a.low, &b.low), self.bounds(&a.high, &b.high)].into_iter(),
                Path::Region,
            )
        };
        self.every(a.pieces.iter().zip(&b.pieces).map(|(a, b)| same(a, b)), Path::Region)
    }

    fn bounds(&self, a: &Bound, b: &Bound) -> Verdict {
        match (a, b) {
            (Bound::At(a), Bound::At(b)) => self.fractions(a, b),
            (Bound::MinusInfinity, Bound::MinusInfinity)
            | (Bound::PlusInfinity, Bound::PlusInfinity) => Verdict::Equal(Path::Region),
            _ => Verdict::NotEqual(Path::Region),
        }
    }

    /// The value as a set of reals.
    pub(super) fn region(&self, value: &Value) -> Result<Region, Stop> {
        let fuel = &self.fuel;
        match value {
            Value::Region(region) => Ok(region.clone()),
            Value::Named(NamedSet::Reals) => Ok(Region::reals()),
            Value::Scalar(scalar) if scalar.is_bare() => {
                Region::new(vec![Piece::point(scalar.value.clone())], fuel)
            }
            Value::Set(items) | Value::List(items) => {
                let points = items.iter().map(|item| match item {
                    Value::Scalar(scalar) if scalar.is_bare() => {
                        Ok(Piece::point(scalar.value.clone()))
                    }
                    _ => Err(Stop::Unsupported),
                });
                Region::new(points.collect::<Result<_, _>>()?, fuel)
            }
            Value::Tuple { open, close, items } => {
                let [low, high] = items.as_slice() else { return Err(Stop::Unsupported) };
                let piece = Piece {
                    low: bound(low)?,
                    low_closed: *open == Bracket::Square,
                    high: bound(high)?,
                    high_closed: *close == Bracket::Square,
                };
                if piece.low.order(&piece.high, fuel)?.is_gt() {
                    return Err(Stop::Unsupported);
                }
                Region::new(vec![piece], fuel)
            }
            Value::Union(items) => items
                .iter()
                .try_fold(Region::empty(), |total, item| total.union(self.region(item)?, fuel)),
            Value::Intersection(items) => items.iter().try_fold(Region::reals(), |total, item| {
                total.intersection(&self.region(item)?, fuel)
            }),
            Value::Without(a, b) => {
                self.region(a)?.intersection(&self.region(b)?.complement(fuel)?, fuel)
            }
            _ => Err(Stop::Unsupported),
        }
    }

    /// The solutions of inequalities in one unknown, and that unknown.
    pub(super) fn solutions(&self, value: &Value) -> Result<(Region, Gen), Stop> {
        let fuel = &self.fuel;
        let name = |relations: &[Relation]| {
            let values = relations.iter().flat_map(|r| &r.operands).filter_map(Value::as_number);
            unknown(values).ok_or(Stop::Unsupported)
        };
        match value {
            Value::Relation(relation) => {
                let name = name(std::slice::from_ref(relation))?;
                Ok((solve(relation, &name, fuel)?, name))
            }
            Value::System(relations, any) => {
                let name = name(relations)?;
                let regions = relations
                    .iter()
                    .map(|r| solve(r, &name, fuel))
                    .collect::<Result<Vec<_>, _>>()?;
                let union = || {
                    regions
                        .iter()
                        .cloned()
                        .try_fold(Region::empty(), |total, each| total.union(each, fuel))
                };
                if *any {
                    return Ok((union()?, name));
                }
                let both = regions
                    .iter()
                    .try_fold(Region::reals(), |total, each| total.intersection(each, fuel))?;
                // `x < -1, x > 2` can only be meant as two pieces.
                Ok((if both.pieces.is_empty() { union()? } else { both }, name))
            }
            _ => Err(Stop::Unsupported),
        }
    }

    /// Solutions against a set.
    pub(super) fn solutions_and_set(&self, statement: &Value, set: &Value) -> Verdict {
        let listed = matches!(set, Value::Set(_));
        if !self.is_region(set) && !listed {
            return Verdict::NotEqual(Path::Kind);
        }
        match (self.solutions(statement), self.region(set)) {
            (Ok((solutions, _)), Ok(region)) => match self.same_region(&solutions, &region) {
                Verdict::Equal(_) => Verdict::Equal(Path::LabelDropped),
                verdict => verdict,
            },
            (Err(stop @ (Stop::Fuel | Stop::TooBig)), _)
            | (_, Err(stop @ (Stop::Fuel | Stop::TooBig))) => stopped(stop),
            _ => Verdict::Unknown(Reason::Undecided),
        }
    }
}

fn bound(value: &Value) -> Result<Bound, Stop> {
    match value {
        Value::Scalar(scalar) if scalar.is_bare() => Ok(Bound::At(scalar.value.clone())),
        Value::Infinity(true) => Ok(Bound::MinusInfinity),
        Value::Infinity(false) => Ok(Bound::PlusInfinity),
        _ => Err(Stop::Unsupported),
    }
}
