//! What the tests of this room serve TLS with: a certificate for 127.0.0.1, signed by itself, good from 2020 to 2120.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, crypto};

/// Trusted nowhere but where a test says so.
pub(super) const CERTIFICATE: &str = include_str!("loopback.pem");
/// Its key.
pub(super) const PRIVATE_KEY: &str = include_str!("loopback.key");

/// What a server over TLS on 127.0.0.1 is made with.
pub(super) fn server_config() -> Arc<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(PRIVATE_KEY.as_bytes()).unwrap();
    Arc::new(builder.with_single_cert(vec![certificate], key).unwrap())
}
