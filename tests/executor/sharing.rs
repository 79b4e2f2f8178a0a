//! Searches side by side: one pass for all, a prompt read once, nothing changed by the company.

use w2s::search::{Ask, ChunkBeamSearch, Executor, LaneId, Lanes};

use crate::folder::{PROMPT, bundled, id, open, params, run, run_one};

#[test]
fn a_prompt_is_read_once_a_model_whoever_asks() {
    let mut lanes = Lanes::new(bundled());
    for lane in 1..=3 {
        open(&mut lanes, lane, PROMPT, params(2, 2, 4, 4).with_seed(lane)).unwrap();
    }
    run(&mut lanes);
    let n_prompt = lanes.executor().strong().tokenizer.encode(PROMPT).len() as u64;
    // Three searches of four chunks of four tokens, of which the last is never fed.
    assert_eq!(lanes.executor().n_read(), n_prompt + 3 * 4 * 3);
    for lane in 1..=3 {
        lanes.close(LaneId(lane));
    }
    let before = lanes.executor().n_read_by(&id());
    open(&mut lanes, 4, PROMPT, params(1, 1, 4, 4)).unwrap();
    run(&mut lanes);
    assert_eq!(
        lanes.executor().n_read(),
        n_prompt + 3 * 4 * 3 + 3,
        "it is still known"
    );
    assert!(lanes.executor().n_read_by(&id()) - before <= 4);
}

#[test]
fn a_long_prompt_is_read_in_passes_once_a_model() {
    let prompt = "The film was good. ".repeat(80);
    let mut lanes = Lanes::new(bundled());
    for lane in 1..=2 {
        open(
            &mut lanes,
            lane,
            &prompt,
            params(4, 4, 2, 4).with_seed(lane),
        )
        .unwrap();
    }
    let (mut told, mut most) = (Vec::new(), 0);
    while lanes.is_busy() {
        let before = lanes.executor().n_read();
        lanes.step();
        most = most.max(lanes.executor().n_read() - before);
        let read = lanes.executor().prompt_read(LaneId(1));
        told.extend(read.map(|read| (read.by_pair, read.done < read.total)));
    }
    assert_eq!(told, [(false, true), (true, true)]);
    let n_prompt = lanes.executor().strong().tokenizer.encode(&prompt).len() as u64;
    assert!(
        n_prompt > 256 && most <= 256,
        "{n_prompt} tokens, {most} in a pass"
    );
    // Two searches of two chunks: each chunk's tokens but the last, and every parent's last.
    assert_eq!(lanes.executor().n_read(), n_prompt + 2 * (16 + 4 + 16));
}

#[test]
fn an_unguided_search_costs_rows_and_no_passes() {
    let passes = |others: &[u64]| {
        let mut lanes = Lanes::new(bundled());
        open(&mut lanes, 1, PROMPT, params(4, 4, 5, 20)).unwrap();
        for lane in others {
            open(&mut lanes, *lane, PROMPT, params(4, 4, 5, 20).unguided()).unwrap();
        }
        let mut n = 0;
        while lanes.is_busy() {
            lanes.step();
            n += 1;
        }
        n
    };
    assert_eq!(passes(&[]), passes(&[2]));
}

#[test]
fn company_changes_nothing() {
    let prompts = [PROMPT, "The film", "I must say that", PROMPT];
    let alone: Vec<_> = prompts
        .iter()
        .map(|prompt| run_one(bundled(), prompt, params(3, 3, 4, 20)).1)
        .collect();
    let mut lanes = Lanes::new(bundled());
    for (lane, prompt) in (1..).zip(prompts) {
        open(&mut lanes, lane, prompt, params(3, 3, 4, 20)).unwrap();
    }
    let together = run(&mut lanes);
    for (lane, alone) in (1..).zip(alone) {
        let own = together.iter().filter(|(id, _)| *id == LaneId(lane));
        let own: Vec<_> = own.map(|(_, entry)| entry.clone()).collect();
        // To the last bit: scores are compared as numbers.
        assert_eq!(own, alone, "{}", prompts[lane as usize - 1]);
    }
}

#[test]
fn a_long_prompt_is_read_in_pieces() {
    let prompt = "This film was made for those who like it. ".repeat(34);
    let mut executor = bundled();
    let n = executor.strong().tokenizer.encode(&prompt).len();
    assert!(n > 256 && n < 500, "{n}");
    let settings = params(1, 2, 4, 4);
    executor.open(LaneId(1), &prompt, &id(), &settings).unwrap();
    let mut search = ChunkBeamSearch::new(settings, id());
    let ask = search.ask();
    assert!(matches!(ask, Ask::Grow(_)));
    executor.post(LaneId(1), Some(&ask));
    assert!(executor.step().is_empty());
    assert_eq!(executor.n_read(), 256);
    let nothing = executor.partials(LaneId(1), None).unwrap();
    assert!(nothing.iter().all(|partial| partial.n_tokens == 0));
    executor.step();
    assert_eq!(executor.n_read(), n as u64);
}
