//! Groups, tuples, intervals, sets, absolute values.

use super::{Failure, Parsed, Parser};
use crate::syntax::token::{Delim, Tok};
use crate::syntax::{Bracket, Id, NamedSet, Node};

impl Parser<'_> {
    /// A TeX group; a list in it is a set.
    pub(super) fn group(&mut self) -> Parsed {
        self.expect(Tok::Open(Delim::Group))?;
        let outer = std::mem::take(&mut self.bars);
        let inside = self.nested(Self::groups);
        self.bars = outer;
        let inside = inside?;
        self.expect(Tok::Close(Delim::Group))?;
        match self.node(inside).clone() {
            Node::List { items, .. } => self.push(Node::Braces(items)),
            _ => Ok(inside),
        }
    }

    pub(super) fn bracketed(&mut self, delim: Delim) -> Parsed {
        self.at += 1;
        let outer = std::mem::take(&mut self.bars);
        self.brackets += 1;
        let result = self.nested(|parser| match delim {
            Delim::Round | Delim::Square => parser.list_or_interval(delim),
            Delim::Curly => parser.braces(),
            Delim::Angle => parser.angle(),
            Delim::Floor | Delim::Ceil | Delim::Bar | Delim::DoubleBar => parser.enclosed(delim),
            Delim::Group => Err(Failure),
        });
        self.brackets -= 1;
        self.bars = outer;
        result
    }

    fn items(&mut self) -> Result<Vec<Id>, Failure> {
        let inside = self.groups()?;
        Ok(match self.node(inside) {
            Node::List { items, .. } | Node::Groups(items) => items.clone(),
            _ => vec![inside],
        })
    }

    fn list_or_interval(&mut self, open: Delim) -> Parsed {
        let outer = std::mem::take(&mut self.curly);
        self.squares += usize::from(open == Delim::Square);
        let items = self.items();
        self.squares -= usize::from(open == Delim::Square);
        self.curly = outer;
        let items = items?;
        let close = match self.peek() {
            Some(Tok::Close(close @ (Delim::Round | Delim::Square))) => close,
            // `[a, b[` excludes b.
            Some(Tok::Open(Delim::Square)) if items.len() == 2 => Delim::Round,
            _ => return Err(Failure),
        };
        self.at += 1;
        let bracket = |delim| if delim == Delim::Round { Bracket::Round } else { Bracket::Square };
        match items.as_slice() {
            [only] if open == close => Ok(*only),
            [_] => Err(Failure),
            _ => self.push(Node::Tuple { open: bracket(open), close: bracket(close), items }),
        }
    }

    /// `]a, b[` or `]a, b]`.
    pub(super) fn reversed_interval(&mut self) -> Parsed {
        self.at += 1;
        self.brackets += 1;
        self.squares += 1;
        let items = self.nested(Self::items);
        self.squares -= 1;
        self.brackets -= 1;
        let items = items?;
        let close = match self.peek() {
            Some(Tok::Open(Delim::Square)) => Bracket::Round,
            Some(Tok::Close(Delim::Square)) => Bracket::Square,
            _ => return Err(Failure),
        };
        self.at += 1;
        if items.len() != 2 {
            return Err(Failure);
        }
        self.push(Node::Tuple { open: Bracket::Reversed, close, items })
    }

    fn angle(&mut self) -> Parsed {
        let items = self.items()?;
        self.expect(Tok::Close(Delim::Angle))?;
        self.push(Node::Tuple { open: Bracket::Angle, close: Bracket::Angle, items })
    }

    fn braces(&mut self) -> Parsed {
        if self.eat(Tok::Close(Delim::Curly)) {
            return self.push(Node::Set(NamedSet::Empty));
        }
        self.curly += 1;
        let result = self.braces_inside();
        self.curly -= 1;
        result
    }

    fn braces_inside(&mut self) -> Parsed {
        let inside = self.groups()?;
        if matches!(self.peek(), Some(Tok::Mid | Tok::Bar | Tok::Colon)) {
            self.at += 1;
            let outer = std::mem::take(&mut self.curly);
            let conditions = self.items();
            self.curly = outer;
            let conditions = conditions?;
            self.expect(Tok::Close(Delim::Curly))?;
            return self.push(Node::Builder(inside, conditions));
        }
        self.expect(Tok::Close(Delim::Curly))?;
        let items = match self.node(inside) {
            Node::List { items, .. } | Node::Groups(items) => items.clone(),
            _ => vec![inside],
        };
        self.push(Node::Braces(items))
    }

    fn enclosed(&mut self, delim: Delim) -> Parsed {
        let inside = self.set()?;
        self.expect(Tok::Close(delim))?;
        let node = match delim {
            Delim::Floor => Node::Floor(inside),
            Delim::Ceil => Node::Ceil(inside),
            Delim::Bar => self.absolute(inside),
            _ => Node::Norm(inside),
        };
        self.push(node)
    }

    /// `|x|` without sides.
    pub(super) fn bars(&mut self) -> Parsed {
        let double = self.peek() == Some(Tok::DoubleBar);
        let mark = if double { Tok::DoubleBar } else { Tok::Bar };
        self.at += 1;
        self.bars += 1;
        let inside = self.nested(Self::set);
        self.bars -= 1;
        let inside = inside?;
        self.expect(mark)?;
        let node = if double { Node::Norm(inside) } else { self.absolute(inside) };
        self.push(node)
    }

    fn absolute(&self, inside: Id) -> Node {
        match self.node(inside) {
            Node::Matrix { .. } => Node::Determinant(inside),
            _ => Node::Abs(inside),
        }
    }
}
