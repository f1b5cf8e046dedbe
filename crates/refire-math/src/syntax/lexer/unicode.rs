//! Mathematics in characters beyond ASCII. A character that isn't here has no meaning.

use super::{Lexer, Unreadable};
use crate::syntax::token::{Delim, Tok};
use crate::syntax::{NamedSet, RelOp};

impl Lexer<'_> {
    pub(super) fn unicode(&mut self) -> Result<(), Unreadable> {
        let character = self.rest().chars().next().ok_or(Unreadable)?;
        let length = character.len_utf8();
        let tok = match character {
            '\u{a0}'
            | '\u{2009}'
            | '\u{202f}'
            | '\u{2002}'..='\u{2008}'
            | '\u{200a}'
            | '\u{3000}' => {
                self.skip(length);
                return Ok(());
            }
            '−' | '–' | '—' => Tok::Minus,
            '×' | '·' | '⋅' | '∗' | '∙' => Tok::Times,
            '÷' | '∕' | '⁄' => Tok::Slash,
            '±' => Tok::PlusMinus,
            '∓' => Tok::MinusPlus,
            '√' => Tok::Sqrt,
            'π' => Tok::Pi,
            '∞' => Tok::Infinity,
            '≤' | '⩽' | '≦' => Tok::Rel(RelOp::Le),
            '≥' | '⩾' | '≧' => Tok::Rel(RelOp::Ge),
            '≠' => Tok::Rel(RelOp::Ne),
            '≈' | '≃' => Tok::Rel(RelOp::Approx),
            '∈' => Tok::Rel(RelOp::In),
            '∉' => Tok::Rel(RelOp::NotIn),
            '≡' => Tok::Rel(RelOp::Congruent),
            '→' | '⇒' | '⇔' => Tok::Rel(RelOp::Implies),
            '°' | '∘' | 'º' => Tok::Degree,
            '∪' | '⋃' => Tok::Cup,
            '∩' | '⋂' => Tok::Cap,
            '∖' => Tok::Setminus,
            '∅' | 'Ø' => Tok::Named(NamedSet::Empty),
            'ℝ' => Tok::Named(NamedSet::Reals),
            'ℤ' => Tok::Named(NamedSet::Integers),
            'ℚ' => Tok::Named(NamedSet::Rationals),
            'ℕ' => Tok::Named(NamedSet::Naturals),
            'ℂ' => Tok::Named(NamedSet::Complex),
            '…' | '⋯' => Tok::Dots,
            '′' | '’' => Tok::Prime,
            '⌊' => Tok::Open(Delim::Floor),
            '⌋' => Tok::Close(Delim::Floor),
            '⌈' => Tok::Open(Delim::Ceil),
            '⌉' => Tok::Close(Delim::Ceil),
            '⟨' => Tok::Open(Delim::Angle),
            '⟩' => Tok::Close(Delim::Angle),
            '€' => Tok::Money("€"),
            '£' => Tok::Money("£"),
            '¥' => Tok::Money("¥"),
            '₹' => Tok::Money("₹"),
            '¢' => Tok::Text("cents"),
            '∧' => Tok::And,
            '∨' => Tok::Or,
            '½' => Tok::Vulgar(1, 2),
            '⅓' => Tok::Vulgar(1, 3),
            '⅔' => Tok::Vulgar(2, 3),
            '¼' => Tok::Vulgar(1, 4),
            '¾' => Tok::Vulgar(3, 4),
            '⅕' => Tok::Vulgar(1, 5),
            '⅖' => Tok::Vulgar(2, 5),
            '⅗' => Tok::Vulgar(3, 5),
            '⅘' => Tok::Vulgar(4, 5),
            '⅙' => Tok::Vulgar(1, 6),
            '⅚' => Tok::Vulgar(5, 6),
            '⅛' => Tok::Vulgar(1, 8),
            '⅜' => Tok::Vulgar(3, 8),
            '⅝' => Tok::Vulgar(5, 8),
            '⅞' => Tok::Vulgar(7, 8),
            _ => super_or_greek(character).ok_or(Unreadable)?,
        };
        self.push(tok, length);
        Ok(())
    }
}

fn super_or_greek(character: char) -> Option<Tok<'static>> {
    const SUPERS: &str = "⁰¹²³⁴⁵⁶⁷⁸⁹";
    if let Some(digit) = SUPERS.chars().position(|c| c == character) {
        return Some(Tok::Super(u8::try_from(digit).unwrap_or(0)));
    }
    let name = match character {
        'α' => "alpha",
        'β' => "beta",
        'γ' => "gamma",
        'δ' => "delta",
        'ε' => "epsilon",
        'θ' => "theta",
        'λ' => "lambda",
        'μ' | 'µ' => "mu",
        'ρ' => "rho",
        'σ' => "sigma",
        'τ' => "tau",
        'φ' | 'ϕ' => "phi",
        'ψ' => "psi",
        'ω' => "omega",
        'Δ' => "Delta",
        'Ω' => "Omega",
        'Σ' => "Sigma",
        _ => return None,
    };
    Some(Tok::Letter(name))
}
