use refire_core::{Author, BudgetForcing, Completion};

/// Where a completion stands with its [`BudgetForcing`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Forcing {
    waits: usize,
    thinks: bool,
}

impl Forcing {
    /// Reads the state off what is there already: a resumed completion goes on where it was.
    pub(super) fn of(forcing: &BudgetForcing, completion: &Completion) -> Self {
        let written = completion.turns.iter().filter(|turn| turn.author == Author::Environment);
        let texts: Vec<&[u32]> =
            written.filter_map(|turn| completion.tokens.get(turn.start..turn.end)).collect();
        let waited = texts.iter().filter(|text| **text == forcing.wait).count();
        let answered = !forcing.answer.is_empty() && texts.contains(&forcing.answer.as_slice());
        let drawn = completion.tokens.iter().zip(&completion.loss_mask).filter(|(_, mask)| **mask);
        let ended = drawn.into_iter().any(|(token, _)| forcing.ends.contains(token));
        Self { waits: forcing.waits.saturating_sub(waited), thinks: !answered && !ended }
    }

    /// True if this token is turned away and `wait` written instead, given the room for tokens.
    pub(super) fn turns_away(&self, forcing: &BudgetForcing, token: u32, room: usize) -> bool {
        let wanted = self.thinks && self.waits > 0 && forcing.ends.contains(&token);
        wanted && forcing.wait.len() < room
    }

    /// Notes that `wait` was written.
    pub(super) fn waited(&mut self) {
        self.waits -= 1;
    }

    /// Notes a token that was taken.
    pub(super) fn took(&mut self, forcing: &BudgetForcing, token: u32) {
        self.thinks &= !forcing.ends.contains(&token);
    }

    /// What must be written after so many tokens, given the room for more; thinking is over then.
    pub(super) fn answer<'a>(
        &mut self,
        forcing: &'a BudgetForcing,
        tokens: usize,
        room: usize,
    ) -> Option<&'a [u32]> {
        let due = self.thinks && forcing.budget.is_some_and(|budget| tokens >= budget);
        if !due || forcing.answer.len() >= room {
            return None;
        }
        self.thinks = false;
        Some(&forcing.answer)
    }
}
