//! Equations and inequalities as such.

use crate::equal::{Compare, stopped};
use crate::exact::Poly;
use crate::fuel::Stop;
use crate::syntax::RelOp;
use crate::value::{Relation, Value};
use crate::{Path, Reason, Verdict};

/// A link `poly op 0` with coprime integer coefficients.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    poly: Poly,
    op: RelOp,
}

impl Compare<'_> {
    /// Two statements to be solved.
    pub(super) fn open(&self, gold: &Value, answer: &Value) -> Verdict {
        let same = self.equations(gold, answer);
        if same.is_equal() {
            return same;
        }
        match (self.solutions(gold), self.solutions(answer)) {
            (Ok((a, x)), Ok((b, y))) => match self.same_region(&a, &b) {
                Verdict::Equal(_) if x != y && !self.profile.rename_symbols => {
                    Verdict::Unknown(Reason::Surroundings)
                }
                Verdict::Equal(_) => Verdict::Equal(Path::Inequality),
                Verdict::NotEqual(_) => Verdict::NotEqual(Path::Inequality),
                verdict => verdict,
            },
            (Err(stop @ (Stop::Fuel | Stop::TooBig)), _)
            | (_, Err(stop @ (Stop::Fuel | Stop::TooBig))) => stopped(stop),
            _ => same,
        }
    }

    /// `x in S` against an inequality, or an equation against an assignment.
    pub(super) fn open_and_named(&self, gold: &Value, answer: &Value) -> Verdict {
        for (statement, member, answer_open) in [(gold, answer, false), (answer, gold, true)] {
            let Value::Relation(relation) = member else { continue };
            if relation.ops != [RelOp::In] {
                continue;
            }
            if answer_open && self.profile.sets == crate::SetRule::GoldRelation {
                return Verdict::NotEqual(Path::Kind);
            }
            let verdict = self.solutions_and_set(statement, &relation.operands[1]);
            return match verdict {
                Verdict::Equal(_) if self.names_unknown(&relation.operands[0], statement) => {
                    Verdict::Equal(Path::Inequality)
                }
                Verdict::Equal(_) => Verdict::Unknown(Reason::Surroundings),
                other => other,
            };
        }
        self.equations(gold, answer)
    }

    /// Whether `name` is what the statement is solved for.
    fn names_unknown(&self, name: &Value, statement: &Value) -> bool {
        self.profile.rename_symbols
            || self.loose()
            || self.solutions(statement).is_ok_and(|(_, unknown)| {
                name.as_number() == Some(&crate::exact::Fraction::of(unknown))
            })
    }

    /// The same links up to nonzero factors, positive ones for an order.
    pub(super) fn equations(&self, gold: &Value, answer: &Value) -> Verdict {
        match (self.links_of(gold), self.links_of(answer)) {
            (Ok(Some(a)), Ok(Some(b))) => self.same_links(&a, &b),
            (Err(stop), _) | (_, Err(stop)) => stopped(stop),
            _ => Verdict::Unknown(Reason::Undecided),
        }
    }

    fn same_links(&self, a: &[Link], b: &[Link]) -> Verdict {
        let contains = |links: &[Link], link: &Link| links.contains(link);
        if a.len() == b.len()
            && a.iter().all(|link| contains(b, link))
            && b.iter().all(|link| contains(a, link))
        {
            let path = if a.iter().all(|link| link.op == RelOp::Eq) {
                Path::Equation
            } else {
                Path::Inequality
            };
            return Verdict::Equal(path);
        }
        // The same border with other points of it.
        if let ([a], [b]) = (a, b)
            && a.poly == b.poly
            && a.op != b.op
        {
            return Verdict::NotEqual(Path::Inequality);
        }
        if let ([a], [b]) = (a, b)
            && a.op == RelOp::Eq
            && b.op == RelOp::Eq
            && (self.differ(&a.poly, &b.poly) || self.differ(&b.poly, &a.poly))
        {
            return Verdict::NotEqual(Path::Equation);
        }
        Verdict::Unknown(Reason::Undecided)
    }

    /// Whether some zero of `a`, found by solving it for a symbol that occurs linearly, is no zero
    /// of `b`.
    fn differ(&self, a: &Poly, b: &Poly) -> bool {
        use crate::canon::substitute;
        use crate::exact::{Exponent, Fraction, Gen};
        let linear = a.generators().find(|(generator, exponent)| {
            let once = |m: &crate::exact::Monomial| m.0.iter().any(|(g, _)| g == generator);
            matches!(generator, Gen::Var(_))
                && *exponent == Exponent::ONE
                && a.terms().filter(|(m, _)| once(m)).count() == 1
                && a.terms().any(|(m, _)| m.0.len() == 1 && m.0[0].0 == *generator)
        });
        let Some((symbol, _)) = linear else { return false };
        let coefficient =
            a.terms().find(|(m, _)| m.0.len() == 1 && m.0[0].0 == *symbol).map(|(_, c)| c.clone());
        let solved = || -> Result<Fraction, Stop> {
            let rest = a.sub(
                &Poly::term(
                    coefficient.clone().ok_or(Stop::Undefined)?,
                    crate::exact::Monomial::of(symbol.clone()),
                ),
                &self.fuel,
            )?;
            let factor = coefficient.clone().ok_or(Stop::Undefined)?.recip()?.neg();
            let image = Fraction::from_poly(rest.scale(&factor, &self.fuel)?);
            substitute(&Fraction::from_poly(b.clone()), symbol, &image, &self.fuel)
        };
        match solved() {
            Ok(left) => matches!(self.fractions(&left, &Fraction::ZERO), Verdict::NotEqual(_)),
            Err(_) => false,
        }
    }

    /// The links of equations and inequalities between numbers; `None` for anything else.
    fn links_of(&self, value: &Value) -> Result<Option<Vec<Link>>, Stop> {
        let relations: Vec<&Relation> = match value {
            Value::Relation(relation) => vec![relation],
            Value::System(relations, false) => relations.iter().collect(),
            _ => return Ok(None),
        };
        let mut links = Vec::new();
        for relation in relations {
            for (pair, op) in relation.operands.windows(2).zip(&relation.ops) {
                let (Some(left), Some(right)) = (pair[0].as_number(), pair[1].as_number()) else {
                    return Ok(None);
                };
                let difference = left.sub(right, &self.fuel)?;
                let ordered = op.is_order();
                // Multiplying an order by a denominator of unknown sign would not keep it.
                if ordered && difference.as_poly().is_none() {
                    return Ok(None);
                }
                let poly = difference.numerator();
                let content = poly.content(&self.fuel)?;
                if poly.is_zero() {
                    links.push(Link { poly, op: *op });
                    continue;
                }
                let (mut op, mut factor) = (*op, content.recip()?);
                if ordered && factor.is_negative() {
                    op = op.flipped();
                }
                // Orders are written as less.
                if matches!(op, RelOp::Gt | RelOp::Ge) {
                    op = op.flipped();
                    factor = factor.neg();
                }
                let poly = poly.scale(&factor, &self.fuel)?;
                links.push(Link { poly, op });
            }
        }
        Ok(Some(links))
    }
}
