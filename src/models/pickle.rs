//! What a pickle would take to read, found without reading it: candle's unpickler allocates what
//! lengths say, and copies what is remembered whenever it is asked for.

use std::collections::HashMap;

/// Things a state dict may make: the largest models have a few thousand tensors of some forty.
const MAX_THINGS: u64 = 2_000_000;
/// How deep things may hold things.
const MAX_DEPTH: u32 = 100;

/// How many things an object is, and how deep.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    n: u64,
    depth: u32,
}

/// Goes through a pickle's operations.
///
/// # Errors
/// An operation that is not read, that is cut short, or that makes too much.
pub(super) fn check(pickle: &[u8]) -> Result<(), String> {
    let mut machine = Machine {
        rest: pickle,
        ..Machine::default()
    };
    while !machine.step()? {
        if machine.made > MAX_THINGS {
            return Err("its pickle unfolds without end".to_owned());
        }
    }
    Ok(())
}

#[derive(Default)]
struct Machine<'a> {
    rest: &'a [u8],
    /// `None` is a mark.
    stack: Vec<Option<Size>>,
    memo: HashMap<u32, Size>,
    made: u64,
}

impl Machine<'_> {
    /// Whether the pickle is at its end.
    fn step(&mut self) -> Result<bool, String> {
        let op = self.take(1)?[0];
        match op {
            b'.' => return Ok(true),
            0x80 => self.take(1).map(drop)?,
            b'(' => self.stack.push(None),
            b')' | b']' | b'}' | b'd' | b'N' | 0x88 | 0x89 => self.leaf(0)?,
            b'K' => self.plain(1)?,
            b'M' => self.plain(2)?,
            b'J' => self.plain(4)?,
            b'G' => self.plain(8)?,
            0x8a => {
                let n = self.take(1)?[0];
                self.plain(n.into())?;
            }
            b'X' => {
                let n = self.number(4)?;
                self.plain(n as usize)?;
            }
            b'c' => {
                let n = self.line()? + self.line()?;
                self.leaf(n)?;
            }
            b'q' | b'r' => {
                let id = self.number(if op == b'q' { 1 } else { 4 })?;
                let top = self.stack.last().copied().flatten().unwrap_or_default();
                self.made += top.n;
                self.memo.insert(id, top);
            }
            b'h' | b'j' => {
                let id = self.number(if op == b'h' { 1 } else { 4 })?;
                let size = self.memo.get(&id).copied();
                let size = size.ok_or("its pickle asks for what was not remembered")?;
                self.push(size)?;
            }
            0x85 | b'Q' => self.join(1)?,
            0x86 | b'R' | b'b' | 0x81 => self.join(2)?,
            0x87 => self.join(3)?,
            b'a' => self.join(2)?,
            b's' => self.join(3)?,
            b't' => {
                let size = self.pop_to_mark()?;
                self.push(size)?;
            }
            b'u' | b'e' => {
                let size = self.pop_to_mark()?;
                self.push(size)?;
                self.join(2)?;
            }
            other => {
                return Err(format!(
                    "its pickle has the operation {other:#04x}, which is not read"
                ));
            }
        }
        Ok(false)
    }

    fn take(&mut self, n: usize) -> Result<&[u8], String> {
        let (taken, rest) = self
            .rest
            .split_at_checked(n)
            .ok_or("its pickle is cut short")?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self, n: usize) -> Result<u32, String> {
        let bytes = self.take(n)?.iter().rev();
        Ok(bytes.fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// The length of a line, which is passed.
    fn line(&mut self) -> Result<usize, String> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let end = end.ok_or("its pickle is cut short")?;
        self.take(end + 1).map(<[u8]>::len)
    }

    /// A thing that is written in `n` bytes.
    fn plain(&mut self, n: usize) -> Result<(), String> {
        self.take(n)?;
        self.leaf(n)
    }

    fn leaf(&mut self, n_bytes: usize) -> Result<(), String> {
        let n = 1 + n_bytes as u64 / 64;
        self.push(Size { n, depth: 0 })
    }

    fn push(&mut self, size: Size) -> Result<(), String> {
        if size.depth > MAX_DEPTH {
            return Err("its pickle nests without end".to_owned());
        }
        self.made += size.n;
        self.stack.push(Some(size));
        Ok(())
    }

    /// The last `n` things become one.
    fn join(&mut self, n: usize) -> Result<(), String> {
        let mut whole = Size { n: 1, depth: 0 };
        for _ in 0..n {
            let part = self.stack.pop().flatten();
            whole.add(part.ok_or("its pickle takes what is not there")?);
        }
        // What it is made of was counted.
        self.made = self.made.saturating_sub(whole.n);
        self.push(whole)
    }

    /// All things down to the last mark become one.
    fn pop_to_mark(&mut self) -> Result<Size, String> {
        let mut whole = Size { n: 1, depth: 0 };
        while let Some(part) = self
            .stack
            .pop()
            .ok_or("its pickle takes what is not there")?
        {
            whole.add(part);
        }
        self.made = self.made.saturating_sub(whole.n);
        Ok(whole)
    }
}

impl Size {
    fn add(&mut self, part: Self) {
        self.n += part.n;
        self.depth = self.depth.max(part.depth + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pickle: &[u8]) -> String {
        check(pickle).unwrap_err()
    }

    #[test]
    fn a_length_is_no_longer_than_the_file() {
        assert!(told(b"X\xff\xff\xff\xffabc.").contains("cut short"));
        assert!(told(b"ctorch").contains("cut short"));
    }

    #[test]
    fn what_doubles_is_refused() {
        // A tuple of what is remembered twice, remembered in its place.
        let doubling = b"h\x00h\x00\x86q\x00".repeat(40);
        let pickle = [&b"Nq\x00"[..], &doubling, b"."].concat();
        assert!(told(&pickle).contains("unfolds"), "{}", told(&pickle));
        assert!(told(&[&b"N"[..], &b"\x85".repeat(5000), b"."].concat()).contains("nests"));
    }

    #[test]
    fn stacks_are_not_empty() {
        for pickle in [&b"R."[..], b"t.", b"h\x05.", b"\xff.", b""] {
            assert!(check(pickle).is_err(), "{pickle:?}");
        }
        assert_eq!(check(b"\x80\x02}q\x00(X\x01\x00\x00\x00aK\x01u."), Ok(()));
    }
}
