//! The functions of libmodsecurity's C interface that are used here, as `modsecurity/{modsecurity,rules_set,transaction}.h`
//! declare them. They have not changed since version 3.0.0.

#![expect(unsafe_code, reason = "declares functions of a C library")]

use std::ffi::{c_char, c_int, c_uchar, c_void};
use std::marker::{PhantomData, PhantomPinned};

/// What a pointer of the library points to: nothing that could be read, moved or made here.
macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[repr(C)]
        pub(crate) struct $name {
            _data: [u8; 0],
            _marker: PhantomData<(*mut u8, PhantomPinned)>,
        }
    )*};
}

opaque! {
    /// The library, set up.
    ModSecurity;
    /// Rules that were read.
    RulesSet;
    /// One request and its response.
    Transaction;
}

/// Called with a transaction's own pointer and, as set up here, a text that ends with a zero byte.
pub(crate) type LogCallback = unsafe extern "C" fn(data: *mut c_void, message: *const c_void);

#[link(name = "modsecurity")]
unsafe extern "C" {
    pub(crate) fn msc_init() -> *mut ModSecurity;
    pub(crate) fn msc_set_connector_info(engine: *mut ModSecurity, connector: *const c_char);
    pub(crate) fn msc_set_log_cb(engine: *mut ModSecurity, callback: LogCallback);

    pub(crate) fn msc_create_rules_set() -> *mut RulesSet;
    pub(crate) fn msc_rules_add(
        rules: *mut RulesSet,
        text: *const c_char,
        error: *mut *const c_char,
    ) -> c_int;
    pub(crate) fn msc_rules_cleanup(rules: *mut RulesSet) -> c_int;

    pub(crate) fn msc_new_transaction(
        engine: *mut ModSecurity,
        rules: *mut RulesSet,
        log_data: *mut c_void,
    ) -> *mut Transaction;
    pub(crate) fn msc_transaction_cleanup(transaction: *mut Transaction);
    pub(crate) fn msc_process_connection(
        transaction: *mut Transaction,
        client: *const c_char,
        client_port: c_int,
        server: *const c_char,
        server_port: c_int,
    ) -> c_int;
    pub(crate) fn msc_process_uri(
        transaction: *mut Transaction,
        uri: *const c_char,
        method: *const c_char,
        version: *const c_char,
    ) -> c_int;
    pub(crate) fn msc_add_n_request_header(
        transaction: *mut Transaction,
        name: *const c_uchar,
        name_length: usize,
        value: *const c_uchar,
        value_length: usize,
    ) -> c_int;
    pub(crate) fn msc_process_request_headers(transaction: *mut Transaction) -> c_int;
    pub(crate) fn msc_append_request_body(
        transaction: *mut Transaction,
        body: *const c_uchar,
        length: usize,
    ) -> c_int;
    pub(crate) fn msc_process_request_body(transaction: *mut Transaction) -> c_int;
    pub(crate) fn msc_add_n_response_header(
        transaction: *mut Transaction,
        name: *const c_uchar,
        name_length: usize,
        value: *const c_uchar,
        value_length: usize,
    ) -> c_int;
    pub(crate) fn msc_process_response_headers(
        transaction: *mut Transaction,
        status: c_int,
        protocol: *const c_char,
    ) -> c_int;
    pub(crate) fn msc_append_response_body(
        transaction: *mut Transaction,
        body: *const c_uchar,
        length: usize,
    ) -> c_int;
    pub(crate) fn msc_process_response_body(transaction: *mut Transaction) -> c_int;
}

// The C library's own, whatever allocator Rust uses: texts of errors are made by `strdup`.
unsafe extern "C" {
    pub(crate) fn free(memory: *mut c_void);
}
