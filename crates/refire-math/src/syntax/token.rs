use crate::syntax::{BigOp, NamedSet, RelOp};

/// What the lexer makes of the text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Tok<'a> {
    /// Digits, with at most one decimal point.
    Number(&'a str),
    /// One letter, or the name of a Greek one.
    Letter(&'a str),
    Function(&'static str),
    /// The argument of a text command.
    Text(&'a str),
    /// A fraction as one character: `½`.
    Vulgar(i64, i64),
    Frac,
    Sqrt,
    Binom,
    /// Infix `\over` and `\choose`.
    Over,
    Choose,
    Plus,
    Minus,
    PlusMinus,
    MinusPlus,
    Times,
    Slash,
    Caret,
    Underscore,
    Bang,
    Prime,
    Percent,
    Degree,
    Mod,
    Pmod,
    Rel(RelOp),
    Comma,
    Semicolon,
    Colon,
    And,
    Or,
    Dots,
    Open(Delim),
    Close(Delim),
    Bar,
    DoubleBar,
    Mid,
    Cup,
    Cap,
    Setminus,
    Ampersand,
    Row,
    Begin(&'a str),
    End(&'a str),
    Pi,
    Infinity,
    Named(NamedSet),
    Money(&'static str),
    /// A decoration over its argument, such as a bar or an arrow.
    Accent(&'static str),
    Big(BigOp),
    /// A superscript digit.
    Super(u8),
    /// A command that only frames its argument.
    Frame,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delim {
    Round,
    Square,
    /// `{` and `}` as TeX groups.
    Group,
    /// `\{` and `\}`.
    Curly,
    Angle,
    Floor,
    Ceil,
    Bar,
    DoubleBar,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) tok: Tok<'a>,
    /// White space, or a spacing command, stands before it.
    pub(crate) space: bool,
    /// Where it starts and ends in the text.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The whole run of letters, on the first letter of a run.
    pub(crate) word: &'a str,
}
