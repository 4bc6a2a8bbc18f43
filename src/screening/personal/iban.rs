//! IBANs: a country's length and a remainder of 1 by 97.

/// How many bytes the IBAN at the start of `bytes` takes, if one stands there.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let [one, two, check_one, check_two, ..] = bytes else {
        return None;
    };
    if !(check_one.is_ascii_digit() && check_two.is_ascii_digit()) {
        return None;
    }
    let country = [one.to_ascii_uppercase(), two.to_ascii_uppercase()];
    let country = str::from_utf8(&country).ok()?;
    let length = LENGTHS
        .iter()
        .find(|(_, of)| of.split(' ').any(|c| c == country))?
        .0;
    let (mut at, mut taken, mut digits) = (0, Vec::with_capacity(length), 0);
    while taken.len() < length {
        match bytes.get(at)? {
            byte if byte.is_ascii_alphanumeric() => {
                digits += usize::from(byte.is_ascii_digit());
                taken.push(byte.to_ascii_uppercase());
            }
            b' ' | b'-' if bytes[at - 1].is_ascii_alphanumeric() => {}
            _ => return None,
        }
        at += 1;
    }
    let ends = bytes
        .get(at)
        .is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let moved = taken[4..].iter().chain(&taken[..4]);
    let rest = moved.fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
    });
    // Words that happen to pass have few digits.
    (ends && rest == 1 && digits * 3 >= length).then_some(at)
}

/// Countries by the length of their IBANs.
pub(super) const LENGTHS: [(usize, &str); 18] = [
    (15, "NO"),
    (16, "BE"),
    (18, "DK FO FI GL NL SD FK"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU XK MN"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ TL OM SO"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "LY PT ST"),
    (26, "IS TR"),
    (27, "BI DJ FR GR IT MC MR SM"),
    (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
];
