use super::Step;

const SIGNS: [char; 8] = ['+', '-', '*', '/', '=', ';', '.', '>'];

/// The task's own vocabulary: one token for each number up to `max_value`, one for each sign.
///
/// A problem reads `3 4 5>27` without the spaces as tokens; the full stop ends a solution and is
/// the end token.
///
/// ```
/// use refire_tasks::countdown::{Codec, Problem};
/// let codec = Codec::new(99);
/// let problem = Problem { numbers: vec![3, 4, 5], target: 27 };
/// let prompt = codec.prompt(&[5, 3, 4], problem.target);
/// assert_eq!(codec.text(&prompt), "5 3 4>27");
/// let solution = &problem.solutions(99)[0];
/// assert!(codec.text(&codec.solution(solution)).ends_with("=27."));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codec {
    max_value: u32,
}

impl Codec {
    /// A vocabulary for values up to `max_value`.
    pub fn new(max_value: u32) -> Self {
        Self { max_value }
    }

    /// Number of tokens.
    pub fn vocab_size(&self) -> usize {
        self.max_value as usize + 1 + SIGNS.len()
    }

    /// The token that ends a solution.
    pub fn end_token(&self) -> u32 {
        self.sign('.')
    }

    /// A problem with its numbers in this order.
    pub fn prompt(&self, numbers: &[u32], target: u32) -> Vec<u32> {
        let mut tokens = numbers.to_vec();
        tokens.extend([self.sign('>'), target]);
        tokens
    }

    /// A worked solution, its full stop included.
    pub fn solution(&self, steps: &[Step]) -> Vec<u32> {
        let mut tokens = Vec::with_capacity(6 * steps.len());
        for step in steps {
            let (op, equals) = (self.sign(step.op.sign()), self.sign('='));
            tokens.extend([step.a, op, step.b, equals, step.result, self.sign(';')]);
        }
        if let Some(last) = tokens.last_mut() {
            *last = self.end_token();
        }
        tokens
    }

    /// Tokens as text; numbers side by side are set apart by a space.
    pub fn text(&self, tokens: &[u32]) -> String {
        let mut text = String::new();
        let mut after_number = false;
        for token in tokens {
            let number = *token <= self.max_value;
            if number && after_number {
                text.push(' ');
            }
            match token.checked_sub(self.max_value + 1).and_then(|i| SIGNS.get(i as usize)) {
                Some(sign) => text.push(*sign),
                None => text.push_str(&token.to_string()),
            }
            after_number = number;
        }
        text
    }

    fn sign(&self, sign: char) -> u32 {
        let index = SIGNS.iter().position(|s| *s == sign).unwrap_or(SIGNS.len() - 1);
        self.max_value + 1 + index as u32
    }
}
