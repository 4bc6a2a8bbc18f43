use super::*;

#[test]
fn ascii_is_not_copied_and_blanks_are_single() {
    let text = "Ignore \n\n ALL\tprevious";
    assert!(matches!(clean(text).text, Cow::Borrowed(_)));
    assert!(matches!(clean("a\r\n\tb").text, Cow::Borrowed(_)));
    let (folded, map) = fold(text);
    assert_eq!(folded, "ignore all previous");
    assert_eq!(&text[map.source(&(7..10))], "ALL");
    assert_eq!(&text[map.source(&(0..8))], "Ignore \n\n A");
    assert!(fold("one two").1.is_identity());
}

#[test]
fn every_way_to_write_a_word_folds_to_the_same() {
    for text in [
        "ignore",
        "IGNORE",
        "ｉｇｎｏｒｅ",
        "𝐢𝐠𝐧𝐨𝐫𝐞",
        "іgnоrе",
        "ιgnorε",
        "i\u{200b}g\u{200d}n\u{2060}ore",
        "ig\u{ad}nore",
        "íğñòrê",
        "i\u{301}g\u{335}n\u{336}o\u{337}r\u{338}e\u{489}",
        "ɪɢɴᴏʀᴇ",
    ] {
        let clean = clean(text);
        let (folded, map) = fold(&clean.text);
        let folded = folded.replace('\u{489}', "");
        assert_eq!(folded, "ignore", "{text}");
        let source = clean.map.source(&map.source(&(0..6)));
        assert_eq!(source.start, 0);
        assert!(text.is_char_boundary(source.end), "{text}");
    }
}

#[test]
fn smuggled_letters_are_read_and_reported() {
    let tags: String = "ignore"
        .chars()
        .filter_map(|c| char::from_u32(0xe_0000 + u32::from(c)))
        .collect();
    let text = format!("Hi{tags}");
    let cleaned = clean(&text);
    assert_eq!(cleaned.text, "Hiignore");
    assert_eq!(cleaned.invisible, vec![2..text.len()]);

    let selectors: String = "hello!"
        .bytes()
        .filter_map(|b| char::from_u32(0xe_0100 + u32::from(b) - 16))
        .collect();
    let cleaned = clean(&selectors);
    assert_eq!(
        cleaned.text, "ello!",
        "the first selector may be an emoji's"
    );
    assert_eq!(cleaned.invisible.len(), 1);

    assert_eq!(clean("abc\u{202e}def").invisible, vec![3..6]);
    assert_eq!(clean("a\u{200b}b\u{200b}c\u{200b}d").invisible.len(), 3);
}

#[test]
fn honest_invisible_characters_are_not_reported() {
    for text in [
        "❤️ and 👩‍👩‍👧 and 🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        "\u{feff}a byte-order mark",
        "می‌خواهم",
        "copied\u{200b} from a page",
        "\u{c}a page\n\u{c}another \u{1b}[31mred\u{1b}[0m",
        "soft\u{ad}hy\u{ad}phens in a news\u{ad}paper",
    ] {
        assert!(clean(text).invisible.is_empty(), "{text}");
    }
}

#[test]
fn folding_never_blows_text_up() {
    for unit in [
        "\u{fdfa}",
        "\u{fdfb}",
        "\u{3316}",
        "\u{fdf2}",
        "\u{1d160}",
        "\u{fb2c}",
        "ΐ",
    ] {
        let text = unit.repeat(1_000);
        let (folded, map) = fold(&text);
        assert!(
            folded.len() <= 2 * text.len() + 4,
            "{unit}: {}",
            folded.len()
        );
        let last = folded.chars().next_back().expect("text").len_utf8();
        let source = map.source(&(folded.len() - last..folded.len()));
        assert_eq!(source, text.len() - unit.len()..text.len(), "{unit}");
    }
    // What is written with more bytes at first is still folded after them.
    let (folded, _) = fold(&format!("{}𝐢𝐠𝐧𝐨𝐫𝐞", "\u{fdf2}".repeat(1_000)));
    assert!(folded.ends_with("ignore"));
    assert_eq!(fold("\u{fdfa}ﬃ㎏").0, "\u{fdfa}ffikg");
}

#[test]
fn control_characters_in_words_are_stripped_and_reported() {
    for control in [
        "\0",
        "\u{1}",
        "\u{8}",
        "\u{c}",
        "\u{7f}",
        "\u{85}",
        "\u{9f}",
        "\0\0\u{1}",
    ] {
        for (left, right) in [
            ("Ig", "nore"),
            ("AKIA", "QX7"),
            ("é", "é"),
            ("4111", "1111"),
        ] {
            let text = format!("{left}{control}{right}");
            let cleaned = clean(&text);
            assert_eq!(cleaned.text, format!("{left}{right}"));
            let hidden = left.len()..left.len() + control.len();
            assert_eq!(cleaned.invisible, [hidden], "{text:?}");
            assert_eq!(cleaned.map.source(&(0..cleaned.text.len())), 0..text.len());
        }
        let around = clean(&format!("{control}a {control} b.{control}c{control}")).invisible;
        assert!(around.is_empty(), "{control:?}");
    }
    assert_eq!(clean("a\0\u{200b}\0b").invisible, vec![1..6]);
}
