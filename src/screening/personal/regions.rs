//! Countries whose own numbers are looked for.

use serde::{Deserialize, Serialize};

/// Which personal data is looked for. Defaults: `config/default.yaml`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalData {
    /// Countries whose own numbers (social security, tax, health) are looked for. What has no
    /// country (cards, IBAN, addresses, telephones) is looked for always.
    pub regions: Vec<Region>,
}

impl Default for PersonalData {
    fn default() -> Self {
        Self {
            regions: Region::ALL.to_vec(),
        }
    }
}

/// A country with numbers of its own.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Region {
    /// Australia: TFN, ABN, Medicare.
    Au,
    /// Brazil: CPF.
    Br,
    /// Canada: SIN.
    Ca,
    /// Germany: tax identification number.
    De,
    /// Spain: NIF and NIE.
    Es,
    /// France: NIR.
    Fr,
    /// India: Aadhaar and PAN.
    In,
    /// Italy: codice fiscale.
    It,
    /// The Netherlands: BSN.
    Nl,
    /// Poland: PESEL.
    Pl,
    /// The United Kingdom: NHS number, National Insurance number, driving licence.
    Uk,
    /// The United States: SSN, ITIN, NPI, MBI, bank accounts and routing numbers.
    Us,
}

impl Region {
    /// Every region.
    pub const ALL: [Self; 12] = [
        Self::Us,
        Self::Uk,
        Self::Ca,
        Self::Au,
        Self::De,
        Self::Fr,
        Self::Es,
        Self::It,
        Self::Pl,
        Self::Nl,
        Self::In,
        Self::Br,
    ];
}

/// A set of regions.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::screening) struct Regions(u16);

impl Regions {
    /// The regions of `config`.
    pub(in crate::screening) fn new(config: &PersonalData) -> Self {
        let bits = config.regions.iter().map(|region| 1 << *region as u16);
        Self(bits.fold(0, |all, bit| all | bit))
    }

    pub(super) fn has(self, region: Region) -> bool {
        self.0 >> region as u16 & 1 == 1
    }
}
