//! Pickers of the strong model and the weak pair, and loads beside the search that runs.

use super::menu::{self, Choice, Item, Menu};
use super::{App, Effect, Overlay};
use crate::message::{Command, Fetched, LoadId, ModelInfo, Offer, PairInfo, Part};

/// A load under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetch {
    pub id: LoadId,
    pub part: Part,
    /// What the user asked for.
    pub spec: String,
    /// What is being done to which model, after `done` of `total`.
    pub what: String,
    pub done: u64,
    pub total: u64,
}

/// So many loads are remembered.
const N_LOADS: usize = 30;

/// A load of before.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Load {
    pub part: Part,
    pub spec: String,
}

impl Load {
    /// As a line of a file: `pair TUNED,UNTUNED`.
    fn line(&self) -> String {
        let part = match self.part {
            Part::Strong => "strong",
            Part::Pair => "pair",
        };
        format!("{part} {}", self.spec)
    }

    fn of(line: &str) -> Option<Self> {
        let (part, spec) = line.trim().split_once(' ')?;
        let part = match part {
            "strong" => Part::Strong,
            "pair" => Part::Pair,
            _ => return None,
        };
        let spec = spec.to_owned();
        Some(Self { part, spec })
    }
}

/// Loads from their lines, oldest first; the newest first.
pub(super) fn loads(lines: &[String]) -> Vec<Load> {
    let mut loads: Vec<Load> = Vec::new();
    for load in lines.iter().rev().filter_map(|line| Load::of(line)) {
        if !loads.contains(&load) {
            loads.push(load);
        }
    }
    loads
}

impl App {
    /// The load under way.
    #[must_use]
    pub fn fetch(&self) -> Option<&Fetch> {
        self.fetch.as_ref()
    }

    /// The lines of the picker of weak pairs: loaded ones, those that could be, what was typed.
    pub(super) fn pair_items(&self, filter: &str) -> Vec<Item> {
        let pairs = self.models.as_ref().map_or(&[][..], |models| &models.pairs);
        let item = |(i, pair): (usize, &PairInfo)| Item {
            title: titled(&pair.name, &pair.about),
            note: state(
                pair.n_params,
                self.wanted.pair.includes(&pair.name.as_str().into()),
            ),
            choice: Choice::Pair(i),
        };
        let loaded = pairs.iter().enumerate().map(item).collect();
        let names: Vec<&String> = pairs.iter().map(|pair| &pair.name).collect();
        self.with_offers(loaded, Part::Pair, &names, filter)
    }

    /// The lines of the picker of strong models, in the same order.
    pub(super) fn strong_items(&self, filter: &str) -> Vec<Item> {
        let used = self.models.as_ref().map(|models| &models.strong.name);
        let item = |(i, model): (usize, &ModelInfo)| Item {
            title: titled(&model.name, &format!("context of {} tokens", model.context)),
            note: state(model.n_params, Some(&model.name) == used),
            choice: Choice::Strong(i),
        };
        let loaded = self.strongs.iter().enumerate().map(item).collect();
        let names: Vec<&String> = self.strongs.iter().map(|model| &model.name).collect();
        self.with_offers(loaded, Part::Strong, &names, filter)
    }

    /// Adds what is not loaded, as far as it matches, and last the offer to load what was typed.
    fn with_offers(
        &self,
        mut items: Vec<Item>,
        part: Part,
        loaded: &[&String],
        filter: &str,
    ) -> Vec<Item> {
        let offers = self.offers().iter().enumerate();
        let open = |offer: &Offer| offer.part == part && !loaded.contains(&&offer.spec);
        items.extend(offers.filter(|(_, offer)| open(offer)).map(offered));
        let before = self.loads.iter().enumerate();
        let before = before.filter(|(_, load)| load.part == part && self.is_new(load, loaded));
        items.extend(before.map(|(number, load)| Item {
            title: load.spec.clone(),
            note: "loaded before".to_owned(),
            choice: Choice::Load(number),
        }));
        let mut items = menu::filtered(items, filter);
        let typed = filter.trim();
        let is_known = |item: &Item| {
            let rest = item.title.strip_prefix(typed);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(": "))
        };
        if !typed.is_empty() && !items.iter().any(is_known) {
            items.push(Item {
                title: format!("load {typed}"),
                note: String::new(),
                choice: Choice::Typed,
            });
        }
        items
    }

    /// Whether nothing else in the list is this load.
    fn is_new(&self, load: &Load, loaded: &[&String]) -> bool {
        let is_offer = |offer: &Offer| [&offer.spec, &offer.name].contains(&&load.spec);
        !loaded.contains(&&load.spec) && !self.offers().iter().any(is_offer)
    }

    pub(super) fn choose_load(&mut self, number: usize) -> Vec<Effect> {
        match self.loads.get(number).cloned() {
            Some(load) => self.load(load.part, &load.spec),
            None => Vec::new(),
        }
    }

    /// Has what was loaded offered at later starts too.
    fn remember(&mut self, fetch: &Fetch) -> Effect {
        let load = Load {
            part: fetch.part,
            spec: fetch.spec.clone(),
        };
        self.loads.retain(|known| *known != load);
        self.loads.insert(0, load);
        self.loads.truncate(N_LOADS);
        Effect::RememberLoads(self.loads.iter().rev().map(Load::line).collect())
    }

    pub(super) fn offers(&self) -> &[Offer] {
        self.models.as_ref().map_or(&[], |models| &models.offers)
    }

    pub(super) fn choose_offer(&mut self, number: usize) -> Vec<Effect> {
        match self.offers().get(number).cloned() {
            Some(offer) => self.load(offer.part, &offer.name),
            None => Vec::new(),
        }
    }

    pub(super) fn choose_strong(&mut self, number: usize) -> Vec<Effect> {
        match self.strongs.get(number).cloned() {
            Some(model) => self.load(Part::Strong, &model.name),
            None => Vec::new(),
        }
    }

    pub(super) fn choose_pair(&mut self, number: usize) -> Vec<Effect> {
        let pairs = self.models.as_ref().map_or(&[][..], |models| &models.pairs);
        match pairs.get(number).cloned() {
            Some(pair) => self.use_pair(pair),
            None => Vec::new(),
        }
    }

    /// Loads what was typed into a picker.
    pub(super) fn load_typed(&mut self, menu: &Menu) -> Vec<Effect> {
        let part = match menu.kind {
            super::MenuKind::Strong => Part::Strong,
            _ => Part::Pair,
        };
        self.load(part, menu.filter.trim())
    }

    /// Has models loaded while the search goes on. A load before that is still under way is
    /// forgotten.
    fn load(&mut self, part: Part, spec: &str) -> Vec<Effect> {
        self.overlay = Overlay::None;
        self.load_beside(part, spec)
    }

    /// The same with what is open left open.
    pub(super) fn load_beside(&mut self, part: Part, spec: &str) -> Vec<Effect> {
        let id = LoadId(self.last_load.0 + 1);
        self.last_load = id;
        self.note(format!("loading {spec}: the search goes on"));
        let spec = spec.to_owned();
        self.fetch = Some(Fetch {
            id,
            part,
            what: format!("loading {spec}"),
            spec: spec.clone(),
            done: 0,
            total: 0,
        });
        vec![Effect::Send(Command::Load { id, part, spec })]
    }

    pub(super) fn give_up_load(&mut self) -> Vec<Effect> {
        let Some(fetch) = self.fetch.take() else {
            return Vec::new();
        };
        self.note(format!("{} is given up", fetch.what));
        vec![Effect::Send(Command::CancelLoad(fetch.id))]
    }

    /// How far a load is.
    pub(super) fn on_fetching(&mut self, id: LoadId, now: &str, (done, total): (u64, u64)) {
        if let Some(fetch) = self.fetch.as_mut().filter(|fetch| fetch.id == id) {
            now.clone_into(&mut fetch.what);
            (fetch.done, fetch.total) = (done, total);
        }
    }

    /// A new pair takes over at the next cut; a new strong model begins the search anew.
    pub(super) fn on_fetched(&mut self, id: LoadId, fetched: Fetched) -> Vec<Effect> {
        let Some(fetch) = self.fetch.take_if(|fetch| fetch.id == id) else {
            return Vec::new();
        };
        let mut effects = vec![self.remember(&fetch)];
        let Some(models) = &mut self.models else {
            return effects;
        };
        match fetched {
            Fetched::Pair(pair) => {
                models.pairs.retain(|known| known.name != pair.name);
                models.pairs.push(pair.clone());
                self.drop_older_checkpoints(&pair.name);
                effects.extend(self.use_pair(pair));
            }
            Fetched::Strong(model) => {
                models.strong = model.clone();
                self.strongs.retain(|known| known.name != model.name);
                self.strongs.push(model);
                self.announce(format!("strong model {}: searching anew", fetch.spec));
                effects.push(Effect::Send(Command::UseStrong(fetch.spec)));
                effects.extend(self.start());
                effects.extend(self.forget_gauge());
            }
        }
        effects
    }

    /// The search goes on with the models it has.
    pub(super) fn on_not_fetched(&mut self, id: LoadId, why: &str) -> Vec<Effect> {
        match self.fetch.take_if(|fetch| fetch.id == id) {
            Some(_) => self.say(why),
            None => Vec::new(),
        }
    }

    /// The pair does not go with this run: what is wanted is again what there is.
    pub(super) fn on_pair_refused(&mut self, pair: &str, why: &str) -> Vec<Effect> {
        if self.wanted.pair.as_str() == pair {
            self.wanted.pair = self.voices_in_use().clone();
        }
        self.say(why)
    }
}

fn titled(name: &str, about: &str) -> String {
    match about.is_empty() {
        true => name.to_owned(),
        false => format!("{name}: {about}"),
    }
}

fn state(n_params: u64, is_used: bool) -> String {
    let state = if is_used { "in use" } else { "loaded" };
    format!("{:.1}M  {state}", n_params as f64 / 1e6)
}

fn offered((number, offer): (usize, &Offer)) -> Item {
    let state = if offer.is_here {
        "on this machine"
    } else {
        "to fetch"
    };
    Item {
        title: titled(&offer.name, &offer.about),
        note: format!("{}  {state}", offer.size).trim_start().to_owned(),
        choice: Choice::Offer(number),
    }
}
