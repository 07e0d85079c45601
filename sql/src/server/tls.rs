//! The TLS certificate of the servers.

use std::path::Path;
use std::sync::Arc;

use engine::{Error, Result};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A validated certificate with its key.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The configuration for rustls.
    pub config: Arc<ServerConfig>,
    /// The chain of certificates, in PEM.
    pub certificates: Vec<u8>,
    /// The key, in PEM.
    pub key: Vec<u8>,
}

impl Tls {
    /// Reads a chain of certificates and the key of the first one.
    ///
    /// # Errors
    /// When a file cannot be read or is invalid; the server then does not start.
    pub fn read(certificates: &Path, key: &Path) -> Result<Self> {
        let read = |path: &Path| std::fs::read(path).map_err(|cause| Error::io(path, cause));
        let (chain_pem, key_pem) = (read(certificates)?, read(key)?);
        let bad = |what: &str, path: &Path| {
            Error::input(format!("no {what} in this file")).with("file", path.display())
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&chain_pem)
            .collect::<Result<_, _>>()
            .map_err(|cause| bad("certificate", certificates).caused_by(cause))?;
        if chain.is_empty() {
            return Err(bad("certificate", certificates));
        }
        let private = PrivateKeyDer::from_pem_slice(&key_pem)
            .map_err(|cause| bad("private key", key).caused_by(cause))?;
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
            .map_err(|cause| {
                Error::input(format!("invalid certificate or key: {cause}"))
                    .with("file", certificates.display())
                    .with("key", key.display())
            })?;
        Ok(Self { config: Arc::new(config), certificates: chain_pem, key: key_pem })
    }
}
