//! Versions that follow each other, and entries that are not ours.

use super::*;

#[test]
fn versions_advance_one_by_one_or_not_at_all() {
    let mut state = State::default();
    state.advance("ab 1".to_owned());
    assert_eq!(state.applied, None, "nothing has been read");
    state.applied = Some(String::new());
    state.advance("ab 2".to_owned());
    assert_eq!(state.applied.as_deref(), Some(""), "one was missed");
    for (heard, applied) in [
        ("ab 1", "ab 1"),
        ("ab 3", "ab 1"),
        ("ab 2", "ab 2"),
        ("cd 3", "ab 2"),
        ("ab x", "ab 2"),
        ("ab 3", "ab 3"),
    ] {
        state.advance(heard.to_owned());
        assert_eq!(state.applied.as_deref(), Some(applied), "{heard}");
    }
}

#[test]
fn marks_of_another_form_are_none() {
    assert_eq!(Marks::from_stored("1 1 2 3 4"), Some(Marks([1, 2, 3, 4])));
    for bad in [
        "",
        "1",
        "2 1 2 3 4",
        "1 1 2 3",
        "1 1 2 3 4 5",
        "1 a 2 3 4",
        "1 1 2 3 99999999999999999",
    ] {
        assert_eq!(Marks::from_stored(bad), None, "{bad}");
    }
}
