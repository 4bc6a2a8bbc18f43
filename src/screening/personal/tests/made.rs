//! Values that are made: every brand, country and way of writing is found.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::{
    super::{checksums::luhn, iban, phone},
    kinds,
};

/// Whether `text` has a finding of `kind` that is `value` and nothing else.
fn is_found(kind: &str, value: &str, text: &str) -> bool {
    kinds(text) == [(kind, value)]
}

/// `digits` in groups of these lengths.
fn grouped(digits: &str, groups: &[usize], separator: &str) -> String {
    let mut rest = digits;
    let parts: Vec<&str> = groups
        .iter()
        .map_while(|length| {
            let (part, after) = rest.split_at((*length).min(rest.len()));
            rest = after;
            (!part.is_empty()).then_some(part)
        })
        .collect();
    parts.join(separator)
}

/// `start` and digits up to `length`, the last of which Luhn wants.
fn card(start: &str, length: usize, seed: u64) -> String {
    let digits = format!("{seed:019}");
    let body = format!("{start}{}", &digits[start.len()..]);
    (0..10)
        .map(|last| format!("{}{last}", &body[..length - 1]))
        .find(|number| luhn(number.as_bytes()))
        .expect("one of ten digits checks")
}

const BRANDS: [(&str, usize); 44] = [
    ("4", 13),
    ("4", 16),
    ("4", 19),
    ("51", 16),
    ("52", 16),
    ("53", 16),
    ("54", 16),
    ("55", 16),
    ("2221", 16),
    ("2300", 16),
    ("25", 16),
    ("2699", 16),
    ("2720", 16),
    ("34", 15),
    ("37", 15),
    ("6011", 16),
    ("6011", 19),
    ("644", 16),
    ("649", 16),
    ("65", 16),
    ("622126", 16),
    ("622925", 19),
    ("3528", 16),
    ("3589", 16),
    ("2131", 15),
    ("1800", 15),
    ("300", 14),
    ("305", 14),
    ("36", 14),
    ("38", 14),
    ("39", 14),
    ("36", 16),
    ("50", 16),
    ("5018", 16),
    ("56", 16),
    ("6304", 16),
    ("6759", 16),
    ("6761", 16),
    ("69", 16),
    ("62", 17),
    ("62", 18),
    ("62", 19),
    ("2200", 16),
    ("9792", 16),
];

fn email() -> impl Strategy<Value = String> {
    let local = "[a-zA-Z0-9][a-zA-Z0-9_+-]{0,12}(\\.[a-z0-9_%+-]{1,8}){0,2}";
    let host = "([a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?\\.){1,3}(com|org|de|co\\.uk|museum|photography)";
    (local, host)
        .prop_map(|(local, host)| format!("{local}@{host}"))
        .prop_filter("`git` is nobody", |email| !email.starts_with("git@"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cards_of_every_brand(seed in 0..10_u64.pow(18), separator in "[ .-]?") {
        for (start, length) in BRANDS {
            let number = card(start, length, seed);
            let groups: &[usize] = match length {
                14 | 15 => &[4, 6, 5],
                _ => &[4, 4, 4, 4, 3],
            };
            let value = if matches!(length, 13 | 17 | 18) {
                number.clone()
            } else {
                grouped(&number, groups, &separator)
            };
            prop_assert!(is_found("card", &value, &value), "{value}: {:?}", kinds(&value));
            let text = format!("pay with {value}, please");
            prop_assert!(is_found("card", &value, &text), "{text}: {:?}", kinds(&text));
            // Any other last digit is wrong.
            let last = number.len() - 1;
            let wrong = format!("{}{}", &number[..last], (number.as_bytes()[last] - b'0' + 1) % 10);
            let wrong = grouped(&wrong, groups, &separator);
            // The first sixteen of nineteen digits may be a card themselves.
            prop_assert!((length >= 17 && !separator.is_empty()) || !kinds(&format!("my card is {wrong}")).iter().any(|(kind, _)| *kind == "card"), "{wrong}");
        }
    }

    #[test]
    fn ibans_of_every_country(seed: u64, spaced: bool, lower: bool) {
        for (length, countries) in iban::LENGTHS {
            for country in countries.split(' ') {
                let account = &format!("{seed:020}{seed:020}")[..length - 4];
                let number = format!("{account}{country}00");
                let rest = number.bytes().fold(0, |rest: u32, byte| match byte {
                    b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
                    letter => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
                });
                let iban = format!("{country}{:02}{account}", 98 - rest);
                let mut value = if spaced { grouped(&iban, &[4; 9], " ") } else { iban };
                if lower {
                    value.make_ascii_lowercase();
                }
                prop_assert!(is_found("iban", &value, &value), "{value}: {:?}", kinds(&value));
                let text = format!("IBAN:{value}.");
                prop_assert!(is_found("iban", &value, &text), "{text}: {:?}", kinds(&text));
            }
        }
    }

    #[test]
    fn social_security_numbers(area in 1..900_u32, group in 1..100_u32, serial in 1..10_000_u32, separator in "[ .-]") {
        prop_assume!(area != 666 && (area, group) != (78, 5) && (area, group) != (219, 9));
        let value = format!("{area:03}{separator}{group:02}{separator}{serial:04}");
        prop_assert!(is_found("us_ssn", &value, &value), "{value}");
        let bare = format!("{area:03}{group:02}{serial:04}");
        let text = format!("SSN {bare}");
        prop_assert!(is_found("us_ssn", &bare, &text), "{text}: {:?}", kinds(&text));
        for wrong in [
            format!("666{separator}{group:02}{separator}{serial:04}"),
            format!("000{separator}{group:02}{separator}{serial:04}"),
            format!("{area:03}{separator}00{separator}{serial:04}"),
            format!("{area:03}{separator}{group:02}{separator}0000"),
        ] {
            let text = format!("ticket {wrong}");
            prop_assert_eq!(kinds(&text), Vec::new(), "{}", wrong);
        }
    }

    #[test]
    fn addresses_of_machines(four: u32, parts in prop::array::uniform8(0_u16..), zeros in 0..7_usize) {
        let four = Ipv4Addr::from(four);
        prop_assume!(!matches!(four.octets()[0], 0 | 127 | 255));
        let mut parts = parts.map(|part| part | 1);
        for part in parts.iter_mut().skip(1).take(zeros) {
            *part = 0;
        }
        let full = parts.map(|part| format!("{part:04x}")).join(":");
        let six = Ipv6Addr::from(parts);
        let mapped = format!("::ffff:{four}");
        for value in [four.to_string(), six.to_string(), six.to_string().to_uppercase(), full, mapped] {
            // Short letters and nothing else are code: `face::b`.
            prop_assume!(value.bytes().any(|byte| byte.is_ascii_digit()) && value.len() >= 6);
            for text in [
                value.clone(), format!("ip {value}, up."), format!("[{value}]:80"), format!("{value}/24"),
                format!("ip={value}"), format!("http://{value}/"),
            ] {
                if text.starts_with("http") && value.contains(':') {
                    continue;
                }
                prop_assert!(is_found("ip_address", &value, &text), "{text}: {:?}", kinds(&text));
            }
        }
    }

    #[test]
    fn addresses_of_mail(value in email()) {
        for text in [
            value.clone(), format!("mail {value}."), format!("<{value}>"), format!("\"{value}\","),
            format!("mailto:{value}?subject=x"), format!("({value})"), format!("**{value}**!"),
        ] {
            prop_assert!(is_found("email", &value, &text), "{text}: {:?}", kinds(&text));
        }
    }

    #[test]
    fn telephones_of_every_country(seed in 10_u64.pow(14)..2 * 10_u64.pow(14)) {
        for (code, least, most) in phone::COUNTRIES {
            for length in least.max(8)..=most {
                // North America's areas and exchanges begin with 2 to 9.
                let rest = seed.to_string().replace('0', "5").replace('1', "6");
                let number = format!("{code}{}", &rest[..length - code.len()]);
                let same = number.bytes().all(|byte| number.starts_with(char::from(byte)));
                prop_assume!(!same);
                let value = format!("+{number}");
                prop_assert!(is_found("phone", &value, &value), "{value}: {:?}", kinds(&value));
                let spaced = format!("+{code} {}", grouped(&number[code.len()..], &[3, 3, 6, 9], "-"));
                prop_assert!(is_found("phone", &spaced, &format!("me: {spaced}.")), "{spaced}");
            }
        }
    }

    #[test]
    fn offsets_are_within_the_text(text in "\\PC{0,80}", digits in "[0-9 .:/()+@xA-F-]{0,60}") {
        let text = format!("{text}{digits}{text}");
        for (_, value) in kinds(&text) {
            prop_assert!(!value.is_empty());
        }
    }
}
