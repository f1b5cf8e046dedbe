//! A Pratt parser: lists, relations, set operations, sums, products, powers, atoms.

mod atom;
mod bracket;
mod call;
mod number;
mod operator;
mod phrase;
mod statement;
mod table;

use std::sync::Arc;

use crate::syntax::token::{Tok, Token};
use crate::syntax::{Ast, Id, Node, lexer};

/// Deepest nesting that is read.
const MAX_NESTING: usize = 200;
/// Deepest syntax tree.
const MAX_DEPTH: u16 = 160;
/// Most nodes of a tree.
const MAX_NODES: usize = 20_000;

/// An answer as a tree.
#[derive(Debug, Clone)]
pub(crate) struct Syntax {
    pub(crate) ast: Ast,
    pub(crate) root: Id,
    /// A comma was read as a separator of thousands that could as well separate a list.
    pub(crate) ambiguous_comma: bool,
}

/// The answer can't be read as mathematics from its first to its last character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure;

/// Reads the whole of `text`. With `commas_group`, `1,234` is one number, otherwise two.
pub(crate) fn parse(text: &str, commas_group: bool) -> Result<Syntax, Failure> {
    let mut parser = Parser {
        text,
        tokens: lexer::tokens(text).map_err(|_| Failure)?,
        at: 0,
        ast: Ast::default(),
        depths: Vec::new(),
        nesting: 0,
        brackets: 0,
        squares: 0,
        bars: 0,
        curly: 0,
        commas_group,
        ambiguous_comma: false,
    };
    let root = parser.groups()?;
    if parser.at != parser.tokens.len() {
        return Err(Failure);
    }
    Ok(Syntax { ast: parser.ast, root, ambiguous_comma: parser.ambiguous_comma })
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
    ast: Ast,
    depths: Vec<u16>,
    nesting: usize,
    /// Open brackets that separate lists, in which a bare comma can't group digits.
    brackets: usize,
    /// Open square brackets, in which another one only closes: `[a, b[`.
    squares: usize,
    /// Open plain bars.
    bars: usize,
    /// Open set braces, in which a bar may separate conditions.
    curly: usize,
    commas_group: bool,
    ambiguous_comma: bool,
}

type Parsed = Result<Id, Failure>;

impl<'a> Parser<'a> {
    fn token(&self, ahead: usize) -> Option<Token<'a>> {
        self.tokens.get(self.at + ahead).copied()
    }

    fn tok(&self, ahead: usize) -> Option<Tok<'a>> {
        self.token(ahead).map(|token| token.tok)
    }

    fn peek(&self) -> Option<Tok<'a>> {
        self.tok(0)
    }

    fn eat(&mut self, tok: Tok<'static>) -> bool {
        let found = self.peek() == Some(tok);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, tok: Tok<'static>) -> Result<(), Failure> {
        if self.eat(tok) { Ok(()) } else { Err(Failure) }
    }

    fn push(&mut self, node: Node) -> Parsed {
        let deepest = children(&node).map(|id| self.depths[id as usize]).max().unwrap_or(0);
        if deepest >= MAX_DEPTH || self.depths.len() >= MAX_NODES {
            return Err(Failure);
        }
        let id = Id::try_from(self.depths.len()).map_err(|_| Failure)?;
        self.depths.push(deepest + 1);
        self.ast.nodes.push(node);
        Ok(id)
    }

    fn node(&self, id: Id) -> &Node {
        self.ast.get(id)
    }

    /// Runs `inside` one level deeper.
    fn nested<T>(
        &mut self,
        inside: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if self.nesting >= MAX_NESTING {
            return Err(Failure);
        }
        self.nesting += 1;
        let result = inside(self);
        self.nesting -= 1;
        result
    }

    /// Reads `text` in place, as if it stood alone; fails without a trace.
    fn within(&mut self, text: &'a str) -> Parsed {
        let tokens = lexer::tokens(text).map_err(|_| Failure)?;
        let outer = (self.text, std::mem::replace(&mut self.tokens, tokens), self.at);
        (self.text, self.at) = (text, 0);
        let result = self.nested(Self::groups);
        let complete = self.at == self.tokens.len();
        (self.text, self.tokens, self.at) = outer;
        if complete { result } else { Err(Failure) }
    }

    fn symbol(&mut self, name: impl Into<Arc<str>>) -> Parsed {
        self.push(Node::Symbol(name.into()))
    }
}

/// The ids that a node refers to.
fn children(node: &Node) -> impl Iterator<Item = Id> {
    let (list, pair): (&[Id], [Option<Id>; 4]) = match node {
        Node::Sum(items)
        | Node::Product(items)
        | Node::Apply(_, items)
        | Node::Braces(items)
        | Node::Union(items)
        | Node::Intersection(items)
        | Node::Relation(items, _)
        | Node::Ratio(items)
        | Node::Groups(items)
        | Node::List { items, .. }
        | Node::Tuple { items, .. }
        | Node::Matrix { items, .. } => (items, [None; 4]),
        Node::Call(_, base, items) => (items, [*base, None, None, None]),
        Node::Builder(id, items) => (items, [Some(*id), None, None, None]),
        Node::Neg(id)
        | Node::Factorial(id)
        | Node::DoubleFactorial(id)
        | Node::Abs(id)
        | Node::Norm(id)
        | Node::Floor(id)
        | Node::Ceil(id)
        | Node::Percent(id)
        | Node::Degree(id)
        | Node::Unit(id, _)
        | Node::Money(_, id)
        | Node::Determinant(id)
        | Node::Transpose(id)
        | Node::Indexed(_, id)
        | Node::BaseNumber { base: id, .. } => (&[], [Some(*id), None, None, None]),
        Node::Div(a, b)
        | Node::Mixed(a, b)
        | Node::Pow(a, b)
        | Node::Binomial(a, b)
        | Node::Mod(a, b)
        | Node::Without(a, b) => (&[], [Some(*a), Some(*b), None, None]),
        Node::Root(degree, id) | Node::PlusMinus(degree, id, _) => {
            (&[], [*degree, Some(*id), None, None])
        }
        Node::Big { var, low, high, body, .. } => (&[], [*var, *low, *high, Some(*body)]),
        Node::Number { .. }
        | Node::Symbol(_)
        | Node::Pi
        | Node::E
        | Node::I
        | Node::Infinity
        | Node::Set(_)
        | Node::Ellipsis
        | Node::Text(_) => (&[], [None; 4]),
    };
    list.iter().copied().chain(pair.into_iter().flatten())
}
