use super::*;

fn kinds(text: &str) -> Vec<(&'static str, &str)> {
    let strip = |(rule, range): Hit| (rule.trim_start_matches("personal_data."), &text[range]);
    scan(text).into_iter().map(strip).collect()
}

#[test]
fn valid_values_are_found() {
    for (kind, text) in [
        ("card", "4111 1111 1111 1111"),
        ("card", "5555-5555-5555-4444"),
        ("card", "2223003122003222"),
        ("card", "my card 378282246310005."),
        ("card", "6011111111111117"),
        ("card", "3530111333300000"),
        ("card", "30569309025904"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("iban", "gb82west12345698765432"),
        ("us_ssn", "536-22-8145"),
        ("us_ssn", "my ssn is 536228145"),
        ("us_itin", "911-70-1234"),
        ("us_npi", "NPI 1234567893"),
        ("email", "write to ada.lovelace+x@mail.example.co.uk."),
        ("phone", "+49 170 1234567"),
        ("phone", "(212) 555-0123"),
        ("phone", "212-555-0123"),
        ("phone", "020 7946 0958"),
        ("phone", "call me on 2125550123"),
        ("ip_address", "from 203.0.113.7:8080"),
        ("ip_address", "host 2001:db8::8a2e:370:7334 is up"),
    ] {
        let found = kinds(text);
        assert!(
            found.iter().any(|(rule, _)| *rule == kind),
            "{kind}: {text}: {found:?}"
        );
    }
}

#[test]
fn numbers_that_only_look_alike_are_not() {
    for text in [
        "4111 1111 1111 1112",
        "0000 0000 0000 0000",
        "000-12-3456 and 666-12-3456 and 900-12-3456",
        "078-05-1120",
        "DE89 3704 0044 0532 0130 01",
        "order 2125550123 and 1700000000",
        "v1.2.3.4 and version 10.2.3.4",
        "127.0.0.1 and 0.0.0.0 and 256.1.1.1 and 1.2.3.4.5",
        "2024-01-31 12:30:45 and 31.01.2024",
        "std::vec::Vec and a::b",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "978-3-16-148410-0",
        "git@host and @user and user@localhost",
        "1,000,000 and 3.14159265358979",
        "e3b0c44298fc1c149afbf4c8996fb924",
    ] {
        assert_eq!(kinds(text), Vec::new(), "{text}");
    }
}

#[test]
fn the_place_is_the_value_alone() {
    assert_eq!(
        kinds("mail <bob@corp.example>, card 4111-1111-1111-1111!"),
        [
            ("email", "bob@corp.example"),
            ("card", "4111-1111-1111-1111")
        ]
    );
}
