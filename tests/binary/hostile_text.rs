//! Text of others, wherever it comes from, steers no terminal: names of folders, repositories and
//! files, prompts, and every token of a model.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::commands::{command, w2s};
use super::folders::repository;
use super::terminal::Tty;
use super::tiny_gguf;

/// A title, a turned line, a tab backwards by CSI and by C1, a bell, what hides, a tag.
const HOSTILE: [&str; 8] = [
    "\x1b]0;PWNED\x07",
    "\u{202e}txt",
    "\x1b[7Z",
    "\u{9b}7Z",
    "\x07",
    "\u{200b}",
    "\x1bc",
    "\u{e0041}",
];

/// A name with all of it that a file can have.
fn name() -> String {
    format!("x{}y", HOSTILE.concat())
}

/// What a terminal would obey, the program's own sequences left out.
fn obeyed(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut rest = text.as_str();
    let mut found = Vec::new();
    while let Some(at) = rest.find(is_obeyed) {
        rest = &rest[at..];
        match own(rest) {
            Some(n) => rest = &rest[n..],
            None => {
                found.push(
                    rest.chars()
                        .take(12)
                        .collect::<String>()
                        .escape_unicode()
                        .to_string(),
                );
                let mut chars = rest.chars();
                chars.next();
                rest = chars.as_str();
            }
        }
    }
    found
}

fn is_obeyed(c: char) -> bool {
    let hides = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}'
        | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}');
    hides || (c.is_control() && !matches!(c, '\r' | '\n'))
}

/// How long the sequence at the beginning is, if it is one that the program writes.
fn own(text: &str) -> Option<usize> {
    if let Some(rest) = text.strip_prefix("\x1b[") {
        let n = rest.find(|c: char| !matches!(c, '0'..='9' | ';' | ':' | '?'))?;
        let last = rest[n..].chars().next()?;
        return "mHJKhlcA".contains(last).then_some(2 + n + 1);
    }
    // The clipboard, and what the background is asked by.
    for start in ["\x1b]52;c;", "\x1b]10;?", "\x1b]11;?"] {
        if let Some(rest) = text.strip_prefix(start) {
            let n = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c)))?;
            let end = ["\x1b\\", "\x07"]
                .into_iter()
                .find(|end| rest[n..].starts_with(end))?;
            return Some(start.len() + n + end.len());
        }
    }
    // A frame that was broken off ends.
    text.starts_with('\x18').then_some(1)
}

#[test]
fn the_test_sees_what_it_looks_for() {
    for text in HOSTILE {
        assert!(!obeyed(text.as_bytes()).is_empty(), "{text:?}");
    }
    assert_eq!(
        obeyed(b"\x1b[38;5;1mx\x1b[?2026h\x1b]52;c;YQ==\x1b\\\r\n"),
        Vec::<String>::new()
    );
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Files of a model under names of others' making.
fn folder(root: &Path) -> PathBuf {
    let folder = root.join(name());
    copy(&repository("assets/models/untuned"), &folder);
    folder
}

#[test]
fn names_are_shown_visibly_even_into_a_pipe() {
    let root = TempDir::new().unwrap();
    let model = folder(root.path()).display().to_string();
    let gguf = root.path().join(format!("{}.gguf", name()));
    fs::write(&gguf, "no GGUF").unwrap();
    let gguf = gguf.display().to_string();
    let home = TempDir::new().unwrap();
    let cache = home.path().join(".cache/huggingface/hub");
    let snapshot = cache.join(format!("models--o--{}/snapshots/abc", name()));
    fs::create_dir_all(&snapshot).unwrap();
    for file in ["config.json".to_owned(), format!("{}.gguf", name())] {
        fs::write(snapshot.join(file), "{").unwrap();
    }
    let missing = format!("hf:o/{}", name());
    let cases: [&[&str]; 8] = [
        &["models"],
        &["models", "check"],
        &["models", "check", &model, &gguf],
        &["models", "pull", &model],
        &["models", "pull", &missing],
        &["inspect", "--strong", &model, "--prompt", "Hi"],
        &["run", "--prompt", "Hi", "-n", "1", "--strong", &gguf],
        &["run", "--prompt", "Hi", "-n", &name()],
    ];
    for args in cases {
        let mut command = command(args, &home);
        let output = command.env("HF_HUB_OFFLINE", "1").output().unwrap();
        let all = [output.stdout, output.stderr].concat();
        assert_eq!(obeyed(&all), Vec::<String>::new(), "{args:?}");
        assert!(!all.is_empty(), "{args:?}");
    }
}

/// What is between the letters of base64.
fn decoded(text: &str) -> Vec<u8> {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut n) = (Vec::new(), 0_u32, 0);
    for c in text.chars() {
        let Some(value) = letters.find(c) else {
            continue;
        };
        (bits, n) = (bits << 6 | value as u32, n + 6);
        if n >= 8 {
            n -= 8;
            bytes.push((bits >> n) as u8);
        }
    }
    bytes
}

#[test]
fn the_clipboard_gets_text() {
    let root = TempDir::new().unwrap();
    let strong = noisy(root.path());
    let prompt = format!("Hi {}", HOSTILE.concat());
    let args = [
        "--no-tour",
        "-n",
        "5",
        "--strong",
        &strong,
        "--prompt",
        &prompt,
    ];
    let home = TempDir::new().unwrap();
    let mut tty = Tty::w2s(home.path(), (120, 40), &args);
    tty.wait_for("■ finished");
    for (key, told) in [
        ("c", "copied: prompt and response"),
        ("y", "copied: token table"),
    ] {
        tty.press(key);
        tty.wait_for(told);
    }
    let sent = tty.see(|output| String::from_utf8_lossy(&output.bytes).into_owned());
    let parts: Vec<&str> = sent.split("\x1b]52;c;").skip(1).collect();
    assert_eq!(parts.len(), 2);
    for part in parts {
        let end = part.find(['\x1b', '\x07']).unwrap();
        let text = String::from_utf8(decoded(&part[..end])).unwrap();
        assert!(text.len() > 10, "{text:?}");
        let bad = |c: &char| is_obeyed(*c) && *c != '\t';
        assert_eq!(text.chars().find(bad), None, "{text:?}");
    }
}

fn noisy(root: &Path) -> String {
    let path = root.join("noise.gguf");
    tiny_gguf::write(&path, &HOSTILE.repeat(40));
    path.display().to_string()
}

#[test]
fn a_response_is_visible_on_a_terminal_and_itself_in_a_pipe() {
    let root = TempDir::new().unwrap();
    let strong = noisy(root.path());
    let args = ["run", "--prompt", "Hi", "-n", "60", "--strong", &strong];
    let piped = w2s(&args);
    assert!(piped.status.success(), "{piped:?}");
    assert!(!obeyed(&piped.stdout).is_empty(), "{:?}", piped.stdout);
    let mut tty = Tty::w2s(root.path(), (120, 40), &args);
    assert_eq!(tty.exit_code(), 0);
    tty.wait("it", |output| output.has("\\u{1b}"));
    tty.see(|output| assert_eq!(obeyed(&output.bytes), Vec::<String>::new()));
}

/// Draws, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// What a hand could do; it does not leave.
fn event(dice: &mut Dice) -> String {
    let keys = "abcdefghijklmnoprstuvwxyzABCDEFGHIJKLMNOPRSTUVWXYZ0123456789 ,.;:/?<>[]{}()+-_=";
    let named = [
        "\r", "\t", "\x1b[Z", "\x7f", "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[H", "\x1b[F",
        "\x1b[5~", "\x1b[6~", "\x1b[3~", "\x1b\x1b", "\x10", "\x0b", "\x15", "\x04",
    ];
    let (x, y) = (1 + dice.roll(120), 1 + dice.roll(40));
    match dice.roll(10) {
        0..=4 => keys.chars().nth(dice.roll(keys.len())).unwrap().to_string(),
        5..=7 => named[dice.roll(named.len())].to_owned(),
        8 => format!("\x1b[<{};{x};{y}M", [0, 32, 64, 65][dice.roll(4)]),
        _ => format!("\x1b[200~{}\x1b[201~", HOSTILE[dice.roll(HOSTILE.len())]),
    }
}

#[test]
fn three_thousand_events_with_hostile_text_everywhere() {
    let root = TempDir::new().unwrap();
    let strong = noisy(root.path());
    let untuned = folder(root.path()).display().to_string();
    let pair = format!("bundled:positive,{untuned}");
    let prompt = format!("Hi {}", HOSTILE.concat());
    let args = [
        "--no-tour",
        "--pace",
        "0",
        "-n",
        "60",
        "--strong",
        &strong,
        "--pair",
        &pair,
        "--prompt",
        &prompt,
    ];
    let home = TempDir::new().unwrap();
    let mut tty = Tty::w2s(home.path(), (120, 40), &args);
    tty.wait("scores", |output| output.n_scores() >= 4);
    let mut dice = Dice(7);
    for n in 0..3000 {
        tty.press(&event(&mut dice));
        if n % 500 == 499 {
            tty.resize(
                [120, 80, 200, 40][dice.roll(4)],
                [40, 24, 60, 12][dice.roll(4)],
            );
        }
        // A hand is slower than a machine; a burst now and then is in order.
        if n % 8 < 4 {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
    tty.resize(120, 40);
    tty.press("\x1b");
    std::thread::sleep(std::time::Duration::from_millis(200));
    tty.signal("TERM");
    assert_eq!(tty.exit_code(), 0);
    tty.assert_restored();
    tty.see(|output| {
        assert_eq!(obeyed(&output.bytes), Vec::<String>::new());
        assert!(
            output.bytes.len() > 30_000,
            "it drew: {}",
            output.bytes.len()
        );
    });
}
