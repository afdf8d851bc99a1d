//! TLS before an engine on loopback, as it is before AWS and WeChat, and how many connections were opened to it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Handshakes that were made; its clones are one.
#[derive(Clone, Debug, Default)]
pub struct Handshakes(Arc<AtomicUsize>);

fn file(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."));
    root.join("shared/src/outbound").join(name)
}

/// The file that holds the certificate, for `GREENLIGHT_CA_FILE`.
pub fn certificate_file() -> String {
    file("loopback.pem").display().to_string()
}

impl Handshakes {
    /// How many there were so far.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Puts TLS before what is at `url`; where it is reached then.
    ///
    /// # Errors
    /// When there is no port, or the certificate cannot be read.
    pub async fn before(&self, url: &str) -> Result<String, Box<dyn Error>> {
        let engine = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let certificate = CertificateDer::from_pem_file(file("loopback.pem"))?;
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], PrivateKeyDer::from_pem_file(file("loopback.key"))?)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let own = format!("https://{}", listener.local_addr()?);
        let counted = self.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, engine, counted) = (acceptor.clone(), engine.clone(), counted.clone());
                tokio::spawn(async move {
                    let _ = socket.set_nodelay(true);
                    let Ok(mut outside) = acceptor.accept(socket).await else { return };
                    counted.0.fetch_add(1, Ordering::SeqCst);
                    let Ok(mut inside) = TcpStream::connect(engine).await else { return };
                    let _ = inside.set_nodelay(true);
                    let _ = copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
        Ok(own)
    }
}
