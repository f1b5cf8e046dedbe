use super::{Codec, Problem, Step};
use crate::{Epochs, TaskError};
use refire_core::{
    BoxError, Prompt, PromptSource, Purpose, Request, Row, RowSource, Stateful, Stream,
};

/// Asks problems in shuffled passes, each time with its numbers in another order.
#[derive(Debug, Clone)]
pub struct Prompts {
    problems: Vec<Problem>,
    codec: Codec,
    epochs: Epochs,
    seed: u64,
}

impl Prompts {
    /// A source over problems.
    ///
    /// # Errors
    /// When there are none.
    pub fn new(problems: Vec<Problem>, codec: Codec, seed: u64) -> Result<Self, TaskError> {
        let epochs = Epochs::new(problems.len(), seed)?;
        Ok(Self { problems, codec, epochs, seed })
    }

    /// A problem as a prompt, its numbers in the order of this visit.
    pub fn prompt(problem: &Problem, codec: Codec, seed: u64, visit: u64) -> Prompt {
        let tokens = codec.prompt(&arranged(problem, seed, visit), problem.target);
        let meta = [
            ("numbers".to_owned(), problem.numbers.clone().into()),
            ("target".to_owned(), problem.target.into()),
        ];
        Prompt {
            id: problem.id(),
            text: codec.text(&tokens),
            tokens,
            meta: meta.into_iter().collect(),
            ..Prompt::default()
        }
    }
}

impl PromptSource for Prompts {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        let requests = (0..n).map(|_| {
            let (index, visit) = self.epochs.next_index();
            let prompt = Self::prompt(&self.problems[index], self.codec, self.seed, visit);
            Request { prompt, visit, ..Request::default() }
        });
        Ok(requests.collect())
    }
}

impl Stateful for Prompts {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.epochs.state()
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.epochs.restore(state)
    }
}

/// Rows for supervised warm-up: a problem with one of its solutions, another one each visit.
#[derive(Debug, Clone)]
pub struct WarmUp {
    problems: Vec<(Problem, Vec<Vec<Step>>)>,
    codec: Codec,
    epochs: Epochs,
    seed: u64,
}

impl WarmUp {
    /// Rows over problems, with solutions whose values stay within `max_value`.
    ///
    /// # Errors
    /// When there are no problems.
    pub fn new(
        problems: Vec<Problem>,
        codec: Codec,
        max_value: u32,
        seed: u64,
    ) -> Result<Self, TaskError> {
        let epochs = Epochs::new(problems.len(), seed)?;
        let solved = |problem: Problem| {
            let solutions = problem.solutions(max_value);
            (problem, solutions)
        };
        let problems: Vec<_> = problems.into_iter().map(solved).collect();
        if problems.iter().any(|(_, solutions)| solutions.is_empty()) {
            return Err(TaskError::Empty { what: "solutions to one of the problems" });
        }
        Ok(Self { problems, codec, epochs, seed })
    }
}

impl RowSource for WarmUp {
    fn next(&mut self, n: usize) -> Result<Vec<Row>, BoxError> {
        let rows = (0..n).map(|_| {
            let (index, visit) = self.epochs.next_index();
            let (problem, solutions) = &self.problems[index];
            let (seed, id) = (self.seed, problem.id());
            let pick =
                Stream::new(seed, Purpose::named("solution"), visit, id, 0).below(solutions.len());
            let mut tokens = self.codec.prompt(&arranged(problem, seed, visit), problem.target);
            let asked = tokens.len();
            tokens.extend(self.codec.solution(&solutions[pick]));
            let loss_mask = (0..tokens.len()).map(|position| position >= asked).collect();
            Row { id, tokens, loss_mask, ..Row::default() }
        });
        Ok(rows.collect())
    }
}

impl Stateful for WarmUp {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.epochs.state()
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.epochs.restore(state)
    }
}

fn arranged(problem: &Problem, seed: u64, visit: u64) -> Vec<u32> {
    let mut numbers = problem.numbers.clone();
    Stream::new(seed, Purpose::named("arrange"), visit, problem.id(), 0).shuffle(&mut numbers);
    numbers
}
