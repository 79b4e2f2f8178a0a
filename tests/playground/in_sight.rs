//! What decides is always in sight: both responses, the candidates kept and selected, the tokens
//! that matter.

use crate::legible::{has, lines};
use crate::screens::SIZES;
use crate::support::Playground;

/// The lines of the two responses.
fn responses(screen: &[String], height: usize) -> &[String] {
    &screen[2..2 + height]
}

#[test]
fn guided_and_unguided_have_a_line_each_on_a_small_screen() {
    let mut p = Playground::loaded();
    p.round().round().unguided();
    let screen = lines(&p.app, 80, 24);
    let best = p.app.trace().best().unwrap();
    let unguided = p.app.unguided().unwrap();
    let numbers = |log_ratio: f64, judge: f64| format!("{log_ratio:>+9.2}{judge:>+7.2}");
    let guided = numbers(best.score.unwrap(), p.app.judge_of(best.slot.id).unwrap());
    assert!(
        screen[3].starts_with("  guided") && screen[3].contains(&guided),
        "{screen:#?}"
    );
    let other = numbers(unguided.response.score().value(), unguided.judge);
    assert!(
        screen[4].starts_with("  unguided ■") && screen[4].contains(&other),
        "{screen:#?}"
    );
}

#[test]
fn before_anything_is_sampled_unguided_its_place_is_there() {
    let mut p = Playground::loaded();
    p.start_round();
    for (width, height) in SIZES {
        let screen = lines(&p.app, width, height);
        assert!(has(responses(&screen, 3), "unguided"), "{screen:#?}");
    }
}

#[test]
fn both_responses_are_scrolled_to_the_same_token() {
    let words = ["abc", "def", "ghi", "jkl"].map(|word| format!(" {word}"));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut p = Playground::loaded().speaking(&words);
    for _ in 0..9 {
        p.round();
    }
    p.unguided_of(50);
    let screen = lines(&p.app, 80, 24);
    let shown = |line: &String| {
        let text: String = line.chars().skip(28).collect();
        assert!(text.starts_with('…'), "{line}");
        text.split_whitespace()
            .skip(1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (guided, unguided) = (shown(&screen[3]), shown(&screen[4]));
    let best = p.app.trace().best().unwrap().text.to_string();
    assert!(
        best.ends_with(guided.last().unwrap()),
        "its end is in sight: {screen:#?}"
    );
    // All words are of one token: the first in sight has the same number in both.
    let n = best.split_whitespace().count() - guided.len();
    let other = p.app.unguided().unwrap().response.text.to_string();
    let own: Vec<&str> = other
        .split_whitespace()
        .skip(n)
        .take(unguided.len())
        .collect();
    assert_eq!(
        unguided[..own.len() - 1],
        own[..own.len() - 1],
        "from token {n}: {screen:#?}"
    );
}

/// The names of the candidates on the board, in their order.
fn rows(screen: &[String]) -> Vec<String> {
    let is_row = |line: &&String| line.chars().nth(1).is_some_and(|c| "·○✓✗".contains(c));
    let name = |line: &String| line.split_whitespace().nth(1).map(str::to_owned);
    screen.iter().filter(is_row).filter_map(name).collect()
}

#[test]
fn kept_and_selected_candidates_are_in_view_whatever_has_room() {
    let mut p = Playground::loaded().searching(4, 8);
    p.round().round();
    for keys in [&[][..], &["down"], &["end"], &["2"], &["1", "o"], &["home"]] {
        p.press(keys);
        for (width, height) in SIZES {
            if width == 80 && keys == ["2"] {
                continue;
            }
            let screen = lines(&p.app, width, height);
            let kept = screen
                .iter()
                .filter(|line| line.chars().nth(1) == Some('✓'));
            assert_eq!(kept.count(), 4, "{keys:?}: {screen:#?}");
            let chosen = screen
                .iter()
                .any(|line| line.starts_with("▸✓") || line.starts_with("▸✗"));
            assert_eq!(
                chosen,
                p.app.sight().selected.is_some(),
                "{keys:?}: {screen:#?}"
            );
        }
    }
}

#[test]
fn what_the_cut_would_keep_is_in_view_before_it() {
    let mut p = Playground::loaded().searching(4, 8);
    p.round().start_round().grow(5).score();
    let screen = lines(&p.app, 80, 24);
    let board = p.app.board();
    let leading = board.iter().filter_map(|line| match line {
        w2s::app::board::Line::Candidate(row) if row.rank? <= 4 => Some(row.label()),
        _ => None,
    });
    let shown = rows(&screen);
    for label in leading {
        assert!(shown.contains(&label), "{label}: {screen:#?}");
    }
}

#[test]
fn the_board_has_the_height_of_its_rows_where_the_evidence_has_no_use_for_it() {
    let mut p = Playground::loaded();
    p.round().press(&["2"]);
    let screen = lines(&p.app, 120, 40);
    assert_eq!(rows(&screen).len(), 16, "{screen:#?}");
}

#[test]
fn candidates_left_out_are_counted_and_told() {
    let mut p = Playground::loaded().searching(4, 8);
    p.round().round().press(&["end"]);
    let screen = lines(&p.app, 80, 24);
    let n = rows(&screen).len();
    assert!(
        screen[5].contains(&format!("▲ {} more", 32 - n)),
        "{screen:#?}"
    );
    assert!(
        screen.iter().any(|line| line.starts_with('⋮')),
        "{screen:#?}"
    );
}

#[test]
fn candidates_that_are_the_same_are_one_line_with_their_number() {
    let mut p = Playground::loaded().alike(3);
    p.start_round().grow(5);
    assert_eq!(
        rows(&lines(&p.app, 80, 24)).len(),
        16,
        "while they grow nothing is folded"
    );
    p.score();
    let screen = lines(&p.app, 80, 24);
    assert_eq!(rows(&screen), ["0.1", "0.4", "0.7", "0.10", "0.13", "0.16"]);
    assert_eq!(screen.iter().filter(|line| line.contains("×3")).count(), 5);
    p.press(&["down", "down"]);
    assert_eq!(p.app.sight().selected, Some(w2s::search::HypothesisId(3)));
    // Three are kept of those that are the same as the best, and of the next ones one.
    p.select();
    let screen = lines(&p.app, 80, 24);
    let kept: Vec<&String> = screen
        .iter()
        .filter(|l| l.chars().nth(1) == Some('✓'))
        .collect();
    assert_eq!(kept.len(), 2, "{screen:#?}");
    assert_eq!(
        kept.iter().filter(|line| line.contains("×3")).count(),
        1,
        "{screen:#?}"
    );
}

#[test]
fn the_cut_line_lies_below_the_kept_ones_also_where_they_are_the_same() {
    let mut p = Playground::loaded().alike(3);
    p.round().press(&["o"]);
    let lines = p.app.board();
    let cut = lines
        .iter()
        .position(|line| matches!(line, w2s::app::board::Line::Cut(_)));
    let (above, below) = lines.split_at(cut.unwrap());
    let fates = |lines: &[w2s::app::board::Line<'_>]| -> Vec<w2s::search::Fate> {
        let fate = |line: &w2s::app::board::Line<'_>| match line {
            w2s::app::board::Line::Candidate(row) => Some(row.fate),
            _ => None,
        };
        lines.iter().filter_map(fate).collect()
    };
    assert!(
        fates(above)
            .iter()
            .all(|fate| *fate == w2s::search::Fate::Kept)
    );
    assert!(
        fates(below)
            .iter()
            .all(|fate| *fate == w2s::search::Fate::Pruned)
    );
    assert_eq!((fates(above).len(), fates(below).len()), (2, 4));
}

#[test]
fn the_evidence_opens_at_the_chunk_in_detail() {
    let mut p = Playground::loaded();
    for _ in 0..6 {
        p.round();
    }
    p.press(&["down"]);
    assert_eq!(p.app.token(), 25);
    for (width, height) in [(120, 40), (200, 60)] {
        let screen = lines(&p.app, width, height);
        assert!(
            screen.iter().any(|line| line.contains("  26 ")),
            "{screen:#?}"
        );
    }
    p.press(&["2", "up"]);
    assert_eq!(p.app.token(), 24);
    p.press(&["1", "down"]);
    assert_eq!(p.app.token(), 25, "another candidate, its own chunk");
}

#[test]
fn two_compared_open_where_they_part() {
    let mut p = Playground::loaded();
    p.round().round().press(&["down", "v", "down"]);
    let (a, b) = (p.app.subject().unwrap(), p.app.reference().unwrap());
    let parting = a.hypothesis.as_ref().unwrap().tokens.iter();
    let parting = parting.zip(b.hypothesis.as_ref().unwrap().tokens.iter());
    let parting = parting.take_while(|(a, b)| a == b).count();
    assert_eq!(p.app.token(), parting);
}

#[test]
fn a_key_leads_from_one_decisive_token_to_the_next() {
    let mut p = Playground::loaded();
    p.round().round().press(&["down"]);
    let deltas: Vec<f64> = {
        let terms = p
            .app
            .subject()
            .unwrap()
            .hypothesis
            .as_ref()
            .unwrap()
            .score();
        terms.terms().map(|term| term.delta().abs()).collect()
    };
    let mut order: Vec<usize> = (0..deltas.len()).collect();
    order.sort_by(|a, b| deltas[*b].total_cmp(&deltas[*a]));
    for (rank, token) in order.iter().chain(&order[..1]).enumerate() {
        p.press(&["!"]);
        assert_eq!(p.app.token(), *token);
        let notice = p.app.notice().unwrap();
        let first = rank % order.len() == 0;
        assert_eq!(notice.contains("the largest"), first, "{notice}");
    }
    assert_eq!(p.app.look().focus, w2s::app::Pane::Evidence);
}

#[test]
fn a_candidate_that_grows_shows_the_terms_of_what_it_continues() {
    let mut p = Playground::loaded();
    p.round().start_round().grow(2).press(&["down"]);
    let screen = lines(&p.app, 200, 60);
    assert!(has(&screen, "Its chunk grows"), "{screen:#?}");
    let subject = p.app.subject().unwrap();
    let parent = p
        .app
        .trace()
        .candidate(subject.slot.parent.unwrap())
        .unwrap();
    let sum = format!("{:+.2}", parent.score.unwrap());
    let total = screen.iter().find(|line| line.contains('Σ')).unwrap();
    assert!(total.contains(&sum), "{total}");
    assert!(
        screen[7..].iter().any(|line| line.contains("so far")),
        "{screen:#?}"
    );
}

#[test]
fn no_token_shows_half_a_character() {
    let broken = char::REPLACEMENT_CHARACTER;
    let mut p = Playground::loaded().speaking_in_bytes();
    p.round().press(&["down"]);
    for key in ["2", "down", "down", "down"] {
        p.press(&[key]);
        for (width, height) in SIZES {
            let screen = lines(&p.app, width, height);
            assert!(
                !screen.iter().any(|line| line.contains(broken)),
                "{screen:#?}"
            );
        }
    }
}
