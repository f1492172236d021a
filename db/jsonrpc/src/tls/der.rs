//! What: as much of an X.509 certificate as tells who issued it and whom it is about (RFC 5280, section 4.1).
//!
//! Why: bootstrapping must know whether a certificate is its own issuer's; rustls verifies chains but shows no names.
//!
//! Invariants: total on any bytes; nothing is believed because of what is read here.

/// The names of a certificate, as DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names<'a> {
    /// Who signed it.
    pub issuer: &'a [u8],
    /// Whom it is about.
    pub subject: &'a [u8],
}

impl<'a> Names<'a> {
    /// Reads them; `None` if this is no certificate.
    pub fn of(certificate: &'a [u8]) -> Option<Names<'a>> {
        let (_, whole, _) = element(certificate)?;
        let (_, tbs, _) = element(whole)?;
        let (tag, _, after) = element(tbs)?;
        // Certificates of version 1 have no version.
        let rest = if tag == VERSION { element(after)?.2 } else { after };
        let (_, _, rest) = element(rest)?; // signature algorithm
        let (_, issuer, rest) = element(rest)?;
        let (_, _, rest) = element(rest)?; // validity
        let (_, subject, _) = element(rest)?;
        Some(Names { issuer, subject })
    }

    /// The common name of whom it is about, if it has one that is text (RFC 5280, section 4.1.2.4).
    pub fn common_name(&self) -> Option<String> {
        let mut rest = self.subject;
        while !rest.is_empty() {
            let (_, attributes, after) = element(rest)?;
            let (_, attribute, _) = element(attributes)?;
            let (_, kind, value) = element(attribute)?;
            if kind == COMMON_NAME {
                let (_, text, _) = element(value)?;
                return std::str::from_utf8(text).ok().map(str::to_owned);
            }
            rest = after;
        }
        None
    }

    /// Is it its own issuer?
    pub fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }
}

/// Tag, contents, what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (contents, after) = rest.split_at_checked(length)?;
    Some((*tag, contents, after))
}

const VERSION: u8 = 0xa0;
/// id-at-commonName, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_are_read_or_refused() {
        bolero::check!().for_each(|bytes| {
            if let Some(names) = Names::of(bytes) {
                assert!(names.issuer.len() + names.subject.len() <= bytes.len());
                assert!(names.common_name().is_none_or(|name| name.len() <= bytes.len()));
            }
        });
    }

    #[test]
    fn the_common_name_is_found_behind_others() {
        let subject = [
            &[0x31, 9, 0x30, 7, 6, 3, 0x55, 4, 10, 0x0c, 0][..],
            &[0x31, 11, 0x30, 9, 6, 3, 0x55, 4, 3, 0x0c, 2, b'm', b'e'],
        ];
        let subject = subject.concat();
        assert_eq!(Names { issuer: &[], subject: &subject }.common_name(), Some("me".into()));
        (0..subject.len())
            .for_each(|end| assert_eq!(Names { issuer: &[], subject: &subject[..end] }.common_name(), None));
    }

    #[test]
    fn names_lie_where_rfc_5280_puts_them() {
        let name = |n: u8| vec![0x30, 1, n];
        let tbs = |version: &[u8]| {
            let parts = [version, &[2, 1, 9], &[0x30, 0], &name(1), &[0x30, 0], &name(2)].concat();
            let inner = [&[0x30, parts.len() as u8][..], &parts].concat();
            [&[0x30, inner.len() as u8][..], &inner].concat()
        };
        for version in [&[0xa0, 3, 2, 1, 2][..], &[]] {
            let whole = tbs(version);
            assert_eq!(Names::of(&whole), Some(Names { issuer: &[1], subject: &[2] }));
            assert!(!Names::of(&whole).unwrap().is_self_issued());
            (0..whole.len()).for_each(|end| assert_eq!(Names::of(&whole[..end]), None, "{end}"));
        }
    }
}
