//! What a search for weights says: what was tried, the front or the surface, and whether what was
//! found is any better on other prompts.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Arm, Stage, cost, front};
use crate::report::eval::chart::{self, Point};
use crate::report::eval::summary::{Comparison, Metric, Summary};
use crate::report::eval::text::{aligned, text};

/// Cells of the longest bar.
const BAR: f64 = 30.0;

pub(super) struct Told<'a> {
    pub names: &'a [&'a str],
    pub judges: &'a [String],
    pub method: String,
    pub n_seen: usize,
    pub n_held: usize,
    pub all: &'a [Arm],
    pub best: usize,
    pub stages: &'a [Stage],
    pub summary: &'a Summary,
}

impl Told<'_> {
    pub fn head(&self) -> String {
        let stages = self.stages.iter();
        let stages = stages.map(|s| format!("{} on {}", s.n_arms, s.n_prompts));
        format!(
            "weights of {} by {}, searched on {} prompts with {} searches ({} weightings: \
             successive halving), reported on {} others",
            self.names.join(", "),
            self.method,
            self.n_seen,
            cost(self.stages),
            stages.collect::<Vec<_>>().join(", "),
            self.n_held,
        )
    }

    pub fn text(&self) -> String {
        let mut out = format!("{}\n\n{}\n", self.head(), self.table());
        if let Some(names) = self.two_judges() {
            out.push_str(&chart::front(&self.points(), names));
            out.push('\n');
        }
        let found = &self.all[self.best];
        let weights = self.names.iter().zip(&found.weights);
        let weights: Vec<String> = weights.map(|(name, w)| format!("{name} {w}")).collect();
        let head = format!(
            "found: {}; on the other {} prompts:",
            weights.join(", "),
            self.n_held
        );
        out.push_str(&text(self.summary, &head));
        out.push('\n');
        out.push_str(&self.verdict());
        out
    }

    /// What was tried; of two pairs the surface, from one to the other, else the best first.
    fn table(&self) -> String {
        let mut order: Vec<usize> = (0..self.all.len()).collect();
        let is_surface = self.names.len() == 2;
        let means: Vec<Vec<f64>> = self.all.iter().map(Arm::means).collect();
        if is_surface {
            let angle = |i: &usize| {
                let own = &self.all[*i].weights;
                own[1].atan2(own[0])
            };
            order.sort_by(|a, b| angle(a).total_cmp(&angle(b)));
        } else {
            let key = |i: &usize| (self.all[*i].n_prompts, means[*i][0]);
            order.sort_by(|a, b| {
                let ((n, x), (m, y)) = (key(a), key(b));
                m.cmp(&n).then(y.total_cmp(&x))
            });
        }
        let mut lines = vec![self.headings(is_surface)];
        let first = means.iter().map(|own| own[0]).filter(|x| x.is_finite());
        let low = first.clone().fold(f64::INFINITY, f64::min);
        let high = first.fold(f64::NEG_INFINITY, f64::max);
        for i in order {
            let mut line = self.line(i, &means[i]);
            if is_surface {
                let share = (means[i][0] - low) / (high - low).max(1e-9);
                let bar = "▇".repeat((share.clamp(0.0, 1.0) * BAR).round() as usize + 1);
                line.push(format!("{bar:<width$}", width = BAR as usize + 1));
            }
            lines.push(line);
        }
        aligned(&lines)
    }

    fn headings(&self, is_surface: bool) -> Vec<String> {
        let mut line = vec!["tried".to_owned()];
        line.extend(self.names.iter().map(|name| (*name).to_owned()));
        line.extend(self.judges.iter().cloned());
        line.push("prompts".to_owned());
        if is_surface {
            line.push(self.judges[0].clone());
        }
        line
    }

    fn line(&self, i: usize, means: &[f64]) -> Vec<String> {
        let arm = &self.all[i];
        let mark = if i == self.best { "found" } else { "" };
        let mut line = vec![mark.to_owned()];
        line.extend(arm.weights.iter().map(|w| format!("{w:+.3}")));
        line.extend(means.iter().map(|mean| format!("{mean:+.2}")));
        line.push(arm.n_prompts.to_string());
        line
    }

    /// The two first judges, where there are several.
    fn two_judges(&self) -> Option<[&str; 2]> {
        match self.judges {
            [x, y, ..] => Some([x, y]),
            _ => None,
        }
    }

    /// Those that were tried longest, by the two first judges.
    fn points(&self) -> Vec<Point> {
        let most = self.all.iter().map(|arm| arm.n_prompts).max().unwrap_or(0);
        let last: Vec<&Arm> = self
            .all
            .iter()
            .filter(|arm| arm.n_prompts == most)
            .collect();
        let means: Vec<Vec<f64>> = last.iter().map(|arm| arm.means()).collect();
        let free = front(&means);
        let point = |((arm, means), is_best): ((&&Arm, &Vec<f64>), &bool)| Point {
            name: arm.name(),
            x: means[0],
            y: means[1],
            is_best: *is_best,
        };
        last.iter().zip(&means).zip(&free).map(point).collect()
    }

    /// Whether it was worth it, by judge.
    fn verdict(&self) -> String {
        let mut out = String::new();
        for (i, judge) in self.judges.iter().enumerate() {
            let own = self.compared(i);
            // Writing to a String cannot fail.
            let _ = match own {
                Some(own) if own.tied => writeln!(
                    out,
                    "by {judge} the searched weights do not beat the uniform ones: {} covers 0",
                    own.delta
                ),
                Some(own) if own.delta.value < 0.0 => writeln!(
                    out,
                    "by {judge} the searched weights are worse than the uniform ones: {}",
                    own.delta
                ),
                Some(own) => writeln!(
                    out,
                    "by {judge} the searched weights beat the uniform ones: {}",
                    own.delta
                ),
                None => writeln!(out, "{judge} could not compare them"),
            };
        }
        out
    }

    fn compared(&self, judge: usize) -> Option<&Comparison> {
        let is_it =
            |own: &&Comparison| own.method == "searched" && own.metric == Metric::Judge(judge);
        self.summary.comparisons.iter().find(is_it)
    }

    pub fn json(&self) -> Value {
        let means: Vec<Vec<f64>> = self.all.iter().map(Arm::means).collect();
        let free = front(&means);
        let arm = |((arm, means), is_front): ((&Arm, &Vec<f64>), &bool)| {
            json!({
                "weights": arm.weights,
                "judges": means,
                "prompts": arm.n_prompts,
                "front": is_front,
            })
        };
        let tried = self.all.iter().zip(&means).zip(&free).map(arm);
        json!({
            "pairs": self.names,
            "judges": self.judges,
            "searched_on": self.n_seen,
            "reported_on": self.n_held,
            "searches": cost(self.stages),
            "tried": tried.collect::<Vec<_>>(),
            "found": self.all[self.best].weights,
            "summary": self.summary,
        })
    }

    /// The front of two judges, or the surface of two pairs.
    pub fn svg(&self) -> String {
        let mut out = String::new();
        if let Some(names) = self.two_judges() {
            out.push_str("<h2>What was tried longest, by two judges</h2>\n");
            out.push_str(&chart::front_svg(&self.points(), names));
        }
        if let [one, _] = self.names {
            let means: Vec<f64> = self.all.iter().map(|arm| arm.means()[0]).collect();
            let point = |(i, arm): (usize, &Arm)| Point {
                name: arm.name(),
                x: arm.weights[0],
                y: means[i],
                is_best: i == self.best,
            };
            let points: Vec<Point> = self.all.iter().enumerate().map(point).collect();
            let names = [&format!("weight of {one}")[..], &self.judges[0]];
            out.push_str("<h2>All weights that were tried</h2>\n");
            out.push_str(&chart::front_svg(&points, names));
        }
        out
    }
}
