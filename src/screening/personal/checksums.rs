//! Check digits. Digits are ASCII; every function is asked only for lengths that it knows.

/// The Luhn checksum.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .zip([false, true].into_iter().cycle())
        .map(|(digit, double)| {
            let digit = u32::from(digit - b'0') * if double { 2 } else { 1 };
            if digit > 9 { digit - 9 } else { digit }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The sum of the digits times their weights.
pub(super) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    let digits = digits.iter().map(|digit| u32::from(digit - b'0'));
    digits.zip(weights).map(|(digit, by)| digit * by).sum()
}

/// The number that `digits` are.
pub(super) fn value(digits: &[u8]) -> u64 {
    digits
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
}

/// Whether every digit is the same.
pub(super) fn all_same(digits: &[u8]) -> bool {
    digits.iter().all(|digit| *digit == digits[0])
}

/// ISO 7064, modulus 11 and 10: the last digit checks those before it.
pub(super) fn mod_11_10(digits: &[u8]) -> bool {
    let (last, rest) = digits.split_last().expect("a number has digits");
    let product = rest.iter().fold(10, |product, digit| {
        let sum = (u32::from(digit - b'0') + product) % 10;
        (if sum == 0 { 10 } else { sum } * 2) % 11
    });
    (11 - product) % 10 == u32::from(last - b'0')
}

/// Verhoeff's checksum, over the dihedral group of ten elements.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    let rest = digits
        .iter()
        .rev()
        .enumerate()
        .fold(0, |rest, (at, digit)| {
            let moved = (0..at % 8).fold(digit - b'0', |digit, _| PERMUTED[usize::from(digit)]);
            multiply(rest, moved)
        });
    rest == 0
}

/// Turns are 0 to 4, reflections 5 to 9.
fn multiply(one: u8, other: u8) -> u8 {
    match (one < 5, other < 5) {
        (true, true) => (one + other) % 5,
        (true, false) => 5 + (one + other - 5) % 5,
        (false, true) => 5 + (one - other) % 5,
        (false, false) => (5 + one - other) % 5,
    }
}

const PERMUTED: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

/// US bank routing numbers: weights 3, 7, 1, and the districts that exist.
pub(super) fn aba(digits: &[u8]) -> bool {
    let district = value(&digits[..2]);
    matches!(district, 1..=12 | 21..=32 | 61..=72 | 80)
        && weighted(digits, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
}

/// US health providers: Luhn with the prefix 80840.
pub(super) fn npi(digits: &[u8]) -> bool {
    let prefixed: Vec<u8> = b"80840".iter().chain(digits).copied().collect();
    matches!(digits[0], b'1' | b'2') && !all_same(&digits[..9]) && luhn(&prefixed)
}

/// UK health numbers: modulus 11.
pub(super) fn nhs(digits: &[u8]) -> bool {
    weighted(digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11) && !all_same(digits)
}

/// Canadian social insurance numbers: Luhn; none begins with 0 or 8.
pub(super) fn sin(digits: &[u8]) -> bool {
    !matches!(digits[0], b'0' | b'8') && !all_same(digits) && luhn(digits)
}

/// Australian tax file numbers.
pub(super) fn tfn(digits: &[u8]) -> bool {
    weighted(digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) && !all_same(digits)
}

/// Australian business numbers: modulus 89, the first digit less one.
pub(super) fn abn(digits: &[u8]) -> bool {
    let weights = [10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19];
    digits[0] != b'0' && weighted(digits, &weights) % 89 == 10
}

/// Australian Medicare cards: eight digits, their check digit, the issue.
pub(super) fn medicare(digits: &[u8]) -> bool {
    let check = weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10;
    matches!(digits[0], b'2'..=b'6') && check == u32::from(digits[8] - b'0') && digits[9] != b'0'
}

/// German tax identification numbers; no digit stands more than three times.
pub(super) fn steuer_id(digits: &[u8]) -> bool {
    let count = |digit| memchr::memchr_iter(digit, &digits[..10]).count();
    digits[0] != b'0' && (b'0'..=b'9').all(|digit| count(digit) <= 3) && mod_11_10(digits)
}

/// French social security numbers: sex, month, and a key modulus 97.
pub(super) fn nir(digits: &[u8]) -> bool {
    let month = value(&digits[3..5]);
    matches!(digits[0], b'1' | b'2')
        && matches!(month, 1..=12 | 20..=42 | 50..=99)
        && 97 - value(&digits[..13]) % 97 == value(&digits[13..15])
}

/// Polish PESEL: a date whose month tells the century, and weights.
pub(super) fn pesel(digits: &[u8]) -> bool {
    let (month, day) = (value(&digits[2..4]) % 20, value(&digits[4..6]));
    let weights = [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1];
    matches!(month, 1..=12)
        && matches!(day, 1..=31)
        && weighted(digits, &weights).is_multiple_of(10)
}

/// Dutch BSN: the test by eleven.
pub(super) fn bsn(digits: &[u8]) -> bool {
    // The last weight is -1, which is 10 by eleven.
    weighted(digits, &[9, 8, 7, 6, 5, 4, 3, 2, 10]).is_multiple_of(11) && !all_same(digits)
}

/// Indian Aadhaar: Verhoeff; none begins with 0 or 1, none is a palindrome.
pub(super) fn aadhaar(digits: &[u8]) -> bool {
    digits[0] >= b'2' && !digits.iter().eq(digits.iter().rev()) && verhoeff(digits)
}

/// Brazilian CPF: two check digits modulus 11.
pub(super) fn cpf(digits: &[u8]) -> bool {
    let check = |weights: &[u32]| weighted(digits, weights) * 10 % 11 % 10;
    let at = |at: usize| u32::from(digits[at] - b'0');
    !all_same(digits)
        && check(&[10, 9, 8, 7, 6, 5, 4, 3, 2]) == at(9)
        && check(&[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) == at(10)
}

/// Spanish NIF and NIE: the letter that the number modulus 23 has. X, Y and Z stand for 0, 1, 2.
pub(super) fn nif(code: &[u8]) -> bool {
    let Some((letter, number)) = code.split_last() else {
        return false;
    };
    let first = match number[0] {
        foreign @ b'X'..=b'Z' => foreign - b'X' + b'0',
        digit if digit.is_ascii_digit() => digit,
        _ => return false,
    };
    let number = number[1..]
        .iter()
        .fold(u64::from(first - b'0'), |value, digit| {
            value * 10 + u64::from(digit - b'0')
        });
    let at = usize::try_from(number % 23).unwrap_or_default();
    b"TRWAGMYFPDXBNJZSQVHLCKE"[at] == *letter
}

/// Italian tax codes: name, a date, a place and a letter that checks them. Where people share one,
/// digits are letters.
pub(super) fn codice_fiscale(code: &[u8]) -> bool {
    const OMITTED: &[u8] = b"LMNPQRSTUV";
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let digit = |at: usize| match code[at] {
        digit @ b'0'..=b'9' => Some(u64::from(digit - b'0')),
        letter => (0..10)
            .zip(OMITTED)
            .find(|(_, of)| **of == letter)
            .map(|(digit, _)| digit),
    };
    let numbers_are = [6, 7, 9, 10, 12, 13, 14]
        .into_iter()
        .all(|at| digit(at).is_some());
    let day = digit(9).unwrap_or_default() * 10 + digit(10).unwrap_or_default();
    let sum: u32 = (code[..15].iter().enumerate())
        .map(|(at, byte)| {
            let value = match byte {
                b'0'..=b'9' => byte - b'0',
                letter => letter - b'A',
            };
            if at % 2 == 0 {
                ODD[usize::from(value)]
            } else {
                u32::from(value)
            }
        })
        .sum();
    numbers_are
        && b"ABCDEHLMPRST".contains(&code[8])
        && matches!(day, 1..=31 | 41..=71)
        && sum % 26 == u32::from(code[15] - b'A')
}
