use refire_core::{
    BoxError, Columns, Completion, Group, Preference, Prompt, Request, SamplingParams, Score,
    StepView,
};
use refire_objective::Targets;

/// The preferences of one step as groups of completions whose scores are labels.
pub(crate) struct Judged {
    step: u64,
    groups: Vec<Group>,
    scores: Vec<Score>,
    masks: Vec<Vec<bool>>,
    /// One per row.
    margins: Vec<f64>,
    /// Groups from here on are mismatched rows: nobody trains on them.
    labelled: usize,
}

impl Judged {
    pub(crate) fn new(step: u64, preferences: Vec<Preference>) -> Result<Self, BoxError> {
        preferences.iter().try_for_each(Preference::validate)?;
        let margins = preferences.iter().flat_map(|p| p.labels.iter().map(|_| p.margin)).collect();
        let labels = preferences.iter().flat_map(|p| p.labels.iter().copied());
        let scores = labels.map(Score::value).collect();
        let groups: Vec<Group> =
            preferences.into_iter().map(|p| group(p.id, p.prompt, p.completions)).collect();
        let completions = groups.iter().flat_map(|group| &group.completions);
        let masks = completions.map(|completion| completion.loss_mask.clone()).collect();
        let labelled = groups.len();
        Ok(Self { step, groups, scores, masks, margins, labelled })
    }

    /// Adds, for each row, its prompt with the next row's completion, the last with the first's:
    /// TRL's shift by one.
    pub(crate) fn add_mismatched(&mut self) -> Result<(), BoxError> {
        let rows: Vec<(u64, Vec<u32>, Vec<u32>)> = self
            .groups
            .iter()
            .flat_map(|g| {
                let prompt = &g.request.prompt;
                g.completions.iter().map(|c| (prompt.id, prompt.tokens.clone(), c.tokens.clone()))
            })
            .collect();
        if rows.len() < 2 {
            let reason = "a step of one row has no other row to pair its prompt with; take more \
                          preferences per step";
            return Err(reason.into());
        }
        for (row, (id, prompt, _)) in rows.iter().enumerate() {
            let completion = rows[(row + 1) % rows.len()].2.clone();
            self.masks.push(vec![true; completion.len()]);
            self.scores.push(Score::unscorable("a mismatched row"));
            self.margins.push(0.0);
            self.groups.push(group(*id, prompt.clone(), vec![completion]));
        }
        Ok(())
    }

    pub(crate) fn view<'a>(&'a self, columns: &'a Columns) -> StepView<'a> {
        StepView {
            step: self.step,
            groups: &self.groups,
            scores: &self.scores,
            mask: &self.masks,
            columns,
            advantages: None,
        }
    }

    pub(crate) fn labelled_groups(&self) -> Vec<usize> {
        (0..self.labelled).collect()
    }

    /// Labels and margins of a micro-batch.
    pub(crate) fn complete(&self, part: &[usize], targets: &mut Targets) {
        let label = |row: &usize| self.scores[*row].total().unwrap_or_default();
        targets.labels = Some(part.iter().map(label).collect());
        targets.margins = Some(part.iter().map(|row| self.margins[*row]).collect());
        // Nobody drew these completions.
        targets.behaviour_logprobs = None;
    }

    /// Prompt and completion of each row, in one piece.
    pub(crate) fn whole_rows(&self) -> Vec<Vec<u32>> {
        let rows = self.groups.iter().flat_map(|group| {
            let prompt = &group.request.prompt.tokens;
            group.completions.iter().map(move |c| [&prompt[..], &c.tokens[..]].concat())
        });
        rows.collect()
    }

    /// Tokens that are trained on.
    pub(crate) fn tokens(&self) -> usize {
        let groups = self.groups[..self.labelled].iter();
        groups.flat_map(|group| &group.completions).map(Completion::len).sum()
    }
}

fn group(id: u64, prompt: Vec<u32>, completions: Vec<Vec<u32>>) -> Group {
    Group {
        request: Request {
            id,
            n: completions.len(),
            prompt: Prompt { id, tokens: prompt, ..Prompt::default() },
            params: SamplingParams { temperature: 1.0, ..SamplingParams::default() },
            ..Request::default()
        },
        completions: completions.into_iter().map(Completion::given).collect(),
    }
}
