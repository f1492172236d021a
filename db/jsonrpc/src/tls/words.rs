//! What: `--ssl-protocols` and `--ssl-ciphers`, in the words of OpenSSL that users know.
//!
//! Invariants: a word that nobody knows costs a line in the log; a list in which nothing is left of what was asked for is
//! an error for ciphers (the default stays) and leaves no protocol at all for protocols.

use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion};

/// The versions that `list` allows; `None` for all that we speak.
pub fn protocols(list: Option<&str>) -> Vec<&'static SupportedProtocolVersion> {
    let Some(list) = list else { return vec![&rustls::version::TLS13, &rustls::version::TLS12] };
    let mut versions = Vec::new();
    for word in words(list) {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1.3" => versions.push(&rustls::version::TLS13),
            "tlsv1.2" => versions.push(&rustls::version::TLS12),
            "tlsv1" | "tlsv1.1" => {
                tracing::warn!(target: "stream_ssl", "{word}: SSL protocol is too old to be supported, ignored");
            }
            _ => tracing::error!(target: "stream_ssl", "{word}: SSL protocol not recognized"),
        }
    }
    if versions.is_empty() && !words(list).any(|word| word.to_ascii_lowercase().starts_with("tlsv1")) {
        return protocols(None);
    }
    versions
}

/// Those of `known` that `list`, in the form of `openssl ciphers`, asks for. It speaks of TLS 1.2 only, as with OpenSSL.
pub fn ciphers(list: Option<&str>, known: &[SupportedCipherSuite]) -> Vec<SupportedCipherSuite> {
    let Some(list) = list else { return known.to_vec() };
    let is_new = |suite: &SupportedCipherSuite| suite.tls13().is_some();
    let mut chosen: Vec<SupportedCipherSuite> = known.iter().copied().filter(is_new).collect();
    let mut banned: Vec<&str> = Vec::new();
    for word in words(list) {
        match word.strip_prefix(['!', '-']) {
            Some(unwanted) => {
                banned.push(unwanted);
                chosen.retain(|suite| is_new(suite) || !means(unwanted, suite.suite()));
            }
            None => {
                let word = word.trim_start_matches('+');
                let asked = known.iter().copied().filter(|suite| !is_new(suite) && means(word, suite.suite()));
                let new = asked.filter(|suite| !banned.iter().any(|word| means(word, suite.suite())));
                for suite in new {
                    if !chosen.contains(&suite) {
                        chosen.push(suite);
                    }
                }
            }
        }
    }
    if chosen.iter().all(is_new) {
        tracing::error!(target: "stream_ssl", "SSL_CTX_set_cipher_list: {list}: no cipher match");
        return known.to_vec();
    }
    chosen
}

/// OpenSSL separates with colons, Open vSwitch's lists with commas and spaces.
fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ':', ' ']).filter(|word| !word.is_empty())
}

/// Does OpenSSL's `word` speak of the suite? All of ours are of its class HIGH.
fn means(word: &str, suite: CipherSuite) -> bool {
    let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == suite) else { return false };
    match word {
        "HIGH" | "ALL" | "DEFAULT" | "TLSv1.2" => true,
        "COMPLEMENTOFDEFAULT" => false,
        "AESGCM" | "AES" => name.contains("AES"),
        "EECDH" | "kECDHE" | "kEECDH" => true,
        "aRSA" | "RSA" => name.contains("-RSA-"),
        "aECDSA" => name.contains("ECDSA"),
        word if word.contains('-') => *name == word,
        word => name.split('-').any(|part| part == word),
    }
}

const NAMES: &[(CipherSuite, &str)] = &[
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE-RSA-AES128-GCM-SHA256"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-RSA-CHACHA20-POLY1305"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(list: &str) -> Vec<&'static str> {
        let known = rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES;
        let old = ciphers(Some(list), known).into_iter().filter(|suite| suite.tls13().is_none());
        old.map(|suite| NAMES.iter().find(|(name, _)| *name == suite.suite()).unwrap().1).collect()
    }

    #[test]
    fn lists_mean_what_openssl_means_by_them() {
        assert_eq!(shown("HIGH:!aNULL:!MD5").len(), 6);
        assert_eq!(shown("ECDHE-RSA-AES256-GCM-SHA384"), ["ECDHE-RSA-AES256-GCM-SHA384"]);
        assert_eq!(shown("HIGH:!CHACHA20:!AES128:!aECDSA"), ["ECDHE-RSA-AES256-GCM-SHA384"]);
        assert_eq!(shown("foo").len(), 6, "nothing known: the default stays");
        assert_eq!(protocols(Some("TLSv1.2")), [&rustls::version::TLS12]);
        assert_eq!(protocols(Some("TLSv1, TLSv1.1,TLSv1.2")), [&rustls::version::TLS12]);
        assert_eq!(protocols(Some("TLSv1.3 TLSv1.2")).len(), 2);
        assert!(protocols(Some("TLSv1")).is_empty());
        assert_eq!(protocols(Some("foo")).len(), 2);
    }
}
