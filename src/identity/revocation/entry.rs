//! What an entry is found by, and which tokens it covers.

use super::{
    super::{claims::Claims, credential::MAX_TOKEN},
    Error, Revocation,
};
use crate::clock::UnixSeconds;

/// What holds for the tokens with these fields. Times are when each part stops to matter.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub(super) struct Entry {
    /// Which fields it is found by, see [`Facts::shape`].
    pub(super) shape: u32,
    /// All of them.
    pub(super) all: UnixSeconds,
    /// Those issued before the first of the two.
    pub(super) before: (UnixSeconds, UnixSeconds),
}

/// The fields of a revocation, or of a token, in the order of [`Facts::shape`]'s bits.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a>(pub(super) [Option<&'a str>; 4]);

impl Entry {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            shape: self.shape,
            all: self.all.max(other.all),
            // Each for itself: a shorter life configured meanwhile must not end an older promise.
            before: (
                self.before.0.max(other.before.0),
                self.before.1.max(other.before.1),
            ),
        }
    }

    /// From when on it matters no more.
    pub(super) fn lapse(&self) -> UnixSeconds {
        self.all.max(self.before.1)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds are exact in f64 for 285 million years"
    )]
    pub(super) fn covers(&self, issued: Option<f64>, now: UnixSeconds) -> bool {
        let (before, lapse) = self.before;
        let is_before = || issued.is_none_or(|issued| issued < before as f64);
        self.all > now || (lapse > now && is_before())
    }
}

impl<'a> Facts<'a> {
    /// The shape with every field.
    pub(super) const ALL: u32 = 0b1111;

    pub(super) fn of(what: &'a Revocation) -> Self {
        let fields = [&what.issuer, &what.jti, &what.sub, &what.sid];
        Self(fields.map(Option::as_deref))
    }

    pub(super) fn of_token(issuer: &'a str, claims: &'a Claims) -> Self {
        let text = |name| claims.text(name);
        Self([Some(issuer), text("jti"), text("sub"), text("sid")])
    }

    /// Which fields there are: a bit each, [`ISSUER`] first.
    pub(super) fn shape(&self) -> u32 {
        let bits = self.0.iter().enumerate();
        bits.map(|(at, field)| u32::from(field.is_some()) << at)
            .sum()
    }

    /// Just the fields of `shape`, if all of them are there.
    pub(super) fn only(&self, shape: u32) -> Option<Self> {
        let mut fields = self.0;
        for (at, field) in fields.iter_mut().enumerate() {
            *field = field.filter(|_| shape >> at & 1 == 1);
        }
        let facts = Self(fields);
        (facts.shape() == shape).then_some(facts)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let names = ["issuer", "jti", "sub", "sid"];
        for (name, field) in names.into_iter().zip(self.0) {
            if field.is_some_and(|text| text.is_empty() || text.len() > MAX_TOKEN) {
                return Err(Error::Text(name));
            }
        }
        Ok(())
    }
}

/// The bit of [`Facts::shape`] for the issuer.
pub(super) const ISSUER: u32 = 1;
