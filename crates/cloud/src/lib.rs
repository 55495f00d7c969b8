//! Credentials of clouds: what AWS and Google want instead of a key in a header; and signed tokens that clients bring.
//!
//! Nothing here sends anything: a request is signed, the body of a token request is made, its answer is read. Time is
//! passed in.

mod aws;
mod cache;
mod google;
mod jws;
mod jwt;
mod token;

pub use aws::{AwsBody, AwsCredentials, AwsRequest, CredentialsError, SignError, sign_aws};
pub use cache::{Claim, Lookup, TokenCache};
pub use google::{CLOUD_PLATFORM, ServiceAccount, ServiceAccountError};
pub use jws::{ALGORITHMS, ClaimError, ClaimRules, Jws, JwsError, KeySet, KeySetError, LONGEST_TOKEN};
pub use token::{AccessToken, TokenError, parse_token_response};
