//! Functions by name.

use crate::canon::{Canon, Exact, angle, exponential};
use crate::exact::{Fraction, Gen, Rational};
use crate::fuel::Stop;
use crate::syntax::Id;

impl Canon<'_> {
    pub(super) fn call(&mut self, name: &'static str, base: Option<Id>, arguments: &[Id]) -> Exact {
        if name == "det" {
            return Err(Stop::Unsupported);
        }
        let arguments = self.all(arguments)?;
        let base = base.map(|base| self.scalar(base)).transpose()?;
        let fuel = self.fuel;
        if let [argument] = arguments.as_slice() {
            return self.unary(name, base.as_ref(), argument);
        }
        let [a, b] = arguments.as_slice() else { return self.extremum(name, arguments) };
        match name {
            "log" => exponential::ln(a, fuel)?.div(&exponential::ln(b, fuel)?, fuel),
            "choose" => self.binomial(a.clone(), b.clone()),
            "permutations" => {
                let (Some(n), Some(k)) = (a.rational(), b.rational()) else {
                    return Ok(self.call_kernel(name, arguments));
                };
                let rest = Fraction::Rational(n.sub(k, fuel)?);
                self.factorial(a.clone(), 1)?.div(&self.factorial(rest, 1)?, fuel)
            }
            "mod" => match (a.rational(), b.rational()) {
                (Some(x), Some(m)) if !m.is_zero() => Ok(Fraction::Rational(x.modulo(m, fuel)?)),
                _ => Ok(self.call_kernel(name, arguments)),
            },
            _ => self.extremum(name, arguments),
        }
    }

    fn unary(&self, name: &'static str, base: Option<&Fraction>, x: &Fraction) -> Exact {
        let fuel = self.fuel;
        let two = Fraction::integer(2);
        match name {
            "sin" => Ok(angle::cos_sin(x, fuel)?.1),
            "cos" => Ok(angle::cos_sin(x, fuel)?.0),
            "tan" | "cot" => {
                let (cos, sin) = angle::cos_sin(x, fuel)?;
                if name == "tan" { sin.div(&cos, fuel) } else { cos.div(&sin, fuel) }
            }
            "sec" => angle::cos_sin(x, fuel)?.0.recip(fuel),
            "csc" => angle::cos_sin(x, fuel)?.1.recip(fuel),
            "cis" => {
                let (cos, sin) = angle::cos_sin(x, fuel)?;
                cos.add(&sin.mul(&Fraction::of(Gen::I), fuel)?, fuel)
            }
            "sinh" | "cosh" | "tanh" | "coth" | "sech" | "csch" => {
                let up = exponential::exp(x, fuel)?;
                let down = up.recip(fuel)?;
                let sinh = up.sub(&down, fuel)?.div(&two, fuel)?;
                let cosh = up.add(&down, fuel)?.div(&two, fuel)?;
                match name {
                    "sinh" => Ok(sinh),
                    "cosh" => Ok(cosh),
                    "tanh" => sinh.div(&cosh, fuel),
                    "coth" => cosh.div(&sinh, fuel),
                    "sech" => cosh.recip(fuel),
                    _ => sinh.recip(fuel),
                }
            }
            "arcsin" | "arccos" | "arctan" | "arccot" => Ok(angle::inverse(name, x, fuel)?
                .unwrap_or_else(|| self.call_kernel(name, vec![x.clone()]))),
            "exp" => exponential::exp(x, fuel),
            "ln" => exponential::ln(x, fuel),
            "log" | "lg" => {
                let ten = Fraction::integer(10);
                let base = base.unwrap_or(&ten);
                exponential::ln(x, fuel)?.div(&exponential::ln(base, fuel)?, fuel)
            }
            "abs" => self.absolute(x),
            "floor" => self.floor(x.clone()),
            "ceil" => Ok(self.floor(x.neg())?.neg()),
            "cbrt" => self.power(x, &Fraction::integer(3).recip(fuel)?),
            "min" | "max" | "gcd" | "lcm" => Ok(x.clone()),
            _ => {
                let mut arguments = vec![x.clone()];
                arguments.extend(base.cloned());
                Ok(self.call_kernel(name, arguments))
            }
        }
    }

    /// Greatest, least and common divisors of rationals.
    fn extremum(&self, name: &'static str, mut arguments: Vec<Fraction>) -> Exact {
        let numbers: Option<Vec<&Rational>> = arguments.iter().map(Fraction::rational).collect();
        let whole = numbers.as_ref().is_some_and(|n| n.iter().all(|n| n.is_integer()));
        let result = match (name, numbers) {
            ("min", Some(numbers)) => numbers.into_iter().min().cloned(),
            ("max", Some(numbers)) => numbers.into_iter().max().cloned(),
            ("gcd", Some(numbers)) if whole => {
                Some(numbers.into_iter().fold(Rational::ZERO, |a, b| a.gcd(b)))
            }
            ("lcm", Some(numbers)) if whole => {
                let mut lcm = Rational::ONE;
                for number in numbers {
                    let gcd = lcm.gcd(number);
                    lcm = lcm.mul(number, self.fuel)?.div(&gcd, self.fuel)?.abs();
                }
                Some(lcm)
            }
            _ => None,
        };
        if let Some(value) = result {
            return Ok(Fraction::Rational(value));
        }
        if matches!(name, "min" | "max" | "gcd" | "lcm") {
            arguments.sort();
            arguments.dedup();
        }
        Ok(self.call_kernel(name, arguments))
    }
}
