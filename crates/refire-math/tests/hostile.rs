//! Inputs made to hang, to overflow, to panic or to be accepted.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{rows, text};
use refire_math::{Checker, Profile};

/// A counter-based generator (SplitMix64).
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

const PIECES: &[&str] = &[
    "1",
    "2",
    "7",
    "0",
    "12",
    "3.5",
    "100",
    "999999999999",
    "x",
    "y",
    "n",
    "a",
    "e",
    "i",
    "A",
    "f",
    "C",
    "U",
    "+",
    "-",
    "*",
    "/",
    "^",
    "_",
    "!",
    "'",
    "%",
    "=",
    "<",
    ">",
    ",",
    ";",
    ":",
    ".",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "|",
    "&",
    "$",
    "\\",
    " ",
    "\n",
    "\\frac",
    "\\sqrt",
    "\\boxed",
    "\\text",
    "\\left",
    "\\right",
    "\\{",
    "\\}",
    "\\%",
    "\\$",
    "\\pm",
    "\\mp",
    "\\cdot",
    "\\times",
    "\\le",
    "\\ge",
    "\\ne",
    "\\in",
    "\\cup",
    "\\cap",
    "\\setminus",
    "\\infty",
    "\\pi",
    "\\circ",
    "\\sin",
    "\\cos",
    "\\tan",
    "\\ln",
    "\\log",
    "\\arcsin",
    "\\exp",
    "\\binom",
    "\\sum",
    "\\prod",
    "\\int",
    "\\lim",
    "\\overline",
    "\\vec",
    "\\mathbb{R}",
    "\\mathrm",
    "\\begin{pmatrix}",
    "\\end{pmatrix}",
    "\\begin{cases}",
    "\\end{cases}",
    "\\\\",
    "\\approx",
    "\\pmod",
    "\\bmod",
    "\\ldots",
    "\\lfloor",
    "\\rfloor",
    "\\langle",
    "\\rangle",
    "\\mid",
    "or",
    "and",
    "km",
    "cm",
    "hours",
    "p.m.",
    "percent",
    "dollars",
    "million",
    "²",
    "√",
    "π",
    "≤",
    "°",
    "½",
    "∞",
    "−",
    "é",
    "漢",
    "\u{200b}",
    "**",
    "{2}",
    "{x}",
    "(x)",
    "{1}{2}",
    "^{2}",
    "_{3}",
    "^{-1}",
    "10^{9}",
    "9^9^9",
    "1000!",
    "<answer>",
    "</answer>",
    "####",
    "the answer is ",
    "<think>",
    "</think>",
    "e^{i\\pi}",
    "\\sqrt{2}",
    "\\frac{1}{3}",
    "x^2",
    "0.\\overline{3}",
];

fn random(draw: &mut Draw) -> String {
    let length = 1 + draw.below(24);
    (0..length).map(|_| PIECES[draw.below(PIECES.len())]).collect()
}

/// One to four random edits.
fn mutated(draw: &mut Draw, seed: &str) -> String {
    let mut characters: Vec<char> = seed.chars().take(400).collect();
    for _ in 0..1 + draw.below(4) {
        let at = draw.below(characters.len() + 1);
        match draw.below(4) {
            0 if at < characters.len() => {
                characters.remove(at);
            }
            1 => {
                let piece = PIECES[draw.below(PIECES.len())];
                characters.splice(at..at, piece.chars());
            }
            2 if at < characters.len() => characters.truncate(at),
            _ => {
                let copy: Vec<char> = characters.iter().skip(at).take(8).copied().collect();
                characters.splice(at..at, copy);
            }
        }
    }
    characters.into_iter().collect()
}

#[test]
fn random_input_never_panics_and_equals_itself() {
    let checkers = [
        Checker::default(),
        Checker::new(Profile::math_verify()).unwrap(),
        Checker::new(Profile::dapo()).unwrap(),
    ];
    let mut draw = Draw(7);
    let mut readable = 0;
    for round in 0..30_000 {
        let (a, b) = (random(&mut draw), random(&mut draw));
        let checker = &checkers[round % checkers.len()];
        readable += usize::from(checker.gold(&a).fault().is_none());
        checker.check(&a, &b);
        checker.compare(&a, &b);
        let same = checker.compare(&a, &a);
        assert!(same.is_equal() || !same.is_decided(), "{a:?}: {same:?}");
    }
    assert!(readable > 1_000, "{readable}");
}

#[test]
fn mutated_answers_never_panic() {
    let checker = Checker::default();
    let mut seeds: Vec<String> =
        ["\\frac{1}{2}", "(1, 2]", "x^2 + 2x < 3", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}"]
            .map(str::to_owned)
            .into();
    for row in rows("cases", "math_") {
        seeds.push(text(&row, "gold").to_owned());
        seeds.push(text(&row, "pred").to_owned());
    }
    let mut draw = Draw(11);
    for _ in 0..30_000 {
        let seed = &seeds[draw.below(seeds.len())];
        let (a, b) = (mutated(&mut draw, seed), mutated(&mut draw, seed));
        checker.check(&a, &b);
        checker.compare(&a, &b);
        assert!(
            checker.compare(&a, &a).is_equal() || !checker.compare(&a, &a).is_decided(),
            "{a:?}"
        );
    }
}

/// Inputs far beyond the limits.
#[test]
fn long_inputs_are_bounded() {
    let checker = Checker::default();
    let size = 1 << 20;
    for unit in [
        "{",
        "}",
        "9",
        "\\boxed{",
        "\\boxed{}",
        "\\boxed{1}",
        "\\boxed",
        "<answer>",
        "####",
        "$",
        "$$ ",
        "\\[",
        "\\(",
        "\\text{",
        "answer is ",
        "final answer: ",
        "answer",
        "(",
        "[1,",
        "1/",
        "-",
        "x^",
        "\\frac{1}{",
        "|",
        "\\{",
        "ab ",
        "1,000,",
        "\\sqrt{",
        "_",
        "\\begin{pmatrix}",
        "1&",
        "\\left(",
        "=",
        "1=",
        "<",
        " or ",
        "$ a",
        "6 km ",
        "\\pm ",
    ] {
        let text = unit.repeat(size / unit.len());
        for completion in [text.clone(), format!("\\boxed{{{text}}}"), format!("\\boxed{{{text}")] {
            assert!(!checker.check("5", &completion).is_equal(), "{unit}");
        }
        let short = unit.repeat(16_000 / unit.len());
        assert!(!checker.compare("5", &short).is_equal(), "{unit}");
        assert!(!checker.check("5", &format!("\\boxed{{{short}}}")).is_equal(), "{unit}");
    }
}

#[test]
fn costly_values_are_given_up() {
    let checker = Checker::default();
    for answer in [
        "9^{9^{9^{9}}}",
        "3^{1500000000}",
        "10000000!",
        "((9!)!)!",
        r"\binom{10000000}{5000000}",
        "9^9^9^9",
        r"\sum_{k=1}^{10^9}\frac1{k^2+k+1}",
        r"\prod_{k=1}^{10^8} k",
        "(a+b+c+d+e+f)^{40}",
        "(x+1)^{100000}",
        r"\sin(\sin(x)+\cos(y)+\tan(z))^{9}",
        "1e999999999",
        r"\begin{pmatrix}1&2\\3&4\end{pmatrix}^{100000}",
        r"e^{e^{e^{e^{e}}}}",
        r"\lfloor 10^{100}\pi \rfloor",
        r"\sqrt[1000]{1000!}",
        "x^{10^{10}}-1",
        r"\frac{1}{(x+y+z)^{30}-(x-y-z)^{30}}",
        "123456789012345678901234567890!",
        r"7^{7^{7^{7}}} \bmod 10",
        r"\cos(10^{1000})",
        r"\ln(\ln(\ln(\ln(10^{100}))))",
        "2^{2^{2^{2^{2^2}}}}",
        "0^{-1}",
        r"\frac{1}{0}",
    ] {
        assert!(!checker.compare("5", answer).is_equal(), "{answer}");
        assert!(!checker.compare(answer, "5").is_equal(), "{answer}");
        assert!(checker.compare(answer, answer).is_equal(), "{answer}");
    }
}

/// What a policy would try in order to be paid without knowing the answer.
#[test]
fn hedges_and_tricks_earn_nothing() {
    let checker = Checker::default();
    for completion in [
        r"\boxed{0 = 42}",
        r"\boxed{x = 41 = 42}",
        r"\boxed{41 \approx 42}",
        r"\boxed{41, 42}",
        r"\boxed{41 \text{ or } 42}",
        r"\boxed{41} or \boxed{42}",
        r"\boxed{41} \boxed{42}",
        r"\boxed{\{41, 42\}}",
        r"\boxed{[0, 100]}",
        r"\boxed{\pm 42}",
        r"\boxed{x \ge 42}",
        r"\boxed{42 + x}",
        r"\boxed{\neg 42}",
        r"\boxed{\text{not } 42}",
        r"\boxed{42 \text{ or not}}",
        r"\boxed{42\text{ or }43}",
        r"\boxed{}",
        r"\boxed{41} (others say 42)",
        r"42 \boxed{41}",
        r"\boxed{41} $42$",
        "<think>\\boxed{42}</think> I give up.",
        "<think> the answer is 42",
        r"\boxed{42 \pm 1}",
        r"\boxed{4\text{}2}",
        "\\boxed{42\u{200b}1}",
        r"\boxed{42?}",
        r"\boxed{\text{41 or maybe 42}}",
        r"\boxed{x=42, x=43}",
        r"\boxed{40 < 42}",
        r"\boxed{42 \ne 42}",
        r"\boxed{\frac{42}{0}}",
        r"\boxed{42 \cup 43}",
        r"\boxed{(42, 43)}",
        r"\boxed{41 \lor 42}",
        r"\boxed{6}\boxed{7}",
        r"\boxed{42;43}",
        r"\boxed{42:43}",
        r"\boxed{42\%}",
        r"\boxed{42 = x = 43}",
        r"\boxed{42,}\boxed{43}",
        r"\boxed{n \in \{41,42\}}",
        r"\boxed{42 \mid 43}",
        r"\boxed{42 \to 43}",
        r"\boxed{42 \implies 43}",
        r"\boxed{x^2=1764}",
    ] {
        let verdict = checker.check("42", completion);
        assert!(!verdict.is_equal(), "{completion}: {verdict:?}");
    }
}
