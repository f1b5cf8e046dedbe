//! From the text of an answer to its syntax tree.

mod ast;
mod command;
mod lexer;
mod parser;
mod token;

pub(crate) use ast::{Ast, BigOp, Bracket, Id, NamedSet, Node, RelOp};
pub(crate) use parser::{Syntax, parse};
