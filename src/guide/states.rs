//! What the strong model makes of a response: the mean of its last hidden states.

use super::executor::ModelExecutor;
use crate::decoder::{Feed, Want};
use crate::search::{Hypothesis, LaneId, ModelError};

/// The most tokens that one pass reads.
const PIECE: usize = 256;

impl ModelExecutor {
    /// The mean over a response's tokens of the strong model's last hidden states, as wide as the
    /// model is; zeros for an empty response. `response` is one of a lane.
    ///
    /// # Errors
    /// A lane that is over; a failing device.
    pub fn mean_state(
        &mut self,
        lane: LaneId,
        response: &Hypothesis,
    ) -> Result<Vec<f32>, ModelError> {
        let prompt = self.prompt_ids(lane)?;
        let first = prompt.len();
        let mut ids = prompt.to_vec();
        ids.extend(response.tokens.iter());
        let strong = self.strong_part();
        let (mut cache, _) = strong.rows().copy_for(0, &ids, first)?;
        let decoder = strong.model().decoder.clone();
        let mut sum = vec![0.0; decoder.config().hidden];
        let mut held = cache.len(0);
        while held < ids.len() {
            let end = if held < first { first } else { ids.len() };
            let end = end.min(held + PIECE);
            let feed = Feed {
                row: 0,
                tokens: &ids[held..end],
            };
            if held < first {
                decoder.forward(&mut cache, &[feed], Want::None)?;
            } else {
                let states = decoder.states(&mut cache, &[feed])?;
                for state in states.chunks_exact(sum.len()) {
                    sum.iter_mut().zip(state).for_each(|(sum, x)| *sum += x);
                }
            }
            held = end;
        }
        let n = (ids.len() - first).max(1) as f32;
        Ok(sum.into_iter().map(|x| x / n).collect())
    }
}
