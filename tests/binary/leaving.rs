//! However it ends, the terminal is as it was.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use tempfile::TempDir;

use super::terminal::{Tty, send};
use super::tiny_gguf;

const ARGS: [&str; 5] = ["--no-tour", "--pace", "0", "-n", "400"];

fn searching() -> (Tty, TempDir) {
    searching_with(&[])
}

fn searching_with(args: &[&str]) -> (Tty, TempDir) {
    let home = TempDir::new().unwrap();
    let tty = Tty::w2s(home.path(), (80, 24), &[&ARGS, args].concat());
    tty.wait("scores", |output| output.n_scores() >= 8);
    (tty, home)
}

#[test]
fn by_key() {
    for key in ["q", "\x03"] {
        let (mut tty, _home) = searching();
        assert!(tty.see(|output| output.parser.screen().alternate_screen()));
        tty.press(key);
        assert_eq!(tty.exit_code(), 0, "{key:?}");
        tty.assert_restored();
    }
}

#[test]
fn by_signal() {
    for signal in ["TERM", "HUP", "INT", "QUIT", "USR1", "USR2", "ALRM"] {
        let (mut tty, _home) = searching();
        tty.signal(signal);
        assert_eq!(tty.exit_code(), 0, "{signal}");
        tty.assert_restored();
    }
}

/// Signals that nobody sends to ask for an end: they end the process that works.
#[test]
fn by_any_other_signal_that_can_be_caught() {
    let cases = [
        ("ABRT", 2, "for want of memory"),
        ("TRAP", 133, ""),
        ("SYS", 159, ""),
        ("XCPU", 152, ""),
        ("XFSZ", 153, ""),
        ("VTALRM", 154, ""),
        ("PROF", 155, ""),
        ("IO", 157, ""),
        ("PWR", 158, ""),
    ];
    for (signal, code, told) in cases {
        let (mut tty, _home) = searching();
        tty.signal(signal);
        assert_eq!(tty.exit_code(), code, "{signal}");
        tty.assert_restored();
        tty.wait(told, |output| output.one_line().contains(told));
    }
}

/// What no process can catch is seen by the other one.
#[test]
fn by_the_death_of_either_process() {
    let cases = [
        ("KILL", 137, "was killed"),
        ("SEGV", 139, "SIGSEGV"),
        ("BUS", 2, "a file of weights shrank"),
    ];
    for (signal, code, told) in cases {
        let (mut tty, _home) = searching();
        let worker = tty.worker_pid();
        send(signal, worker);
        // The standard library's own handler takes a first one that no fault has caused.
        if signal != "KILL" {
            std::thread::sleep(Duration::from_millis(100));
            send(signal, worker);
        }
        assert_eq!(tty.exit_code(), code, "{signal}");
        tty.assert_restored();
        tty.wait(told, |output| output.one_line().contains(told));
    }
    let (tty, _home) = searching();
    let worker = tty.worker_pid();
    send("KILL", tty.pid());
    tty.assert_restored();
    gone(worker);
}

fn gone(pid: u32) {
    let since = Instant::now();
    while Path::new(&format!("/proc/{pid}/exe")).exists() {
        assert!(since.elapsed() < Duration::from_secs(60), "{pid} goes on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn before_the_models_are_loaded() {
    let home = TempDir::new().unwrap();
    let mut tty = Tty::w2s(home.path(), (80, 24), &["--no-tour"]);
    tty.wait_for("w2s");
    tty.press("q");
    assert_eq!(tty.exit_code(), 0);
    tty.assert_restored();
}

#[test]
fn by_a_file_of_weights_that_shrinks() {
    let folder = TempDir::new().unwrap();
    let gguf = folder.path().join("model.gguf");
    tiny_gguf::write(&gguf, &[]);
    let (mut tty, _home) = searching_with(&["--strong", gguf.to_str().unwrap()]);
    let file = std::fs::OpenOptions::new().write(true).open(&gguf).unwrap();
    file.set_len(0).unwrap();
    assert_eq!(tty.exit_code(), 2);
    tty.assert_restored();
    tty.wait("a sentence", |output| {
        output.one_line().contains("a file of weights shrank")
    });
}

/// Hundreds of millions of weights, all of them 0 and none on the disk.
fn large_and_hollow(folder: &Path) {
    let (hidden, ffn, n_layers) = (1024, 4096, 8);
    let config = serde_json::json!({
        "model_type": "llama", "hidden_size": hidden, "num_hidden_layers": n_layers,
        "num_attention_heads": 8, "intermediate_size": ffn, "vocab_size": 4096,
        "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
    });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![4096, hidden]),
        ("model.norm.weight".to_owned(), vec![hidden]),
    ];
    for layer in 0..n_layers {
        let mut add = |name: &str, shape: Vec<usize>| {
            shapes.push((format!("model.layers.{layer}.{name}.weight"), shape));
        };
        for part in ["q", "k", "v", "o"] {
            add(&format!("self_attn.{part}_proj"), vec![hidden, hidden]);
        }
        for part in ["gate", "up"] {
            add(&format!("mlp.{part}_proj"), vec![ffn, hidden]);
        }
        add("mlp.down_proj", vec![hidden, ffn]);
        add("input_layernorm", vec![hidden]);
        add("post_attention_layernorm", vec![hidden]);
    }
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    for (name, shape) in shapes {
        let start = end;
        end += 2 * shape.iter().product::<usize>();
        let info =
            serde_json::json!({"dtype": "F16", "shape": shape, "data_offsets": [start, end]});
        header.insert(name, info);
    }
    let header = serde_json::Value::Object(header).to_string();
    let begin = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    let file = folder.join("model.safetensors");
    std::fs::write(&file, &begin).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    file.set_len((begin.len() + end) as u64).unwrap();
}

#[test]
fn by_weights_that_shrink_while_they_are_loaded() {
    let made = super::folders::Folders::new();
    let folder = made.model("hollow", large_and_hollow);
    let (mut tty, _home) = searching();
    tty.press(&format!("B{folder}\r"));
    tty.wait("a load", |output| {
        output.has("loading ") && output.has(" %")
    });
    // So that the load is not over first, however busy the machine is. The other process stops too.
    send("STOP", tty.worker_pid());
    stopped(tty.pid());
    let file = Path::new(&folder).join("model.safetensors");
    let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    file.set_len(8).unwrap();
    tty.signal("CONT");
    assert_eq!(tty.exit_code(), 2);
    tty.assert_restored();
    tty.wait("a sentence", |output| {
        output.one_line().contains("a file of weights shrank")
    });
}

#[test]
fn while_the_terminal_does_not_read() {
    for end in ["q", "TERM", "HUP"] {
        let (mut tty, _home) = searching();
        let worker = tty.worker_pid();
        {
            let stall = tty.stall();
            let _stalled = stall.lock().unwrap();
            // Until no frame goes out any more.
            std::thread::sleep(Duration::from_millis(500));
            match end {
                "q" => tty.press(end),
                signal => tty.signal(signal),
            }
            gone(worker);
        }
        assert_eq!(tty.exit_code(), 0, "{end}");
        tty.assert_restored();
    }
}

#[test]
fn by_a_terminal_that_is_closed() {
    let home = TempDir::new().unwrap();
    let pty = native_pty_system().openpty(PtySize::default()).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_w2s"));
    command.env_clear();
    command.env("HOME", home.path());
    command.env("TERM", "xterm-256color");
    command.args(ARGS);
    let mut child = pty.slave.spawn_command(command).unwrap();
    let mut reader = pty.master.try_clone_reader().unwrap();
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while !seen.windows(8).any(|bytes| bytes == b"\x1b[?1049h") {
        let n = reader.read(&mut buffer).unwrap();
        seen.extend_from_slice(&buffer[..n]);
    }
    drop((reader, pty));
    let since = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "it goes on");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.signal().is_none(), "{status:?}");
    assert!([0, 2].contains(&status.exit_code()), "{status:?}");
}

#[test]
fn for_a_while_and_back() {
    for key in [true, false] {
        let (mut tty, _home) = searching();
        match key {
            true => tty.press("\x1a"),
            false => tty.signal("TSTP"),
        }
        tty.assert_restored();
        stopped(tty.pid());
        let before = tty.see(|output| output.bytes.len());
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(tty.see(|output| output.bytes.len()), before, "it draws on");
        tty.signal("CONT");
        tty.wait("the screen", |output| {
            output.parser.screen().alternate_screen() && output.n_scores() >= 8
        });
        tty.see(|output| {
            let screen = output.parser.screen();
            assert!(screen.bracketed_paste() && screen.hide_cursor());
            assert_ne!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        });
        tty.press("q");
        assert_eq!(tty.exit_code(), 0);
        tty.assert_restored();
    }
}

/// Waits until a process stands still.
fn stopped(pid: u32) {
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next()
    };
    let since = Instant::now();
    while state() != Some('T') {
        assert!(since.elapsed() < Duration::from_secs(60), "it goes on");
        std::thread::sleep(Duration::from_millis(5));
    }
}
