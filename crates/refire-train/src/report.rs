//! One page that tells what a run did.

mod curve;
mod html;
mod plot;
mod read;
#[cfg(test)]
mod tests;

use crate::TrainError;
use read::{Completions, PhaseLog};
use std::fs;
use std::path::Path;

/// What the model says to one problem before and after training.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// The problem as a reader should see it.
    pub problem: String,
    /// The reply before training.
    pub before: String,
    /// Whether it is right.
    pub correct_before: bool,
    /// The reply after training.
    pub after: String,
    /// Whether it is right.
    pub correct_after: bool,
}

/// A run as one self-contained page: curves, key numbers, samples.
///
/// It reads the `metrics.jsonl` of a run's folder and, if there is one, `completions.jsonl`. The
/// page needs no other file and no network, and follows the reader's light or dark mode. Each
/// phase has a section with curves of what it logged of reward, accuracy, completion length,
/// entropy, KL, gradient norm and loss, and of all `eval_` metrics. All text is escaped.
///
/// ```
/// use refire_train::{Report, Sample};
///
/// let folder = tempfile::tempdir()?;
/// let log = "{\"phase\":\"rl\",\"step\":1,\"reward\":0.2}\n{\"phase\":\"rl\",\"step\":2,\"reward\":0.6}\n";
/// std::fs::write(folder.path().join("metrics.jsonl"), log)?;
///
/// let sample = Sample {
///     problem: "6 * 7 = ?".into(),
///     before: "67".into(),
///     after: "42".into(),
///     correct_before: false,
///     correct_after: true,
/// };
/// Report::from_dir(folder.path())?
///     .title("Multiplication")
///     .summary(["The model learned to multiply."])
///     .figures([("Accuracy before", "0 %"), ("Accuracy after", "100 %")])
///     .samples([sample])
///     .write(folder.path().join("report.html"))?;
///
/// let page = std::fs::read_to_string(folder.path().join("report.html"))?;
/// assert!(page.contains("<svg") && page.contains("Reward"));
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Report {
    title: String,
    summary: Vec<String>,
    figures: Vec<(String, String)>,
    samples: Vec<Sample>,
    phases: Vec<PhaseLog>,
    completions: Completions,
}

impl Report {
    /// Reads the logs of a run's folder.
    ///
    /// # Errors
    /// When `metrics.jsonl` is missing, or a line of a log can't be read. A torn last line, left by
    /// a kill, is passed over.
    pub fn from_dir(folder: impl AsRef<Path>) -> Result<Self, TrainError> {
        let folder = folder.as_ref();
        Ok(Self {
            title: "Training run".to_owned(),
            summary: Vec::new(),
            figures: Vec::new(),
            samples: Vec::new(),
            phases: read::metrics(&folder.join("metrics.jsonl"))?,
            completions: read::completions(&folder.join("completions.jsonl"))?,
        })
    }

    /// The headline; "Training run" unless set.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// What there is to say, one paragraph per line.
    pub fn summary<T: Into<String>>(mut self, lines: impl IntoIterator<Item = T>) -> Self {
        self.summary = lines.into_iter().map(Into::into).collect();
        self
    }

    /// The key numbers: label and value.
    pub fn figures<L: Into<String>, V: Into<String>>(
        mut self,
        figures: impl IntoIterator<Item = (L, V)>,
    ) -> Self {
        self.figures = figures.into_iter().map(|(l, v)| (l.into(), v.into())).collect();
        self
    }

    /// Replies before and after training.
    pub fn samples(mut self, samples: impl IntoIterator<Item = Sample>) -> Self {
        self.samples = samples.into_iter().collect();
        self
    }

    /// The page as text.
    ///
    /// # Errors
    /// When a curve can't be drawn.
    pub fn to_html(&self) -> Result<String, TrainError> {
        html::page(self)
    }

    /// Writes the page.
    ///
    /// # Errors
    /// When a curve can't be drawn, or the file can't be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), TrainError> {
        let path = path.as_ref();
        fs::write(path, self.to_html()?).map_err(TrainError::io("write", path))
    }
}
