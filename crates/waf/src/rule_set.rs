//! Rules, read once and shared by all transactions.

#![expect(unsafe_code, reason = "calls a C library")]

use crate::ffi;
use crate::transaction::note;
use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::{self, NonNull};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A set of rules. Never changed after it was read, so all threads may use it at once.
#[derive(Debug)]
pub(crate) struct RuleSet {
    rules: NonNull<ffi::RulesSet>,
}

// SAFETY: after `load` nothing writes to the set: transactions only read it, as the library's threaded connectors rely on.
unsafe impl Send for RuleSet {}
// SAFETY: as above.
unsafe impl Sync for RuleSet {}

/// The library, set up once in a process. Never freed: its clean-up also ends libxml2 and libcurl for the whole process.
struct Engine(NonNull<ffi::ModSecurity>);

// SAFETY: only its collections are written to after `engine` set it up, and the library locks those.
unsafe impl Send for Engine {}
// SAFETY: as above.
unsafe impl Sync for Engine {}

static ENGINE: OnceLock<Option<Engine>> = OnceLock::new();

/// The parser of rules keeps state of its own in static variables.
static PARSER: Mutex<()> = Mutex::new(());

/// The library; `None` when it cannot be set up.
pub(crate) fn engine() -> Option<NonNull<ffi::ModSecurity>> {
    let make = || {
        // SAFETY: no arguments; called once.
        let engine = NonNull::new(unsafe { ffi::msc_init() })?;
        // SAFETY: `engine` is from `msc_init`, the text ends with a zero byte and is copied, and `note` takes what the
        // library gives a callback that was set this way: a transaction's log data and a text.
        unsafe {
            ffi::msc_set_connector_info(engine.as_ptr(), c"tollgate".as_ptr());
            ffi::msc_set_log_cb(engine.as_ptr(), note);
        }
        Some(Engine(engine))
    };
    ENGINE.get_or_init(make).as_ref().map(|engine| engine.0)
}

impl RuleSet {
    /// Reads directives, in the order of the parts. Takes hundreds of milliseconds for a large set.
    ///
    /// # Errors
    /// What the library says of a part it cannot read.
    pub(crate) fn load(parts: &[String]) -> Result<Self, String> {
        engine().ok_or("libmodsecurity cannot be set up")?;
        let set = {
            let _one_at_a_time = PARSER.lock().unwrap_or_else(PoisonError::into_inner);
            // SAFETY: no arguments.
            let rules = unsafe { ffi::msc_create_rules_set() };
            Self { rules: NonNull::new(rules).ok_or("libmodsecurity has no memory")? }
        };
        // An error drops the set, which takes the lock itself.
        parts.iter().try_for_each(|part| set.add(part))?;
        Ok(set)
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::RulesSet {
        self.rules.as_ptr()
    }

    fn add(&self, part: &str) -> Result<(), String> {
        let text = CString::new(part).map_err(|_| "rules have no zero bytes".to_owned())?;
        let mut error: *const c_char = ptr::null();
        let _one_at_a_time = PARSER.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the set is alive and no other thread has it yet, the text ends with a zero byte and is not kept, `error`
        // can be written to.
        let added: c_int = unsafe { ffi::msc_rules_add(self.as_ptr(), text.as_ptr(), &raw mut error) };
        if added >= 0 {
            return Ok(());
        }
        if error.is_null() {
            return Err("libmodsecurity does not say why".into());
        }
        // SAFETY: after a failure `error` is a text made by `strdup`, which is the caller's to free.
        let why = unsafe { CStr::from_ptr(error) }.to_string_lossy().trim().to_owned();
        // SAFETY: as above; it is not used again.
        unsafe { ffi::free(error.cast_mut().cast()) };
        Err(why)
    }
}

impl Drop for RuleSet {
    fn drop(&mut self) {
        let _one_at_a_time = PARSER.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the set is from `msc_create_rules_set` and not used after this.
        let _always_true = unsafe { ffi::msc_rules_cleanup(self.as_ptr()) };
    }
}
