//! An owner's own server: files over https, on a thread of its own, with a certificate that a test has to trust.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

/// The file of that name among the library's own test files.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("shared").join("src/outbound").join(name)
}

/// The file that holds the certificate, for `GREENLIGHT_CA_FILE`.
pub fn certificate_file() -> String {
    file("loopback.pem").into_os_string().into_string().expect("a path in UTF-8")
}

/// Serves `files` by their paths, each as `text/plain`, whatever it is; anything else is 404. Where it is reached.
pub fn serve(files: Vec<(&'static str, Vec<u8>)>) -> String {
    let certificate = CertificateDer::from_pem_file(file("loopback.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(file("loopback.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .map(Arc::new)
        .expect("a server's configuration");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            let mut connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut stream = Stream::new(&mut connection, &mut socket);
            let mut request = [0; 8 * 1024];
            let Ok(read) = stream.read(&mut request) else { continue };
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let file = files.iter().find(|(own, _)| path.split('?').next() == Some(own));
            let (status, body) = file.map_or(("404 Not Found", [].as_slice()), |(_, body)| ("200 OK", body));
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n");
            // Whoever has enough hangs up.
            let _ = stream.write_all((head + "connection: close\r\n\r\n").as_bytes());
            let _ = stream.write_all(body);
        }
    });
    url
}
