//! Questions that the screen answers: how sure a cut was, which tokens decide over the whole run,
//! why the judge disagrees.

use w2s::app::stats::decisive;
use w2s::message::Update;
use w2s::search::Round;

use crate::legible::{has, lines};
use crate::support::Playground;

fn last(p: &Playground) -> Round {
    Round::clone(p.app.trace().last_round().unwrap())
}

#[test]
fn a_cut_says_how_far_kept_and_pruned_are_apart() {
    let mut p = Playground::loaded();
    p.round();
    let round = last(&p);
    let score = |id| round.score_of(id).unwrap();
    let apart = score(*round.kept().last().unwrap()) - score(round.pruned()[0]);
    let sure = p.app.sureness(&round).unwrap();
    assert!((sure.margin - apart).abs() < 1e-9 && apart > 0.0);
    assert_eq!(sure.same, None, "all follow the prompt");
    assert!(has(&lines(&p.app, 120, 40), &format!("margin {apart:.2}")));
}

#[test]
fn a_cut_says_how_it_would_fall_with_other_draws() {
    let mut p = Playground::loaded();
    p.round().round().press(&["o"]);
    let same = p.app.sureness(&last(&p)).unwrap().same.unwrap();
    assert!((0.25..=1.0).contains(&same), "{same}");
    let percent = format!("with other draws {:.0} %", same * 100.0);
    assert!(has(&lines(&p.app, 120, 40), &percent));
}

#[test]
fn what_all_drew_alike_would_fall_the_same() {
    // Every successor of a hypothesis is the same: there is nothing to draw otherwise.
    let mut p = Playground::loaded().alike(4);
    p.round().round();
    assert_eq!(p.app.sureness(&last(&p)).unwrap().same, Some(1.0));
}

#[test]
fn decisive_tokens_of_the_whole_run_are_told_with_their_rounds() {
    let mut p = Playground::loaded();
    p.round().round().round().finish().press(&["3", "z"]);
    let best = p.app.trace().best().unwrap().hypothesis.clone().unwrap();
    let tokens = decisive(p.app.trace());
    let sum: f64 = tokens.iter().map(|token| token.delta).sum();
    assert!((sum - best.score().value()).abs() < 1e-9);
    assert_eq!(tokens.len(), best.score().len());
    let in_round = |n| tokens.iter().filter(|token| token.round == n).count();
    assert_eq!([1, 2, 3].map(in_round), [5, 5, 5]);
    let told = format!("{:+.2} in {}", tokens[0].delta, tokens[0].round);
    assert!(has(&lines(&p.app, 120, 40), &told));
}

#[test]
fn the_judges_strongest_words_stand_beside_the_pairs() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.round().press(&["2", "z", "space"]);
    p.update(Update::Paused { run, paused: true }).answer();
    let subject = p.app.subject().unwrap().slot.id;
    let judge = p.app.judge_of(subject).unwrap();
    let told = format!("judge  {judge:+.2} by  superb +1.25  never -0.50");
    let screen = lines(&p.app, 120, 40);
    assert!(has(&screen, &told), "{screen:#?}");
}
