//! A training, a step at a time: whoever drives it asks for the next, and may stop at any.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::Instant;

use super::base::Base;
use super::error::TuneError;
use super::folder::{Folder, Progress};
use super::settings::{Settings, shuffled};
use crate::curve::{Event, Held, Rewards, Step, Why};
use crate::decoder::train::{Example, Measured, Row, Trainee};

/// Tokens in a pass; a batch is learnt in as many passes as it needs.
const AT_ONCE: usize = 1 << 13;

/// A training under way.
pub struct Tuning {
    trainee: Trainee,
    settings: Settings,
    train: Vec<Example>,
    held: Vec<Example>,
    folder: Folder,
    progress: Progress,
    n_steps: usize,
    /// Seconds a step, smoothed.
    pace: Option<f64>,
    /// The step of the newest checkpoint.
    kept: usize,
    is_over: bool,
}

/// What a training is made of.
#[derive(Debug)]
pub struct Plan {
    pub base: Base,
    pub settings: Settings,
    pub examples: Vec<Example>,
    pub halves: bool,
}

impl Tuning {
    /// Opens the folder at `out`, and goes on with what is in it. `trainee` is the base, untouched.
    ///
    /// # Errors
    /// Too few examples; as [`Folder::open`]; the device is out of memory.
    pub fn open(mut trainee: Trainee, plan: Plan, out: &Path) -> Result<Self, TuneError> {
        let Plan {
            base,
            settings,
            mut examples,
            halves,
        } = plan;
        let data = fingerprint(&examples);
        let (folder, found) = Folder::open(out, &base, (&settings, data), halves)?;
        if !settings.objective.is_reward() {
            refer(&trainee, &mut examples)?;
        }
        let (train, held) = split(examples, &settings)?;
        let progress = match found {
            Some((progress, state)) => {
                trainee.load_state(&state)?;
                progress
            }
            None => Progress::default(),
        };
        Ok(Self {
            n_steps: settings.n_steps(train.len()),
            kept: progress.step,
            pace: None,
            is_over: false,
            trainee,
            settings,
            train,
            held,
            folder,
            progress,
        })
    }

    /// Steps taken, those before a resumption included.
    #[must_use]
    pub fn step(&self) -> usize {
        self.progress.step
    }

    /// Steps in all.
    #[must_use]
    pub fn n_steps(&self) -> usize {
        self.n_steps
    }

    /// Examples that are learnt, and that are held out.
    #[must_use]
    pub fn n_examples(&self) -> (usize, usize) {
        (self.train.len(), self.held.len())
    }

    /// How many numbers are trained.
    #[must_use]
    pub fn n_trained(&self) -> usize {
        self.trainee.n_trained()
    }

    /// Whether there is nothing left to do.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// What is held out before the first step, nothing where it goes on; the end, where that was
    /// reached before.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub fn begin(&mut self) -> Result<Vec<Event>, TuneError> {
        let mut events = Vec::new();
        if self.progress.step == 0 {
            self.measure_held(&mut events)?;
        }
        if self.progress.step >= self.n_steps {
            events.push(self.ended(Why::Done));
        }
        self.tell(events)
    }

    /// One step, and what is due after it: a measure of what is held out, a checkpoint, the end.
    ///
    /// # Errors
    /// A loss or gradient that is not finite; the device is out of memory; a folder that cannot be
    /// written.
    pub fn advance(&mut self) -> Result<Vec<Event>, TuneError> {
        let mut events = vec![Event::Step(self.learn()?)];
        let is_last = self.progress.step == self.n_steps;
        if is_last || self.progress.step.is_multiple_of(self.settings.every) {
            self.measure_held(&mut events)?;
            self.checkpoint(&mut events)?;
        }
        let patience = self.settings.patience;
        let is_stale = patience > 0 && self.progress.stale >= patience;
        if is_last || is_stale {
            let why = if is_last { Why::Done } else { Why::NoBetter };
            events.push(self.ended(why));
        }
        self.tell(events)
    }

    /// Ends it here, with a checkpoint to go on from.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn stop(&mut self) -> Result<Vec<Event>, TuneError> {
        let mut events = Vec::new();
        if self.kept < self.progress.step {
            self.checkpoint(&mut events)?;
        }
        events.push(self.ended(Why::Stopped));
        self.tell(events)
    }

    /// Adds an event of others to the curve.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn note(&mut self, event: &Event) -> Result<(), TuneError> {
        self.folder.tell(event)
    }

    fn ended(&mut self, why: Why) -> Event {
        self.is_over = true;
        Event::Ended {
            step: self.progress.step,
            why,
        }
    }

    fn tell(&mut self, events: Vec<Event>) -> Result<Vec<Event>, TuneError> {
        events
            .iter()
            .try_for_each(|event| self.folder.tell(event))?;
        Ok(events)
    }

    fn learn(&mut self) -> Result<Step, TuneError> {
        let began = Instant::now();
        let (step, n_steps) = (self.progress.step, self.n_steps);
        let rate = self.settings.rate_of(step, n_steps);
        let batch = self.settings.batch_of(step, self.train.len());
        let batch: Vec<&Example> = batch.iter().map(|&i| &self.train[i]).collect();
        let n_tokens: usize = batch.iter().map(|e| n_tokens(e)).sum();
        let mut told = Measured::default();
        for some in passes(&batch) {
            told.add(self.trainee.learn(some, self.settings.objective)?);
        }
        self.finite("loss", told.loss)?;
        let grad_norm = self.trainee.step(rate)?.grad_norm;
        self.finite("gradient", grad_norm)?;
        self.progress.step += 1;
        let seconds = began.elapsed().as_secs_f64();
        let pace = self.pace.map_or(seconds, |pace| 0.9 * pace + 0.1 * seconds);
        self.pace = Some(pace);
        Ok(Step {
            step: step + 1,
            n_steps,
            loss: told.loss,
            grad_norm,
            rate,
            tokens_per_s: n_tokens as f64 / seconds.max(1e-9),
            left_s: pace * (n_steps - step - 1) as f64,
            rewards: rewards(&told),
        })
    }

    fn finite(&self, what: &'static str, value: f64) -> Result<(), TuneError> {
        match value.is_finite() {
            true => Ok(()),
            false => Err(TuneError::NotFinite {
                what,
                step: self.progress.step,
                path: self.folder.path().to_owned(),
                kept: self.kept,
            }),
        }
    }

    fn measure_held(&mut self, events: &mut Vec<Event>) -> Result<(), TuneError> {
        if self.held.is_empty() {
            return Ok(());
        }
        let held: Vec<&Example> = self.held.iter().collect();
        let mut told = Measured::default();
        for some in passes(&held) {
            told.add(self.trainee.measure(some, self.settings.objective)?);
        }
        self.finite("held-out loss", told.loss)?;
        // Of preferences it is the accuracy that counts, of texts the loss.
        let value = rewards(&told).map_or(-told.loss, |rewards| rewards.accuracy);
        let is_best = self.progress.best.is_none_or(|best| value > best);
        self.progress.stale = if is_best { 0 } else { self.progress.stale + 1 };
        if is_best {
            self.progress.best = Some(value);
        }
        events.push(Event::Held(Held {
            step: self.progress.step,
            loss: told.loss,
            rewards: rewards(&told),
            is_best,
        }));
        Ok(())
    }

    fn checkpoint(&mut self, events: &mut Vec<Event>) -> Result<(), TuneError> {
        let path = self.folder.checkpoint(&self.trainee, &self.progress)?;
        self.kept = self.progress.step;
        events.push(Event::Checkpoint {
            step: self.progress.step,
            path,
        });
        Ok(())
    }
}

fn rewards(told: &Measured) -> Option<Rewards> {
    let has_any = !told.chosen_rewards.is_empty();
    has_any.then(|| Rewards {
        chosen: told.mean_chosen(),
        rejected: told.mean_rejected(),
        margin: told.margin(),
        accuracy: told.accuracy(),
    })
}

fn n_tokens(example: &Example) -> usize {
    example.rows().iter().map(|row| row.ids.len()).sum()
}

/// Examples in groups of about [`AT_ONCE`] tokens, in their order.
fn passes<'a, 'e>(examples: &'a [&'e Example]) -> Vec<&'a [&'e Example]> {
    let (mut groups, mut first, mut n) = (Vec::new(), 0, 0);
    for (i, example) in examples.iter().enumerate() {
        let more = n_tokens(example);
        if i > first && n + more > AT_ONCE {
            groups.push(&examples[first..i]);
            (first, n) = (i, 0);
        }
        n += more;
    }
    if first < examples.len() {
        groups.push(&examples[first..]);
    }
    groups
}

/// What the base says of all preferences, once and for all.
fn refer(trainee: &Trainee, examples: &mut [Example]) -> Result<(), TuneError> {
    let all: Vec<&Example> = examples.iter().collect();
    let mut said = Vec::new();
    for some in passes(&all) {
        let rows: Vec<&Row> = some.iter().flat_map(|e| e.rows()).collect();
        said.extend(trainee.log_probs(&rows)?);
    }
    let mut said = said.into_iter();
    for example in examples {
        let n_rows = example.rows().len();
        let own: Vec<f32> = said.by_ref().take(n_rows).collect();
        if let (Example::Preference { reference, .. }, [a, b]) = (example, &own[..]) {
            *reference = [*a, *b];
        }
    }
    Ok(())
}

/// What is learnt, and what is held out, drawn by the seed.
fn split(
    examples: Vec<Example>,
    settings: &Settings,
) -> Result<(Vec<Example>, Vec<Example>), TuneError> {
    let n = examples.len();
    let n_held = (settings.held_out * n as f64).round() as usize;
    let least = if settings.held_out > 0.0 { 2 } else { 1 };
    if n < least || n_held >= n {
        return Err(TuneError::Few { n, least });
    }
    let mut is_held = vec![false; n];
    let order = shuffled(n, settings.seed, u64::MAX);
    order.iter().take(n_held).for_each(|&i| is_held[i] = true);
    let mut is_held = is_held.into_iter();
    Ok(examples
        .into_iter()
        .partition(|_| !is_held.next().unwrap_or(false)))
}

/// Tells other examples from these.
fn fingerprint(examples: &[Example]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for row in examples.iter().flat_map(Example::rows) {
        (&row.ids, row.from).hash(&mut hasher);
    }
    hasher.finish()
}

impl std::fmt::Debug for Tuning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tuning")
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::settings::tests::settings;

    fn text(n: usize) -> Example {
        Example::Text(Row::new(&[1], &vec![2; n]))
    }

    #[test]
    fn passes_hold_all_in_order() {
        let sizes = [AT_ONCE, 3, 5, AT_ONCE - 20, 100, 7];
        let examples: Vec<Example> = sizes.iter().map(|n| text(*n)).collect();
        let examples: Vec<&Example> = examples.iter().collect();
        let groups = passes(&examples);
        let lens: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        assert_eq!(lens, [1, 3, 2]);
        assert!(passes(&[]).is_empty());
    }

    #[test]
    fn what_is_held_out_is_not_learnt() {
        let settings = Settings {
            held_out: 0.25,
            ..settings()
        };
        let examples: Vec<Example> = (1..=40).map(text).collect();
        let (train, held) = split(examples.clone(), &settings).unwrap();
        assert_eq!((train.len(), held.len()), (30, 10));
        assert!(held.iter().all(|example| !train.contains(example)));
        assert!(split(vec![text(1)], &settings).is_err());
        assert_ne!(fingerprint(&examples), fingerprint(&examples[1..]));
    }
}
