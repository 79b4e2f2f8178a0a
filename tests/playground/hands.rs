//! What the hands expect: finding, completing, clearing, being asked once, being told.

use w2s::app::{App, Effect, Msg, Options, Overlay};
use w2s::message::{Fetched, LoadId, ModelInfo, Update};

use crate::legible::{has, lines};
use crate::support::Playground;

fn items(p: &Playground) -> Vec<String> {
    let Overlay::Menu(menu) = p.app.overlay() else {
        panic!("no menu is open");
    };
    let items = p.app.menu_items(menu).into_iter();
    items.map(|item| item.title).collect()
}

fn filter(p: &Playground) -> String {
    match p.app.overlay() {
        Overlay::Menu(menu) => menu.filter.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_candidate_is_found_by_what_it_says() {
    let mut p = Playground::loaded();
    p.round().round();
    let wanted = p.app.trace().rounds()[0].pruned()[3];
    let chunk = p.app.trace().candidate(wanted).unwrap().chunk();
    p.press(&["/"]).type_str(&chunk);
    assert!(items(&p)[0].contains(&chunk), "{:?}", items(&p));
    p.press(&["enter"]);
    assert_eq!(p.app.sight().selected, Some(wanted));
    assert_eq!(p.app.shown_round().unwrap().number, 1);
}

#[test]
fn a_key_is_found_by_what_it_does() {
    let mut p = Playground::loaded();
    p.round().press(&["/"]).type_str("lower the temperature");
    assert_eq!(items(&p), ["lower the temperature: likelier tokens"]);
}

#[test]
fn i_edits_the_prompt_and_one_key_clears_it() {
    let mut p = Playground::loaded();
    p.press(&["i", "alt-enter"])
        .type_str("x")
        .press(&["ctrl-l"]);
    let Overlay::Prompt(editor) = p.app.overlay() else {
        panic!("{:?}", p.app.overlay());
    };
    assert_eq!(editor.text(), "");
    assert!(has(&lines(&p.app, 80, 24), "ctrl-l clears"));
    p.press(&["ctrl-z"]);
    let Overlay::Prompt(editor) = p.app.overlay() else {
        panic!("{:?}", p.app.overlay());
    };
    assert!(editor.text().ends_with("night,\nx"));
}

#[test]
fn tab_completes_a_name() {
    let mut p = Playground::loaded();
    p.press(&["B"]).type_str("gpt").press(&["tab"]);
    assert_eq!(filter(&p), "gpt2-large");
    p.press(&["esc", "H"]).type_str("c").press(&["tab"]);
    assert_eq!(filter(&p), "cr", "critical, craft");
    assert!(p.app.notice().unwrap().contains("critical  craft"));
    p.type_str("x").press(&["tab"]);
    assert_eq!(p.app.notice(), Some("nothing begins with crx"));
}

#[test]
fn tab_completes_a_path() {
    let mut p = Playground::loaded();
    p.press(&["H"]).type_str("/m/tuned, /m/un").press(&["tab"]);
    let asked = Effect::Complete("/m/un".to_owned());
    assert_eq!(p.effects.last(), Some(&asked));
    let found = vec!["/m/untuned-1/".to_owned(), "/m/untuned-2/".to_owned()];
    let typed = "/m/un".to_owned();
    let answer = Msg::Completed { typed, found };
    p.msg(answer.clone());
    assert_eq!(filter(&p), "/m/tuned, /m/untuned-");
    // An answer that comes late changes nothing.
    p.type_str("2").msg(answer);
    assert_eq!(filter(&p), "/m/tuned, /m/untuned-2");
}

#[test]
fn what_was_loaded_once_is_offered_at_later_starts() {
    let mut p = Playground::loaded();
    p.press(&["B"]).type_str("/models/mine").press(&["enter"]);
    let model = ModelInfo {
        name: "/models/mine".to_owned(),
        n_params: 9,
        context: 64,
        vocab_size: 99,
    };
    let id = LoadId(1);
    let fetched = Fetched::Strong(model);
    p.update(Update::Fetched { id, fetched });
    let line = "strong /models/mine".to_owned();
    assert!(
        p.effects
            .contains(&Effect::RememberLoads(vec![line.clone()]))
    );
    let loads = vec!["nonsense".to_owned(), line];
    let later = Options {
        loads,
        ..Options::default()
    };
    let mut p = Playground::with(later).load();
    p.press(&["B"]);
    assert!(items(&p).contains(&"/models/mine".to_owned()));
    p.press(&["esc", "H"]);
    assert!(!items(&p).contains(&"/models/mine".to_owned()));
}

#[test]
fn a_key_without_a_meaning_says_so() {
    let mut p = Playground::loaded();
    p.round().press(&["Q"]);
    let told = p.app.notice().unwrap();
    assert!(
        told.starts_with("Q does nothing: ? lists all keys"),
        "{told}"
    );
}

#[test]
fn who_leaves_while_a_load_is_under_way_is_asked_once() {
    let mut p = Playground::loaded();
    p.press(&["B"]).type_str("gpt2").press(&["enter", "ctrl-c"]);
    assert!(!p.effects.contains(&Effect::Quit));
    assert!(p.app.notice().unwrap().contains("once more leaves"));
    p.press(&["down", "ctrl-c"]);
    assert!(
        !p.effects.contains(&Effect::Quit),
        "another key lay between"
    );
    p.press(&["ctrl-c"]);
    assert_eq!(p.effects.last(), Some(&Effect::Quit));
}

fn quits(app: &mut App, key: &str) -> bool {
    let effects = app.handle(Msg::Key(key.parse().unwrap()));
    effects.contains(&Effect::Quit)
}

#[test]
fn who_breaks_nothing_off_leaves_at_once() {
    for key in ["q", "ctrl-c"] {
        assert!(quits(&mut Playground::loaded().app, key));
        assert!(quits(&mut Playground::new().app, key), "models still load");
    }
}

#[test]
fn a_chunk_of_ones_own_begins_empty_and_can_be_given_the_candidates() {
    let mut p = Playground::loaded();
    p.round().press(&["down", "E"]);
    let id = p.app.sight().selected.unwrap();
    let own = p.app.trace().candidate(id).unwrap().chunk();
    let text = |p: &Playground| match p.app.overlay() {
        Overlay::Chunk(_, editor) => editor.text().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(text(&p), "");
    p.press(&["up"]);
    assert_eq!(text(&p), own);
    p.press(&["down"]);
    assert_eq!(text(&p), "");
}

#[test]
fn watched_candidates_say_what_became_of_them() {
    let mut p = Playground::loaded();
    p.press(&["@"]);
    assert_eq!(
        p.app.notice(),
        Some("not possible now: select a candidate first")
    );
    p.round();
    let round = &p.app.trace().rounds()[0];
    let (kept, pruned) = (round.kept()[0], round.pruned()[0]);
    for id in [kept, pruned] {
        p.msg(Msg::Click(w2s::app::Target::Candidate(id)))
            .press(&["@"]);
    }
    p.round();
    let heirs = p.app.trace().beam().len();
    p.press(&["'"]);
    let Overlay::Menu(menu) = p.app.overlay() else {
        panic!("no menu");
    };
    let notes: Vec<String> = p.app.menu_items(menu).into_iter().map(|i| i.note).collect();
    assert!(notes[0].starts_with("in ") && notes[0].contains(&format!("of {heirs}")));
    assert!(notes[1].starts_with("left in round 1"), "{notes:?}");
    p.press(&["down", "enter"]);
    assert_eq!(p.app.sight().selected, Some(pruned));
    p.press(&["@"]);
    assert_eq!(p.app.sight().watched, [kept]);
}
