//! Judges of texts, behind one interface: what an evaluation or a board asks of a response and no
//! search ever sees.
//!
//! | SPEC | score |
//! | --- | --- |
//! | `bundled` | [`measure::Judge`]: log p(positive) − log p(negative) of prompt + response |
//! | `hf:owner/name[@revision][:LABEL]`, `FOLDER[:LABEL]` | a sequence classifier's logit of a label, or the difference of two, of prompt + response; a reward model's reward ([`classifier`]) |
//! | `lexicon:FILE` | the weights of the words in prompt + response ([`lexicon`]) |
//! | `length` | the response's characters ([`simple`]) |
//! | `cmd:SHELL` | the number that a command writes ([`command`]) |
//!
//! A judge that fails, fails alone: it says why of each text, and no other judge or text is the
//! worse for it. One that cannot even be opened says that of every text.

mod classifier;
mod command;
mod encoder;
mod error;
mod lexicon;
mod nets;
mod room;
mod simple;
mod spec;
mod tensors;

use std::time::Duration;

use crate::decoder::{Kernels, Placement};
use crate::measure;
use crate::models::{TokenId, Watch};
use crate::template::Template;
use classifier::Classifier;
use command::ShellCommand;
use lexicon::Lexicon;
use simple::Length;
use spec::Kind;

pub use error::JudgeError;
pub use spec::JudgeSpec;

/// A response, and what it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    /// Empty where there is none.
    pub prompt: &'a str,
    pub response: &'a str,
}

/// What a judge says of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The more, the better; finite.
    pub score: f64,
    /// A classifier's logits, one a label; empty of other judges.
    pub logits: Vec<f32>,
    /// The tokens that a classifier has read; empty of other judges.
    pub ids: Vec<TokenId>,
}

/// How judges are opened and work.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where reward models run; encoders run on the CPU.
    pub placement: Placement,
    /// What reward models see of a text. `None` is the model's own chat template where it has
    /// one, the prompt as the user's turn and the response as the answer; else the plain text.
    pub template: Option<Template>,
    /// How long a command may take for one text.
    pub limit: Duration,
    /// How many threads classifiers may use: so many of their own for encoders, so many of the
    /// models' for a reward model. `None` is all that models have.
    pub threads: Option<usize>,
    /// Is told of fetches and loads, and gives them and commands up.
    pub watch: Watch,
}

/// One judge, ready to be asked. It may be sent to another thread.
pub struct Judge {
    name: String,
    body: Box<dyn Body>,
    fault: Option<JudgeError>,
}

/// How a kind of judge judges.
trait Body: Send {
    /// One verdict a text, in their order.
    fn judge(&mut self, texts: &[Text<'_>]) -> Vec<Result<Verdict, JudgeError>>;
}

impl Text<'_> {
    /// Prompt and response.
    #[must_use]
    pub fn whole(&self) -> String {
        [self.prompt, self.response].concat()
    }
}

impl Verdict {
    /// A number and no more.
    fn plain(score: f64) -> Self {
        Self {
            score,
            logits: Vec::new(),
            ids: Vec::new(),
        }
    }
}

impl Default for Setup {
    /// On the CPU; ten seconds for a command.
    fn default() -> Self {
        Self {
            placement: Placement::cpu(Kernels::Fast),
            template: None,
            limit: Duration::from_secs(10),
            threads: None,
            watch: Watch::default(),
        }
    }
}

impl Judge {
    /// Loads what the judge needs, from the hub too.
    ///
    /// # Errors
    /// [`JudgeError`], in one sentence.
    pub fn open(spec: &JudgeSpec, setup: &Setup) -> Result<Self, JudgeError> {
        let body: Box<dyn Body> = match &spec.kind {
            Kind::Bundled => Box::new(measure::Judge::bundled()),
            Kind::Length => Box::new(Length),
            Kind::Lexicon(path) => Box::new(Lexicon::read(path)?),
            Kind::Command(shell) => Box::new(ShellCommand {
                shell: shell.clone(),
                limit: setup.limit,
                watch: setup.watch.clone(),
            }),
            Kind::Classifier { place, label } => {
                Box::new(Classifier::open(place, label.as_deref(), setup)?)
            }
        };
        Ok(Self {
            name: spec.to_string(),
            body,
            fault: None,
        })
    }

    /// [`Self::open`]; a judge that cannot be opened is one that says so of every text.
    #[must_use]
    pub fn open_or_fail(spec: &JudgeSpec, setup: &Setup) -> Self {
        Self::open(spec, setup).unwrap_or_else(|fault| Self {
            name: spec.to_string(),
            body: Box::new(Absent(fault.clone())),
            fault: Some(fault),
        })
    }

    /// Its SPEC.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why it could not be opened, where it could not.
    #[must_use]
    pub fn fault(&self) -> Option<&JudgeError> {
        self.fault.as_ref()
    }

    /// What it says of `response` after `prompt`.
    ///
    /// # Errors
    /// Why it says nothing: [`JudgeError`], also for a score that is not finite.
    pub fn score(&mut self, prompt: &str, response: &str) -> Result<Verdict, JudgeError> {
        let text = Text { prompt, response };
        let missing = || Err(JudgeError::Failed("it said nothing".to_owned()));
        self.score_all(&[text]).pop().unwrap_or_else(missing)
    }

    /// What it says of each of `texts`, in their order; classifiers read several in one pass.
    pub fn score_all(&mut self, texts: &[Text<'_>]) -> Vec<Result<Verdict, JudgeError>> {
        let finite = |verdict: Verdict| match verdict.score.is_finite() {
            true => Ok(verdict),
            false => Err(JudgeError::NotFinite(verdict.score)),
        };
        let verdicts = self.body.judge(texts).into_iter();
        verdicts.map(|verdict| verdict.and_then(finite)).collect()
    }
}

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Judge").field(&self.name).finish()
    }
}

/// A judge that could not be opened.
struct Absent(JudgeError);

impl Body for Absent {
    fn judge(&mut self, texts: &[Text<'_>]) -> Vec<Result<Verdict, JudgeError>> {
        texts.iter().map(|_| Err(self.0.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(spec: &str) -> Judge {
        Judge::open_or_fail(&spec.parse().unwrap(), &Setup::default())
    }

    #[test]
    fn the_bundled_judge_says_what_it_always_said() {
        let mut judge = open("bundled");
        let verdict = judge.score("I saw", " nothing").unwrap();
        let known = measure::Judge::bundled().score("I saw", " nothing");
        assert_eq!(verdict, Verdict::plain(known));
        assert_eq!((judge.name(), judge.fault()), ("bundled", None));
    }

    #[test]
    fn what_is_not_finite_is_an_error_of_its_text() {
        let mut judge = open("cmd:test \"$W2S_PROMPT\" = a && echo inf || echo 1");
        let text = |prompt| Text {
            prompt,
            response: "",
        };
        let verdicts = judge.score_all(&[text("a"), text("b")]);
        assert_eq!(verdicts[0], Err(JudgeError::NotFinite(f64::INFINITY)));
        assert_eq!(verdicts[1], Ok(Verdict::plain(1.0)));
    }

    #[test]
    fn a_judge_that_is_not_there_says_so_of_every_text() {
        let mut judge = open("lexicon:no/such/file");
        let told = judge.score("", "a").unwrap_err();
        assert_eq!(judge.fault(), Some(&told));
        assert!(told.to_string().contains("no/such/file"));
    }

    #[test]
    fn judges_go_to_other_threads() {
        fn sent<T: Send>() {}
        sent::<Judge>();
    }
}
