//! What a floor is to do: the requests of a case, as they were recorded, in a file.
//!
//! The form is as plain as it can be, for reading it is part of what is measured: lines of words, and bytes whose number
//! the line before names.

use std::net::SocketAddr;

use bytes::Bytes;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Where it goes.
    pub to: SocketAddr,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// Its headers, without the length.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
    /// The status that it was answered.
    pub status: u16,
}

/// Requests side by side: each of the lists is made one after another.
pub type Round = Vec<Vec<Asked>>;

/// All that a function did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Before it asked for its first event, round after round.
    pub init: Vec<Round>,
    /// For one event.
    pub invocation: Vec<Round>,
    /// The status of its answer.
    pub status: u16,
    /// The type of its answer.
    pub content_type: String,
    /// Its answer.
    pub answer: Bytes,
}

const BAD: &str = "the script is not what `Script::write` writes";

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The words of the next line.
    fn line(&mut self) -> Result<Vec<&'a str>, &'static str> {
        let end = self.0.iter().position(|byte| *byte == b'\n').ok_or(BAD)?;
        let (line, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        Ok(str::from_utf8(line).map_err(|_| BAD)?.split(' ').collect())
    }

    fn bytes(&mut self, length: &str) -> Result<Bytes, &'static str> {
        let (bytes, rest) = self.0.split_at_checked(length.parse().map_err(|_| BAD)?).ok_or(BAD)?;
        self.0 = rest;
        Ok(Bytes::copy_from_slice(bytes))
    }

    fn asked(&mut self) -> Result<Asked, &'static str> {
        let line = self.line()?;
        let [to, method, path, status, headers, body] = line.as_slice() else { return Err(BAD) };
        let mut asked = Asked {
            to: to.parse().map_err(|_| BAD)?,
            method: (*method).to_owned(),
            path: (*path).to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            status: status.parse().map_err(|_| BAD)?,
        };
        for _ in 0..headers.parse().map_err(|_| BAD)? {
            let line = self.line()?;
            let (name, value) = line.split_first().ok_or(BAD)?;
            asked.headers.push(((*name).to_owned(), value.join(" ")));
        }
        asked.body = self.bytes(body)?;
        Ok(asked)
    }

    fn rounds(&mut self, count: &str) -> Result<Vec<Round>, &'static str> {
        let mut rounds = Vec::new();
        for _ in 0..count.parse().map_err(|_| BAD)? {
            let lanes = self.line()?;
            let lane = |count: &&str| {
                let asked = (0..count.parse().map_err(|_| BAD)?).map(|_| self.asked());
                asked.collect::<Result<Vec<_>, _>>()
            };
            rounds.push(lanes.iter().map(lane).collect::<Result<_, _>>()?);
        }
        Ok(rounds)
    }
}

impl Script {
    /// Reads what [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut reader = Reader(bytes);
        let line = reader.line()?;
        let [init, invocation, status, length, content_type @ ..] = line.as_slice() else { return Err(BAD) };
        Ok(Self {
            answer: reader.bytes(length)?,
            init: reader.rounds(init)?,
            invocation: reader.rounds(invocation)?,
            status: status.parse().map_err(|_| BAD)?,
            content_type: content_type.join(" "),
        })
    }

    /// Writes it as a file.
    pub fn write(&self) -> Vec<u8> {
        let Self { init, invocation, status, content_type, answer } = self;
        let (rounds, length) = (init.len(), answer.len());
        let mut out = format!("{rounds} {} {status} {length} {content_type}\n", invocation.len()).into_bytes();
        out.extend_from_slice(answer);
        for round in init.iter().chain(invocation) {
            let lanes: Vec<String> = round.iter().map(|lane| lane.len().to_string()).collect();
            out.extend_from_slice(format!("{}\n", lanes.join(" ")).as_bytes());
            for Asked { to, method, path, headers, body, status } in round.iter().flatten() {
                let line = format!("{to} {method} {path} {status} {} {}\n", headers.len(), body.len());
                out.extend_from_slice(line.as_bytes());
                for (name, value) in headers {
                    out.extend_from_slice(format!("{name} {value}\n").as_bytes());
                }
                out.extend_from_slice(body);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let asked = |path: &str, body: &'static [u8]| Asked {
            to: SocketAddr::from(([127, 0, 0, 1], 80)),
            method: "POST".to_owned(),
            path: path.to_owned(),
            headers: vec![("host".to_owned(), "a b".to_owned()), ("empty".to_owned(), String::new())],
            body: Bytes::from_static(body),
            status: 200,
        };
        let script = Script {
            init: vec![vec![vec![asked("/", b"")]]],
            invocation: vec![
                vec![vec![asked("/1", b"one\ntwo\n"), asked("/2", b"\0\xff")], vec![asked("/3", b"3")]],
                vec![vec![asked("/4", b"{}")]],
            ],
            status: 201,
            content_type: "application/json; charset=utf-8".to_owned(),
            answer: Bytes::from_static(b"\n7 8\n"),
        };
        assert_eq!(Script::read(&script.write()), Ok(script));
        assert_eq!(Script::read(b"no script\n"), Err(BAD));
    }
}
