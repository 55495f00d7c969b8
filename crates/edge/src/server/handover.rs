//! Listening sockets that go from one process to the next (SIGQUIT), so that no client finds nobody there.
//!
//! The new process makes everything it needs first and waits last: one that cannot start is never given anything. The old
//! one goes on accepting until the new one has said that it serves, and serves on when it does not say so. (Pingora's own
//! hand-over stops the old process in any case.)
//!
//! The new process listens at a path; the old one connects, and sends the sockets with their addresses, a line each, and an
//! empty line. The answer is [`SERVING`].

use pingora_core::server::ListenFds;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::collections::HashMap;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long each process waits for the other.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an answer may take once the sockets are sent.
const ANSWER: Duration = Duration::from_secs(15);
/// How often somebody who waits looks again.
const LOOK: Duration = Duration::from_millis(20);
/// The longest path of a socket, in bytes (unix(7)).
const LONGEST_PATH: usize = 107;
/// As many sockets fit into one message (`SCM_MAX_FD`, unix(7)).
const MOST: usize = 253;
/// Bytes of the addresses of so many.
const MOST_BYTES: usize = 32 * 1024;
/// What the new process says when it accepts connections.
const SERVING: &[u8] = b"serving\n";

/// The listening sockets of the process, by address.
#[derive(Default)]
pub(crate) struct Sockets {
    /// Ours. Pingora has copies, which it closes when it stops.
    kept: Mutex<HashMap<String, OwnedFd>>,
}

impl Sockets {
    /// One more.
    pub(super) fn keep(&self, address: String, socket: OwnedFd) {
        self.lock().insert(address, socket);
    }

    /// Whether there is one for this address.
    pub(super) fn has(&self, address: &str) -> bool {
        self.lock().contains_key(address)
    }

    /// Gives Pingora the socket of an address: it listens there instead of binding another one.
    pub(crate) fn install(&self, address: &str, table: &ListenFds) {
        let copy = self.lock().get(address).map(|socket| socket.try_clone());
        match copy {
            Some(Ok(copy)) => table.lock().add(address.to_owned(), copy.into_raw_fd()),
            Some(Err(why)) => tracing::error!("the socket of {address} cannot be used: {why}"),
            None => {}
        }
    }

    /// Nobody is to be let in any more.
    pub(super) fn close(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, OwnedFd>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a path can be where listeners are handed over: whoever may write there could take them, or give others.
pub(super) fn check(sock: &Path) -> Result<(), String> {
    let at = sock.display();
    if sock.as_os_str().len() > LONGEST_PATH {
        return Err(format!(
            "{at} is longer than the {LONGEST_PATH} bytes that the path of a socket may have"
        ));
    }
    let folder = sock.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let seen = std::fs::metadata(folder).map_err(|why| format!("the folder of {at}: {why}"))?;
    if !seen.is_dir() {
        return Err(format!("{} is no folder", folder.display()));
    }
    if seen.permissions().mode() & 0o002 != 0 {
        return Err(format!(
            "everybody may write in {}, and so take the listeners; use a folder of the service's own, such as \
             /run/tollgate",
            folder.display()
        ));
    }
    match std::fs::symlink_metadata(sock) {
        Ok(there) if !there.file_type().is_socket() => {
            Err(format!("{at} is there and is no socket; remove it, or name another path"))
        }
        _ => Ok(()),
    }
}

/// What another process gave.
pub(super) struct Taken {
    /// The sockets, by address.
    pub(super) sockets: HashMap<String, OwnedFd>,
    giver: UnixStream,
}

impl Taken {
    /// Tells the other process that this one accepts connections.
    pub(super) fn confirm(mut self) {
        if let Err(why) = self.giver.write_all(SERVING) {
            tracing::warn!("the process that handed its listeners over is not there any more: {why}");
        }
    }
}

/// Waits for the process that serves now to hand its listeners over.
pub(super) fn take(sock: &Path) -> Result<Taken, String> {
    let at = sock.display();
    let wrong = |why: io::Error| format!("no listeners can be taken over at {at}: {why}");
    match std::fs::remove_file(sock) {
        Err(why) if why.kind() != ErrorKind::NotFound => return Err(wrong(why)),
        _ => {}
    }
    let listener = UnixListener::bind(sock).map_err(wrong)?;
    let _removed = Removed(sock.to_owned());
    std::fs::set_permissions(sock, std::fs::Permissions::from_mode(0o600)).map_err(wrong)?;
    listener.set_nonblocking(true).map_err(wrong)?;
    tracing::info!("ready to take the listeners over at {at}: send SIGQUIT to the process that serves");
    let until = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            Ok((giver, _)) => match own(&giver).and_then(|()| receive(giver)) {
                Ok(taken) => return Ok(taken),
                Err(why) => tracing::error!("what came at {at} are no listeners: {why}"),
            },
            Err(why) if why.kind() != ErrorKind::WouldBlock => return Err(wrong(why)),
            Err(_) => {}
        }
        if Instant::now() >= until {
            return Err(format!(
                "no process has handed its listeners over at {at} within {}s; send SIGQUIT to the one that serves, which \
                 needs the same --upgrade-sock",
                PATIENCE.as_secs()
            ));
        }
        std::thread::sleep(LOOK);
    }
}

/// Hands the listeners over, and returns when the other process serves. It blocks.
pub(super) fn give(sock: Option<&Path>, sockets: &Sockets) -> Result<(), String> {
    let sock = sock.ok_or("there is no --upgrade-sock through which listeners could be handed over")?;
    let at = sock.display();
    let mut taker = reached(sock)?;
    own(&taker).map_err(|why| format!("{at}: {why}"))?;
    {
        let kept = sockets.lock();
        if kept.len() > MOST {
            return Err(format!("{} listeners are more than can be handed over ({MOST})", kept.len()));
        }
        tracing::info!("SIGQUIT: handing {} listeners over at {at}", kept.len());
        send(&mut taker, &kept)
            .map_err(|why| format!("the listeners could not be handed over at {at}: {why}"))?;
    }
    let mut answer = [0; SERVING.len()];
    let heard = taker.set_read_timeout(Some(ANSWER)).and_then(|()| taker.read_exact(&mut answer));
    match heard {
        Ok(()) if answer == *SERVING => Ok(()),
        Ok(()) => Err(format!("the process at {at} does not speak the language of hand-overs")),
        Err(why) => Err(format!("the new process was given the listeners and did not begin to serve: {why}")),
    }
}

/// A connection to the process that waits, as soon as there is one.
fn reached(sock: &Path) -> Result<UnixStream, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        match UnixStream::connect(sock) {
            Ok(taker) => return Ok(taker),
            Err(why) if Instant::now() >= until => {
                return Err(format!(
                    "no process waits at {} to take the listeners over ({why}); start one with --upgrade and the same \
                     --upgrade-sock",
                    sock.display()
                ));
            }
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}

fn send(taker: &mut UnixStream, sockets: &HashMap<String, OwnedFd>) -> io::Result<()> {
    let mut addresses: Vec<&str> = sockets.keys().map(String::as_str).collect();
    addresses.push("\n");
    let text = addresses.join("\n");
    let fds: Vec<BorrowedFd<'_>> = sockets.values().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    let sent = sendmsg(&*taker, &[IoSlice::new(text.as_bytes())], &mut control, SendFlags::NOSIGNAL)?;
    taker.write_all(text.as_bytes().get(sent..).unwrap_or_default())
}

fn receive(giver: UnixStream) -> io::Result<Taken> {
    let mut giver = giver;
    giver.set_nonblocking(false)?;
    giver.set_read_timeout(Some(ANSWER))?;
    let mut text = vec![0; MOST_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(&giver, &mut [IoSliceMut::new(&mut text)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(more) = message {
            fds.extend(more);
        }
    }
    text.truncate(received.bytes);
    while !text.is_empty() && !text.ends_with(b"\n\n") && text.len() < MOST_BYTES {
        let mut byte = [0];
        giver.read_exact(&mut byte)?;
        text.extend(byte);
    }
    let addresses: Vec<String> = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
    let addresses: Vec<String> = addresses.into_iter().filter(|line| !line.is_empty()).collect();
    if addresses.is_empty() || addresses.len() != fds.len() {
        return Err(io::Error::other(format!("{} sockets for {} addresses", fds.len(), addresses.len())));
    }
    Ok(Taken { sockets: addresses.into_iter().zip(fds).collect(), giver })
}

/// Only processes of the same user, or of root, take part.
fn own(other: &UnixStream) -> io::Result<()> {
    let (theirs, ours) = (rustix::net::sockopt::socket_peercred(other)?.uid, rustix::process::geteuid());
    if theirs == ours || theirs.is_root() {
        return Ok(());
    }
    Err(io::Error::other("the process at the other end belongs to another user"))
}

/// Takes the path away when nobody waits there any more.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // Another process may have taken its place already.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_folder_where_everybody_writes_is_refused() {
        assert!(check(Path::new("/tmp/upgrade.sock")).is_err_and(|why| why.contains("everybody may write")));
        assert!(check(Path::new("/nonexistent/upgrade.sock")).is_err_and(|why| why.contains("folder")));
        let long = format!("/{}", "x".repeat(LONGEST_PATH));
        assert!(check(Path::new(&long)).is_err_and(|why| why.contains("107 bytes")));
        assert!(check(Path::new("/proc/self/status")).is_err_and(|why| why.contains("no socket")));
        assert_eq!(check(Path::new("/proc/self/upgrade.sock")), Ok(()));
    }

    #[test]
    fn many_sockets_go_over_and_still_listen() {
        let (giver, mut taker) = UnixStream::pair().expect("a pair");
        let listeners: Vec<TcpListener> =
            (0..100).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let addresses: Vec<_> = listeners.iter().map(|one| one.local_addr().expect("an address")).collect();
        let sockets = addresses.iter().map(ToString::to_string).zip(listeners.into_iter().map(OwnedFd::from));
        let sockets: HashMap<String, OwnedFd> = sockets.collect();
        let taking = std::thread::spawn(move || receive(giver).expect("all of them"));
        send(&mut taker, &sockets).expect("sent");
        drop(sockets);
        let taken = taking.join().expect("no panic");
        assert_eq!(taken.sockets.len(), 100);
        for address in addresses {
            assert!(taken.sockets.contains_key(&address.to_string()));
            TcpStream::connect(address).expect("somebody listens");
        }
        taken.confirm();
        let mut said = [0; SERVING.len()];
        taker.read_exact(&mut said).expect("an answer");
        assert_eq!(said, *SERVING);
    }

    #[test]
    fn what_is_no_hand_over_is_refused() {
        for text in ["", "127.0.0.1:1\n\n", "\n\n"] {
            let (giver, mut other) = UnixStream::pair().expect("a pair");
            other.write_all(text.as_bytes()).expect("written");
            drop(other);
            assert!(receive(giver).is_err(), "{text:?}");
        }
    }
}
