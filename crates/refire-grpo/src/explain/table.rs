use super::{Explanation, Reason, TokenExplanation};
use std::fmt;

const HEADER: [&str; 10] = [
    "row",
    "token",
    "logprob",
    "ratio",
    "advantage",
    "weight",
    "gate",
    "share",
    "coefficient",
    "reason",
];

fn cells(token: &TokenExplanation, row_id: usize) -> [String; 10] {
    let hidden = matches!(token.reason, Reason::Masked | Reason::Truncated | Reason::Filtered);
    let number = |value: f64| if hidden { "-".to_owned() } else { short(value) };
    [
        row_id.to_string(),
        token.token.to_string(),
        number(token.logprob),
        number(token.ratio),
        number(token.advantage),
        number(token.weight),
        number(token.gate),
        number(token.share),
        short(token.coefficient()),
        token.reason.to_string(),
    ]
}

/// Four digits after the point, or powers of ten where that would say nothing.
fn short(value: f64) -> String {
    let value = if value == 0.0 { 0.0 } else { value };
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) {
        format!("{value:.2e}")
    } else {
        format!("{value:.4}")
    }
}

impl fmt::Display for Explanation {
    /// One line per token, and a last line that counts the reasons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = |row: usize| self.row_ids.get(row).copied().unwrap_or(row);
        let lines: Vec<[String; 10]> = self.tokens.iter().map(|t| cells(t, id(t.row))).collect();
        let width = |column: usize| {
            let cells = lines.iter().map(|line| line[column].len());
            cells.chain([HEADER[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
        let mut write = |cells: &[&str]| {
            let [numbers @ .., reason] = cells else { return Ok(()) };
            for (cell, width) in numbers.iter().zip(&widths) {
                write!(f, "{cell:>width$}  ")?;
            }
            writeln!(f, "{reason}")
        };
        write(&HEADER)?;
        for line in &lines {
            write(&line.each_ref().map(String::as_str))?;
        }
        let counts = self.summary();
        let counts: Vec<String> =
            counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        write!(f, "{} tokens: {}", self.tokens.len(), counts.join(", "))
    }
}
