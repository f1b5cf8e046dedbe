use crate::TrainError;
use refire_core::{BoxError, Callback, Control, Event, Stateful};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The one handler of the process.
static INSTALLED: Mutex<Option<Interrupt>> = Mutex::new(None);

/// The exit code of shells for a program that Ctrl-C ended.
const EXIT_CODE: i32 = 130;

/// Ends a run cleanly at Ctrl-C: the step at hand is finished, a checkpoint is saved.
///
/// A second Ctrl-C exits at once, with code 130. A request to terminate (SIGTERM) and, on Unix, a
/// hangup (SIGHUP) count as Ctrl-C; this holds under `nohup` too, so a run that should outlive its
/// terminal wants `setsid` or a terminal multiplexer.
///
/// Clones share the wish to stop, which stays until the program ends: between two phases, ask
/// [`requested`](Self::requested).
///
/// ```
/// use refire_core::{Callback, Control, Event, Phase};
/// use refire_train::Interrupt;
///
/// let button = Interrupt::new();
/// let mut callback = button.clone();
/// let start = Event::Start { phase: Phase::Sft, done: 0, total: 9 };
/// assert_eq!(callback.on_event(&start)?, Control::Continue);
/// button.request();
/// assert_eq!(callback.on_event(&start)?, Control::Stop);
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
}

impl Interrupt {
    /// One that no signal reaches: for programs with a stop button of their own.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that Ctrl-C triggers. The handler is installed once; later calls share it.
    ///
    /// # Errors
    /// When the program has a handler made with the crate `ctrlc` already, or the system refuses.
    pub fn install() -> Result<Self, TrainError> {
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(interrupt) = installed.as_ref() {
            return Ok(interrupt.clone());
        }
        let interrupt = Self::new();
        let handled = interrupt.clone();
        ctrlc::set_handler(move || handled.signal())
            .map_err(|source| TrainError::Interrupt { source })?;
        *installed = Some(interrupt.clone());
        Ok(interrupt)
    }

    /// Asks for a stop after the step at hand.
    pub fn request(&self) {
        self.requested.store(true, Ordering::SeqCst);
    }

    /// True once a stop was asked for.
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    fn signal(&self) {
        if self.requested.swap(true, Ordering::SeqCst) {
            std::process::exit(EXIT_CODE);
        }
        // After a hangup nobody reads this, which is no reason to fail.
        let text = "\nsaving, then stopping (Ctrl-C again to exit at once)";
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

impl Stateful for Interrupt {}

impl Callback for Interrupt {
    fn on_event(&mut self, _: &Event<'_>) -> Result<Control, BoxError> {
        Ok(if self.requested() { Control::Stop } else { Control::Continue })
    }
}
