//! The worker thread on the bundled models: commands in, updates out.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use w2s::decoder::{DeviceChoice, Sums};
use w2s::evidence::{Evidence, Scoring};
use w2s::guide::{Setting, score};
use w2s::library::Library;
use w2s::message::{
    Act, CellId, Command, Contender, EvaluationId, EvaluationRequest, GaugeRequest, LoadId, Part,
    RunId, RunRequest, Update, Verdict, Way,
};
use w2s::models::{ModelSpec, PAIRS, PairSpec};
use w2s::search::{
    Entry, Hypothesis, HypothesisId, Mark, NodeId, PairId, Response, Rules, Sampling, SearchParams,
    SearchTrace,
};
use w2s::template::Templates;
use w2s::worker::{Startup, WorkerHandle, spawn};

const RUN: RunId = RunId(1);
const PROMPT: &str = "This story has held";

/// The app's end, without an app: a trace folded from what the worker tells.
struct Desk {
    worker: WorkerHandle,
    trace: SearchTrace,
    entries: Vec<Entry>,
    /// What each way beside the run has come to.
    told: BTreeMap<usize, Told>,
    dropped: Vec<(usize, String)>,
    beside: Vec<Way>,
    pace: Duration,
}

/// What a way has come to.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    response: Arc<Hypothesis>,
    done: bool,
    sampled: usize,
}

impl Desk {
    fn new() -> Self {
        Self::of("bundled:strong")
    }

    fn of(strong: &str) -> Self {
        Self::with(strong, &[])
    }

    fn with(strong: &str, judges: &[&str]) -> Self {
        let pair = |name: &&str| (PairSpec::parse(name).unwrap(), String::new());
        let worker = spawn(Startup {
            templates: Templates::default(),
            device: DeviceChoice::Cpu,
            pair_device: None,
            sums: Sums::Exact,
            strong: ModelSpec::parse(strong),
            pairs: PAIRS.iter().map(pair).collect(),
            judges: judges.iter().map(|text| text.parse().unwrap()).collect(),
        });
        let mut desk = Self {
            worker: worker.unwrap(),
            trace: SearchTrace::default(),
            entries: Vec::new(),
            told: BTreeMap::new(),
            dropped: Vec::new(),
            beside: Vec::new(),
            pace: Duration::ZERO,
        };
        desk.until(|update| matches!(update, Update::Loaded(_)));
        desk
    }

    /// Has models loaded; what the worker says of it in the end.
    fn load(&mut self, part: Part, spec: &str) -> Update {
        let (id, spec) = (LoadId(7), spec.to_owned());
        self.send(Command::Load { id, part, spec });
        self.until(|u| matches!(u, Update::Fetched { .. } | Update::NotFetched { .. }))
    }

    fn start(&mut self, params: SearchParams, paused: bool) {
        self.send(Command::Start(self.request(params, paused)));
    }

    fn request(&self, params: SearchParams, paused: bool) -> RunRequest {
        RunRequest {
            run: RUN,
            prompt: PROMPT.to_owned(),
            params,
            pair: "positive".into(),
            paused,
            pace: self.pace,
            beside: self.beside.clone(),
        }
    }

    fn send(&self, command: Command) {
        self.worker.commands.send(command).unwrap();
    }

    fn steer(&self, act: Act) {
        self.send(Command::Steer { run: RUN, act });
    }

    /// Until so many ways beside the run have come to their end.
    fn until_ways_end(&mut self, n: usize) {
        while self.told.values().filter(|told| told.done).count() < n {
            self.until(|u| matches!(u, Update::Beside { .. }));
        }
    }

    fn fold(&mut self, update: &Update) {
        match update {
            Update::Search { run, entry } if *run == RUN => {
                self.trace.apply(entry);
                self.entries.push(entry.clone());
            }
            Update::Beside {
                way,
                response,
                done,
                sampled,
                ..
            } => {
                let told = Told {
                    response: Arc::clone(response),
                    done: *done,
                    sampled: *sampled,
                };
                self.told.insert(*way, told);
            }
            Update::WayDropped { way, why, .. } => self.dropped.push((*way, why.clone())),
            Update::Failed { error, .. } => panic!("{error}"),
            _ => {}
        }
    }

    /// Folds updates in until one is what is waited for.
    fn until(&mut self, mut wanted: impl FnMut(&Update) -> bool) -> Update {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            let Ok(update) = self.worker.updates.try_recv() else {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            self.fold(&update);
            if wanted(&update) {
                return update;
            }
        }
        panic!("the worker did not say it within a minute");
    }

    fn until_event(&mut self, wanted: impl Fn(&Entry) -> bool) {
        self.until(|u| matches!(u, Update::Search { entry, .. } if wanted(entry)));
    }

    fn step(&mut self) {
        self.send(Command::Step(RUN));
        self.until(|u| matches!(u, Update::Paused { paused: false, .. }));
        self.until(|u| matches!(u, Update::Paused { paused: true, .. }));
    }

    fn evidence(&mut self, candidate: &Arc<Hypothesis>) -> Evidence {
        self.send(Command::Inspect {
            run: RUN,
            candidate: Arc::clone(candidate),
            parent: candidate.parent.map(|id| self.candidate(id)),
        });
        match self.until(|u| matches!(u, Update::Evidence { .. })) {
            Update::Evidence { evidence, .. } => evidence,
            _ => unreachable!(),
        }
    }

    fn candidate(&self, id: HypothesisId) -> Arc<Hypothesis> {
        self.trace
            .candidate(id)
            .unwrap()
            .hypothesis
            .clone()
            .unwrap()
    }

    fn last(&self) -> &w2s::search::Round {
        self.trace.rounds().last().unwrap()
    }
}

/// The terms that a candidate's parent had, and how many of them the candidate's are not.
fn scored_anew(parent: &Hypothesis, candidate: &Hypothesis) -> (usize, usize) {
    let (before, after) = (parent.score(), candidate.score());
    let same = before
        .terms()
        .zip(after.terms())
        .take_while(|(a, b)| a.id == b.id);
    let stand = same.count();
    (before.len(), before.len() - stand)
}

/// Runs a search and compares every candidate's seams with the terms it was scored by.
fn check_seams(desk: &mut Desk, scoring: Scoring) -> usize {
    desk.start(params(), false);
    desk.until_event(|e| matches!(e, Entry::Finished { .. }));
    let all: Vec<_> = desk.trace.candidates().map(|c| c.slot.id).collect();
    let mut n_changed = 0;
    for candidate in all
        .into_iter()
        .map(|id| desk.candidate(id))
        .collect::<Vec<_>>()
    {
        let Evidence { xray, seams, .. } = desk.evidence(&candidate);
        assert_eq!(xray.scoring, scoring);
        let wanted = candidate
            .parent
            .map(|id| scored_anew(&desk.candidate(id), &candidate));
        assert_eq!(
            (seams.accepted, seams.changed),
            wanted.unwrap_or((0, 0)),
            "{candidate:?}"
        );
        n_changed += seams.changed;
    }
    n_changed
}

#[test]
fn changed_tokens_are_those_that_were_scored_anew() {
    let mut same = Desk::new();
    assert_eq!(check_seams(&mut same, Scoring::Ids), 0);
    let mut other = Desk::of(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/other"));
    assert!(
        check_seams(&mut other, Scoring::Text) > 0,
        "some chunk ends in mid-word"
    );
}

#[test]
fn the_xray_is_what_each_model_sees() {
    let mut desk = Desk::of(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/other"));
    desk.start(params(), true);
    desk.step();
    let candidate = desk.candidate(desk.trace.beam()[0]);
    let xray = desk.evidence(&candidate).xray;
    for view in [&xray.strong, &xray.tuned, &xray.untuned] {
        let text: String = view.tokens.iter().map(|(_, piece)| &**piece).collect();
        assert_eq!(
            (text.as_str(), view.text.as_str()),
            ("This story has held", "This story has held")
        );
        assert!(!view.bos);
    }
    assert_ne!(xray.strong.tokens, xray.tuned.tokens);
    assert_eq!(xray.tuned.tokens, xray.untuned.tokens);
    assert!(!xray.vocabularies.same && xray.vocabularies.differing > 0);
}

fn params() -> SearchParams {
    SearchParams::new(3, 3, 4, 24, Sampling::default(), Rules::Fixed, 5).unwrap()
}

/// All rounds' selections: what an undone intervention must leave as it was.
fn history(trace: &SearchTrace) -> Vec<(Vec<String>, Vec<String>)> {
    let text = |id: &HypothesisId| trace.candidate(*id).unwrap().text.to_string();
    let texts = |ids: &[HypothesisId]| ids.iter().map(text).collect::<Vec<_>>();
    trace
        .rounds()
        .iter()
        .map(|r| (texts(r.kept()), texts(r.pruned())))
        .collect()
}

#[test]
fn a_run_ends_and_its_unguided_twin_too() {
    let mut desk = Desk::new();
    desk.start(params(), false);
    desk.until_event(|e| matches!(e, Entry::Finished { .. }));
    desk.until_ways_end(1);
    let best = &desk.trace.ending().unwrap().best;
    let Told {
        response, sampled, ..
    } = &desk.told[&0];
    assert!(best.score().value() > response.score().value());
    assert_eq!(response.log_probs.len(), response.tokens.len());
    assert_eq!(*sampled, response.tokens.len());
}

fn way(w: usize, k: usize, l: usize, pair: &str) -> Way {
    Way {
        params: SearchParams::new(w, k, l, 24, Sampling::default(), Rules::Fixed, 0).unwrap(),
        pair: pair.into(),
    }
}

/// Three ways that could hardly differ more: another pair, other chunks, whole responses.
fn odd_ways() -> [Way; 3] {
    [
        way(3, 3, 4, "critical"),
        way(2, 4, 7, "positive"),
        way(1, 4, 0, "positive"),
    ]
}

/// What a run with these ways beside it told: its own entries, and its ways.
fn beside(ways: &[Way]) -> (Vec<Entry>, BTreeMap<usize, Told>) {
    let mut desk = Desk::new();
    desk.beside = ways.to_vec();
    desk.start(params(), false);
    desk.until_event(|e| matches!(e, Entry::Finished { .. }));
    desk.until_ways_end(1 + ways.len());
    assert_eq!(desk.dropped, []);
    (desk.entries, desk.told)
}

#[test]
fn company_changes_nothing_in_a_run_or_beside_it() {
    let (alone, unguided) = beside(&[]);
    let [critical, chunks, whole] = odd_ways();
    for ways in [[critical, whole.clone()], [chunks, whole]] {
        let (entries, told) = beside(&ways);
        // To the last bit: scores are compared as numbers.
        assert_eq!(entries, alone);
        assert_eq!(told[&0], unguided[&0]);
    }
}

#[test]
fn a_way_beside_a_run_is_as_it_is_alone() {
    for way in odd_ways() {
        let told = beside(std::slice::from_ref(&way)).1;
        let mut desk = Desk::new();
        let (params, pair) = (way.params.with_seed(params().seed()), way.pair.clone());
        let request = desk.request(params, false);
        desk.send(Command::Start(RunRequest { pair, ..request }));
        desk.until_event(|e| matches!(e, Entry::Finished { .. }));
        let best = &desk.trace.ending().unwrap().best;
        assert_eq!(told[&1].response, *best, "{way:?}");
        assert_eq!(told[&1].sampled, desk.trace.tokens_sampled());
        assert_eq!(best.scored_by(), Some(&PairId::from(way.pair.as_str())));
    }
}

#[test]
fn a_way_goes_as_far_as_the_run_has_gone_and_no_further() {
    let mut desk = Desk::new();
    desk.beside = vec![way(2, 2, 3, "critical"), way(1, 4, 0, "positive")];
    desk.start(params(), true);
    for round in 1..=3 {
        desk.step();
        std::thread::sleep(Duration::from_millis(300));
        let length = |h: &Told| h.response.tokens.len();
        while let Ok(update) = desk.worker.updates.try_recv() {
            desk.fold(&update);
        }
        let (unguided, other) = (length(&desk.told[&0]), length(&desk.told[&1]));
        assert_eq!(unguided, 4 * round);
        // Its rounds have three tokens: one that the run has not come to the end of is not cut.
        assert_eq!(other, 4 * round / 3 * 3, "round {round}");
        assert!(
            !desk.told.contains_key(&2),
            "a whole response is no part of a round"
        );
    }
    desk.send(Command::Resume(RUN));
    desk.until_event(|e| matches!(e, Entry::Finished { .. }));
    desk.until_ways_end(3);
}

#[test]
fn a_way_that_cannot_be_gone_is_told_of_and_the_run_goes_on() {
    let mut desk = Desk::new();
    let more = w2s::search::MaxNewTokens::new(1_000_000).unwrap();
    let mut long = way(1, 1, 4, "positive");
    long.params = long.params.with_max_new_tokens(more);
    desk.beside = vec![way(2, 2, 4, "/no/such,pair"), long];
    desk.start(params(), false);
    desk.until_event(|e| matches!(e, Entry::Finished { .. }));
    desk.until_ways_end(1);
    let [(1, loaded), (2, context)] = &desk.dropped[..] else {
        panic!("{:?}", desk.dropped);
    };
    assert!(loaded.contains("not loaded") && context.contains("context"));
    assert_eq!(desk.entries, beside(&[]).0);
    desk.dropped.clear();
}

#[test]
fn settings_and_pair_of_a_run_are_not_those_of_the_ways_beside_it() {
    let kept = way(3, 3, 4, "positive");
    let alone = beside(std::slice::from_ref(&kept)).1;
    let mut desk = Desk::new();
    desk.beside = vec![kept];
    desk.start(params(), true);
    desk.step();
    let pair = "critical".to_owned();
    desk.send(Command::UsePair {
        run: RUN,
        pair: pair.into(),
    });
    desk.send(Command::Retune {
        run: RUN,
        params: SearchParams::new(2, 2, 6, 24, Sampling::default(), Rules::Fixed, 5).unwrap(),
    });
    desk.send(Command::Resume(RUN));
    desk.until_event(|e| matches!(e, Entry::Finished { .. }));
    desk.until_ways_end(2);
    assert_eq!(desk.told[&1], alone[&1]);
    let by = |way: usize| desk.told[&way].response.scored_by().cloned();
    assert_eq!(
        by(0),
        Some(PairId::from("critical")),
        "the unguided way follows the run"
    );
}

#[test]
fn a_stop_is_obeyed_and_the_worker_lives_on() {
    let mut desk = Desk::new();
    desk.start(
        params().with_max_new_tokens(w2s::search::MaxNewTokens::new(200).unwrap()),
        false,
    );
    desk.until_event(|e| matches!(e, Entry::Selected { .. }));
    desk.send(Command::Pause(RUN));
    desk.until(|u| matches!(u, Update::Paused { paused: true, .. }));
    desk.trace = SearchTrace::default();
    desk.start(params(), true);
    desk.step();
    assert_eq!(desk.trace.rounds().len(), 1);
}

/// By whom and how far a prompt is read, as it is told, to the first cut.
fn told_of_reading(prompt: &str) -> Vec<Option<(bool, bool)>> {
    let mut desk = Desk::new();
    let mut told = Vec::new();
    desk.send(Command::Start(RunRequest {
        prompt: prompt.to_owned(),
        ..desk.request(params(), false)
    }));
    desk.until(|update| {
        if let Update::PromptRead { run: RUN, read } = update {
            told.push(read.map(|r| (r.by_pair, 0 < r.done && r.done < r.total)));
        }
        matches!(
            update,
            Update::Search {
                entry: Entry::Selected { .. },
                ..
            }
        )
    });
    told
}

#[test]
fn a_long_prompt_is_read_in_passes_and_told_of() {
    let long = "The film was good. ".repeat(80);
    // The pair reads it while chunks grow, to score them: nothing waits for that.
    assert_eq!(told_of_reading(&long), [Some((false, true)), None]);
    assert_eq!(told_of_reading(PROMPT), []);
}

#[test]
fn a_stop_is_obeyed_while_a_prompt_is_read() {
    let mut desk = Desk::new();
    desk.send(Command::Start(RunRequest {
        prompt: "The film was good. ".repeat(80),
        ..desk.request(params(), false)
    }));
    desk.until(|u| matches!(u, Update::PromptRead { read: Some(_), .. }));
    desk.send(Command::Pause(RUN));
    desk.until(|u| matches!(u, Update::Paused { paused: true, .. }));
    assert_eq!(
        desk.trace.last_round().and_then(|round| round.cut.clone()),
        None
    );
}

#[test]
fn a_typed_chunk_that_is_a_candidate_gets_its_score() {
    let mut desk = Desk::new();
    desk.start(params(), true);
    desk.step();
    desk.step();
    let round = desk.last().clone();
    for sibling in &round.candidates {
        let parent = sibling.parent.map(|id| desk.candidate(id));
        let before = parent.as_ref().map_or(0, |p| p.text.len());
        let chunk = sibling.text.since(before);
        desk.steer(Act::Type {
            sibling: sibling.id,
            chunk,
        });
        desk.until_event(|e| matches!(e, Entry::Added { .. }));
        let typed = desk.last().candidates.last().unwrap();
        assert_eq!(typed.text, sibling.text);
        assert!((typed.score().value() - sibling.score().value()).abs() < 1e-4);
    }
}

#[test]
fn a_typed_chunk_can_be_taken_and_is_continued() {
    let mut desk = Desk::new();
    desk.start(params(), true);
    desk.step();
    desk.step();
    let sibling = desk.last().kept()[0];
    desk.steer(Act::Type {
        sibling,
        chunk: " and it is awful".to_owned(),
    });
    desk.until_event(|e| matches!(e, Entry::Added { .. }));
    let typed = Arc::clone(desk.last().candidates.last().unwrap());
    desk.steer(Act::Take(typed.id));
    desk.until_event(|e| matches!(e, Entry::Selected { .. }));
    assert!(desk.last().kept().contains(&typed.id));
    desk.step();
    let continued = desk
        .last()
        .candidates
        .iter()
        .find(|c| c.parent == Some(typed.id));
    let typed_text = typed.text.to_string();
    assert!(continued.unwrap().text.to_string().starts_with(&typed_text));
}

#[test]
fn a_pruned_candidate_is_taken_and_undo_restores_the_run() {
    let mut desk = Desk::new();
    desk.start(params(), true);
    for _ in 0..4 {
        desk.step();
    }
    let before = history(&desk.trace);
    let pruned = desk.trace.rounds()[1].pruned()[0];
    desk.steer(Act::Take(pruned));
    desk.until_event(|e| matches!(e, Entry::Selected { .. }));
    assert_eq!(desk.trace.rounds().len(), 2);
    assert!(desk.last().kept().contains(&pruned));
    desk.step();
    assert!(
        desk.last()
            .candidates
            .iter()
            .any(|c| c.parent == Some(pruned))
    );
    desk.steer(Act::Undo);
    desk.until_event(|e| matches!(e, Entry::Moved { .. }));
    assert_eq!(history(&desk.trace), before);
}

#[test]
fn going_back_without_a_change_comes_to_the_same() {
    let mut desk = Desk::new();
    desk.start(params(), true);
    for _ in 0..3 {
        desk.step();
    }
    let before = history(&desk.trace);
    desk.steer(Act::Go(desk.trace.history().node_of(1).unwrap()));
    desk.until_event(|e| matches!(e, Entry::Moved { .. }));
    desk.step();
    desk.step();
    assert_eq!(history(&desk.trace), before);
}

#[test]
fn marks_decide_the_cut_and_are_on_record() {
    let mut desk = Desk::new();
    desk.start(params(), true);
    desk.step();
    desk.send(Command::ToCut(RUN));
    desk.until_event(|e| matches!(e, Entry::Scored { .. }));
    let mut ranked = desk.last().candidates.clone();
    ranked.sort_by(|a, b| b.score().value().total_cmp(&a.score().value()));
    // Against what the scores say.
    let (pinned, killed) = (ranked[8].id, ranked[0].id);
    for (id, mark) in [(pinned, Mark::Pin), (killed, Mark::Kill)] {
        let mark = Some(mark);
        desk.steer(Act::Mark { id, mark });
    }
    desk.step();
    let round = desk.last();
    assert!(
        round.kept().contains(&pinned) && round.pruned().contains(&killed),
        "{round:?}"
    );
    assert_eq!(round.mark_of(pinned), Some(Mark::Pin));
}

#[test]
fn extra_successors_come_in_the_next_round() {
    let mut desk = Desk::new();
    desk.start(params(), true);
    desk.step();
    let best = desk.last().kept()[0];
    desk.steer(Act::Spend { id: best, extra: 4 });
    desk.until_event(|e| matches!(e, Entry::Spent { .. }));
    desk.step();
    let of_best = |c: &&Arc<Hypothesis>| c.parent == Some(best);
    assert_eq!(desk.last().candidates.iter().filter(of_best).count(), 3 + 4);
    desk.step();
    assert_eq!(desk.last().candidates.len(), 9);
}

#[test]
fn evidence_sums_to_the_score_and_names_what_was_likelier() {
    let mut desk = Desk::new();
    desk.start(params(), true);
    desk.step();
    desk.step();
    let best = desk.candidate(desk.last().kept()[0]);
    let evidence = desk.evidence(&best);
    assert_eq!(evidence.weak.len(), best.score().len());
    assert_eq!(evidence.strong.len(), best.tokens.len());
    for (place, term) in evidence.weak.iter().zip(best.score().terms()) {
        let (tuned, untuned) = (&place.tuned, &place.untuned);
        assert_eq!((tuned.likeliest.len(), untuned.likeliest.len()), (5, 5));
        assert_eq!((&tuned.piece, &untuned.piece), (&term.piece, &term.piece));
        assert!((tuned.log_prob - term.tuned).abs() < 1e-4);
        assert!((untuned.log_prob - term.untuned).abs() < 1e-4);
        assert!(
            tuned
                .likeliest
                .is_sorted_by(|a, b| a.log_prob >= b.log_prob)
        );
    }
    for (place, log_prob) in evidence.strong.iter().zip(&best.log_probs) {
        assert!((place.log_prob - log_prob).abs() < 1e-4);
        assert!(place.drawn > 0.0, "a token that was drawn can be drawn");
    }
}

#[test]
fn the_pair_can_be_switched_ten_times_in_a_run() {
    let mut desk = Desk::new();
    let params = SearchParams::new(2, 2, 2, 40, Sampling::default(), Rules::Fixed, 0).unwrap();
    desk.start(params, true);
    desk.step();
    for i in 0..10 {
        let pair = PAIRS[(i + 1) % PAIRS.len()];
        desk.send(Command::UsePair {
            run: RUN,
            pair: pair.into(),
        });
        desk.step();
        for candidate in &desk.last().candidates {
            let (text, tokens) = (&candidate.text, candidate.tokens.len());
            assert_eq!(tokens, 2 * (i + 2), "a token was lost: {text:?}");
            let fresh = scored(pair, candidate);
            assert!(
                (fresh - candidate.score().value()).abs() < 1e-4,
                "{pair}: {text:?}"
            );
        }
    }
}

#[test]
fn a_pair_is_loaded_beside_the_run_and_takes_over() {
    let mut desk = Desk::new();
    desk.start(params(), true);
    desk.step();
    let pair = "bundled:critical, bundled:craft".to_owned();
    assert!(matches!(
        desk.load(Part::Pair, &pair),
        Update::Fetched { .. }
    ));
    desk.send(Command::UsePair {
        run: RUN,
        pair: pair.clone().into(),
    });
    desk.step();
    for candidate in &desk.last().candidates {
        let fresh = scored(&pair, candidate);
        assert!((fresh - candidate.score().value()).abs() < 1e-4);
    }
}

#[test]
fn a_load_that_fails_leaves_the_run_as_it_is() {
    let mut desk = Desk::new();
    desk.start(params(), true);
    desk.step();
    for (part, spec) in [
        (Part::Pair, "no-such-pair"),
        (Part::Pair, "nowhere,bundled:untuned"),
        (Part::Strong, "nowhere"),
    ] {
        let Update::NotFetched { why, .. } = desk.load(part, spec) else {
            panic!("{spec} was loaded");
        };
        assert!(!why.contains('\n') && why.contains("no"), "{why}");
    }
    desk.step();
    assert_eq!(desk.trace.rounds().len(), 2);
}

#[test]
fn another_strong_model_writes_the_next_run() {
    let mut desk = Desk::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/models/positive");
    desk.start(params(), true);
    desk.step();
    let before = history(&desk.trace);
    assert!(matches!(
        desk.load(Part::Strong, folder),
        Update::Fetched { .. }
    ));
    desk.send(Command::UseStrong(folder.to_owned()));
    desk.trace = SearchTrace::default();
    desk.start(params(), true);
    desk.step();
    assert_ne!(history(&desk.trace), before);
}

/// What the pair finds of a candidate by itself, without a search.
fn scored(pair: &str, candidate: &Hypothesis) -> f64 {
    static LIBRARY: LazyLock<Mutex<Library>> =
        LazyLock::new(|| Library::open(DeviceChoice::Cpu).unwrap().into());
    let mut library = LIBRARY.lock().unwrap();
    let strong = library.model(&ModelSpec::parse("bundled:strong")).unwrap();
    let pair = library.pair(&PairSpec::parse(pair).unwrap()).unwrap();
    let setting = Setting::bare(strong, pair, PROMPT);
    let response = Response::of(candidate, Rules::Fixed);
    score(&setting, Rules::Fixed, &[response]).unwrap()[0].value()
}

#[test]
fn the_unguided_response_never_holds_up_what_comes_next() {
    let mut desk = Desk::new();
    let whole = SearchParams::new(1, 4, 0, 120, Sampling::default(), Rules::Fixed, 1).unwrap();
    desk.start(whole, false);
    desk.until_event(|e| matches!(e, Entry::Finished { .. }));
    desk.send(Command::Start(RunRequest {
        run: RunId(2),
        ..desk.request(params(), false)
    }));
    // It grows in the guided search's own passes, so it is there when that ends.
    let mut late = 0;
    desk.until(|u| {
        late += usize::from(matches!(u, Update::Beside { done: true, .. }));
        matches!(u, Update::Search { run: RunId(2), .. })
    });
    assert!(late <= 1 && !desk.told.is_empty());
}

#[test]
fn only_the_newest_question_about_a_candidate_is_answered() {
    let mut desk = Desk::new();
    desk.start(params(), true);
    desk.step();
    let all: Vec<_> = desk.last().candidates.clone();
    for candidate in all.iter().cycle().take(60) {
        desk.send(Command::Inspect {
            run: RUN,
            candidate: Arc::clone(candidate),
            parent: None,
        });
    }
    desk.send(Command::Step(RUN));
    let mut n_answers = 0;
    desk.until(|u| {
        n_answers += usize::from(matches!(u, Update::Evidence { .. }));
        matches!(u, Update::Paused { paused: true, .. })
    });
    assert!(n_answers < 10, "{n_answers} of 60 answered");
}

#[test]
fn settings_that_the_run_has_no_room_for_are_refused_and_it_goes_on() {
    let mut desk = Desk::new();
    desk.start(params(), true);
    desk.step();
    let more = w2s::search::MaxNewTokens::new(1_000_000).unwrap();
    desk.send(Command::Retune {
        run: RUN,
        params: params().with_max_new_tokens(more),
    });
    let refused = desk.until(|u| matches!(u, Update::NotRetuned { .. }));
    let Update::NotRetuned {
        params: used, why, ..
    } = refused
    else {
        unreachable!();
    };
    assert_eq!(used, params());
    assert!(why.contains("context") && !why.contains('\n'), "{why}");
    desk.step();
    assert_eq!(desk.trace.rounds().len(), 2);
}

#[test]
fn no_cut_mixes_the_scores_of_two_pairs() {
    let mut desk = Desk::new();
    desk.start(params(), true);
    desk.step();
    desk.step();
    let pair = "critical".to_owned();
    desk.send(Command::UsePair {
        run: RUN,
        pair: pair.into(),
    });
    desk.step();
    desk.steer(Act::Go(desk.trace.history().node_of(1).unwrap()));
    desk.until_event(|e| matches!(e, Entry::Moved { .. }));
    desk.step();
    // A cut that was made under the pair before is made again under the one in use.
    let pruned = desk.trace.rounds()[0].pruned()[0];
    desk.steer(Act::Take(pruned));
    desk.until_event(|e| matches!(e, Entry::Selected { .. }));
    for round in desk
        .trace
        .rounds()
        .iter()
        .filter(|r| r.pair.as_str() == "critical")
    {
        for (id, score) in round.scores() {
            let fresh = scored("critical", &desk.candidate(id));
            assert!((fresh - score).abs() < 1e-4, "round {}", round.number);
        }
    }
    assert_eq!(desk.last().pair, PairId::from("critical"));
}

#[test]
fn evidence_is_of_the_pair_that_scored() {
    let mut desk = Desk::new();
    desk.start(params(), true);
    desk.step();
    let old = desk.candidate(desk.last().pruned()[0]);
    let pair = "critical".to_owned();
    desk.send(Command::UsePair {
        run: RUN,
        pair: pair.into(),
    });
    desk.step();
    let evidence = desk.evidence(&old);
    assert_eq!(Some(&evidence.pair), old.scored_by());
    for (place, term) in evidence.weak.iter().zip(old.score().terms()) {
        assert!((place.tuned.log_prob - term.tuned).abs() < 1e-4);
    }
}

#[test]
fn a_finished_run_that_goes_back_stands_and_says_so() {
    let mut desk = Desk::new();
    desk.start(params(), false);
    desk.until_event(|e| matches!(e, Entry::Finished { .. }));
    desk.send(Command::Pause(RUN));
    desk.steer(Act::Go(NodeId::ROOT));
    desk.until_event(|e| matches!(e, Entry::Moved { .. }));
    desk.until(|u| matches!(u, Update::Paused { paused: true, .. }));
    desk.send(Command::Resume(RUN));
    desk.until(|u| matches!(u, Update::Paused { paused: false, .. }));
    desk.until_event(|e| matches!(e, Entry::Finished { .. }));
}

#[test]
fn a_fork_has_other_draws_and_an_undo_leads_back_to_the_end() {
    let mut desk = Desk::new();
    desk.start(params(), false);
    desk.until_event(|e| matches!(e, Entry::Finished { .. }));
    let before = history(&desk.trace);
    desk.steer(Act::Go(desk.trace.history().node_of(1).unwrap()));
    desk.until(|u| matches!(u, Update::Paused { paused: true, .. }));
    desk.steer(Act::Redraw);
    desk.send(Command::Resume(RUN));
    desk.until_event(|e| matches!(e, Entry::Finished { .. }));
    let fork = history(&desk.trace);
    assert_eq!(fork[0], before[0]);
    assert_ne!(fork[1], before[1]);
    desk.steer(Act::Undo);
    desk.until(|u| matches!(u, Update::Paused { paused: true, .. }));
    assert_eq!(
        desk.trace.rounds().len(),
        1,
        "it stands where it was drawn anew"
    );
    desk.steer(Act::Undo);
    desk.until_event(|e| matches!(e, Entry::Moved { .. }));
    assert_eq!(history(&desk.trace), before);
}

#[test]
fn full_speed_takes_effect_within_a_round() {
    let mut desk = Desk::new();
    desk.pace = Duration::from_secs(600);
    desk.start(params(), false);
    let deadline = Instant::now() + Duration::from_secs(20);
    while desk.worker.live.borrow().partials.is_empty() {
        assert!(Instant::now() < deadline, "nothing grows");
        std::thread::sleep(Duration::from_millis(5));
    }
    let round = Duration::ZERO;
    desk.send(Command::Pace { run: RUN, round });
    desk.until_event(|e| matches!(e, Entry::Finished { .. }));
}

#[test]
fn more_successors_of_what_grows_come_in_this_round() {
    let mut desk = Desk::new();
    desk.pace = Duration::from_secs(2);
    desk.start(params(), true);
    desk.step();
    desk.send(Command::Resume(RUN));
    desk.until_event(|e| matches!(e, Entry::RoundStarted { round: 2, .. }));
    let best = desk.trace.rounds()[0].kept()[0];
    desk.steer(Act::Spend { id: best, extra: 2 });
    desk.until_event(|e| matches!(e, Entry::Selected { round: 2, .. }));
    let of_best = |c: &&Arc<Hypothesis>| c.parent == Some(best);
    assert_eq!(desk.last().candidates.iter().filter(of_best).count(), 3 + 2);
}

#[test]
fn a_load_can_be_given_up() {
    let mut desk = Desk::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/models/positive");
    let (id, spec) = (LoadId(9), folder.to_owned());
    let part = Part::Strong;
    desk.send(Command::Load { id, part, spec });
    desk.send(Command::CancelLoad(id));
    let told = desk.until(|u| matches!(u, Update::NotFetched { .. } | Update::Fetched { .. }));
    // It may have been quicker; then it is there. Either way it is told once.
    assert!(
        matches!(&told, Update::Fetched { .. })
            || matches!(&told, Update::NotFetched { why, .. } if why == "given up")
    );
    desk.start(params(), true);
    desk.step();
}

/// What judges have said, by their numbers.
type Said = BTreeMap<usize, BTreeMap<HypothesisId, Verdict>>;

fn hear(said: &mut Said, update: &Update) {
    if let Update::Verdicts {
        judge, said: some, ..
    } = update
    {
        said.entry(*judge).or_default().extend(some.iter().cloned());
    }
}

/// Each in its own time: one that fails says so, and one that is slow holds nothing up.
#[test]
fn judges_speak_of_every_candidate() {
    let judges = ["length", "cmd:sleep 60", "cmd:echo no luck >&2; exit 3"];
    let mut desk = Desk::with("bundled:strong", &judges);
    let mut said = Said::new();
    let began = Instant::now();
    desk.start(params(), false);
    desk.until(|update| {
        hear(&mut said, update);
        matches!(
            update,
            Update::Search {
                entry: Entry::Finished { .. },
                ..
            }
        )
    });
    let scored = desk.entries.iter().filter_map(|entry| match entry {
        Entry::Scored { candidates, .. } => Some(candidates.iter().map(|c| c.id)),
        _ => None,
    });
    let n = scored
        .flatten()
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    let heard = |said: &Said, judge| said.get(&judge).map_or(0, BTreeMap::len);
    while heard(&said, 0) < n || heard(&said, 2) < n {
        let update = desk.until(|u| matches!(u, Update::Verdicts { .. }));
        hear(&mut said, &update);
    }
    assert!(began.elapsed() < Duration::from_secs(50) && !said.contains_key(&1));
    for (id, verdict) in &said[&0] {
        let text = desk.candidate(*id).text.to_string();
        assert_eq!(*verdict, Ok(text.chars().count() as f64), "{text}");
    }
    let failed = "the command ended with exit code 3: no luck";
    assert!(said[&2].values().all(|v| *v == Err(failed.to_owned())));
}

fn evaluation(id: u64, prompts: &[&str]) -> EvaluationRequest {
    let own = Way {
        params: params(),
        pair: "positive".into(),
    };
    let unguided = Way {
        params: own.params.unguided(),
        ..own.clone()
    };
    let prompts: Vec<String> = prompts.iter().map(|prompt| (*prompt).to_owned()).collect();
    let plain = |way| Contender { way, n_examples: 0 };
    EvaluationRequest {
        id: EvaluationId(id),
        cells: cells(prompts.len(), 0..2),
        prompts,
        contenders: vec![plain(unguided), plain(own)],
        examples: Vec::new(),
    }
}

/// Those of a prompt together.
fn cells(n_prompts: usize, ways: std::ops::Range<usize>) -> Vec<CellId> {
    let of = |prompt| ways.clone().map(move |way| CellId { prompt, way });
    (0..n_prompts).flat_map(of).collect()
}

/// All cells of an evaluation, while a run goes on beside it.
#[test]
fn an_evaluation_fills_beside_a_run_and_a_cell_is_what_the_run_is() {
    let mut desk = Desk::new();
    desk.pace = Duration::from_millis(20);
    desk.start(params(), false);
    let endless = "a film ".repeat(5000);
    let request = evaluation(1, &[PROMPT, "The film", &endless]);
    desk.send(Command::Evaluate(request));
    let mut cells = BTreeMap::new();
    while cells.len() < 6 {
        if let Update::Cell { id, cell, measured } =
            desk.until(|u| matches!(u, Update::Cell { .. }))
        {
            assert_eq!(id, EvaluationId(1));
            assert_eq!(cells.insert(cell, measured), None, "each once");
        }
    }
    if !desk
        .entries
        .iter()
        .any(|e| matches!(e, Entry::Finished { .. }))
    {
        desk.until_event(|e| matches!(e, Entry::Finished { .. }));
    }
    let best = &desk.trace.history().ending().unwrap().best;
    let cell = |prompt, way| cells[&CellId { prompt, way }].clone();
    let own = cell(0, 1).unwrap();
    assert!((own.log_ratio - best.score().value()).abs() < 1e-9);
    let judged = w2s::measure::Judge::bundled().score(PROMPT, &best.text.to_string());
    assert!((own.judge - judged).abs() < 1e-9);
    assert!(own.sampled > cell(0, 0).unwrap().sampled);
    assert!(
        cell(1, 1).is_ok() && cell(2, 0).is_err(),
        "a prompt without room marks its cell"
    );
}

#[test]
fn an_evaluation_is_given_up_for_another_and_at_a_word() {
    let mut desk = Desk::new();
    let many = vec!["The film"; 50];
    desk.send(Command::Evaluate(evaluation(1, &many)));
    desk.until(|u| matches!(u, Update::Cell { .. }));
    desk.send(Command::Evaluate(evaluation(2, &many)));
    let is_of = |u: &Update, n| matches!(u, Update::Cell { id, .. } if *id == EvaluationId(n));
    desk.until(|u| is_of(u, 2));
    desk.send(Command::StopEvaluation);
    // What was on its way comes; then the worker waits, and obeys.
    desk.start(params(), false);
    let mut late = 0;
    desk.until(|u| {
        assert!(!is_of(u, 1));
        late += usize::from(is_of(u, 2));
        matches!(
            u,
            Update::Search {
                entry: Entry::Finished { .. },
                ..
            }
        )
    });
    assert!(late < 20, "{late}");
}

/// Refinement asks with answers to other prompts before a prompt; with none of them it is the
/// unguided way.
#[test]
fn what_stands_before_a_prompt_is_read_and_the_judge_sees_the_prompt_alone() {
    use w2s::examples::Example;
    let mut desk = Desk::new();
    let mut request = evaluation(1, &[PROMPT, "The film"]);
    let base = request.contenders[0].clone();
    let refined = |n_examples| Contender {
        n_examples,
        ..base.clone()
    };
    request.contenders = vec![base.clone(), refined(0), refined(1)];
    request.cells = cells(2, 0..3);
    request.examples = vec![Example {
        prompt: 0,
        response: " was a wonder.".to_owned(),
    }];
    desk.send(Command::Evaluate(request));
    let mut said = BTreeMap::new();
    while said.len() < 6 {
        if let Update::Cell { cell, measured, .. } =
            desk.until(|u| matches!(u, Update::Cell { .. }))
        {
            said.insert((cell.prompt, cell.way), measured.unwrap());
        }
    }
    for prompt in 0..2 {
        assert_eq!(said[&(prompt, 0)], said[&(prompt, 1)]);
    }
    assert_eq!(said[&(0, 0)], said[&(0, 2)], "its own answer is no example");
    let own = &said[&(1, 2)];
    assert_ne!(own.response, said[&(1, 0)].response);
    let judged = w2s::measure::Judge::bundled().score("The film", &own.response);
    assert!((own.judge - judged).abs() < 1e-9);
    assert!(own.strong_log_prob.is_some_and(|p| p < 0.0));
}

#[test]
fn pairs_are_gauged_beside_a_run() {
    let mut desk = Desk::new();
    desk.pace = Duration::from_millis(50);
    desk.start(params(), false);
    let best_of = w2s::search::MethodName::BestOf(28).apply(params().draft());
    let request = |id, prompts: usize| GaugeRequest {
        id: EvaluationId(id),
        prompts: w2s::samples::prompts()[..prompts].to_vec(),
        params: best_of.build().unwrap(),
        pairs: vec!["positive".into(), "critical".into()],
    };
    desk.send(Command::Gauge(request(1, 2)));
    desk.send(Command::Gauge(request(2, 8)));
    let gains = |desk: &mut Desk| match desk.until(|u| matches!(u, Update::Gains { .. })) {
        Update::Gains { id, gains } => (id, gains),
        _ => unreachable!(),
    };
    let (id, told) = gains(&mut desk);
    assert_eq!(id, EvaluationId(2), "what was gauged before is given up");
    let told = told.unwrap();
    assert_eq!((told.n_prompts, told.n_responses), (8, 8 * 28));
    let names: Vec<&str> = told.rows.iter().map(|row| &row.pair[..]).collect();
    assert_eq!(names, ["positive", "critical"]);
    let error = |i: usize| told.rows[i].judged[0].unwrap().weak_error;
    assert!(
        error(0) < error(1),
        "the judge agrees with positive: {told:?}"
    );
    desk.send(Command::Gauge(request(3, 2)));
    let (_, few) = gains(&mut desk);
    assert!(few.unwrap_err().starts_with("56 responses are too few"));
}
