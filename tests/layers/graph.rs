//! Who names whom: the files under `src`, the paths in them, and the arrows these make.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// One file under `src`.
pub struct Source {
    /// From `src`, such as `search/engine.rs`.
    pub name: String,
    /// Comments and test modules left out.
    pub code: String,
    /// Such as `["search", "engine"]`; of a `mod.rs` its folder's.
    module: Vec<String>,
}

/// An arrow between two files, by their indices.
pub type Arrow = (usize, usize);

/// All files and the arrows between them.
pub struct House {
    pub sources: Vec<Source>,
    pub arrows: BTreeSet<Arrow>,
}

impl Source {
    /// The folder or file right under `src` that it belongs to.
    pub fn room(&self) -> &str {
        &self.module[0]
    }

    fn is_parent_of(&self, other: &Self) -> bool {
        other.module.split_last().map(|(_, above)| above) == Some(&self.module)
    }
}

impl House {
    /// Reads all of `src` but the two roots, which join what the rooms hold.
    pub fn read(src: &Path) -> Self {
        let mut files = files(src);
        files.sort();
        let roots = [src.join("lib.rs"), src.join("main.rs")];
        let rooms = files.iter().filter(|file| !roots.contains(file));
        Self::of(rooms.map(|file| source(src, file)).collect())
    }

    fn of(sources: Vec<Source>) -> Self {
        let index = Index::of(&sources);
        let mut arrows = BTreeSet::new();
        for (from, source) in sources.iter().enumerate() {
            for path in index.paths(source) {
                let told_on = path.is_told_on && source.is_above(&path.absolute);
                let to = index.file(&path.absolute).filter(|to| *to != from);
                arrows.extend(to.filter(|_| !told_on).map(|to| (from, to)));
            }
        }
        Self { sources, arrows }
    }

    /// The shortest way of arrows from one room to every other that it reaches, as files.
    pub fn reach(&self, room: &str) -> BTreeMap<&str, Vec<Arrow>> {
        let mut ways: BTreeMap<&str, Vec<Arrow>> = BTreeMap::new();
        let mut open = VecDeque::from([(room, Vec::new())]);
        while let Some((here, way)) = open.pop_front() {
            for &(from, to) in &self.arrows {
                let there = self.sources[to].room();
                let leaves = self.sources[from].room() == here && there != here;
                if leaves && !ways.contains_key(there) {
                    let way: Vec<Arrow> = way.iter().copied().chain([(from, to)]).collect();
                    ways.insert(there, way.clone());
                    open.push_back((there, way));
                }
            }
        }
        ways
    }

    /// Circles of files, one through every arrow that closes any. A file and its own `mod.rs` are
    /// one module: ways up to it and down again are no circle.
    pub fn circles(&self) -> BTreeSet<Vec<&str>> {
        let is_up = |(from, to): &Arrow| self.sources[*to].is_parent_of(&self.sources[*from]);
        let is_down = |(from, to): &Arrow| self.sources[*from].is_parent_of(&self.sources[*to]);
        let without = |left_out: &dyn Fn(&Arrow) -> bool| {
            let arrows = self.arrows.iter().filter(|arrow| !left_out(arrow));
            self.circles_of(&arrows.copied().collect())
        };
        let mut circles = without(&is_up);
        circles.extend(without(&is_down));
        circles
    }

    fn circles_of(&self, arrows: &BTreeSet<Arrow>) -> BTreeSet<Vec<&str>> {
        let circle = |(from, to): &Arrow| {
            let mut way = way(arrows, *to, *from)?;
            // Each circle once, however it is entered.
            let first = way.iter().enumerate().min_by_key(|(_, file)| **file)?.0;
            way.rotate_left(first);
            Some(way.iter().map(|&i| self.sources[i].name.as_str()).collect())
        };
        arrows.iter().filter_map(circle).collect()
    }
}

/// The shortest way, both ends included.
fn way(arrows: &BTreeSet<Arrow>, from: usize, to: usize) -> Option<Vec<usize>> {
    let mut open = VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::from([from]);
    while let Some(way) = open.pop_front() {
        let here = *way.last()?;
        if here == to {
            return Some(way);
        }
        for &(_, next) in arrows.range((here, 0)..=(here, usize::MAX)) {
            if seen.insert(next) {
                open.push_back(way.iter().copied().chain([next]).collect());
            }
        }
    }
    None
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let of = |path: PathBuf| match path.is_dir() {
        true => files(&path),
        false => vec![path],
    };
    entries
        .flat_map(|entry| of(entry.unwrap().path()))
        .collect()
}

fn source(src: &Path, file: &Path) -> Source {
    let name = file.strip_prefix(src).unwrap().to_str().unwrap();
    let name = name.replace('\\', "/");
    let module = name.trim_end_matches(".rs").trim_end_matches("/mod");
    Source {
        module: module.split('/').map(str::to_owned).collect(),
        code: code(&fs::read_to_string(file).unwrap()),
        name,
    }
}

/// Comments and the test module left out.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(is_code).collect::<Vec<_>>().join("\n")
}

/// Which file a path leads to.
struct Index<'a> {
    /// By module.
    files: HashMap<&'a [String], usize>,
    /// What a module tells on of others: by module and name the path that is meant.
    told_on: HashMap<(&'a [String], String), Vec<String>>,
}

/// A path in a file, from the root of the crate.
struct Named {
    absolute: Vec<String>,
    /// Whether the file only lets others have it, by `pub use`.
    is_told_on: bool,
}

impl Source {
    fn is_above(&self, path: &[String]) -> bool {
        path.len() > self.module.len() && path.starts_with(&self.module)
    }
}

impl<'a> Index<'a> {
    fn of(sources: &'a [Source]) -> Self {
        let by_module = |(i, source): (usize, &'a Source)| (&source.module[..], i);
        let mut index = Self {
            files: sources.iter().enumerate().map(by_module).collect(),
            told_on: HashMap::new(),
        };
        for source in sources {
            for path in index.paths(source).into_iter().filter(|p| p.is_told_on) {
                let name = path.absolute.last().cloned().unwrap_or_default();
                let meant = path.absolute;
                index.told_on.insert((&source.module, name), meant);
            }
        }
        index
    }

    /// All that `source` names by a path into the crate.
    fn paths(&self, source: &Source) -> Vec<Named> {
        let module = &source.module;
        let is_child = |name: &str| {
            let child = [module.as_slice(), &[name.to_owned()]].concat();
            self.files.contains_key(child.as_slice())
        };
        let starts = |name: &str| ["crate", "super", "self"].contains(&name) || is_child(name);
        let named = |(path, is_told_on): (Vec<String>, bool)| Named {
            absolute: absolute(module, &path),
            is_told_on,
        };
        paths(&source.code, &starts)
            .into_iter()
            .map(named)
            .collect()
    }

    /// The file in which the last name of `path` stands.
    fn file(&self, path: &[String]) -> Option<usize> {
        let is_module = |n: &usize| self.files.contains_key(&path[..*n]);
        let n = (1..=path.len()).rev().find(is_module)?;
        let name = path.get(n).map(|name| (&path[..n], name.clone()));
        match name.and_then(|key| self.told_on.get(&key)) {
            Some(meant) if meant.as_slice() != path => self.file(meant),
            _ => self.files.get(&path[..n]).copied(),
        }
    }
}

/// `path` in the file of `module`, from the root of the crate.
fn absolute(module: &[String], path: &[String]) -> Vec<String> {
    let n_up = path.iter().take_while(|name| *name == "super").count();
    let (base, rest) = match path[0].as_str() {
        "crate" => (&[][..], &path[1..]),
        "self" => (module, &path[1..]),
        _ => (&module[..module.len() - n_up], &path[n_up..]),
    };
    let rest = rest.iter().filter(|name| *name != "self");
    base.iter().chain(rest).cloned().collect()
}

/// All paths in `code` that begin with a name that `starts` accepts, `{…}` taken apart, and
/// whether they stand in a `pub use`.
pub fn paths(code: &str, starts: &dyn Fn(&str) -> bool) -> Vec<(Vec<String>, bool)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = code[at..].find(is_in_name) {
        let before = &code[..at + offset];
        at += offset;
        let (name, rest) = name(&code[at..]);
        let is_first = !before.ends_with("::") && !before.ends_with("(in ");
        if !(is_first && rest.starts_with("::") && starts(name)) {
            at += name.len();
            continue;
        }
        let line = before.rsplit('\n').next().unwrap_or_default().trim_start();
        let is_told_on = line.starts_with("pub") && line.ends_with("use ");
        let mut paths = Vec::new();
        at = code.len() - tree(&code[at..], &[], &mut paths).len();
        found.extend(paths.into_iter().map(|path| (path, is_told_on)));
    }
    found
}

fn is_in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn name(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c| !is_in_name(c)).unwrap_or(text.len()))
}

/// Reads one path, or several in braces, that go on after `above`; returns what follows.
fn tree<'t>(text: &'t str, above: &[String], paths: &mut Vec<Vec<String>>) -> &'t str {
    if let Some(mut text) = text.strip_prefix('{') {
        loop {
            text = tree(text.trim_start(), above, paths).trim_start();
            if let Some(renamed) = text.strip_prefix("as ") {
                text = name(renamed).1.trim_start();
            }
            match text.strip_prefix(',').map(str::trim_start) {
                Some(more) if !more.starts_with('}') => text = more,
                rest => return rest.unwrap_or(text).trim_start_matches('}'),
            }
        }
    }
    let (first, rest) = name(text);
    let path = [above, &[first.to_owned()]].concat();
    match rest.strip_prefix("::") {
        Some(more) if more.starts_with(|c| is_in_name(c) || c == '{') => tree(more, &path, paths),
        _ => {
            paths.push(path);
            rest
        }
    }
}
