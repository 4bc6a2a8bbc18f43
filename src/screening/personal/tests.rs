use super::*;

mod made;

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/screening.md"));

fn kinds(text: &str) -> Vec<(&'static str, &str)> {
    let strip = |hit: Hit| {
        (
            hit.rule.trim_start_matches("personal_data."),
            &text[hit.range],
        )
    };
    let regions = Regions::new(&PersonalData::default());
    scan(text, regions).into_iter().map(strip).collect()
}

#[test]
fn valid_values_are_found() {
    for (kind, text) in [
        ("card", "4111 1111 1111 1111"),
        ("card", "5555-5555-5555-4444"),
        ("card", "2223003122003222"),
        ("card", "4111.1111.1111.1111"),
        ("card", "cards 4012888888881881 4012-8888-8888-1881"),
        ("card", "4111 1111 1111 1111 12/27 123"),
        ("card", "my card 378282246310005."),
        ("card", "6011111111111117"),
        ("card", "3530111333300000"),
        ("card", "30569309025904"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("iban", "gb82west12345698765432"),
        ("us_ssn", "536-22-8145"),
        ("us_ssn", "2024-01-31 536-22-8145 10.0.0.1"),
        ("us_ssn", "536–22–8145"),
        ("ip_address", "version 2 at 10.1.2.3"),
        ("us_ssn", "ssn: 536 22 8145"),
        ("us_ssn", "social_security 536-228145"),
        ("us_ssn", "my ssn is 536228145"),
        ("us_itin", "911-70-1234"),
        ("us_npi", "NPI 1234567893"),
        ("email", "<mailto:o'neil@sub.example.museum>,"),
        ("email", "x@müller.de und иван"),
        ("email", "a@пример.рф"),
        ("email", "\"ada lovelace\"@example.org"),
        ("email", "https://example.org/?to=bob@corp.example"),
        ("email", "write to ada.lovelace+x@mail.example.co.uk."),
        ("phone", "+49 170 1234567"),
        ("phone", "(212) 555-0123"),
        ("phone", "212-555-0123"),
        ("phone", "020 7946 0958"),
        ("phone", "call me on 2125550123"),
        ("phone", "0049 170 1234567"),
        ("phone", "+44 (0)20 7946 0958"),
        ("phone", "(11) 98456-5666"),
        ("phone", "030/1234567"),
        ("phone", "03.93.92.16.85"),
        ("phone", "345-899-3560x4587"),
        ("phone", "8 (912) 345-67-89"),
        ("phone", "我的电话是13812345678"),
        ("phone", "call me on 450 0840"),
        ("phone", "Telefon: 532 123 45 67"),
        ("ip_address", "12:30:45 10.0.0.1 GET"),
        ("ip_address", "10.0.0.1-10.0.0.9"),
        ("ip_address", "http://10.0.0.1/"),
        ("ip_address", "ip:2001:db8::1"),
        ("ip_address", "IPv6:fe80::1%eth0"),
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
        "978-3-16-148410-0 and 0-306-40615-2 and ISBN 9780306406157",
        "012-00-3456",
        "order number 2125550123, ticket 212-555-0123, invoice 536228145",
        "call order 1700000000, text 1234567890123456",
        "foo==1.2.3.4 and Chrome 91.0.4.124 and section 1.2.3.4 and python-3.4.2.4",
        "claude-sonnet-4-5-20250929 calls",
        "DE8937040044053201300 and es6 modules are used in 20 places of the code",
        "icon@2x.png and https://ann:pass@host.example/ and git@github.com:a/b.git",
        "(2019) 12-345 and (2021) 45-50",
        "1.23 4.56 7.89 0.12 and 10 20 30 40 50",
        "12:30:45 and 1:2:3:4 and ff:ff:ff:ff:ff:ff and 00:1A:2B:3C:4D",
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
    assert_eq!(
        kinds("(536-22-8145), (212) 555-0123, #a@b.example, +44 20 7946 0958"),
        [
            ("email", "a@b.example"),
            ("us_ssn", "536-22-8145"),
            ("phone", "(212) 555-0123"),
            ("phone", "+44 20 7946 0958"),
        ]
    );
}

#[test]
fn each_country_s_numbers_are_found_and_their_near_misses_are_not() {
    for (kind, valid, wrong) in COUNTRIES {
        let has = |text: &str| kinds(text).iter().any(|(rule, _)| rule == kind);
        assert!(has(valid), "{kind}: {valid}: {:?}", kinds(valid));
        assert!(!has(wrong), "{kind}: {wrong}");
        for around in ["(%)", "x=%;", "\n%\n", "„%“"] {
            let text = around.replace('%', valid);
            assert!(has(&text), "{kind}: {text}: {:?}", kinds(&text));
        }
        assert!(
            PAGE.contains(&format!("`{kind}`")),
            "{kind} is not in its docs"
        );
        // A letter on either side makes it part of something else.
        if !matches!(*kind, "passport" | "driver_license") {
            let glued = format!("{valid}q");
            assert!(!has(&glued), "{kind}: {glued}");
        }
    }
}

/// A rule, a text with a value of it, and one with a near miss.
const COUNTRIES: &[(&str, &str, &str)] = &[
    (
        "us_bank_routing",
        "routing number 121000358",
        "routing number 121000359",
    ),
    ("us_bank_routing", "3222-7162-7", "3222-7162-8"),
    (
        "us_bank_account",
        "my checking account is 945456787654",
        "my account is 945456787654",
    ),
    ("us_itin", "911-70-1234", "911-89-1234"),
    ("us_npi", "1234-567-893", "1234-567-894"),
    ("us_mbi", "1EG4-TE5-MK73", "1SG4-TE5-MK73"),
    ("us_mbi", "1EG4TE5MK73", "1EG4TE5MK734"),
    ("passport", "passport no. AB1234567", "part no. AB1234567"),
    ("passport", "Reisepass C01X00T47", "Reise C01X00T47"),
    (
        "passport",
        "passport number: 912803456",
        "number: 912803456",
    ),
    (
        "driver_license",
        "driver's license F162823540116",
        "software license F162823540116",
    ),
    (
        "driver_license",
        "Führerschein B072RRE2I55",
        "Schein B072RRE2I55",
    ),
    (
        "uk_nhs",
        "NHS number 401-023-2137",
        "NHS number 401-023-2138",
    ),
    ("uk_nino", "AA 12 34 56 B", "BG 12 34 56 B"),
    ("uk_nino", "nino tw987654a", "code tw987654a"),
    ("uk_driving_licence", "MORGA657054SM9IJ", "MORGA663054SM9IJ"),
    ("ca_sin", "my SIN is 130-692-544", "my SIN is 130-692-545"),
    ("au_tfn", "TFN: 876 543 210", "TFN: 824 753 557"),
    ("au_abn", "51 824 753 556", "52 824 753 556"),
    ("au_medicare", "2123 45670 1", "2123 25870 1"),
    (
        "de_tax_id",
        "Steuer-ID: 86095742719",
        "Steuer-ID: 86095742718",
    ),
    ("fr_nir", "1 85 05 78 006 084 91", "1 85 05 78 006 084 92"),
    ("fr_nir", "NIR 284052A00608434", "NIR 284052A00608435"),
    ("es_nif", "12345678Z", "12345678A"),
    ("es_nif", "mi DNI es 1111111-g", "mi ref es 1111111-g"),
    ("es_nie", "X9613851N", "X9613851M"),
    ("it_codice_fiscale", "RSSMRA85T10A562S", "RSSMRA85T10A562T"),
    ("pl_pesel", "PESEL 44051401458", "PESEL 44051401459"),
    ("nl_bsn", "BSN 111222333", "BSN 111222334"),
    ("in_aadhaar", "3123 4567 8909", "3123 4567 8908"),
    ("in_pan", "ABCPD1234Z", "ABCXD1234Z"),
    ("br_cpf", "529.982.247-25", "529.982.247-26"),
    ("mac_address", "00:1A:2B:3C:4D:5E", "00:1A:2B-3C:4D:5E"),
    (
        "mac_address",
        "MAC:AA-BB-0C-DD-EE-FF",
        "AA-BB-0C-DD-EE-FF-00",
    ),
    ("mac_address", "0012.3456.789a", "0012.3456.7890"),
    (
        "crypto_address",
        "16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ",
        "16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyY",
    ),
    (
        "crypto_address",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdp",
    ),
    (
        "crypto_address",
        "bc1p5d7rjq7g6rdk2yhzks9smlaqtedr4dekq08ge8ztwac72sfr9rusxg3297",
        "bc1p5d7rjq7g6rdk2yhzks9smlaqtedr4dekq08ge8ztwac72sfr9rusxg3298",
    ),
    (
        "crypto_address",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed",
    ),
    (
        "crypto_address",
        "wallet 0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        "commit 0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
    ),
];

#[test]
fn words_before_a_number_speak_for_it_first() {
    assert_eq!(
        kinds("passport 912803456 and ssn 536228145"),
        [("passport", "912803456"), ("us_ssn", "536228145")]
    );
    let hits = scan("my ssn: 536228145", Regions::new(&PersonalData::default()));
    assert_eq!(hits[0].certainty, SURE);
    let hits = scan("passport 912803456", Regions::new(&PersonalData::default()));
    assert_eq!(hits[0].certainty, SPOKEN);
}

#[test]
fn only_the_numbers_of_the_regions_are_looked_for() {
    let regions = |regions: &str| {
        let config: PersonalData = serde_json::from_str(regions).expect("regions");
        Regions::new(&config)
    };
    let rules = |text, of| -> Vec<&str> { scan(text, of).iter().map(|hit| hit.rule).collect() };
    let text = "536-22-8145, X9613851N, 4111111111111111";
    let all = ["personal_data.es_nie", "personal_data.us_ssn", CARD];
    assert_eq!(rules(text, Regions::new(&PersonalData::default())), all);
    assert_eq!(rules(text, regions(r#"{"regions": ["us"]}"#)), all[1..]);
    assert_eq!(rules(text, regions(r#"{"regions": []}"#)), all[2..]);
    let error = serde_json::from_str::<PersonalData>(r#"{"regions": ["mars"]}"#);
    let told = error.expect_err("refused").to_string();
    assert!(told.contains("`mars`") && told.contains("`br`"), "{told}");
    for region in Region::ALL {
        let name = serde_json::to_string(&region).expect("a name");
        assert!(told.contains(&name.replace('"', "`")), "{name}: {told}");
    }
}
