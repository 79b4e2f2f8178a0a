//! Scores: passes of one pair for all that waits for it, and what pairs say of what still grows.

use std::collections::BTreeMap;

use super::{ModelExecutor, unknown_lane};
use crate::guide::pair::Asked;
use crate::guide::reader::Reader;
use crate::search::{
    Answer, Growth, HypothesisId, LaneId, LogRatio, ModelError, PairId, Response, Score, Served,
    Slot,
};

/// What is said of a chunk that still grows.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    /// The weighted sum; none where nothing is said yet.
    pub sum: Option<f64>,
    /// Of a panel, by pair.
    pub voices: Vec<f64>,
}

impl ModelExecutor {
    /// One pass of a pair for all that waits for it: over prompts first, then over responses.
    pub(super) fn score(&mut self, pair: &PairId) -> Vec<Served> {
        let waits = |score: &Score| score.pair == *pair;
        let waiting = self.lanes.iter();
        let waiting = waiting.filter(|(_, lane)| lane.scores.as_ref().is_some_and(waits));
        let lanes: Vec<LaneId> = waiting.map(|(id, _)| *id).collect();
        let answers = match self.score_lanes(pair, &lanes) {
            Ok(answers) => answers.unwrap_or_default(),
            // Whose it is shows when each is scored by itself: nobody fails for another's text.
            Err(_) => lanes
                .iter()
                .flat_map(|lane| self.score_alone(pair, *lane))
                .collect(),
        };
        for (lane, _) in &answers {
            if let Some(lane) = self.lanes.get_mut(lane) {
                lane.scores = None;
            }
        }
        answers
    }

    fn score_alone(&mut self, pair: &PairId, lane: LaneId) -> Vec<Served> {
        match self.score_lanes(pair, &[lane]) {
            Ok(answers) => answers.unwrap_or_default(),
            Err(error) => vec![(lane, Err(error))],
        }
    }

    /// What a pair says of all responses of these lanes that wait for it; `None` while it has
    /// prompts to read.
    fn score_lanes(
        &mut self,
        pair: &PairId,
        lanes: &[LaneId],
    ) -> Result<Option<Vec<Served>>, ModelError> {
        for lane in lanes {
            self.admit_pair(*lane, pair)?;
        }
        let own = self.pairs.get_mut(pair)?;
        let lane_of = |id: &LaneId| {
            let lane = self.lanes.get(id)?;
            Some((*id, lane.readers.get(pair)?, lane.scores.as_ref()?))
        };
        let waiting: Vec<(LaneId, &Reader, &Score)> = lanes.iter().filter_map(lane_of).collect();
        let readers: Vec<&Reader> = waiting.iter().map(|(_, reader, _)| *reader).collect();
        if own.read_prompts(&readers)? {
            return Ok(None);
        }
        let mut asked = Vec::new();
        for (lane, reader, score) in waiting {
            asked.extend(score.responses.iter().map(|response| Asked {
                lane,
                reader,
                response,
            }));
        }
        let ratios = own.score(&asked)?;
        let names = asked.iter().map(|a| (a.lane, a.response.id));
        Ok(Some(answers(pair, lanes, names.zip(ratios))))
    }

    /// The log-ratios of chunks that still grow, and of a panel what each pair says of them. While
    /// the prompt is still being read there are none.
    pub(super) fn partial_scores(
        &mut self,
        lane: LaneId,
        pair: &PairId,
        grown: &[(Slot, Growth)],
    ) -> Result<Vec<Heard>, ModelError> {
        self.admit_pair(lane, pair)?;
        let responses: Vec<Response> = grown
            .iter()
            .map(|(slot, growth)| Response::growing(slot, growth))
            .collect();
        let mut all = vec![Heard::default(); grown.len()];
        for (member, weight) in pair.members() {
            let Some(values) = self.values_of(lane, &member, &responses)? else {
                return Ok(vec![Heard::default(); grown.len()]);
            };
            for (said, value) in all.iter_mut().zip(values) {
                said.sum = Some(said.sum.unwrap_or(0.0) + weight * value);
                if pair.is_panel() {
                    said.voices.push(value);
                }
            }
        }
        Ok(all)
    }

    /// What a pair finds of responses of a lane that were not drawn for it, in nats.
    ///
    /// # Errors
    /// As [`Self::admit_pair`]; a text that outgrows a context.
    pub fn score_beside(
        &mut self,
        lane: LaneId,
        pair: &PairId,
        responses: &[Response],
    ) -> Result<Vec<f64>, ModelError> {
        self.admit_pair(lane, pair)?;
        loop {
            if let Some(values) = self.values_of(lane, pair, responses)? {
                return Ok(values);
            }
        }
    }

    /// The log-ratios of responses of a lane, after a pass over the prompt where it is not read yet;
    /// `None` while that takes further passes.
    fn values_of(
        &mut self,
        lane: LaneId,
        member: &PairId,
        responses: &[Response],
    ) -> Result<Option<Vec<f64>>, ModelError> {
        let own = self.pairs.get_mut(member)?;
        let reader = self.lanes.get(&lane).and_then(|l| l.readers.get(member));
        let reader = reader.ok_or_else(unknown_lane)?;
        own.read_prompts(&[reader])?;
        if own.n_read_of(reader).is_some() {
            return Ok(None);
        }
        let asked = |response| Asked {
            lane,
            reader,
            response,
        };
        let asked: Vec<Asked<'_>> = responses.iter().map(asked).collect();
        let ratios = own.score(&asked)?;
        Ok(Some(ratios.iter().map(LogRatio::value).collect()))
    }
}

/// The ratios of a pass, lane by lane.
fn answers(
    pair: &PairId,
    lanes: &[LaneId],
    ratios: impl Iterator<Item = ((LaneId, HypothesisId), LogRatio)>,
) -> Vec<Served> {
    let mut by_lane: BTreeMap<LaneId, Vec<(HypothesisId, LogRatio)>> =
        lanes.iter().map(|lane| (*lane, Vec::new())).collect();
    for ((lane, id), ratio) in ratios {
        by_lane.entry(lane).or_default().push((id, ratio));
    }
    let answer = |scores| {
        let pair = pair.clone();
        Ok(Answer::Scored { pair, scores })
    };
    let all = by_lane.into_iter();
    all.map(|(lane, scores)| (lane, answer(scores))).collect()
}
