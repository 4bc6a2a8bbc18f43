//! Every place of the known APIs in which text stands, and whose it is taken for.

use serde_json::json;

use super::*;

const PLACES: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/places.yaml"
));

#[test]
fn every_place_of_the_known_apis_is_read_and_has_its_trust() {
    let rows: Vec<(String, String, String, Value)> =
        serde_saphyr::from_str(PLACES).expect("a table");
    assert!(rows.len() > 80, "{}", rows.len());
    for (api, pointer, trust, body) in rows {
        let text = body.to_string();
        let document = walk(&text, Form::One, LIMITS).expect("valid");
        let holds = |leaf: &usize| &document.text[document.leaves[*leaf].text.clone()] == "MARK";
        let leaf = (0..document.leaves.len()).find(holds);
        let leaf = leaf.unwrap_or_else(|| panic!("{api}: {pointer} is not read"));
        let outermost = document.outermost(leaf);
        let found = format!("{:?}", document.leaves[outermost].trust);
        assert_eq!(found.to_lowercase(), trust, "{api}: {pointer}");
        let found = pointers(&text, Form::One, LIMITS, &[outermost]);
        assert_eq!(found, [pointer], "{api}");
    }
}

#[test]
fn what_is_no_text_is_not_read() {
    let noise = (0..600_u32).map(|at| u8::try_from(at * at * 7 % 251).unwrap_or(0));
    let png: Vec<u8> = b"\x89PNG\r\n\x1a\n".iter().copied().chain(noise).collect();
    let png = base64_simd::STANDARD.encode_to_string(png);
    let url = format!("data:image/png;base64,{png}");
    for body in [
        json!({"images": [png]}),
        json!({"messages": [{"role": "user", "content": [{"image_url": {"url": url}}]}]}),
        json!({"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": png}}]}]}),
        json!({"prompt": [1_212, 318, 257], "logit_bias": {"50256": -100}}),
    ] {
        let document = walk(&body.to_string(), Form::One, LIMITS).expect("valid");
        assert!(!document.text.contains(&png[..64]), "{}", document.text);
        assert!(!document.text.contains("1212"), "{}", document.text);
    }
}
