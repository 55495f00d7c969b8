//! Connections of HTTP/2: frames are read and answered, requests are played side by side.

use super::wire_frames as wire;
use super::{Act, Director, Heard, Played, SILENCE, Step, play};
use crate::io::{Meter, Wire};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Mutex, mpsc};
use tokio::task::{AbortHandle, JoinSet};

/// What the client sends first (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// Bytes of a request's body that may come before its play is chosen.
const FIRST_WINDOW: u32 = 1024;
/// Bytes that may come afterwards.
const WINDOW: u32 = 64 << 20; // 64 MiB
/// What was answered so shortly before a connection was broken may not have been read.
const UNREAD: Duration = Duration::from_secs(3);

type Writer = Arc<Mutex<WriteHalf<Wire>>>;

/// Serves a connection until one side, or a play, ends it.
pub(super) async fn serve(
    wire: Wire,
    meter: &Arc<Meter>,
    director: &Arc<dyn Director>,
    streams: u32,
) -> io::Result<()> {
    let (mut read, write) = tokio::io::split(wire);
    read.read_exact(&mut [0; PREFACE]).await?;
    let (ended, mut endings) = mpsc::unbounded_channel();
    let mut connection = Connection {
        writer: Arc::new(Mutex::new(write)),
        meter: Arc::clone(meter),
        director: Arc::clone(director),
        streams: HashMap::new(),
        plays: JoinSet::new(),
        ended,
    };
    // SETTINGS_MAX_CONCURRENT_STREAMS and SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113, section 6.5.2).
    let settings = wire::settings(&[(3, streams), (4, FIRST_WINDOW)]);
    connection.write(&[settings, wire::window(0, 1 << 30)].concat()).await?;
    let mut finished: Vec<(u64, Instant)> = Vec::new();
    let ender = {
        let reading = connection.read(&mut read);
        tokio::pin!(reading);
        loop {
            tokio::select! {
                _ = &mut reading => break None,
                Some((play, how)) = endings.recv() => match how {
                    Played::Ended => break Some(play),
                    _ => finished.push((play, Instant::now())),
                }
            }
        }
    };
    connection.break_off(ender, &finished);
    Ok(())
}

/// A request that is under way.
#[derive(Default)]
struct Stream {
    body: Vec<u8>,
    play: Option<(u64, AbortHandle)>,
}

struct Connection {
    writer: Writer,
    meter: Arc<Meter>,
    director: Arc<dyn Director>,
    streams: HashMap<u32, Stream>,
    plays: JoinSet<()>,
    ended: mpsc::UnboundedSender<(u64, Played)>,
}

impl Connection {
    async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut writer = self.writer.lock().await;
        writer.write_all(bytes).await?;
        writer.flush().await
    }

    /// Reads frames until the other side leaves.
    async fn read(&mut self, read: &mut ReadHalf<Wire>) -> io::Result<()> {
        loop {
            let mut head = [0; 9];
            tokio::time::timeout(SILENCE, read.read_exact(&mut head)).await??;
            let [a, b, c, kind, flags, rest @ ..] = head;
            let stream = u32::from_be_bytes(rest) & 0x7fff_ffff;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            read.read_exact(&mut payload).await?;
            match kind {
                wire::SETTINGS if flags & wire::ACK == 0 => {
                    self.write(&wire::frame(wire::SETTINGS, wire::ACK, 0, &[])).await?;
                }
                wire::PING if flags & wire::ACK == 0 => {
                    self.write(&wire::frame(wire::PING, wire::ACK, 0, &payload)).await?;
                }
                wire::HEADERS => {
                    self.streams.insert(stream, Stream::default());
                    if flags & wire::END_STREAM != 0 {
                        self.heard(stream, true).await?;
                    }
                }
                wire::DATA => {
                    if let Some(known) = self.streams.get_mut(&stream) {
                        known.body.extend_from_slice(&payload);
                        self.heard(stream, flags & wire::END_STREAM != 0).await?;
                    }
                }
                wire::RST_STREAM => {
                    if let Some((_, play)) = self.streams.remove(&stream).and_then(|left| left.play) {
                        play.abort();
                    }
                }
                _ => {}
            }
        }
    }

    /// Some of a request has come.
    async fn heard(&mut self, id: u32, whole: bool) -> io::Result<()> {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.play.is_none()) else {
            return Ok(());
        };
        let heard =
            Heard { head: "", body: &stream.body, whole, before: u64::from(id / 2), stream: Some(id) };
        match self.director.heard(&heard) {
            Act::Play(number, steps) => {
                let (writer, meter, ended) =
                    (Arc::clone(&self.writer), Arc::clone(&self.meter), self.ended.clone());
                let task = self.plays.spawn(async move {
                    let how = steps_of(&writer, &steps, &meter).await;
                    let _ = ended.send((number, how));
                });
                stream.play = Some((number, task));
            }
            Act::ReadOn if !whole => self.write(&wire::window(id, WINDOW)).await?,
            Act::ReadOn => {}
        }
        Ok(())
    }

    /// Says which plays the end of the connection has cut short: all that run, and those whose last bytes may be lost.
    fn break_off(&self, ender: Option<u64>, finished: &[(u64, Instant)]) {
        for (number, play) in self.streams.values().filter_map(|stream| stream.play.as_ref()) {
            let over = finished.iter().find(|(known, _)| known == number);
            let lost = over.is_none_or(|(_, at)| at.elapsed() < UNREAD);
            if lost && Some(*number) != ender {
                self.director.broken_off(*number);
            }
            play.abort();
        }
    }
}

/// Frames of one step are not mixed with those of other streams.
async fn steps_of(writer: &Writer, steps: &[Step], meter: &Meter) -> Played {
    for step in steps {
        if let Step::Wait(time) = step {
            tokio::time::sleep(*time).await;
            continue;
        }
        let mut writer = writer.lock().await;
        match play(&mut *writer, std::slice::from_ref(step), meter).await {
            Ok(Played::Through) => {}
            Ok(how) => return how,
            Err(_) => return Played::Holding,
        }
    }
    Played::Through
}
