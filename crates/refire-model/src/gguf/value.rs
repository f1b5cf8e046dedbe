use super::cursor::{Broken, Cursor};

/// How deep lists may lie in lists.
const DEPTH: usize = 8;

/// A value of a GGUF file's metadata.
#[derive(Debug, Clone, PartialEq)]
pub enum GgufValue {
    /// An unsigned integer of any width.
    Unsigned(u64),
    /// A signed integer of any width.
    Signed(i64),
    /// A 64-bit float; a 32-bit one is the shortest decimal number that it is nearest to.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(String),
    /// Values of one type.
    List(Vec<Self>),
}

impl GgufValue {
    /// The value, if it is a whole number from 0.
    pub fn as_usize(&self) -> Option<usize> {
        match self {
            Self::Unsigned(value) => usize::try_from(*value).ok(),
            Self::Signed(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }

    /// The value, if it is a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Unsigned(value) => Some(*value as f64),
            Self::Signed(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The value, if it is true or false.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The value, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(value) => Some(value),
            _ => None,
        }
    }

    /// The values, if it is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(values) => Some(values),
            _ => None,
        }
    }

    /// What an error shows of it.
    pub(super) fn brief(&self) -> String {
        match self {
            Self::Unsigned(value) => value.to_string(),
            Self::Signed(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Text(value) => format!("{:?}", value.chars().take(40).collect::<String>()),
            Self::List(values) => format!("a list of {}", values.len()),
        }
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Broken> {
        let kind = cursor.u32()?;
        Self::of_kind(cursor, kind, DEPTH)
    }

    fn of_kind(cursor: &mut Cursor<'_>, kind: u32, depth: usize) -> Result<Self, Broken> {
        Ok(match kind {
            0 => Self::Unsigned(u8::from_le_bytes(cursor.take()?).into()),
            1 => Self::Signed(i8::from_le_bytes(cursor.take()?).into()),
            2 => Self::Unsigned(u16::from_le_bytes(cursor.take()?).into()),
            3 => Self::Signed(i16::from_le_bytes(cursor.take()?).into()),
            4 => Self::Unsigned(cursor.u32()?.into()),
            5 => Self::Signed(i32::from_le_bytes(cursor.take()?).into()),
            6 => Self::Float(shortest(f32::from_le_bytes(cursor.take()?))),
            7 => match cursor.take()? {
                [0] => Self::Bool(false),
                [1] => Self::Bool(true),
                [other] => return Err(cursor.broken(format!("{other} is neither true nor false"))),
            },
            8 => Self::Text(cursor.text()?),
            9 if depth > 0 => {
                let kind = cursor.u32()?;
                let count = cursor.count(1)?;
                let values = (0..count).map(|_| Self::of_kind(cursor, kind, depth - 1));
                Self::List(values.collect::<Result<_, _>>()?)
            }
            10 => Self::Unsigned(cursor.u64()?),
            11 => Self::Signed(i64::from_le_bytes(cursor.take()?)),
            12 => Self::Float(f64::from_le_bytes(cursor.take()?)),
            other => return Err(cursor.broken(format!("there is no type of values {other}"))),
        })
    }
}

/// 1e-5 stays 1e-5.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}
