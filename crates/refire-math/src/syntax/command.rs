//! The commands of TeX that may stand in an answer. A command that isn't here makes the answer
//! unreadable: nothing is skipped.

use crate::syntax::token::{Delim, Tok};
use crate::syntax::{BigOp, NamedSet, RelOp};

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Command {
    Token(Tok<'static>),
    /// Only space, or how something looks.
    Nothing,
    /// The next character or command is a delimiter of that side.
    Left,
    Right,
    /// Takes a braced argument of words.
    Text,
    /// Takes a braced argument in another typeface.
    Roman,
    /// The same for blackboard letters, which name sets.
    Blackboard,
    Begin,
    End,
    /// A letter by name.
    Greek,
}

pub(super) fn lookup(name: &str) -> Option<Command> {
    use Command::{Blackboard, Left, Nothing, Right, Roman, Text, Token};
    let command = match name {
        "frac" | "dfrac" | "tfrac" | "cfrac" => Token(Tok::Frac),
        "sqrt" => Token(Tok::Sqrt),
        "binom" | "dbinom" | "tbinom" => Token(Tok::Binom),
        "over" => Token(Tok::Over),
        "choose" => Token(Tok::Choose),
        "pm" => Token(Tok::PlusMinus),
        "mp" => Token(Tok::MinusPlus),
        "times" | "cdot" | "ast" | "centerdot" | "cdotp" => Token(Tok::Times),
        "div" => Token(Tok::Slash),
        "bmod" | "mod" => Token(Tok::Mod),
        "pmod" => Token(Tok::Pmod),
        "circ" | "degree" => Token(Tok::Degree),
        "prime" => Token(Tok::Prime),
        "lt" => Token(Tok::Rel(RelOp::Lt)),
        "gt" => Token(Tok::Rel(RelOp::Gt)),
        "le" | "leq" | "leqslant" | "leqq" => Token(Tok::Rel(RelOp::Le)),
        "ge" | "geq" | "geqslant" | "geqq" => Token(Tok::Rel(RelOp::Ge)),
        "ne" | "neq" => Token(Tok::Rel(RelOp::Ne)),
        "approx" | "approxeq" | "simeq" | "doteq" => Token(Tok::Rel(RelOp::Approx)),
        "in" | "isin" => Token(Tok::Rel(RelOp::In)),
        "notin" => Token(Tok::Rel(RelOp::NotIn)),
        "equiv" => Token(Tok::Rel(RelOp::Congruent)),
        "subset" | "subseteq" => Token(Tok::Rel(RelOp::Subset)),
        "cup" | "bigcup" => Token(Tok::Cup),
        "cap" | "bigcap" => Token(Tok::Cap),
        "setminus" | "backslash" | "smallsetminus" => Token(Tok::Setminus),
        "mid" => Token(Tok::Mid),
        "colon" => Token(Tok::Colon),
        "emptyset" | "varnothing" => Token(Tok::Named(NamedSet::Empty)),
        "infty" | "infin" => Token(Tok::Infinity),
        "pi" => Token(Tok::Pi),
        "wedge" | "land" => Token(Tok::And),
        "vee" | "lor" => Token(Tok::Or),
        "ldots" | "dots" | "cdots" | "dotsc" | "dotsb" | "dotsm" | "hdots" => Token(Tok::Dots),
        "langle" => Token(Tok::Open(Delim::Angle)),
        "rangle" => Token(Tok::Close(Delim::Angle)),
        "lfloor" => Token(Tok::Open(Delim::Floor)),
        "rfloor" => Token(Tok::Close(Delim::Floor)),
        "lceil" => Token(Tok::Open(Delim::Ceil)),
        "rceil" => Token(Tok::Close(Delim::Ceil)),
        "lvert" => Token(Tok::Open(Delim::Bar)),
        "rvert" => Token(Tok::Close(Delim::Bar)),
        "lVert" => Token(Tok::Open(Delim::DoubleBar)),
        "rVert" => Token(Tok::Close(Delim::DoubleBar)),
        "vert" => Token(Tok::Bar),
        "Vert" | "parallel" => Token(Tok::DoubleBar),
        "lbrace" => Token(Tok::Open(Delim::Curly)),
        "rbrace" => Token(Tok::Close(Delim::Curly)),
        "lbrack" => Token(Tok::Open(Delim::Square)),
        "rbrack" => Token(Tok::Close(Delim::Square)),
        "sum" => Token(Tok::Big(BigOp::Sum)),
        "prod" => Token(Tok::Big(BigOp::Product)),
        "int" => Token(Tok::Big(BigOp::Integral)),
        "lim" => Token(Tok::Big(BigOp::Limit)),
        "pounds" => Token(Tok::Money("£")),
        "euro" => Token(Tok::Money("€")),
        "overline" | "bar" => Token(Tok::Accent("bar")),
        "vec" | "overrightarrow" => Token(Tok::Accent("vec")),
        "hat" | "widehat" => Token(Tok::Accent("hat")),
        "tilde" | "widetilde" => Token(Tok::Accent("tilde")),
        "dot" => Token(Tok::Accent("dot")),
        "angle" | "triangle" | "measuredangle" => Token(Tok::Accent("angle")),
        "boxed" | "fbox" | "mathord" | "mathbin" | "ensuremath" | "mathrel" | "underline" => {
            Token(Tok::Frame)
        }
        "to" | "rightarrow" | "Rightarrow" | "implies" | "iff" | "Leftrightarrow" | "mapsto" => {
            Token(Tok::Rel(RelOp::Implies))
        }
        "begin" => Command::Begin,
        "end" => Command::End,
        "left" | "bigl" | "Bigl" | "biggl" | "Biggl" => Left,
        "right" | "bigr" | "Bigr" | "biggr" | "Biggr" => Right,
        "text" | "textbf" | "textit" | "textrm" | "textsf" | "texttt" | "textnormal" | "textup"
        | "mbox" | "hbox" | "emph" | "textsc" => Text,
        "mathrm" | "operatorname" | "mathbf" | "mathit" | "mathsf" | "mathtt" | "mathnormal"
        | "boldsymbol" | "bm" | "bold" | "rm" | "bf" | "mathcal" | "mathscr" | "mathfrak"
        | "it" => Roman,
        "mathbb" | "Bbb" => Blackboard,
        "quad" | "qquad" | "enspace" | "thinspace" | "medspace" | "thickspace" | "space"
        | "negthinspace" | "displaystyle" | "textstyle" | "scriptstyle" | "limits" | "nolimits"
        | "hspace" | "phantom" | "big" | "Big" | "bigg" | "Bigg" | "middle" | "hfill"
        | "newline" | "nobreak" | "hline" => Nothing,
        _ => return function(name).map(|f| Token(Tok::Function(f))).or_else(|| greek(name)),
    };
    Some(command)
}

fn greek(name: &str) -> Option<Command> {
    const LETTERS: &[&str] = &[
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "varepsilon",
        "zeta",
        "eta",
        "theta",
        "vartheta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "rho",
        "varrho",
        "sigma",
        "varsigma",
        "tau",
        "upsilon",
        "phi",
        "varphi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Lambda",
        "Xi",
        "Sigma",
        "Upsilon",
        "Phi",
        "Psi",
        "Omega",
        "ell",
        "hbar",
        "aleph",
        "nabla",
        "partial",
        "imath",
        "jmath",
    ];
    LETTERS.contains(&name).then_some(Command::Greek)
}

/// The functions that are known by name, with and without a backslash.
pub(super) fn function(name: &str) -> Option<&'static str> {
    const FUNCTIONS: &[(&str, &str)] = &[
        ("sin", "sin"),
        ("cos", "cos"),
        ("tan", "tan"),
        ("cot", "cot"),
        ("sec", "sec"),
        ("csc", "csc"),
        ("tg", "tan"),
        ("ctg", "cot"),
        ("cosec", "csc"),
        ("arcsin", "arcsin"),
        ("arccos", "arccos"),
        ("arctan", "arctan"),
        ("asin", "arcsin"),
        ("acos", "arccos"),
        ("atan", "arctan"),
        ("arctg", "arctan"),
        ("arccot", "arccot"),
        ("sinh", "sinh"),
        ("cosh", "cosh"),
        ("tanh", "tanh"),
        ("coth", "coth"),
        ("sech", "sech"),
        ("csch", "csch"),
        ("log", "log"),
        ("ln", "ln"),
        ("lg", "lg"),
        ("exp", "exp"),
        ("abs", "abs"),
        ("floor", "floor"),
        ("ceil", "ceil"),
        ("min", "min"),
        ("max", "max"),
        ("gcd", "gcd"),
        ("lcm", "lcm"),
        ("det", "det"),
        ("cis", "cis"),
        ("arcsinh", "arcsinh"),
        ("arccosh", "arccosh"),
        ("arctanh", "arctanh"),
        ("Re", "Re"),
        ("Im", "Im"),
        ("sgn", "sgn"),
        ("sign", "sgn"),
        ("cbrt", "cbrt"),
        ("deg", "deg"),
    ];
    FUNCTIONS.iter().find(|(known, _)| *known == name).map(|(_, canonical)| *canonical)
}
