//! Random answers and random edits of answers.

/// A counter-based generator (SplitMix64).
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

/// What answers are written with, and what breaks them.
pub(crate) const PIECES: &[&str] = &[
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

/// Up to 24 pieces.
pub(crate) fn random(draw: &mut Draw) -> String {
    let length = 1 + draw.below(24);
    (0..length).map(|_| PIECES[draw.below(PIECES.len())]).collect()
}

/// One to four random edits.
pub(crate) fn mutated(draw: &mut Draw, seed: &str) -> String {
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
