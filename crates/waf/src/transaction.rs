//! One request, or one request and its response, on its way through a rule set.

#![expect(unsafe_code, reason = "calls a C library")]

use crate::ffi;
use crate::rule_set::{RuleSet, engine};
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_void};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ptr::NonNull;

/// Lines that are kept of one transaction: far more than rules can match in a sane request.
const MAX_LINES: usize = 512;
/// Bytes that are kept of one line; the library itself cuts the parts of a line at about 200.
const MAX_LINE: usize = 8 << 10; // 8 KiB

/// Why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// The library could not do a step: `process_uri`, `process_request_body`.
    Step(&'static str),
    /// The rules did not run to their end.
    NoVerdict,
    /// The library did not understand the body to its end, so that rules did not see all of it.
    BodyNotParsed,
    /// The first line and the headers of the request are too long to be judged in a reasonable time.
    HeadTooLong {
        /// The most they may have together, in bytes.
        most: usize,
    },
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Step(step) => write!(f, "libmodsecurity failed in {step}"),
            Self::NoVerdict => f.write_str("the rules did not run to their end"),
            Self::BodyNotParsed => f.write_str("the body of the request could not be parsed"),
            Self::HeadTooLong { most } => {
                write!(f, "the path and the headers of the request have more than {most} bytes")
            }
        }
    }
}

impl std::error::Error for EngineError {}

/// A transaction. Its steps come in the order of the methods here; each runs the rules of its phase.
#[derive(Debug)]
pub(crate) struct Transaction<'r> {
    inner: NonNull<ffi::Transaction>,
    /// What rules logged. The library has a pointer to it until `inner` is freed; the box keeps it where it is.
    log: Box<Log>,
    _rules: PhantomData<&'r RuleSet>,
}

/// Lines as they came. A cell, because the library writes while a method runs.
#[derive(Debug, Default)]
pub(crate) struct Log(RefCell<Vec<Box<[u8]>>>);

impl<'r> Transaction<'r> {
    /// A transaction to be judged by these rules.
    ///
    /// # Errors
    /// The library cannot be set up or has no memory.
    pub(crate) fn new(rules: &'r RuleSet) -> Result<Self, EngineError> {
        let failed = EngineError::Step("new_transaction");
        let engine = engine().ok_or(failed)?;
        let log = Box::<Log>::default();
        let data = (&raw const *log).cast_mut().cast::<c_void>();
        // SAFETY: engine and rules are alive, the rules for at least as long as the transaction (`'r`). The log's address
        // stays the same, and it is dropped after the transaction was freed.
        let inner = unsafe { ffi::msc_new_transaction(engine.as_ptr(), rules.as_ptr(), data) };
        Ok(Self { inner: NonNull::new(inner).ok_or(failed)?, log, _rules: PhantomData })
    }

    /// Who is connected to whom.
    ///
    /// # Errors
    /// The library failed.
    pub(crate) fn connection(&mut self, client: SocketAddr, server: SocketAddr) -> Result<(), EngineError> {
        let step = "process_connection";
        let (from, to) = (text(&client.ip().to_string(), step)?, text(&server.ip().to_string(), step)?);
        let (from_port, to_port) = (c_int::from(client.port()), c_int::from(server.port()));
        // SAFETY: the transaction is alive; the texts end with a zero byte and are copied.
        let done = unsafe {
            ffi::msc_process_connection(self.inner.as_ptr(), from.as_ptr(), from_port, to.as_ptr(), to_port)
        };
        check(done, step)
    }

    /// The request line: the path with its query as the client wrote it, the method, and the version as in `1.1`.
    ///
    /// # Errors
    /// The library failed, or one of them has a zero byte.
    pub(crate) fn request_line(&mut self, uri: &str, method: &str, version: &str) -> Result<(), EngineError> {
        let step = "process_uri";
        let (uri, method, version) = (text(uri, step)?, text(method, step)?, text(version, step)?);
        // SAFETY: the transaction is alive; the texts end with a zero byte and are copied.
        let done = unsafe {
            ffi::msc_process_uri(self.inner.as_ptr(), uri.as_ptr(), method.as_ptr(), version.as_ptr())
        };
        check(done, step)
    }

    /// A header of the request.
    ///
    /// # Errors
    /// The library failed.
    pub(crate) fn request_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EngineError> {
        self.header(ffi::msc_add_n_request_header, name, value, "add_request_header")
    }

    /// The headers of the request are complete: phase 1.
    ///
    /// # Errors
    /// The library failed.
    pub(crate) fn request_headers_end(&mut self) -> Result<(), EngineError> {
        // SAFETY: the transaction is alive.
        check(unsafe { ffi::msc_process_request_headers(self.inner.as_ptr()) }, "process_request_headers")
    }

    /// The body of the request, or as much of it as is wanted: phase 2, which is to run without a body too.
    ///
    /// # Errors
    /// The library failed.
    pub(crate) fn request_body(&mut self, body: &[u8]) -> Result<(), EngineError> {
        self.body(ffi::msc_append_request_body, body, "append_request_body")?;
        // SAFETY: the transaction is alive.
        check(unsafe { ffi::msc_process_request_body(self.inner.as_ptr()) }, "process_request_body")
    }

    /// A header of the response.
    ///
    /// # Errors
    /// The library failed.
    pub(crate) fn response_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EngineError> {
        self.header(ffi::msc_add_n_response_header, name, value, "add_response_header")
    }

    /// The headers of the response are complete: phase 3. The protocol is as in `HTTP 1.1`.
    ///
    /// # Errors
    /// The library failed.
    pub(crate) fn response_headers_end(&mut self, status: u16, protocol: &str) -> Result<(), EngineError> {
        let step = "process_response_headers";
        let protocol = text(protocol, step)?;
        // SAFETY: the transaction is alive; the text ends with a zero byte and is copied.
        let done = unsafe {
            ffi::msc_process_response_headers(self.inner.as_ptr(), c_int::from(status), protocol.as_ptr())
        };
        check(done, step)
    }

    /// The body of the response, or as much of it as is wanted: phase 4, which is to run without a body too.
    ///
    /// # Errors
    /// The library failed.
    pub(crate) fn response_body(&mut self, body: &[u8]) -> Result<(), EngineError> {
        self.body(ffi::msc_append_response_body, body, "append_response_body")?;
        // SAFETY: the transaction is alive.
        check(unsafe { ffi::msc_process_response_body(self.inner.as_ptr()) }, "process_response_body")
    }

    /// What rules have logged so far, in order. Bytes that are no UTF-8 are replaced.
    #[must_use]
    pub(crate) fn logged(&self) -> Vec<String> {
        self.log.0.borrow().iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    }

    fn header(
        &mut self,
        add: AddHeader,
        name: &[u8],
        value: &[u8],
        step: &'static str,
    ) -> Result<(), EngineError> {
        // SAFETY: the transaction is alive; name and value are copied, by their lengths.
        let done =
            unsafe { add(self.inner.as_ptr(), name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
        check(done, step)
    }

    fn body(&mut self, append: AppendBody, body: &[u8], step: &'static str) -> Result<(), EngineError> {
        if body.is_empty() {
            return Ok(());
        }
        // SAFETY: the transaction is alive; the bytes are copied, by their length.
        check(unsafe { append(self.inner.as_ptr(), body.as_ptr(), body.len()) }, step)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // SAFETY: from `msc_new_transaction`, and not used after this. `log` is dropped later.
        unsafe { ffi::msc_transaction_cleanup(self.inner.as_ptr()) };
    }
}

type AddHeader =
    unsafe extern "C" fn(*mut ffi::Transaction, *const c_uchar, usize, *const c_uchar, usize) -> c_int;
type AppendBody = unsafe extern "C" fn(*mut ffi::Transaction, *const c_uchar, usize) -> c_int;

/// Keeps a line that a rule logged. Must not panic: its caller is C++.
pub(crate) unsafe extern "C" fn note(data: *mut c_void, message: *const c_void) {
    if data.is_null() || message.is_null() {
        return;
    }
    // SAFETY: `data` is what `Transaction::new` gave: a log that lives as long as the transaction.
    let log = unsafe { &*data.cast::<Log>() };
    // SAFETY: the library gives a text that ends with a zero byte and lives for the length of this call.
    let line = unsafe { CStr::from_ptr(message.cast::<c_char>()) }.to_bytes();
    if let Ok(mut lines) = log.0.try_borrow_mut()
        && lines.len() < MAX_LINES
    {
        lines.push(line.get(..MAX_LINE).unwrap_or(line).into());
    }
}

fn text(text: &str, step: &'static str) -> Result<CString, EngineError> {
    CString::new(text).map_err(|_| EngineError::Step(step))
}

/// The functions say 1 for done, 0 or less for not.
fn check(done: c_int, step: &'static str) -> Result<(), EngineError> {
    if done > 0 { Ok(()) } else { Err(EngineError::Step(step)) }
}
