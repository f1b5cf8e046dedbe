//! Units of measurement, and the words that merely say what was counted.

use crate::exact::Rational;

/// Length, mass, time, months, angle, money, things, temperature, data.
type Dimensions = [i8; 9];

/// What an amount is an amount of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A measure: its dimensions, and how many base units it is.
    Measure { dimensions: Dimensions, factor: Rational },
    /// Words, in lower case and in the singular.
    Words(Vec<String>),
}

/// Numerator and denominator in base units: metre, gram, second, month, degree, dollar, thing,
/// degree of temperature, bit.
const TABLE: &[(&str, i64, i64, Dimensions)] = &[
    ("m", 1, 1, L),
    ("meter", 1, 1, L),
    ("metre", 1, 1, L),
    ("km", 1000, 1, L),
    ("kilometer", 1000, 1, L),
    ("kilometre", 1000, 1, L),
    ("cm", 1, 100, L),
    ("centimeter", 1, 100, L),
    ("centimetre", 1, 100, L),
    ("mm", 1, 1000, L),
    ("millimeter", 1, 1000, L),
    ("millimetre", 1, 1000, L),
    ("dm", 1, 10, L),
    ("decimeter", 1, 10, L),
    ("nm", 1, 1_000_000_000, L),
    ("nanometer", 1, 1_000_000_000, L),
    ("in", 254, 10_000, L),
    ("inch", 254, 10_000, L),
    ("inche", 254, 10_000, L),
    ("ft", 3048, 10_000, L),
    ("foot", 3048, 10_000, L),
    ("feet", 3048, 10_000, L),
    ("yd", 9144, 10_000, L),
    ("yard", 9144, 10_000, L),
    ("mi", 1_609_344, 1000, L),
    ("mile", 1_609_344, 1000, L),
    ("g", 1, 1, M),
    ("gram", 1, 1, M),
    ("gramme", 1, 1, M),
    ("kg", 1000, 1, M),
    ("kilo", 1000, 1, M),
    ("kilogram", 1000, 1, M),
    ("mg", 1, 1000, M),
    ("milligram", 1, 1000, M),
    ("ton", 1_000_000, 1, M),
    ("tonne", 1_000_000, 1, M),
    ("lb", 45_359_237, 100_000, M),
    ("pound", 45_359_237, 100_000, M),
    ("oz", 45_359_237, 1_600_000, M),
    ("ounce", 45_359_237, 1_600_000, M),
    ("s", 1, 1, T),
    ("sec", 1, 1, T),
    ("second", 1, 1, T),
    ("ms", 1, 1000, T),
    ("millisecond", 1, 1000, T),
    ("min", 60, 1, T),
    ("minute", 60, 1, T),
    ("h", 3600, 1, T),
    ("hr", 3600, 1, T),
    ("hour", 3600, 1, T),
    ("day", 86_400, 1, T),
    ("week", 604_800, 1, T),
    ("month", 1, 1, MONTH),
    ("year", 12, 1, MONTH),
    ("yr", 12, 1, MONTH),
    ("decade", 120, 1, MONTH),
    ("century", 1200, 1, MONTH),
    ("degree", 1, 1, ANGLE),
    ("deg", 1, 1, ANGLE),
    ("dollar", 1, 1, MONEY),
    ("usd", 1, 1, MONEY),
    ("buck", 1, 1, MONEY),
    ("cent", 1, 100, MONEY),
    ("unit", 1, 1, THING),
    ("l", 1, 1000, VOLUME),
    ("liter", 1, 1000, VOLUME),
    ("litre", 1, 1000, VOLUME),
    ("ml", 1, 1_000_000, VOLUME),
    ("milliliter", 1, 1_000_000, VOLUME),
    ("cl", 1, 100_000, VOLUME),
    ("cc", 1, 1_000_000, VOLUME),
    ("gallon", 3_785_411_784, 1_000_000_000_000, VOLUME),
    ("quart", 946_352_946, 1_000_000_000_000, VOLUME),
    ("pint", 473_176_473, 1_000_000_000_000, VOLUME),
    ("ha", 10_000, 1, AREA),
    ("hectare", 10_000, 1, AREA),
    ("mph", 1_609_344, 3_600_000, SPEED),
    ("kph", 1000, 3600, SPEED),
    ("kmh", 1000, 3600, SPEED),
    ("n", 1000, 1, FORCE),
    ("newton", 1000, 1, FORCE),
    ("j", 1000, 1, ENERGY),
    ("joule", 1000, 1, ENERGY),
    ("kj", 1_000_000, 1, ENERGY),
    ("w", 1000, 1, POWER),
    ("watt", 1000, 1, POWER),
    ("kw", 1_000_000, 1, POWER),
    ("hz", 1, 1, RATE),
    ("hertz", 1, 1, RATE),
    ("celsius", 1, 1, HEAT),
    ("bit", 1, 1, DATA),
    ("byte", 8, 1, DATA),
    ("kb", 8_000, 1, DATA),
    ("mb", 8_000_000, 1, DATA),
    ("gb", 8_000_000_000, 1, DATA),
];

const L: Dimensions = [1, 0, 0, 0, 0, 0, 0, 0, 0];
const M: Dimensions = [0, 1, 0, 0, 0, 0, 0, 0, 0];
const T: Dimensions = [0, 0, 1, 0, 0, 0, 0, 0, 0];
const MONTH: Dimensions = [0, 0, 0, 1, 0, 0, 0, 0, 0];
const ANGLE: Dimensions = [0, 0, 0, 0, 1, 0, 0, 0, 0];
const MONEY: Dimensions = [0, 0, 0, 0, 0, 1, 0, 0, 0];
const THING: Dimensions = [0, 0, 0, 0, 0, 0, 1, 0, 0];
const HEAT: Dimensions = [0, 0, 0, 0, 0, 0, 0, 1, 0];
const DATA: Dimensions = [0, 0, 0, 0, 0, 0, 0, 0, 1];
const AREA: Dimensions = [2, 0, 0, 0, 0, 0, 0, 0, 0];
const VOLUME: Dimensions = [3, 0, 0, 0, 0, 0, 0, 0, 0];
const SPEED: Dimensions = [1, 0, -1, 0, 0, 0, 0, 0, 0];
const FORCE: Dimensions = [1, 1, -2, 0, 0, 0, 0, 0, 0];
const ENERGY: Dimensions = [2, 1, -2, 0, 0, 0, 0, 0, 0];
const POWER: Dimensions = [2, 1, -3, 0, 0, 0, 0, 0, 0];
const RATE: Dimensions = [0, 0, -1, 0, 0, 0, 0, 0, 0];

/// Largest exponent of a unit.
const MAX_POWER: i8 = 12;

impl Unit {
    pub(crate) fn degree() -> Self {
        Self::Measure { dimensions: ANGLE, factor: Rational::ONE }
    }

    /// The unit of an amount behind the sign of a currency.
    pub(crate) fn money(sign: &str) -> Self {
        if sign == "$" {
            Self::Measure { dimensions: MONEY, factor: Rational::ONE }
        } else {
            Self::Words(vec![sign.to_owned()])
        }
    }

    /// The unit that `phrase` names: a measure if every word is known, its words otherwise.
    pub(crate) fn parse(phrase: &str) -> Self {
        let flat = flatten(phrase);
        measure(&flat).unwrap_or_else(|| Self::Words(words(&flat)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Words(words) if words.is_empty())
    }

    /// Whether words take back or widen the number before them.
    pub(crate) fn hedges(&self) -> bool {
        const HEDGES: [&str; 21] = [
            "or", "and", "not", "no", "but", "maybe", "perhaps", "possibly", "probably", "either",
            "neither", "nor", "except", "unless", "if", "instead", "least", "most", "greater",
            "fewer", "wrong",
        ];
        matches!(self, Self::Words(words) if words.iter().any(|word| HEDGES.contains(&word.as_str())))
    }

    pub(crate) fn is_angle(&self) -> bool {
        matches!(self, Self::Measure { dimensions, .. } if *dimensions == ANGLE)
    }
}

/// Whether the word by itself, without TeX around it, can only be a unit.
pub(crate) fn is_known(word: &str) -> bool {
    word.len() > 1 && lookup(&singular(&word.to_ascii_lowercase())).is_some()
}

fn lookup(word: &str) -> Option<(Rational, Dimensions)> {
    let (_, n, d, dimensions) = TABLE.iter().find(|(name, ..)| *name == word)?;
    Some((Rational::small_ratio(*n, *d)?, *dimensions))
}

/// Without commands, braces and spacing; marks that join words stand alone.
pub(crate) fn flatten(phrase: &str) -> String {
    let mut flat = String::with_capacity(phrase.len() + 8);
    let mut characters = phrase.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' => {
                let mut name = String::new();
                while let Some(letter) = characters.next_if(char::is_ascii_alphabetic) {
                    name.push(letter);
                }
                if name.is_empty() {
                    characters.next();
                }
                let keep = match name.as_str() {
                    "cdot" | "times" => " * ",
                    "circ" | "degree" => " degree ",
                    _ => " ",
                };
                flat.push_str(keep);
            }
            '{' | '}' | '$' | '~' | ',' | '.' | '(' | ')' => flat.push(' '),
            '²' => flat.push_str("^2"),
            '³' => flat.push_str("^3"),
            '·' | '⋅' => flat.push_str(" * "),
            '°' => flat.push_str(" degree "),
            '/' | '*' => flat.extend([' ', c, ' ']),
            _ => flat.push(c),
        }
    }
    // An exponent belongs to the word before it.
    flat.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace(" squared", "^2")
        .replace(" cubed", "^3")
        .replace(" ^", "^")
        .replace("^ ", "^")
        .replace("^- ", "^-")
}

fn measure(flat: &str) -> Option<Unit> {
    // Nothing is spent without limit here: a phrase is short and exponents are small.
    let fuel = crate::fuel::Fuel::new(100_000);
    let (mut dimensions, mut factor) = ([0_i8; 9], Rational::ONE);
    let (mut divide, mut next_power, mut found) = (false, 1_i8, false);
    for word in flat.split(' ').filter(|word| !word.is_empty()) {
        match word {
            "/" | "per" => {
                divide = true;
                continue;
            }
            "*" | "of" if found => continue,
            "square" | "sq" => {
                next_power = 2;
                continue;
            }
            "cubic" | "cu" => {
                next_power = 3;
                continue;
            }
            _ => {}
        }
        let (name, power) = match word.split_once('^') {
            Some((name, power)) => (name, power.parse::<i8>().ok()?),
            None => (word, next_power),
        };
        next_power = 1;
        let (base, dims) = match lookup(name) {
            Some(known) => known,
            None => lookup(&singular(&name.to_lowercase()))?,
        };
        let power = if divide { power.checked_neg()? } else { power };
        if power.unsigned_abs() > MAX_POWER.unsigned_abs() {
            return None;
        }
        for (total, each) in dimensions.iter_mut().zip(dims) {
            *total = total.checked_add(each.checked_mul(power)?)?;
        }
        factor = factor.mul(&base.pow(i64::from(power), &fuel).ok()?, &fuel).ok()?;
        found = true;
    }
    found.then_some(Unit::Measure { dimensions, factor })
}

/// The words of a phrase that carry meaning.
pub(crate) fn words(flat: &str) -> Vec<String> {
    const IDLE: [&str; 8] = ["a", "an", "the", "of", "in", "total", "about", "approximately"];
    flat.split(|c: char| !c.is_alphanumeric())
        .map(|word| singular(&word.to_lowercase()))
        .filter(|word| !word.is_empty() && !IDLE.contains(&word.as_str()))
        .collect()
}

/// The word without the ending of an English plural.
pub(crate) fn singular(word: &str) -> String {
    let stem = if let Some(stem) = word.strip_suffix("ies").filter(|s| s.len() > 2) {
        return format!("{stem}y");
    } else if word.len() > 2
        && word.ends_with('s')
        && !word.ends_with("ss")
        && !word.ends_with("us")
    {
        &word[..word.len() - 1]
    } else {
        word
    };
    stem.to_owned()
}
