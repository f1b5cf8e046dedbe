//! Integers: roots and factors, as far as they can be found cheaply.

use num_bigint::BigUint;
use num_integer::Integer;
use num_traits::Zero;

use crate::fuel::{Fuel, Stop};

/// The exact `degree`-th root, if there is one.
pub(crate) fn exact_root(
    value: &BigUint,
    degree: u32,
    fuel: &Fuel,
) -> Result<Option<BigUint>, Stop> {
    if degree == 0 {
        return Err(Stop::Undefined);
    }
    fuel.number(value.bits() * 4)?;
    let root = value.nth_root(degree);
    Ok((root.pow(degree) == *value).then_some(root))
}

/// Prime factors with multiplicities, and a cofactor that is 1 unless the number was too large to
/// finish.
pub(crate) fn factor(value: &BigUint, fuel: &Fuel) -> Result<(Vec<(u64, u32)>, BigUint), Stop> {
    if let Ok(small) = u64::try_from(value) {
        let (primes, rest) = factor_u64(small, fuel)?;
        return Ok((primes, BigUint::from(rest)));
    }
    fuel.number(value.bits() * 8)?;
    let mut rest = value.clone();
    let mut primes = Vec::new();
    for prime in (2_u32..200).filter(|n| is_prime(u64::from(*n))) {
        let mut count = 0;
        while (&rest % prime).is_zero() {
            fuel.number(rest.bits())?;
            rest /= prime;
            count += 1;
        }
        if count > 0 {
            primes.push((u64::from(prime), count));
        }
    }
    match u64::try_from(&rest) {
        Ok(small) => {
            let (large, rest) = factor_u64(small, fuel)?;
            primes.extend(large);
            Ok((primes, BigUint::from(rest)))
        }
        Err(_) => Ok((primes, rest)),
    }
}

/// The prime factors in ascending order, and what is left of the number where finding its factors
/// would take too long.
pub(super) fn factor_u64(value: u64, fuel: &Fuel) -> Result<(Vec<(u64, u32)>, u64), Stop> {
    let mut rest = value;
    let mut primes: Vec<(u64, u32)> = Vec::new();
    if rest < 2 {
        return Ok((primes, 1));
    }
    let mut candidate = 2_u64;
    while candidate < 300 && candidate * candidate <= rest {
        fuel.spend(1)?;
        while rest.is_multiple_of(candidate) {
            add(&mut primes, candidate);
            rest /= candidate;
        }
        candidate += if candidate == 2 { 1 } else { 2 };
    }
    let (mut pending, mut cofactor) = (vec![rest], 1);
    while let Some(n) = pending.pop() {
        if n == 1 {
            continue;
        }
        if n < 90_000 || is_prime(n) {
            add(&mut primes, n);
        } else if let Some(divisor) = divisor(n, fuel)? {
            pending.extend([divisor, n / divisor]);
        } else {
            cofactor *= n;
        }
    }
    primes.sort_unstable();
    Ok((primes, cofactor))
}
fn add(primes: &mut Vec<(u64, u32)>, prime: u64) {
    match primes.iter_mut().find(|(p, _)| *p == prime) {
        Some((_, count)) => *count += 1,
        None => primes.push((prime, 1)),
    }
}

fn mul_mod(a: u64, b: u64, modulus: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(modulus)) as u64
}

fn pow_mod(mut base: u64, mut exponent: u64, modulus: u64) -> u64 {
    let mut result = 1 % modulus;
    base %= modulus;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = mul_mod(result, base, modulus);
        }
        base = mul_mod(base, base, modulus);
        exponent >>= 1;
    }
    result
}

/// Miller-Rabin with the bases that are known to suffice below 2^64.
pub(super) fn is_prime(n: u64) -> bool {
    const BASES: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];
    if n < 2 {
        return false;
    }
    if let Some(base) = BASES.iter().find(|base| n.is_multiple_of(**base)) {
        return n == *base;
    }
    let twos = (n - 1).trailing_zeros();
    let odd = (n - 1) >> twos;
    BASES.iter().all(|base| {
        let mut x = pow_mod(*base, odd, n);
        if x == 1 || x == n - 1 {
            return true;
        }
        (1..twos).any(|_| {
            x = mul_mod(x, x, n);
            x == n - 1
        })
    })
}

/// A proper divisor of a composite number (Pollard's rho); `None` if the search is long.
fn divisor(n: u64, fuel: &Fuel) -> Result<Option<u64>, Stop> {
    const STEPS: u64 = 1 << 12;
    for shift in 1..4_u64 {
        let step =
            |x: u64| ((u128::from(mul_mod(x, x, n)) + u128::from(shift)) % u128::from(n)) as u64;
        let (mut slow, mut fast) = (2, 2);
        for _ in 0..STEPS {
            fuel.spend(4)?;
            slow = step(slow);
            fast = step(step(fast));
            let gcd = slow.abs_diff(fast).gcd(&n);
            if gcd == n {
                break;
            }
            if gcd > 1 {
                return Ok(Some(gcd));
            }
        }
    }
    Ok(None)
}
