//! Pairs that have a say in what the strong model draws: EFT's sum.

use std::collections::{BTreeMap, BTreeSet};

use super::{Lane, ModelExecutor, unknown_lane};
use crate::guide::pair::Asked;
use crate::guide::pairs::Pairs;
use crate::guide::strong::Led;
use crate::search::{LaneId, ModelError, PairId};

impl ModelExecutor {
    /// Whether the pairs that have a say in what grows are ready to speak; one pass where not.
    pub(super) fn prepare_led(&mut self) -> Result<bool, ModelError> {
        let led = self.strong.led();
        for (lane, pair) in &led {
            self.admit_pair(*lane, pair)?;
        }
        for (lane, pair) in led {
            for (member, _) in pair.members() {
                let own = self.lanes.get(&lane).ok_or_else(unknown_lane)?;
                let reader = own.readers.get(&member).ok_or_else(unknown_lane)?;
                if self.pairs.get_mut(&member)?.read_prompts(&[reader])? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// β Σ w (tuned − untuned) of the token after every chunk that others have a say in.
pub(super) fn lead(
    pairs: &mut Pairs,
    lanes: &BTreeMap<LaneId, Lane>,
    led: &[Led],
) -> Result<Vec<Vec<f32>>, ModelError> {
    let mut tilts: Vec<Vec<f32>> = vec![Vec::new(); led.len()];
    let names: BTreeSet<&PairId> = led.iter().map(|led| &led.pair).collect();
    for name in names {
        for (member, weight) in name.members() {
            let own = led.iter().enumerate().filter(|(_, led)| led.pair == *name);
            let asked = |(at, led): (usize, &'_ Led)| {
                let reader = lanes.get(&led.lane)?.readers.get(&member)?;
                Some((at, led.beta, led.lane, reader))
            };
            let own: Vec<_> = own.filter_map(asked).collect();
            let asked = own.iter().map(|(at, _, lane, reader)| Asked {
                lane: *lane,
                reader,
                response: &led[*at].response,
            });
            let said = pairs.get_mut(&member)?.lead(&asked.collect::<Vec<_>>())?;
            for ((at, beta, ..), said) in own.iter().zip(said) {
                add(&mut tilts[*at], (weight * beta) as f32, &said);
            }
        }
    }
    Ok(tilts)
}

/// `sum` plus `weight` times `more`, as far as both reach.
fn add(sum: &mut Vec<f32>, weight: f32, more: &[f32]) {
    if sum.is_empty() {
        sum.resize(more.len(), 0.0);
    }
    sum.truncate(more.len());
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += weight * more;
    }
}
