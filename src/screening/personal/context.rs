//! Words near a number that say what it is.
//!
//! Five words before count, and five behind on the same line, in English and in the languages of the
//! regions. Of all topics those before the number are asked first: `passport 912803456, ssn 536…`.
//!
//! Cost: one look at some hundred bytes, only for numbers that their form makes candidates.

use std::{ops::Range, sync::LazyLock};

/// A set of things that words speak of.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Topics(u64);

macro_rules! topics {
    ($($name:ident = $bit:literal: $words:expr;)*) => {
        impl Topics {
            $(pub(super) const $name: Self = Self(1 << $bit);)*
        }
        const WORDS: &[(Topics, &[&str])] = &[$((Topics::$name, &$words)),*];
    };
}

impl Topics {
    /// Both sets' topics.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets share a topic.
    pub(super) const fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }
}

/// What is said around a number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    /// By the five words before it.
    pub(super) before: Topics,
    /// By the five words behind it, up to the end of the line.
    pub(super) behind: Topics,
    /// By the last three words before it, behind any other number.
    pub(super) last: Topics,
}

impl Context {
    /// What is said around `range` of `text`.
    pub(super) fn around(text: &str, range: &Range<usize>) -> Self {
        let bytes = text.as_bytes();
        let from = back(bytes, range.start, NEAR);
        let last = back(bytes, range.start, LAST);
        // What another number has behind it was said of that one: `version 2 at 10.0.0.1`.
        let number = bytes[last..range.start]
            .iter()
            .rposition(u8::is_ascii_digit);
        let last_from = last + number.map_or(0, |at| at + 1);
        let mut context = Self::default();
        speak(&bytes[from..range.start], |at, topics| {
            context.before = context.before.and(topics);
            if from + at >= last_from {
                context.last = context.last.and(topics);
            }
        });
        let behind = &bytes[range.end..ahead(bytes, range.end, NEAR)];
        speak(behind, |_, topics| {
            context.behind = context.behind.and(topics);
        });
        context
    }

    /// Whether a word near speaks of one of `topics`.
    pub(super) fn near(self, topics: Topics) -> bool {
        self.before.and(self.behind).any(topics)
    }
}

/// Where the last `words` words before `at` begin.
fn back(bytes: &[u8], at: usize, words: usize) -> usize {
    let least = at.saturating_sub(MAX_BYTES);
    let (mut from, mut left) = (at, words);
    while from > least {
        let starts = is_word(bytes[from - 1]) && (from == at || !is_word(bytes[from]));
        if starts && left == 0 {
            return from;
        }
        left -= usize::from(starts);
        from -= 1;
    }
    // A word that is cut is no word.
    let cut = from > 0 && is_word(bytes[from - 1]);
    let rest = bytes[from..at].iter();
    from + if cut {
        rest.take_while(|byte| is_word(**byte)).count()
    } else {
        0
    }
}

/// Where the first `words` words behind `at` end.
fn ahead(bytes: &[u8], at: usize, words: usize) -> usize {
    let most = bytes.len().min(at + MAX_BYTES);
    let (mut to, mut left, mut inside) = (at, words, false);
    while to < most && bytes[to] != b'\n' {
        let word = is_word(bytes[to]);
        if inside && !word {
            left -= 1;
            if left == 0 {
                return to;
            }
        }
        inside = word;
        to += 1;
    }
    to
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// Calls `found` with the place of each word of `text` that speaks of something.
fn speak(text: &[u8], mut found: impl FnMut(usize, Topics)) {
    let mut inside = false;
    for (at, byte) in text.iter().enumerate() {
        let begins = (byte.is_ascii_alphabetic() && !inside) || *byte >= 0xC0;
        inside = byte.is_ascii_alphabetic();
        if begins {
            let second = text.get(at + 1).copied().unwrap_or_default();
            for (word, topics) in &BY_LETTERS[letter(*byte) * 27 + letter(second)] {
                if begins_with(&text[at..], word) {
                    found(at, *topics);
                }
            }
        }
    }
}

/// Whether `text` begins with `word` as a whole, or with its plural. A space in `word` is whatever
/// joins words: `tax id`, `tax_id`.
fn begins_with(text: &[u8], word: &str) -> bool {
    let word = word.as_bytes();
    let same = |(byte, of): (&u8, &u8)| match of {
        b' ' => matches!(byte, b' ' | b'_' | b'-' | b'\'' | b'.'),
        of => byte.eq_ignore_ascii_case(of),
    };
    let whole = text.len() >= word.len() && text.iter().zip(word).all(same);
    let letter = |at: usize| text.get(at).is_some_and(u8::is_ascii_alphabetic);
    let plural = |at: usize| text.get(at).is_some_and(|byte| matches!(byte, b's' | b'S'));
    let end = word.len();
    whole && (!word[end - 1].is_ascii() || !letter(end) || (plural(end) && !letter(end + 1)))
}

fn letter(byte: u8) -> usize {
    match byte.to_ascii_lowercase() {
        letter @ b'a'..=b'z' => usize::from(letter - b'a'),
        _ => 26,
    }
}

/// The words by their first two letters; one of a single letter stands under all second ones.
static BY_LETTERS: LazyLock<Vec<Vec<(&str, Topics)>>> = LazyLock::new(|| {
    let mut index = vec![Vec::new(); 27 * 27];
    for (topics, words) in WORDS {
        for word in *words {
            let first = letter(word.as_bytes()[0]) * 27;
            match word.as_bytes().get(1) {
                Some(second) => index[first + letter(*second)].push((*word, *topics)),
                None => (0..27).for_each(|second| index[first + second].push((*word, *topics))),
            }
        }
    }
    index
});

/// How many words before a number are the last ones.
const LAST: usize = 3;
/// How many words on each side are near.
const NEAR: usize = 5;
/// Most bytes on each side.
const MAX_BYTES: usize = 72;

topics! {
    OTHER = 0: [
        "barcode", "batch", "bestellnummer", "bestellung", "build", "case", "checksum", "commande",
        "commit", "customer", "ean", "employee", "epoch", "gtin", "guid", "hash", "invoice", "isbn", "issn", "job", "member", "order",
        "ordine", "part", "parcel", "pedido", "po", "policy", "rechnung", "ref", "reference", "request",
        "serial", "session", "shipment", "sku", "ticket", "timestamp", "tracking", "transaction",
        "unix", "upc", "uuid", "zip",
    ];
    VERSION = 1: [
        "appendix", "article", "assembly", "build", "chapter", "chrome", "clause", "edg", "edge",
        "figure", "firefox", "firmware", "jdk", "kernel", "mozilla", "opera", "opr", "paragraph",
        "release", "rev", "revision", "safari", "section", "step", "upgrade", "v", "ver", "version",
    ];
    CARD = 2: [
        "amex", "card", "carta", "carte", "cartão", "cc", "credit", "debit", "karte", "kreditkarte",
        "maestro", "mastercard", "tarjeta", "visa",
    ];
    SSN = 3: ["soc sec", "social security", "ssid", "ssn"];
    TAX_US = 4: ["itin", "tax id", "taxpayer", "tin"];
    PROVIDER = 5: [
        "clinic", "clinician", "doctor", "dr", "hospital", "medical", "npi", "nurse",
        "physician", "prescriber", "provider",
    ];
    PHONE = 6: [
        "cell", "cell phone", "cellphone", "cellulare", "celular", "contact number", "fax", "fono",
        "gsm", "handy", "handynummer", "hotline", "komórka", "landline", "mob", "mobiel", "mobil",
        "mobile", "mobilnummer", "movil", "móvil", "ph", "phone", "portable", "rufnummer", "sms",
        "tel", "telefax", "telefon", "telefone", "telefonnr", "telefonnummer", "telefono",
        "telefoon", "telefonszám", "telephone", "telf", "teléfono", "tlf",
        "toll free", "téléphone", "viber", "whatsapp", "номер телефона", "тел", "телефон", "טלפון",
        "جوال", "هاتف", "फ़ोन", "मोबाइल", "手机", "手機", "携帯", "电话", "電話", "전화",
    ];
    CALL = 7: ["contact", "message", "number is", "ring", "text"];
    ID = 32: ["id"];
    DIAL = 31: [
        "answering", "anrufen", "appelle", "appeler", "appelez", "call", "chiama", "dial",
        "erreichbar", "ext", "extension", "ligue", "llama", "llame", "office", "reach",
    ];
    ROUTING = 8: ["aba", "bank transit", "routing", "rtn", "wire"];
    BANK = 9: ["ach", "bank", "checking", "deposit", "routing", "savings", "wire"];
    ACCOUNT = 10: ["account", "acct", "accounts"];
    PASSPORT = 11: [
        "paspoort", "pasaporte", "passaporte", "passaporto", "passeport", "passnummer", "passport",
        "paszport", "paszportu", "reisepass", "reisepassnummer", "travel document", "паспорт", "护照",
        "पासपोर्ट",
    ];
    LICENCE = 12: [
        "carnet de conducir", "carteira de motorista", "cnh", "dl no", "dl number",
        "driver licence", "driver license", "driver s licence", "driver s license",
        "drivers licence", "drivers license", "driving licence", "driving license", "fuehrerschein",
        "fuhrerschein", "führerschein", "führerscheinnummer", "licencia de conducir", "patente",
        "patente di guida", "permis de conduire", "permiso de conducir", "prawo jazdy",
        "prawa jazdy", "rijbewijs",
    ];
    MBI = 13: ["beneficiary", "mbi", "medicare"];
    NHS = 14: ["gp", "health service", "nhs", "patient"];
    NINO = 15: ["insurance", "national insurance", "ni no", "ni number", "nino"];
    SIN = 16: ["assurance sociale", "nas", "sin", "social insurance"];
    TFN = 17: ["tax file", "tfn"];
    ABN = 18: ["abn", "business number"];
    MEDICARE = 19: ["medicare"];
    TAX_DE = 20: [
        "identifikationsnummer", "idnr", "steuer", "steuer id", "steuerid",
        "steueridentifikationsnummer", "steuernummer", "tax id", "tax identification", "tax number",
        "tin",
    ];
    NIR = 21: [
        "insee", "nir", "secu", "securite sociale", "social security", "sécu", "sécurité sociale",
        "vitale",
    ];
    DNI = 22: ["dni", "documento nacional", "extranjero", "identidad", "identificación", "nie", "nif"];
    PESEL = 23: ["numer ewidencyjny", "pesel"];
    BSN = 24: ["bsn", "burgerservicenummer", "citizen service", "sofi", "sofinummer"];
    AADHAAR = 25: ["aadhaar", "aadhar", "adhaar", "uidai", "आधार"];
    PAN = 26: ["income tax", "pan", "permanent account"];
    CPF = 27: ["cadastro de pessoas", "cpf"];
    WALLET = 28: [
        "address", "contract", "crypto", "erc", "eth", "ether", "ethereum", "metamask", "wallet",
    ];
    FISCAL = 29: ["codice fiscale", "cod fisc", "fiscal code"];
    MAC = 30: ["bssid", "ethernet", "hardware", "mac", "physical"];
}
