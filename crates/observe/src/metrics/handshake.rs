//! Why a client's TLS handshake did not come about.

/// A label of `tollgate_tls_handshakes_failed_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// The client sent something else than TLS.
    NotTls,
    /// It took too long.
    Timeout,
    /// The client left in the middle, or broke it off.
    ClientGone,
    /// The client asked for what is not spoken, showed no certificate that is accepted, or broke the rules of TLS.
    Refused,
}

impl HandshakeFailure {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::NotTls, Self::Timeout, Self::ClientGone, Self::Refused];

    /// The label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotTls => "not_tls",
            Self::Timeout => "timeout",
            Self::ClientGone => "client_gone",
            Self::Refused => "refused",
        }
    }
}
