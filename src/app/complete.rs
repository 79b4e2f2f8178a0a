//! Tab in the pickers of models: completes the path or the name that is being typed.

use super::{App, Effect, Menu, MenuKind, Overlay};
use crate::message::Part;

impl App {
    /// Completes a name at once; the paths that begin so are looked for.
    pub(super) fn complete(&mut self) -> Vec<Effect> {
        let Some(menu) = self.picker() else {
            return Vec::new();
        };
        let typed = last(&menu.filter).to_owned();
        if is_path(&typed) {
            return vec![Effect::Complete(typed)];
        }
        let names = self.names(menu);
        let begin_so = names.into_iter().filter(|name| name.starts_with(&typed));
        self.put(&typed, &begin_so.collect::<Vec<_>>());
        Vec::new()
    }

    /// The paths that begin with what was typed then: of use if that is still there.
    pub(super) fn on_completed(&mut self, typed: &str, found: &[String]) -> Vec<Effect> {
        if self
            .picker()
            .is_some_and(|menu| last(&menu.filter) == typed)
        {
            self.put(typed, found);
        }
        Vec::new()
    }

    fn picker(&self) -> Option<&Menu> {
        match &self.overlay {
            Overlay::Menu(menu) => is_picker(menu.kind).then_some(menu),
            _ => None,
        }
    }

    /// The names that can be typed into a picker.
    fn names(&self, menu: &Menu) -> Vec<String> {
        let is_half = menu.filter.contains(',');
        let part = match (menu.kind, is_half) {
            (MenuKind::Pairs, false) => Part::Pair,
            _ => Part::Strong,
        };
        let offers = self.offers().iter().filter(|offer| offer.part == part);
        let loads = self.loads.iter().filter(|load| load.part == part);
        let mut names: Vec<String> = offers.map(|offer| offer.name.clone()).collect();
        names.extend(loads.map(|load| load.spec.clone()));
        let pairs = self.models.iter().flat_map(|models| &models.pairs);
        match part {
            Part::Strong => names.extend(self.strongs.iter().map(|model| model.name.clone())),
            Part::Pair => names.extend(pairs.map(|pair| pair.name.clone())),
        }
        names
    }

    /// Types what all of these have in common, and says what they are.
    fn put(&mut self, typed: &str, found: &[String]) {
        let whole = common(found);
        self.note(match found {
            [] => format!("nothing begins with {typed}"),
            [only] => format!("{only} is the only one that begins so"),
            _ => format!("{} begin so: {}", found.len(), found.join("  ")),
        });
        if let (Overlay::Menu(menu), true) = (&mut self.overlay, whole.len() > typed.len()) {
            let at = menu.filter.len() - typed.len();
            menu.filter.replace_range(at.., &whole);
            menu.cursor = 0;
        }
    }
}

fn is_picker(kind: MenuKind) -> bool {
    matches!(kind, MenuKind::Strong | MenuKind::Pairs)
}

/// Of two models the one that is being typed.
fn last(filter: &str) -> &str {
    let rest = filter
        .rfind(',')
        .map_or(filter, |comma| &filter[comma + 1..]);
    rest.trim_start()
}

fn is_path(typed: &str) -> bool {
    typed.starts_with(['/', '.', '~']) || (typed.contains('/') && !typed.starts_with("hf:"))
}

/// What all of these begin with.
fn common(found: &[String]) -> String {
    let Some(first) = found.first() else {
        return String::new();
    };
    let is_shared = |end: &usize| found.iter().all(|other| other.starts_with(&first[..*end]));
    let ends = first.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(is_shared).last().unwrap_or(0);
    first[..end].to_owned()
}
