//! Questions of every kind, each with its right answer.

use std::sync::{
    Arc, RwLock,
    atomic::{AtomicBool, Ordering},
};

use serde_json::json;

use super::truth::{Question, Thing, denied};
use crate::{
    bodies::ATTACK,
    senders::bound_to,
    support::{
        door::Answer,
        keys::{Algorithm, Key, Token},
        oidc::Oidc,
        proofs::proof,
    },
    world::{self, AUDIENCE, Keys, PARTNER},
};

/// Documents at the permission server and in the store file; Alice sees those with an even number.
pub(super) const DOCUMENTS: usize = 200;

/// Which replica has the store file, and which one asks the server.
pub(super) const EMBEDDED: usize = 0;
pub(super) const REMOTE: usize = 1;

/// What one caller asks about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Topic {
    Nobody,
    Opaque,
    Prompt,
    Proof,
    Provider,
    Remote,
    Store,
    Switch,
    Token,
}

/// All of them, with their share of the questions in percent.
pub(super) const TOPICS: [(Topic, u32); 9] = [
    (Topic::Nobody, 10),
    (Topic::Opaque, 5),
    (Topic::Prompt, 10),
    (Topic::Proof, 5),
    (Topic::Provider, 10),
    (Topic::Remote, 10),
    (Topic::Store, 20),
    (Topic::Switch, 5),
    (Topic::Token, 25),
];

/// Headers of a question.
pub(super) type Headers = Vec<(&'static str, String)>;

/// Tokens and keys that questions are made of, and the facts of this moment.
#[derive(Debug)]
pub(super) struct Pools {
    pub(super) keys: Keys,
    /// Signs under a name that the issuer's own key has.
    forger: Key,
    /// Signs under a name that no key has.
    stranger: Key,
    issuer: String,
    known: Vec<String>,
    alice: String,
    bob: String,
    opaque: Vec<String>,
    /// Has the key that `bound` is bound to.
    holder: Key,
    bound: String,
    pub(super) revoked: RwLock<Vec<String>>,
    pub(super) provided: RwLock<Provided>,
    /// Whether the route that comes and goes is open, and whether Alice may see the document that comes
    /// and goes: at the server, by the store file.
    pub(super) switch: AtomicBool,
    pub(super) permission: AtomicBool,
    pub(super) store: AtomicBool,
}

/// Tokens of the provider's by whether their key is still published.
#[derive(Debug, Default)]
pub(super) struct Provided {
    /// Of one key each, the newest last.
    pub(super) good: Vec<Vec<String>>,
    pub(super) withdrawn: Vec<String>,
}

impl Pools {
    pub(super) async fn new(keys: Keys, provider: &Oidc) -> Self {
        let mut opaque = Vec::new();
        for _ in 0..20 {
            opaque.push(provider.token("carol", "docs").await);
        }
        let holder = Key::generate(Algorithm::Es256, "");
        let of_each_key = Provided {
            good: vec![provided(provider).await],
            withdrawn: Vec::new(),
        };
        let user = |number: u32| keys.token(&format!("user-{number}"));
        Self {
            forger: Key::generate(Algorithm::Es256, "es"),
            stranger: Key::generate(Algorithm::Es256, "stranger"),
            issuer: provider.issuer.clone(),
            known: (0..64).map(user).collect(),
            alice: keys.token("alice"),
            bob: keys.token("bob"),
            opaque,
            bound: bound_to(&holder, &keys),
            holder,
            keys,
            revoked: RwLock::default(),
            provided: RwLock::new(of_each_key),
            switch: AtomicBool::new(true),
            permission: AtomicBool::new(false),
            store: AtomicBool::new(false),
        }
    }

    /// A token of the provider's by name, and of a key of nobody's.
    pub(super) fn of_a_stranger(&self) -> String {
        Token::new(&self.issuer, AUDIENCE, "alice").sign(&self.stranger)
    }

    /// A token and what proves that its holder shows it, once.
    pub(super) fn proven(&self) -> Headers {
        let url = "https://service.example/bound";
        let proof = proof(&self.holder, "POST", url, Some(&self.bound));
        let scheme = format!("DPoP {}", self.bound);
        vec![("authorization", scheme), ("dpop", proof)]
    }

    /// Whether Alice may see this document at the permission server, asked with her token.
    pub(super) fn remote(&self, id: &str) -> (String, Headers) {
        (format!("/remote/{id}"), bearer(&self.alice))
    }

    /// The same by the store file.
    pub(super) fn embedded(&self, id: &str) -> (String, Headers) {
        (format!("/docs/{id}"), bearer(&self.alice))
    }
}

/// Some tokens of the provider's newest key.
pub(super) async fn provided(provider: &Oidc) -> Vec<String> {
    let mut tokens = Vec::new();
    for _ in 0..8 {
        tokens.push(provider.token("alice", "docs").await);
    }
    tokens
}

pub(super) fn bearer(token: &str) -> Headers {
    vec![("authorization", format!("Bearer {token}"))]
}

/// Makes the questions of one caller, the same ones in every run as far as facts allow.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) topic: Topic,
    pools: Arc<Pools>,
    /// A proof that was taken, and is to be shown again.
    taken: Option<Headers>,
    random: u64,
}

impl Source {
    pub(super) fn new(topic: Topic, pools: &Arc<Pools>, number: u64) -> Self {
        Self {
            topic,
            pools: Arc::clone(pools),
            taken: None,
            random: 0x9e37_79b9_7f4a_7c15 ^ (number + 1),
        }
    }

    /// Less than `below`, by xorshift.
    pub(super) fn pick(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let below = u64::try_from(below).expect("fits");
        usize::try_from(self.random % below).expect("fits")
    }

    fn one_of<'p>(&mut self, pool: &'p [String]) -> &'p str {
        &pool[self.pick(pool.len())]
    }

    /// The next question.
    pub(super) fn next(&mut self) -> Question {
        let mut question = match self.topic {
            Topic::Nobody => match self.pick(4) {
                0 => Question::at("/nowhere", "no route").denied(403, "no_route"),
                _ => Question::at("/open", "public"),
            },
            Topic::Opaque => self.opaque(),
            Topic::Prompt => self.prompt(),
            Topic::Proof => self.proof(),
            Topic::Provider => self.provider(),
            Topic::Remote => return self.remote(),
            Topic::Store => return self.embedded(),
            Topic::Switch => {
                let is_open = self.pools.switch.load(Ordering::SeqCst);
                let missing = denied(401, "token_missing");
                let question = Question::at("/switch", "of a route that comes and goes");
                question.given(is_open, missing, &[Thing::Config])
            }
            Topic::Token => self.token(),
        };
        question.replica = self.pick(2);
        question
    }

    /// Notes what came of a question.
    pub(super) fn learn(&mut self, question: &Question, answer: &Answer) {
        if question.kind == "proof" && *answer == Answer::Allowed {
            self.taken = Some(question.headers.clone());
        }
    }

    fn token(&mut self) -> Question {
        let at = |kind, token: &str| Question::at("/me", kind).with(bearer(token));
        let pools = Arc::clone(&self.pools);
        let choice = self.pick(20);
        let fresh = world::token("alice").claim("jti", json!(self.random));
        match choice {
            0 => {
                let token = fresh.expires_in(-300).sign(&pools.keys.es256);
                at("expired", &token).denied(401, "token_expired")
            }
            1 => at("forged", &fresh.sign(&pools.forger)).denied(401, "token_signature"),
            2 => at("unsigned", &fresh.unsigned()).denied(401, "token_algorithm"),
            3 => {
                let token = fresh.claim("iss", json!(PARTNER)).sign(&pools.keys.es256);
                at("of another issuer", &token).denied(401, "token_issuer")
            }
            4 => Question::at("/me", "without token").denied(401, "token_missing"),
            5 | 6 => {
                let revoked = pools.revoked.read().expect("no panic");
                at("revoked", self.one_of(&revoked)).denied(401, "token_revoked")
            }
            7..10 => at("never seen before", &fresh.sign(&pools.keys.es256)),
            _ => at("seen before", self.one_of(&pools.known)),
        }
    }

    /// Withdrawn keys and those of strangers are unknown ones: the provider is asked for its set.
    fn provider(&mut self) -> Question {
        let at = |kind, token: &str| Question::at("/provider", kind).with(bearer(token));
        let pools = Arc::clone(&self.pools);
        let provided = pools.provided.read().expect("no panic");
        match self.pick(20) {
            0 if !provided.withdrawn.is_empty() => {
                let question = at("of a withdrawn key", self.one_of(&provided.withdrawn));
                question.denied(401, "token_signature").on(&[Thing::Keys])
            }
            1 => {
                let question = at("of a stranger's key", &pools.of_a_stranger());
                question.denied(401, "token_signature").on(&[Thing::Keys])
            }
            _ => {
                let of_one_key = &provided.good[self.pick(provided.good.len())];
                let question = at("of the provider", self.one_of(of_one_key));
                let no = denied(401, "token_signature");
                question.given(true, no, &[Thing::Rotation])
            }
        }
    }

    fn opaque(&mut self) -> Question {
        let at = |kind, token: &str| Question::at("/provider", kind).with(bearer(token));
        let pools = Arc::clone(&self.pools);
        let asked: &[Thing] = &[Thing::Introspection];
        if self.pick(4) > 0 {
            return at("opaque", self.one_of(&pools.opaque)).on(asked);
        }
        let invented = format!("invented-{}", self.pick(50));
        let question = at("opaque, invented", &invented).denied(401, "token_revoked");
        question.on(asked)
    }

    /// One that was taken is shown again, to either replica: they share what they have seen.
    fn proof(&mut self) -> Question {
        let at = |kind, headers| {
            Question::at("/bound", kind)
                .with(headers)
                .on(&[Thing::Redis])
        };
        match self.taken.take() {
            Some(headers) => at("proof shown again", headers).denied(401, "token_signature"),
            None => at("proof", self.pools.proven()),
        }
    }

    fn prompt(&mut self) -> Question {
        let number = self.pick(10_000);
        let key = "AKIAQ3EGSIKLMNPR7T2X";
        let (kind, text) = match self.pick(4) {
            0 => ("injection", format!("{number}. {ATTACK}")),
            1 => ("secret", format!("{number}: my key is {key}, keep it")),
            _ => {
                let filling = "What is good to eat with tea by the sea? ".repeat(number % 40);
                ("safe", format!("{filling}Tell me of {number} fish."))
            }
        };
        let message = json!({ "role": "user", "content": text });
        let body = json!({ "model": "gpt-test", "messages": [message] });
        let question = Question {
            body: body.to_string().into_bytes(),
            ..Question::at("/v1/chat/completions", kind)
        };
        let question = question.with(vec![("content-type", "application/json".to_owned())]);
        match kind {
            "injection" => question.denied(403, "prompt_injection"),
            "secret" => question.denied(403, "secret_found"),
            _ => question,
        }
    }

    fn embedded(&mut self) -> Question {
        let may_flip = self.pools.store.load(Ordering::SeqCst);
        let kinds = ["permitted", "not permitted"];
        let question = self.document("/docs", kinds, may_flip, &[Thing::Store]);
        Question {
            replica: EMBEDDED,
            ..question
        }
    }

    fn remote(&mut self) -> Question {
        let may_flip = self.pools.permission.load(Ordering::SeqCst);
        let kinds = ["permitted by the server", "not permitted by the server"];
        let on: &[Thing] = &[Thing::OpenFga, Thing::Permission];
        let question = self.document("/remote", kinds, may_flip, on);
        Question {
            replica: REMOTE,
            ..question
        }
    }

    /// Alice sees documents with an even number and maybe the one that comes and goes, Bob sees none.
    fn document(
        &mut self,
        path: &str,
        [yes, no]: [&'static str; 2],
        may_flip: bool,
        on: &'static [Thing],
    ) -> Question {
        let choice = self.pick(10);
        let number = self.pick(DOCUMENTS);
        let (token, id, may) = match choice {
            0 => (&self.pools.alice, "flip".to_owned(), may_flip),
            1 | 2 => (&self.pools.bob, number.to_string(), false),
            _ => (
                &self.pools.alice,
                number.to_string(),
                number.is_multiple_of(2),
            ),
        };
        let kind = if may { yes } else { no };
        let question = Question::at(&format!("{path}/{id}"), kind).with(bearer(token));
        match (choice, may) {
            (0, _) => question.given(may, denied(403, "permission_denied"), on),
            (_, true) => question.on(on),
            (_, false) => question.denied(403, "permission_denied").on(on),
        }
    }
}
