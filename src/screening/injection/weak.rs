//! The weak rules: phrases of jailbreaks that honest role plays and questions use too. Several
//! different ones near each other are a finding.

use super::Rule;

const fn weak(weight: u32, literals: &'static [&'static str], pattern: &'static str) -> Rule {
    Rule {
        id: super::WEAK_RULE,
        literals,
        pattern,
        weight,
    }
}

/// The rows.
#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    weak(3, &["from now on", "you are now", "going forward you", "you will now", "starting now"], r"\b(?:from now on|you are now|you will now|going forward you|starting now)\b"),
    weak(2, &["act as", "pretend", "roleplay", "role-play", "role play", "playing the role", "you are going to", "simulate", "immerse yourself", "simulator"], ""),
    weak(4, &["mode output", "mode response", "mode outputs", "mode responses", "mode, ", "opposite day", "no prohibitions", "no rules", "zero restrictions"], r"\b(?:\w+ mode (?:outputs?|responses?)|stay in \w+ mode|(?:while|when) in \w+ mode|opposite day|no prohibitions|no rules|zero restrictions)\b"),
    weak(3, &["your name is", "you will act as", "you will respond as", "you will play", "respond as ", "answer as ", "speaking as", "you will be a"], r"\b(?:your name is(?: now)?|you will (?:act|respond|play|answer)(?: as)?|(?:respond|answer) as [a-z]\w+|you will be an? )"),
    weak(3, &["in character", "break character", "breaking character", "out of character", "in their roles", "in your role", "stay in the role", "breaking out of"], ""),
    weak(4, &["unfiltered", "uncensored", "unrestricted", "unlimited", "limitless", "unethical", "amoral", "immoral", "unhinged", "no morals"], ""),
    weak(2, &["illegal", "unlawful", "offensive", "inappropriate", "nsfw", "swear", "curse words", "harmful", "dangerous"], ""),
    weak(4, &["openai", "content policy", "content policies", "usage policies", "anthropic"], ""),
    weak(3, &["ethical guidelines", "ethical or", "ethics and", "moral guidelines", "ethical concerns", "moral or", "morality", "legality", "ethics"], ""),
    weak(4, &["restrictions", "limitations", "constraints", "censorship", "guardrails"], r"\b(?:no|any|all|your|without|the|of|these|its|typical|usual) (?:\w+ ){0,2}(?:restrictions|limitations|constraints|censorship|guardrails)\b"),
    weak(4, &["refuse", "decline to", "reject", "deny any", "say no"], r"\b(?:never|not|cannot|can't|don't|must|without|won't) (?:\w+ ){0,2}(?:refus\w+|declin\w+|reject\w*|deny any|say no)\b"),
    weak(3, &["i'm sorry", "i am sorry", "i cannot", "i can't", "apologize", "as an ai", "as a language model", "ai language model", "warnings", "disclaimer"], ""),
    weak(1, &["chatgpt", "gpt-4", "gpt-3", "language model", "llm"], ""),
    weak(3, &["you can do anything", "can do anything", "anything i ask", "anything the user", "whatever i ask", "any question", "every question", "any request", "all my questions", "answer everything", "all of my questions", "everything i ask"], ""),
    weak(3, &["no matter what", "regardless of", "under any circumstances", "at all costs", "without question"], ""),
    weak(2, &["hypothetical", "fictional", "in this world", "thought experiment", "for educational purposes", "imaginary"], ""),
    weak(3, &["two responses", "two ways", "two different", "both responses", "first response", "second response", "respond twice", "prefix", "start every", "begin every", "start each", "before each response"], ""),
    weak(3, &["if you understand", "to confirm", "say \"understood", "reply with \"ok", "respond with \"i", "my first request", "my first question", "first prompt is", "say \"how can i help"], ""),
    weak(2, &["jailbreak", "bypass", "loophole"], ""),
    weak(3, &["you must", "you will never", "never mention", "never say", "do not mention", "don't say", "never include"], r"\b(?:you must (?:always|never|not|answer|obey|comply)|you will never|never (?:mention|say|include)|do not mention|don't say)\b"),
    weak(2, &["freedom", "freed", "break free", "liberated", "escape"], ""),
    weak(2, &["persona", "alter ego", "evil", "twin", "villain", "machiavelli"], ""),
    weak(4, &["make up", "make things up", "fabricate", "invent answers", "pretend to access", "pretend to have access", "pretend to browse"], ""),
    weak(3, &["[system]", "<system>", "[insert prompt", "[user", "[prompt]", "{prompt}", "[question"], ""),
    weak(2, &["hack", "malware", "bomb", "meth", "drugs", "steal", "kill"], r"\b(?:hack(?:ing|er)?|malware|bombs?|meth|steal(?:ing)?)\b"),
];
