//! The table of permissions: every kind of relation, and placeholders that must not be talked
//! round, through Envoy as shipped.

use serde_json::json;

use crate::{
    cases::{Case, deny, pass, run},
    support::client::Request,
    world::{World, token},
};

#[tokio::test(flavor = "multi_thread")]
async fn permissions() {
    let world = World::start().await;
    let cases = [relations(&world), placeholders(&world)];
    run(&world, cases.into_iter().flatten().collect(), 30).await;
}

fn relations(world: &World) -> Vec<Case> {
    let alice = world.keys.token("alice");
    let doc = |id: &str| Request::get(&format!("/docs/{id}")).bearer(&alice);
    let sees = |name: &str, id: &str| pass(name, doc(id), &format!("/docs/{id}")).subject("alice");
    vec![
        sees("direct", "direct"),
        sees("computed from owner", "own"),
        sees("through nested groups", "by-group"),
        sees("through two folders and a group", "in-folder"),
        sees("everyone's", "everyone"),
        sees("encoded in the path", "caf%C3%A9"),
        deny(
            "blocked although a viewer",
            doc("blocked"),
            403,
            "permission_denied",
        ),
        deny("no relation", doc("secret"), 403, "permission_denied"),
        deny(
            "another subject",
            Request::get("/docs/own").bearer(&world.keys.token("bob")),
            403,
            "permission_denied",
        ),
        deny(
            "subject that is a wildcard",
            Request::get("/docs/own").bearer(&world.keys.token("*")),
            403,
            "missing_input",
        ),
        deny(
            "subject that is a set",
            Request::get("/docs/own").bearer(&world.keys.token("x#member")),
            403,
            "missing_input",
        ),
        deny("object with a colon", doc("a%3Ab"), 403, "missing_input"),
        deny("object that is a wildcard", doc("*"), 403, "missing_input"),
        deny(
            "object with a relation",
            doc("own%23viewer"),
            403,
            "missing_input",
        ),
        deny("object with a blank", doc("o%20wn"), 403, "missing_input"),
    ]
}

fn placeholders(world: &World) -> Vec<Case> {
    let alice = world.keys.token("alice");
    let approve = |id: &str, scope: &str| {
        let bearer = token("alice").scope(scope).sign(&world.keys.rs256);
        Request::new("POST", &format!("/docs/{id}/approve")).bearer(&bearer)
    };
    let search = |query: &str| Request::get(&format!("/search{query}")).bearer(&alice);
    let agent = |agent: &str| {
        Request::get("/agent")
            .bearer(&alice)
            .header("user-agent", agent)
    };
    let nested =
        |org| Request::get("/nested").bearer(&token("x").claim("org", org).sign(&world.keys.rs256));
    vec![
        deny(
            "token before permission",
            Request::get("/docs/own"),
            401,
            "token_missing",
        ),
        pass(
            "both operands",
            approve("approve", "docs:approve"),
            "/docs/approve/approve",
        )
        .subject("alice"),
        deny(
            "one operand",
            approve("direct-not-reviewed", "docs:approve"),
            403,
            "permission_denied",
        ),
        deny(
            "scope before permission",
            approve("approve", "other"),
            403,
            "token_scope",
        ),
        pass(
            "from the query",
            search("?x=1&doc=own"),
            "/search?x=1&doc=own",
        )
        .subject("alice"),
        deny("query absent", search(""), 403, "missing_input"),
        deny("query empty", search("?doc="), 403, "missing_input"),
        deny(
            "query repeated",
            search("?doc=own&doc=secret"),
            403,
            "missing_input",
        ),
        deny(
            "query repeated in another spelling",
            search("?doc=own&%64oc=secret"),
            403,
            "missing_input",
        ),
        deny(
            "query with a relation",
            search("?doc=own%23x"),
            403,
            "missing_input",
        ),
        pass("from a header", agent("tester"), "/agent").subject("alice"),
        deny(
            "header says somebody else",
            agent("other"),
            403,
            "permission_denied",
        ),
        deny(
            "header repeated",
            agent("tester").header("user-agent", "tester"),
            403,
            "permission_denied",
        ),
        pass(
            "from a nested claim",
            nested(json!({"user": "alice"})),
            "/nested",
        )
        .subject("x"),
        deny("claim absent", nested(json!({})), 403, "missing_input"),
        deny(
            "claim that is no text",
            nested(json!({"user": ["alice"]})),
            403,
            "missing_input",
        ),
    ]
}
