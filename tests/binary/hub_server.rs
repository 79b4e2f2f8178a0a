//! A hub of one's own on the loopback device: the part of the Hugging Face hub's interface that
//! fetching uses, over real connections, with faults on demand.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What goes wrong, and how often.
#[derive(Clone, Copy, PartialEq)]
pub enum Fault {
    None,
    /// So many answers with a file's content break off after so many bytes.
    CutAfter {
        bytes: usize,
        times: usize,
    },
    /// Every request is answered with this status, unless it brings the token "secret".
    Status(u16),
    /// Requests for a part of a file are answered with all of it, after one break.
    IgnoresRanges,
    /// Content comes in small pieces.
    Slow,
}

pub struct HubServer {
    pub endpoint: String,
    state: Arc<State>,
}

struct State {
    files: BTreeMap<String, Vec<u8>>,
    fault: Mutex<Fault>,
    /// Request lines with their range, as they came.
    seen: Mutex<Vec<String>>,
}

/// A request as far as it matters.
struct Request {
    path: String,
    /// The first byte wanted, and whether only that one is.
    from: Option<(usize, bool)>,
    has_token: bool,
}

impl HubServer {
    /// Serves `files` as the model `owner/name`.
    pub fn start(files: BTreeMap<String, Vec<u8>>, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            files,
            fault: Mutex::new(fault),
            seen: Mutex::default(),
        });
        let serving = state.clone();
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = serving.clone();
                std::thread::spawn(move || state.serve(&stream));
            }
        });
        Self { endpoint, state }
    }

    pub fn mend(&self) {
        *self.state.fault.lock().unwrap() = Fault::None;
    }

    /// Requests for files' contents, with the first byte wanted.
    pub fn seen(&self) -> Vec<String> {
        self.state.seen.lock().unwrap().clone()
    }
}

impl State {
    /// One request a connection.
    fn serve(&self, stream: &TcpStream) {
        let Some(request) = read(stream) else { return };
        let refused = match *self.fault.lock().unwrap() {
            Fault::Status(code) if !request.has_token => Some(code),
            _ => None,
        };
        let file = request.path.strip_prefix("/owner/name/resolve/main/");
        let content = file.and_then(|name| self.files.get(name));
        // A reader that goes away has seen enough.
        let _ = match (refused, content) {
            (Some(code), _) => status(stream, code),
            (None, Some(content)) => self.send(stream, &request, content),
            (None, None) if request.path == "/api/models/owner/name/revision/main?blobs=true" => {
                self.list(stream)
            }
            (None, None) => status(stream, 404),
        };
    }

    fn list(&self, stream: &TcpStream) -> std::io::Result<()> {
        let file = |(name, bytes): (&String, &Vec<u8>)| serde_json::json!({"rfilename": name, "size": bytes.len()});
        let siblings: Vec<_> = self.files.iter().map(file).collect();
        let body = serde_json::json!({"siblings": siblings, "sha": "abc"}).to_string();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
        write_all(
            stream,
            format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes(),
        )
    }

    fn send(&self, stream: &TcpStream, request: &Request, content: &[u8]) -> std::io::Result<()> {
        let (from, is_probe) = request.from.unwrap_or((0, false));
        let to = if is_probe { from + 1 } else { content.len() };
        let mut part = &content[from.min(content.len())..to.max(from)];
        if !is_probe {
            self.seen
                .lock()
                .unwrap()
                .push(format!("{} {from}", request.path));
            if self.ignores_range(from) {
                part = content;
            }
        }
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nETag: \"{:x}\"\r\n\
             X-Repo-Commit: abc\r\nContent-Range: bytes {from}-{}/{}\r\nContent-Length: {}\r\n\r\n",
            content.len() * 31 + usize::from(content.first().copied().unwrap_or(0)),
            to.saturating_sub(1),
            content.len(),
            part.len(),
        );
        write_all(stream, head.as_bytes())?;
        match self.cut(is_probe) {
            Some(n) => write_all(stream, &part[..n.min(part.len())]),
            None => self.pour(stream, part),
        }
    }

    fn pour(&self, stream: &TcpStream, part: &[u8]) -> std::io::Result<()> {
        if *self.fault.lock().unwrap() != Fault::Slow {
            return write_all(stream, part);
        }
        part.chunks(part.len() / 20 + 1).try_for_each(|chunk| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            write_all(stream, chunk)
        })
    }

    /// After how many bytes this answer breaks off.
    fn cut(&self, is_probe: bool) -> Option<usize> {
        let mut fault = self.fault.lock().unwrap();
        match &mut *fault {
            Fault::CutAfter { bytes, times } if !is_probe && *times > 0 => {
                *times -= 1;
                Some(*bytes)
            }
            Fault::IgnoresRanges if !is_probe && self.seen.lock().unwrap().len() == 1 => Some(100),
            _ => None,
        }
    }

    fn ignores_range(&self, from: usize) -> bool {
        from > 0 && *self.fault.lock().unwrap() == Fault::IgnoresRanges
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let mut request = Request {
        path,
        from: None,
        has_token: false,
    };
    for line in lines.take_while(|line| !line.is_empty()) {
        let line = line.to_lowercase();
        request.has_token |= line == "authorization: bearer secret";
        if let Some(range) = line.strip_prefix("range: bytes=") {
            let (from, to) = range.split_once('-')?;
            request.from = Some((from.parse().ok()?, !to.is_empty()));
        }
    }
    Some(request)
}

fn status(stream: &TcpStream, code: u16) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {code} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    write_all(stream, head.as_bytes())
}

fn write_all(mut stream: &TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)
}
