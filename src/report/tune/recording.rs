//! `w2s tune --recording`: a recording's steps, repeated, for comparison with another trainer.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::plan::training;
use crate::cli::TuneArgs;
use crate::decoder::train::{AdamWSettings, Example, Objective, Row, Trainee, Training};
use crate::models::{ModelSpec, TokenId};
use crate::report::error::{ReportError, parse, read};
use crate::report::session::{Outcome, Session};
use crate::tune::TuneError;

/// What the logits are read after, once a step is made, and how many of them.
const PROBE: ([TokenId; 6], usize) = ([5, 6, 7, 8, 9, 10], 12);

#[derive(Deserialize)]
struct Recording {
    model: String,
    rows: Vec<Recorded>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Recorded {
    prompt_ids: Vec<TokenId>,
    chosen_ids: Vec<TokenId>,
    rejected_ids: Vec<TokenId>,
}

#[derive(Deserialize)]
struct Run {
    kind: Kind,
    settings: Numbers,
    rows_of_step: Vec<Vec<usize>>,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Sft,
    Dpo,
    Ipo,
}

#[derive(Deserialize)]
struct Numbers {
    lr: f64,
    #[serde(default)]
    wd: f64,
    #[serde(default)]
    beta: f64,
    #[serde(default)]
    smooth: f64,
    clip: Option<f64>,
}

#[derive(Serialize)]
struct Repeated {
    runs: Vec<RepeatedRun>,
}

#[derive(Serialize)]
struct RepeatedRun {
    kind: Kind,
    steps: Vec<RepeatedStep>,
}

#[derive(Serialize)]
struct RepeatedStep {
    loss: f64,
    grad_norm: f64,
    probe_after: Vec<f32>,
    #[serde(flatten)]
    preferences: Option<Preferences>,
}

#[derive(Serialize)]
struct Preferences {
    logps_chosen: Vec<f32>,
    logps_rejected: Vec<f32>,
    rewards_chosen: f64,
    rewards_rejected: f64,
    margin: f64,
    accuracy: f64,
}

/// # Errors
/// A file that is no recording, or of tokens that the model does not have.
pub(super) fn repeat(
    args: &TuneArgs,
    path: &Path,
    session: &mut Session<'_>,
) -> Result<Outcome, ReportError> {
    let recording: Recording = parse(path, &read(path)?, "a recording of training")?;
    let spec = ModelSpec::parse(&recording.model);
    let mut runs = Vec::new();
    for run in &recording.runs {
        let numbers = &run.settings;
        let training = Training {
            optimiser: AdamWSettings {
                decay: numbers.wd,
                clip: numbers.clip,
                ..AdamWSettings::default()
            },
            ..training(args, &super::plan::settings(args)?)
        };
        let mut trainee = session.models.library()?.trainee(&spec, &training)?;
        runs.push(repeat_run(&recording, run, &mut trainee)?);
    }
    serde_json::to_writer(&mut *session.out, &Repeated { runs })?;
    writeln!(session.out)?;
    Ok(Outcome::Done)
}

fn repeat_run(
    recording: &Recording,
    run: &Run,
    trainee: &mut Trainee,
) -> Result<RepeatedRun, TuneError> {
    let rows = recording.rows.iter().map(|row| run.kind.example(row));
    let mut rows: Vec<Example> = rows.collect();
    for example in &mut rows {
        let said = trainee.log_probs(&example.rows())?;
        if let (Example::Preference { reference, .. }, [a, b]) = (example, &said[..]) {
            *reference = [*a, *b];
        }
    }
    let (beta, smoothing) = (run.settings.beta, run.settings.smooth);
    let objective = match run.kind {
        Kind::Sft => Objective::Likelihood,
        Kind::Dpo => Objective::Dpo { beta, smoothing },
        Kind::Ipo => Objective::Ipo { beta },
    };
    let mut steps = Vec::new();
    for batch in &run.rows_of_step {
        let batch: Vec<&Example> = batch.iter().filter_map(|i| rows.get(*i)).collect();
        let told = trainee.learn(&batch, objective)?;
        let grad_norm = trainee.step(run.settings.lr)?.grad_norm;
        let logits = trainee.logits(&PROBE.0)?;
        steps.push(RepeatedStep {
            loss: told.loss,
            grad_norm,
            probe_after: logits.into_iter().take(PROBE.1).collect(),
            preferences: (run.kind != Kind::Sft).then(|| Preferences {
                rewards_chosen: told.mean_chosen(),
                rewards_rejected: told.mean_rejected(),
                margin: told.margin(),
                accuracy: told.accuracy(),
                logps_chosen: told.chosen,
                logps_rejected: told.rejected,
            }),
        });
    }
    Ok(RepeatedRun {
        kind: run.kind,
        steps,
    })
}

impl Kind {
    fn example(self, row: &Recorded) -> Example {
        let after = |ids: &[TokenId]| Row::new(&row.prompt_ids, ids);
        match self {
            Self::Sft => Example::Text(after(&row.chosen_ids)),
            Self::Dpo | Self::Ipo => Example::Preference {
                chosen: after(&row.chosen_ids),
                rejected: after(&row.rejected_ids),
                reference: [0.0; 2],
            },
        }
    }
}
