//! The table of paths, hosts and methods: what two readers could read differently is refused,
//! through Envoy as shipped.

use crate::{
    cases::{Case, deny, pass, refuse, run},
    support::client::Request,
    world::{World, token},
};

#[tokio::test(flavor = "multi_thread")]
async fn paths_hosts_and_methods() {
    let world = World::start().await;
    let bad = |path: &str| deny(path, Request::get(path), 400, "bad_path");
    let mut cases = plain(&world);
    cases.extend(hosts());
    cases.extend(AMBIGUOUS.map(bad));
    run(&world, cases, 40).await;
}

const AMBIGUOUS: [&str; 28] = [
    "/open/a%25%32%65b",
    "/open/..;/x",
    "/open/..%3bv=1/x",
    "/open/x/../y",
    "/open/x//y",
    "/open/./y",
    "//healthz",
    "/./healthz",
    "/x/../healthz",
    "/%68ealthz",
    "/healthz%2f",
    "/healthz%2F..%2fadmin",
    "/open/%5cadmin",
    "/open/a\\b",
    "/open/%00",
    "/open/%0d%0a",
    "/open/%zz",
    "/open/%",
    "/open/%252fadmin",
    "/open/%2525",
    "/..",
    "/open/../../x",
    "//open/admin/x",
    "/open//admin/x",
    "/open/x/../admin/x",
    "/open/%61dmin/x",
    "/open/./admin/x",
    "/open/%ff",
];

fn plain(world: &World) -> Vec<Case> {
    let get = Request::get;
    let admin =
        Request::get("/open/admin/x").bearer(&token("root").scope("admin").sign(&world.keys.rs256));
    vec![
        pass("public", get("/healthz"), "/healthz"),
        pass(
            "query is not part of the path",
            get("/healthz?a=/../b"),
            "/healthz?a=/../b",
        ),
        deny(
            "another method",
            Request::new("POST", "/healthz"),
            403,
            "no_route",
        ),
        refuse(
            "method in small letters",
            Request::new("get", "/healthz"),
            400,
        ),
        deny(
            "method override is not heard",
            Request::new("POST", "/healthz").header("x-http-method-override", "GET"),
            403,
            "no_route",
        ),
        deny("trailing slash", get("/healthz/"), 403, "no_route"),
        deny("other case", get("/Healthz"), 403, "no_route"),
        deny("nothing matches", get("/nowhere"), 403, "no_route"),
        deny("the root", get("/"), 403, "no_route"),
        pass("catch-all", get("/open/a/b"), "/open/a/b"),
        pass(
            "catch-all with a harmless escape",
            get("/open/a%20b"),
            "/open/a%20b",
        ),
        pass("matrix parameter", get("/open/a;v=1"), "/open/a;v=1"),
        deny(
            "protected below the catch-all",
            get("/open/admin/x"),
            401,
            "token_missing",
        ),
        pass(
            "protected below the catch-all, with a token",
            admin,
            "/open/admin/x",
        )
        .subject("root"),
    ]
}

fn hosts() -> Vec<Case> {
    let get = Request::get;
    let host = |name: &str| get("/x").header("host", name);
    vec![
        pass("host", host("internal.example"), "/x"),
        pass(
            "host in capitals with a port",
            host("INTERNAL.example:8443"),
            "/x",
        ),
        pass("host with a trailing dot", host("internal.example."), "/x"),
        deny(
            "host as an IPv6 address",
            host("[::1]:8443"),
            403,
            "no_route",
        ),
        deny(
            "host that only ends alike",
            host("notinternal.example"),
            403,
            "no_route",
        ),
        deny(
            "host forwarded by the client",
            get("/x").header("x-forwarded-host", "internal.example"),
            403,
            "no_route",
        ),
        deny(
            "path rewritten by the client",
            get("/nowhere").header("x-envoy-original-path", "/healthz"),
            403,
            "no_route",
        ),
        refuse("fragment", get("/healthz#x"), 400),
        refuse("no leading slash", get("healthz"), 400),
    ]
}
