use super::*;
use crate::stream::Stream;
use std::path::Path;
use std::process::Command;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Certificates as ovs-pki makes them: a CA and what it signed, none of them naming a host.
struct Pki(tempfile::TempDir);

impl Pki {
    fn new() -> Pki {
        let pki = Pki(tempfile::tempdir().unwrap());
        for ca in ["good", "bad"] {
            let subject = format!("/O=Open vSwitch/CN=OVS {ca} CA");
            let words = ["req", "-x509", "-days", "10", "-nodes", "-subj", &subject, "-newkey", "ec", "-pkeyopt"];
            let files = ["-keyout", &format!("{ca}-ca.key"), "-out", &format!("{ca}-ca.pem")];
            pki.openssl(&[&words[..], &["ec_paramgen_curve:P-256"], &files].concat());
            pki.sign(ca, ca);
        }
        pki
    }

    /// Makes `name` with a certificate of `ca`.
    fn sign(&self, ca: &str, name: &str) {
        let subject = format!("/O=Open vSwitch/CN={name}");
        let words = ["req", "-nodes", "-subj", &subject, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
        self.openssl(&[&words[..], &["-keyout", &format!("{name}.key"), "-out", "request.pem"]].concat());
        std::fs::write(self.path("ext"), "basicConstraints=CA:FALSE\n").unwrap();
        let (ca, key) = (format!("{ca}-ca.pem"), format!("{ca}-ca.key"));
        let words = ["x509", "-req", "-in", "request.pem", "-days", "10", "-CA", &ca, "-CAkey", &key];
        self.openssl(&[&words[..], &["-CAcreateserial", "-extfile", "ext", "-out", &format!("{name}.pem")]].concat());
    }

    fn openssl(&self, words: &[&str]) {
        let out = Command::new("openssl").args(words).current_dir(self.0.path()).output().expect("openssl is there");
        assert!(out.status.success(), "openssl {words:?}: {}", String::from_utf8_lossy(&out.stderr));
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn settings(&self, name: &str, ca: &str) -> Settings {
        Settings {
            private_key: Some(self.path(&format!("{name}.key"))),
            certificate: Some(self.path(&format!("{name}.pem"))),
            ca_cert: Some(if ca == "none" { ca.into() } else { self.path(ca) }),
            ..Settings::default()
        }
    }
}

/// One word each way over loopback; what the client and the server see.
async fn talk(client: &Tls, server: &Tls) -> (io::Result<()>, io::Result<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let dial = async {
        let mut stream = client.connect(TcpStream::connect(at).await.unwrap(), "127.0.0.1").await?;
        stream.write_all(b"ping").await?;
        let mut got = [0; 4];
        stream.read_exact(&mut got).await?;
        assert_eq!(&got, b"pong");
        Ok(())
    };
    let serve = async {
        let mut stream = server.accept(listener.accept().await.unwrap().0)?;
        let mut got = [0; 4];
        stream.read_exact(&mut got).await?;
        stream.write_all(b"pong").await?;
        stream.flush().await?;
        // The end of the stream, however the peer brings it about.
        let _ = stream.read(&mut got).await;
        Ok(())
    };
    tokio::join!(dial, serve)
}

fn errno(result: io::Result<()>) -> Option<i32> {
    result.unwrap_err().raw_os_error()
}

#[tokio::test]
async fn who_has_a_certificate_of_the_ca_gets_through_and_nobody_else() {
    let pki = Pki::new();
    let good = Tls::new(pki.settings("good", "good-ca.pem"));
    let stranger = Tls::new(pki.settings("bad", "good-ca.pem"));
    let suspicious = Tls::new(pki.settings("good", "bad-ca.pem"));
    let careless = Tls::new(pki.settings("good", "none"));
    let (client, server) = talk(&good, &good).await;
    assert!(client.is_ok() && server.is_ok(), "{client:?} {server:?}");
    let (_, server) = talk(&stranger, &good).await;
    assert_eq!(errno(server), Some(Errno::PROTO.raw_os_error()));
    let (client, server) = talk(&suspicious, &good).await;
    assert_eq!(errno(client), Some(Errno::PROTO.raw_os_error()));
    assert!(server.is_err());
    let (client, _) = talk(&good, &stranger).await;
    assert_eq!(errno(client), Some(Errno::PROTO.raw_os_error()));
    let (client, server) = talk(&careless, &good).await;
    assert!(client.is_ok() && server.is_ok());
}

#[tokio::test]
async fn what_is_missing_is_refused_before_any_byte() {
    let pki = Pki::new();
    let good = Tls::new(pki.settings("good", "good-ca.pem"));
    let mixed = Settings { private_key: Some(pki.path("bad.key")), ..pki.settings("good", "good-ca.pem") };
    let absent = pki.settings("good", "nowhere.pem");
    for settings in [Settings::default(), mixed, absent, pki.settings("nobody", "good-ca.pem")] {
        let (client, _) = tokio::join!(
            async {
                let (_keep, socket) = socket().await;
                Tls::new(settings.clone()).connect(socket, "h").await
            },
            async {}
        );
        assert_eq!(client.unwrap_err().raw_os_error(), Some(Errno::NOPROTOOPT.raw_os_error()), "{settings:?}");
    }
    let only = |protocols: &str| Settings { protocols: Some(protocols.into()), ..pki.settings("good", "good-ca.pem") };
    let (client, _) = talk(&Tls::new(only("TLSv1.2")), &good).await;
    assert!(client.is_ok());
    let (client, _) = talk(&Tls::new(only("TLSv1.2")), &Tls::new(only("TLSv1.3"))).await;
    assert!(client.is_err());
}

async fn socket() -> (TcpListener, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (listener, socket)
}

#[tokio::test]
async fn the_first_peer_brings_the_ca_and_the_second_connection_uses_it() {
    let pki = Pki::new();
    let good = Tls::new(pki.settings("good", "good-ca.pem"));
    let learner = Tls::new(Settings { bootstrap: true, ..pki.settings("good", "learned.pem") });
    let (client, _) = talk(&learner, &good).await;
    assert_eq!(errno(client), Some(Errno::PROTO.raw_os_error()), "the first connection is dropped");
    let is_ca = |file: &str| {
        let read = |file: &Path| std::fs::read_to_string(file).unwrap().replace('\n', "");
        read(&pki.path(file)) == read(&pki.path("good-ca.pem"))
    };
    assert!(is_ca("learned.pem"));
    let (client, _) = talk(&learner, &good).await;
    assert!(client.is_ok());
    let (client, _) = talk(&learner, &Tls::new(pki.settings("bad", "good-ca.pem"))).await;
    assert!(client.is_err(), "from then on the CA counts");
    // A server can learn as well, and it can be told what to show.
    let server = Tls::new(Settings { bootstrap: true, ..pki.settings("good", "learned2.pem") });
    let shows = Settings { peer_ca_cert: Some(pki.path("good-ca.pem")), ..pki.settings("good", "none") };
    let (_, at_server) = talk(&Tls::new(shows), &server).await;
    assert!(at_server.is_err() && is_ca("learned2.pem"));
}

#[tokio::test]
async fn files_that_change_are_read_again() {
    let pki = Pki::new();
    let good = Tls::new(pki.settings("good", "good-ca.pem"));
    let changing = Tls::new(pki.settings("one", "good-ca.pem"));
    assert!(talk(&changing, &good).await.0.is_err(), "not there yet");
    pki.sign("good", "one");
    assert!(talk(&changing, &good).await.0.is_ok());
    pki.sign("bad", "one");
    assert!(talk(&changing, &good).await.1.is_err());
}

#[tokio::test]
async fn a_self_signed_certificate_may_be_its_own_ca() {
    let pki = Pki::new();
    pki.openssl(&["x509", "-in", "good.pem", "-signkey", "good.key", "-days", "10", "-out", "self.pem"]);
    std::fs::copy(pki.path("good.key"), pki.path("self.key")).unwrap();
    let own = Tls::new(pki.settings("self", "self.pem"));
    let (client, server) = talk(&own, &own).await;
    assert!(client.is_ok() && server.is_ok(), "{client:?} {server:?}");
}

#[tokio::test]
async fn a_peer_that_speaks_something_else_is_told_apart() {
    let pki = Pki::new();
    let good = Tls::new(pki.settings("good", "good-ca.pem"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut plain = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let mut stream = good.accept(listener.accept().await.unwrap().0).unwrap();
    plain.write_all(&[1, 0, 0, 8, 0, 0, 0, 1]).await.unwrap();
    let error = stream.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::PROTO.raw_os_error()));
    assert!(stream.write(b"x").await.is_err(), "and stays so");
}

#[tokio::test]
async fn an_unconfigured_process_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("ssl:{}", listener.local_addr().unwrap()).parse().unwrap();
    let error = Stream::connect(&address).await.unwrap_err();
    assert_eq!(crate::session::bare(&error), "Protocol not available");
}
