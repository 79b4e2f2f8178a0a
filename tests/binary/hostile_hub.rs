//! A hub that lies, redirects, falls silent and never ends, after scripts from a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::folders::repository;

const N_SCRIPTS: u64 = 200;

/// Seconds that a silence is borne.
const PATIENCE: &str = "0.1";

/// What never ends is longer than this; what ends takes a part of it on the busiest machine.
const LIMIT: Duration = Duration::from_secs(60);

const TOKEN: &str = "hf_secret";

/// Draws, the same for the same seed.
struct Dice {
    state: u64,
    /// How many times rarer lies are.
    calm: usize,
}

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }

    /// Whether to lie, which the wildest do once in so many times.
    fn lies(&mut self, n: usize) -> bool {
        self.roll(n * self.calm) == 0
    }
}

/// What a hub could call a file's content or a commit, to have it written elsewhere. `ROOT` is
/// the folder that holds the user's home.
const NAMES: [&str; 14] = [
    "../../victim",
    "../../../../../../victim",
    "../../../../../../new",
    "ROOT/victim",
    "ROOT/new",
    "..",
    ".",
    "",
    "a/b",
    "..\\..\\victim",
    "x.incomplete",
    "%2e%2e%2fvictim",
    "a\tb",
    "\u{202e}txt",
];

const FILES: [&str; 7] = [
    "../../victim",
    "ROOT/victim",
    "../../../../../new",
    "a/../../../x",
    "",
    "config.json/..",
    "x\ny",
];

/// A server, and what it was shown.
struct Server {
    address: String,
    /// Tokens that came with requests.
    tokens: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answer: impl Fn(&Request, &TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let tokens = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (tokens.clone(), Arc::new(answer));
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (seen.clone(), answer.clone());
                std::thread::spawn(move || {
                    let Some(request) = Request::read(&stream) else {
                        return;
                    };
                    seen.lock().unwrap().extend(request.token.clone());
                    answer(&request, &stream);
                });
            }
        });
        Self { address, tokens }
    }
}

struct Request {
    path: String,
    /// The first byte wanted, and whether only that one is.
    from: Option<(usize, bool)>,
    token: Option<String>,
}

impl Request {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let path = lines.next()?.split(' ').nth(1)?.to_owned();
        let (mut from, mut token) = (None, None);
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ")?;
            match name.to_lowercase().as_str() {
                "authorization" => token = Some(value.to_owned()),
                "range" => {
                    let (start, end) = value.strip_prefix("bytes=")?.split_once('-')?;
                    from = Some((start.parse().ok()?, !end.is_empty()));
                }
                _ => {}
            }
        }
        Some(Self { path, from, token })
    }
}

/// One hub's lies.
struct Script {
    seed: u64,
    root: String,
    files: BTreeMap<String, Vec<u8>>,
    /// Another host.
    elsewhere: String,
    n_asked: AtomicUsize,
}

/// How the content of an answer comes.
enum Course {
    Whole,
    Cut,
    Silence,
    Endless,
    Drip,
}

impl Script {
    fn dice(&self, request: &Request) -> Dice {
        let n = self.n_asked.fetch_add(1, Ordering::Relaxed) as u64;
        let path = request
            .path
            .bytes()
            .fold(0, |sum: u64, b| sum.wrapping_mul(31).wrapping_add(b.into()));
        Dice {
            state: self.seed.wrapping_mul(0x1_0001) ^ path ^ (n << 40),
            calm: [1, 3, 10, 40][self.seed as usize % 4],
        }
    }

    fn name(&self, dice: &mut Dice, of: &[&'static str]) -> String {
        dice.pick(of).replace("ROOT", &self.root)
    }

    /// A reader that goes away has seen enough, so errors do not matter here.
    fn answer(&self, request: &Request, stream: &TcpStream) {
        let mut dice = self.dice(request);
        if dice.lies(8) {
            let _ = self.misbehave(&mut dice, stream);
        } else if request.path.starts_with("/api/") {
            let _ = self.list(&mut dice, stream);
        } else {
            let _ = self.send(&mut dice, request, stream);
        }
    }

    fn misbehave(&self, dice: &mut Dice, mut stream: &TcpStream) -> std::io::Result<()> {
        let to = [
            format!("{}/there", self.elsewhere),
            "//127.0.0.1:9/x".to_owned(),
            "/again".to_owned(),
            "file:///etc/passwd".to_owned(),
            "..".to_owned(),
        ];
        let status = [
            200, 204, 206, 301, 302, 307, 308, 401, 404, 416, 429, 500, 503, 999,
        ];
        let head = match dice.roll(4) {
            0 => String::new(),
            1 => "HTTP/1.1 200 OK\r\nX: ".to_owned() + &"x".repeat(1 << 20),
            2 => "\0\x1b[2J not HTTP\r\n\r\n".to_owned(),
            _ => format!(
                "HTTP/1.1 {} X\r\nLocation: {}\r\nETag: \"{}\"\r\nConnection: close\r\n\r\n",
                status[dice.roll(status.len())],
                to[dice.roll(to.len())],
                self.name(dice, &NAMES),
            ),
        };
        stream.write_all(head.as_bytes())?;
        match dice.roll(2) {
            0 => wait_for_the_end(stream),
            _ => Ok(()),
        }
    }

    fn list(&self, dice: &mut Dice, stream: &TcpStream) -> std::io::Result<()> {
        let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
        for (name, bytes) in &self.files {
            let lies = [0, 1, u64::MAX, bytes.len() as u64 + 1];
            let size = match dice.lies(10) {
                true => lies[dice.roll(4)],
                false => bytes.len() as u64,
            };
            sizes.insert(name.clone(), size);
        }
        if dice.lies(4) {
            sizes.insert(self.name(dice, &FILES), 9);
        }
        let sibling = |(name, size)| serde_json::json!({"rfilename": name, "size": size});
        let siblings: Vec<_> = sizes.iter().map(sibling).collect();
        let sha = match dice.lies(6) {
            true => self.name(dice, &NAMES),
            false => "abc".to_owned(),
        };
        let mut body = serde_json::json!({"siblings": siblings, "sha": sha}).to_string();
        if dice.lies(20) {
            body = "[".repeat(100_000);
        }
        let course = self.course(dice);
        self.pour("HTTP/1.1 200 OK\r\n", &course, body.as_bytes(), stream)
    }

    fn send(&self, dice: &mut Dice, request: &Request, stream: &TcpStream) -> std::io::Result<()> {
        let name = request.path.rsplit('/').next().unwrap_or_default();
        let none = Vec::new();
        let content = self.files.get(name).unwrap_or(&none);
        let (from, is_probe) = request.from.unwrap_or((0, false));
        let to = if is_probe { from + 1 } else { content.len() };
        let from = if dice.lies(12) { from / 2 } else { from };
        let end = to.min(content.len());
        let part = &content[from.min(end)..end];
        let honest = |dice: &mut Dice, truth: String| match dice.lies(6) {
            true => self.name(dice, &NAMES),
            false => truth,
        };
        let etag = honest(dice, format!("{:x}", content.len()));
        let commit = honest(dice, "abc".to_owned());
        let linked = match dice.lies(4).then(|| dice.roll(3)) {
            Some(0) => format!("X-Linked-Size: {}\r\n", u64::MAX),
            Some(1) => format!("X-Linked-ETag: \"{}\"\r\n", self.name(dice, &NAMES)),
            Some(_) => format!("Content-Range: bytes 7-9/{}\r\n", dice.roll(5)),
            None => format!("Content-Range: bytes {from}-{to}/{}\r\n", content.len()),
        };
        let status = match dice.lies(5).then(|| dice.roll(2)) {
            Some(0) => format!("302 Found\r\nLocation: {}/store", self.elsewhere),
            Some(_) => "200 OK".to_owned(),
            None => "206 Partial Content".to_owned(),
        };
        let head =
            format!("HTTP/1.1 {status}\r\nETag: \"{etag}\"\r\nX-Repo-Commit: {commit}\r\n{linked}");
        let course = self.course(dice);
        self.pour(&head, &course, part, stream)
    }

    fn course(&self, dice: &mut Dice) -> Course {
        match dice.lies(4).then(|| dice.roll(4)) {
            None => Course::Whole,
            Some(0) => Course::Cut,
            Some(1) => Course::Silence,
            Some(2) => Course::Endless,
            Some(_) => Course::Drip,
        }
    }

    fn pour(
        &self,
        head: &str,
        course: &Course,
        body: &[u8],
        mut stream: &TcpStream,
    ) -> std::io::Result<()> {
        let length = match course {
            Course::Endless => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        stream.write_all(format!("{head}{length}Connection: close\r\n\r\n").as_bytes())?;
        match course {
            Course::Whole => stream.write_all(body),
            Course::Cut => stream.write_all(&body[..body.len() / 2]),
            Course::Silence => {
                stream.write_all(&body[..body.len() / 2])?;
                wait_for_the_end(stream)
            }
            Course::Endless => loop {
                stream.write_all(&[b' '; 4096])?;
            },
            Course::Drip => body.iter().try_for_each(|byte| {
                std::thread::sleep(Duration::from_millis(5));
                stream.write_all(&[*byte])
            }),
        }
    }
}

/// Says nothing until the other side goes away.
fn wait_for_the_end(stream: &TcpStream) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    BufReader::new(stream).read_until(0, &mut buffer).map(drop)
}

/// All that is at `path` and below, with what it holds; the cache at `but` left out.
fn tree(path: &Path, but: &Path) -> BTreeSet<(PathBuf, String)> {
    let entries = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let entries = entries.filter(|path| path != but);
    let each = entries.flat_map(|path| match fs::symlink_metadata(&path).unwrap() {
        there if there.is_dir() => {
            let mut below = tree(&path, but);
            below.insert((path, "a folder".to_owned()));
            below
        }
        there if there.is_symlink() => {
            let to = fs::read_link(&path).unwrap();
            BTreeSet::from([(path, format!("to {}", to.display()))])
        }
        _ => {
            let content = fs::read(&path).unwrap();
            BTreeSet::from([(path, String::from_utf8_lossy(&content).into_owned())])
        }
    });
    each.collect()
}

/// Links in the cache stay in it.
fn assert_links_stay(cache: &Path) {
    let root = fs::canonicalize(cache).unwrap();
    for (path, what) in tree(cache, Path::new("")) {
        if what.starts_with("to ") {
            let to = fs::canonicalize(&path).unwrap();
            assert!(
                to.starts_with(&root),
                "{} leads to {}",
                path.display(),
                to.display()
            );
        }
    }
}

fn finished(mut child: Child, what: &str) -> Output {
    let since = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if since.elapsed() > LIMIT {
            let _ = child.kill();
            let told = child.wait_with_output().unwrap();
            panic!("{what} does not end: {told:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().unwrap()
}

fn model() -> BTreeMap<String, Vec<u8>> {
    let files = ["config.json", "tokenizer.json", "model.safetensors"];
    let read = |name: &str| fs::read(repository("assets/models/untuned").join(name)).unwrap();
    let mut files: BTreeMap<_, _> = files.map(|name| (name.to_owned(), read(name))).into();
    // What a part holds does not matter, only that there are some; small ones drip to their end.
    let index = br#"{"weight_map": {"a": "model-1.safetensors"}}"#;
    files.remove("model.safetensors");
    files.insert("model-1.safetensors".to_owned(), vec![7; 300_000]);
    files.insert("model.safetensors.index.json".to_owned(), index.to_vec());
    files
}

/// Whether the model came.
fn play(seed: u64) -> bool {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("victim"), "precious").unwrap();
    let home = root.path().join("home");
    let cache = home.join("hub");
    fs::create_dir_all(&cache).unwrap();
    fs::write(home.join("victim"), "precious").unwrap();
    let before = tree(root.path(), &cache);

    let other = Server::start(|_, mut stream: &TcpStream| {
        let head = "HTTP/1.1 200 OK\r\nETag: \"x\"\r\nX-Repo-Commit: abc\r\n";
        let _ = stream.write_all(format!("{head}Content-Length: 3\r\n\r\nabc").as_bytes());
    });
    let script = Script {
        seed,
        root: root.path().display().to_string(),
        files: model(),
        elsewhere: other.address.clone(),
        n_asked: AtomicUsize::new(0),
    };
    let hub = Server::start(move |request, stream| script.answer(request, stream));
    let mut command = Command::new(env!("CARGO_BIN_EXE_w2s"));
    command
        .args(["models", "pull", "hf:owner/name"])
        .env_clear()
        .env("HOME", &home)
        .env("HF_HUB_CACHE", &cache)
        .env("HF_ENDPOINT", &hub.address)
        .env("HF_HUB_DOWNLOAD_TIMEOUT", PATIENCE)
        .env("HF_TOKEN", TOKEN)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = finished(command.spawn().unwrap(), &format!("script {seed}"));

    let told = String::from_utf8(output.stderr.clone()).unwrap();
    let is_done = output.status.success();
    assert!(
        is_done || output.status.code() == Some(2),
        "script {seed}: {output:?}"
    );
    assert_eq!(
        told.lines().count(),
        usize::from(!is_done),
        "script {seed}: {told}"
    );
    assert!(
        !told.chars().any(|c| c.is_control() && c != '\n'),
        "script {seed}: {told:?}"
    );
    assert_eq!(tree(root.path(), &cache), before, "script {seed}");
    assert_links_stay(&cache);
    assert_eq!(
        *other.tokens.lock().unwrap(),
        Vec::<String>::new(),
        "script {seed}"
    );
    let shown = hub.tokens.lock().unwrap();
    assert!(
        shown
            .iter()
            .all(|token| *token == format!("Bearer {TOKEN}"))
    );
    // On a busy machine a request may give up before it is read: then nothing was fetched.
    assert!(
        !shown.is_empty() || !is_done,
        "the hub itself is shown the token"
    );
    is_done
}

#[test]
fn a_hub_that_lies_writes_nothing_elsewhere_and_hears_no_token_for_others() {
    let next = AtomicUsize::new(0);
    let n_done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed) as u64;
                    if seed >= N_SCRIPTS {
                        break;
                    }
                    n_done.fetch_add(usize::from(play(seed)), Ordering::Relaxed);
                }
            });
        }
    });
    // Lies that keep everything from coming would show nothing.
    let n_done = n_done.into_inner();
    assert!((5..150).contains(&n_done), "{n_done} came");
}

/// One answer for every request for a file.
fn pull_from(answer: impl Fn(&Request, &TcpStream) + Send + Sync + 'static) -> (Output, TempDir) {
    let home = TempDir::new().unwrap();
    let hub = Server::start(answer);
    let mut command = Command::new(env!("CARGO_BIN_EXE_w2s"));
    command
        .args(["models", "pull", "hf:owner/name:m.gguf"])
        .env_clear()
        .env("HOME", home.path())
        .env("HF_ENDPOINT", &hub.address)
        .env("HF_HUB_DOWNLOAD_TIMEOUT", PATIENCE)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = finished(command.spawn().unwrap(), "it");
    (output, home)
}

const LIST: &str =
    "{\"siblings\": [{\"rfilename\": \"m.gguf\", \"size\": 1000}], \"sha\": \"abc\"}";

fn reply(mut stream: &TcpStream, head: &str, body: &str) {
    let length = format!(
        "Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(format!("HTTP/1.1 {head}\r\n{length}{body}").as_bytes());
}

/// The list, and of files `head`; then what `body` writes.
fn pull_with(
    head: &'static str,
    body: impl Fn(&TcpStream) + Send + Sync + 'static,
) -> (Output, TempDir) {
    pull_from(move |request, mut stream| match &request.path {
        path if path.starts_with("/api/") => reply(stream, "200 OK", LIST),
        _ => {
            let _ = stream.write_all(format!("HTTP/1.1 {head}\r\n\r\n").as_bytes());
            if !request.from.is_some_and(|from| from.1) {
                body(stream);
            }
        }
    })
}

const GOOD: &str = "200 OK\r\nETag: \"e\"\r\nX-Repo-Commit: abc\r\nX-Linked-Size: 1000\r\n\
                    Connection: close";

fn told(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_body_without_end_stops_at_its_promised_size() {
    let (output, home) = pull_with(
        GOOD,
        |mut stream| {
            while stream.write_all(&[7; 4096]).is_ok() {}
        },
    );
    let told = told(&output);
    assert!(told.contains("1001 of 1000 bytes of m.gguf came"), "{told}");
    let blobs = home
        .path()
        .join(".cache/huggingface/hub/models--owner--name/blobs");
    assert_eq!(fs::read_dir(blobs).unwrap().count(), 0);
}

#[test]
fn silence_and_drips_are_told() {
    let drip = |mut stream: &TcpStream| {
        while stream.write_all(&[7]).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let silence = |stream: &TcpStream| drop(wait_for_the_end(stream));
    for (output, _home) in [
        pull_with(GOOD, silence),
        pull_with(GOOD, drip),
        pull_from(|_, stream| drop(wait_for_the_end(stream))),
    ] {
        let told = told(&output);
        assert!(told.contains("sends nothing for 0.1 s"), "{told}");
        assert!(told.contains("HF_HUB_DOWNLOAD_TIMEOUT"), "{told}");
    }
}

#[test]
fn an_interrupt_ends_a_pull_at_once() {
    let hub = Server::start(|_, stream| drop(wait_for_the_end(stream)));
    for (signal, code) in super::stopping::signals() {
        let home = TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_w2s"));
        command
            .args(["models", "pull", "hf:owner/name"])
            .env_clear()
            .env("HOME", home.path())
            .env("HF_ENDPOINT", &hub.address)
            // Longer than the test waits.
            .env("HF_HUB_DOWNLOAD_TIMEOUT", "3600")
            .stderr(Stdio::piped())
            .stdout(Stdio::piped());
        hub.tokens.lock().unwrap().clear();
        let child = command.env("HF_TOKEN", TOKEN).spawn().unwrap();
        let since = Instant::now();
        while hub.tokens.lock().unwrap().is_empty() {
            assert!(since.elapsed() < LIMIT, "it does not ask");
            std::thread::sleep(Duration::from_millis(2));
        }
        super::terminal::send(signal, child.id());
        let output = finished(child, signal);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert_eq!(output.stdout, b"");
    }
}
