//! From the command line to what a training is told.

use crate::cli::{Fall, Learnt, Loss, TuneArgs};
use crate::decoder::train::{AdamWSettings, LowRank, Objective, Part, Targets, Training};
use crate::library::Model;
use crate::template::Template;
use crate::tune::{Encoding, Schedule, Settings, TuneError, Wanted};

/// So many bad lines are named one by one.
pub(super) const MOST_NAMED: usize = 10;

/// Longer rows are rare in data for small models, and cost memory.
const USUAL_MOST: usize = 512;

/// # Errors
/// The first setting that makes no sense.
pub(super) fn settings(args: &TuneArgs) -> Result<Settings, TuneError> {
    let steps = &args.steps;
    let settings = Settings {
        objective: objective(args),
        part: part(args),
        optimiser: AdamWSettings {
            decay: steps.decay,
            clip: (steps.clip != 0.0).then_some(steps.clip),
            ..AdamWSettings::default()
        },
        rate: steps.rate.unwrap_or_else(|| usual_rate(args)),
        schedule: match steps.schedule {
            Fall::Constant => Schedule::Constant,
            Fall::Linear => Schedule::Linear,
            Fall::Cosine => Schedule::Cosine,
        },
        warmup: steps.warmup,
        epochs: steps.epochs,
        most_steps: steps.steps,
        batch: steps.batch,
        held_out: steps.held_out,
        every: steps.every,
        patience: steps.patience,
        seed: steps.seed,
    };
    settings.check()?;
    Ok(settings)
}

/// What training is told of the model.
pub(super) fn training(args: &TuneArgs, settings: &Settings) -> Training {
    Training {
        part: part(args),
        reward: settings.objective.is_reward(),
        optimiser: settings.optimiser,
        seed: settings.seed,
    }
}

/// What lines of data are to be.
pub(super) fn wanted(args: &TuneArgs) -> Wanted {
    match args.what {
        Some(Learnt::Sft) => Wanted::Texts,
        _ => Wanted::Preferences,
    }
}

/// How texts become tokens of `model`.
pub(super) fn encoding(args: &TuneArgs, model: &Model) -> Encoding {
    let context = model.decoder.config().context;
    Encoding {
        template: args.data.template.clone().unwrap_or(Template::Raw),
        system: args.data.system.clone(),
        date: args.data.date,
        most: args
            .data
            .most_tokens
            .unwrap_or(USUAL_MOST)
            .clamp(2, context),
    }
}

fn objective(args: &TuneArgs) -> Objective {
    let (beta, smoothing) = (args.steps.beta, args.steps.smoothing);
    match (args.what, args.steps.loss) {
        (Some(Learnt::Sft), _) => Objective::Likelihood,
        (Some(Learnt::Reward), _) => Objective::Reward,
        (_, Loss::Dpo) => Objective::Dpo { beta, smoothing },
        (_, Loss::Ipo) => Objective::Ipo { beta },
    }
}

fn part(args: &TuneArgs) -> Part {
    let model = &args.model;
    match model.lora {
        0 => Part::All,
        rank => Part::Low(LowRank {
            rank,
            alpha: model.alpha.unwrap_or(2.0 * rank as f64),
            targets: match &model.targets[..] {
                [] => Targets::All,
                names => Targets::Named(names.to_vec()),
            },
        }),
    }
}

fn usual_rate(args: &TuneArgs) -> f64 {
    match (args.model.lora, args.what) {
        (1.., _) => 2e-3,
        (0, Some(Learnt::Sft)) => 5e-4,
        (0, _) => 3e-4,
    }
}
