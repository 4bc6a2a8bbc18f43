//! Which addresses and which keys together are taken, and what is said of the others.

use super::*;

/// The defaults with `changes` (JSON) over them.
fn config(changes: &str) -> Config {
    let mut redis = serde_json::json!({
        "url": null, "topology": "standalone", "nodes": [], "master": null, "username": null,
        "password_file": null, "sentinel_username": null, "sentinel_password_file": null,
        "ca_file": null, "cert_file": null, "cert_key_file": null, "key_file": null,
        "deadline": "50ms", "connect_timeout": "1s", "reconnect_after": "2s",
    });
    let changes: serde_json::Value = serde_json::from_str(changes).expect("json");
    for (key, value) in changes.as_object().expect("an object") {
        redis[key] = value.clone();
    }
    serde_json::from_value(serde_json::json!({ "redis": redis })).expect("a configuration")
}

#[test]
fn without_a_url_everything_stays_in_memory() {
    let resolved = config("{}").resolve(Path::new("/")).expect("good");
    assert!(resolved.is_none());
}

#[test]
fn addresses_are_read_as_they_are_meant() {
    let tcp = |host: &str, port, tls| Node::Tcp {
        host: host.to_owned(),
        port,
        tls,
    };
    for (text, node, database) in [
        ("redis://redis", tcp("redis", 6379, false), None),
        (
            "redis://10.0.0.1:7000/3",
            tcp("10.0.0.1", 7000, false),
            Some(3),
        ),
        ("rediss://[::1]:7000/", tcp("::1", 7000, true), None),
        (
            "unix:/run/redis.sock",
            Node::Unix("/run/redis.sock".into()),
            None,
        ),
        (
            "unix:///run/redis.sock",
            Node::Unix("/run/redis.sock".into()),
            None,
        ),
    ] {
        assert_eq!(address(text), Ok((node, database)), "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_by_key_with_a_cure_and_without_the_secret() {
    let directory = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        fs::write(directory.path().join(name), text).expect("a file");
    };
    write("key", "0123456789abcdef");
    write("short", "0123");
    for (changes, at, said) in [
        (
            r#"{"username": "ann"}"#,
            "username",
            "without `store.redis.url`",
        ),
        (r#"{"url": "redis://a"}"#, "key_file", "openssl rand"),
        (
            r#"{"url": "redis://a", "key_file": "short"}"#,
            "key_file",
            "16 bytes",
        ),
        (
            r#"{"url": "redis://a", "key_file": "none"}"#,
            "key_file",
            "cannot read",
        ),
        (
            r#"{"url": "http://a", "key_file": "key"}"#,
            "url",
            "`redis://HOST:PORT`",
        ),
        (
            r#"{"url": "redis://:hunter2@a", "key_file": "key"}"#,
            "url",
            "`password_file`",
        ),
        (
            r#"{"url": "redis://a/x", "key_file": "key"}"#,
            "url",
            "number of a database",
        ),
        (
            r#"{"url": "redis://a/?x=1", "key_file": "key"}"#,
            "url",
            "leave out",
        ),
        (
            r#"{"url": "unix:run", "key_file": "key"}"#,
            "url",
            "`unix:/PATH`",
        ),
        (
            r#"{"url": "redis://a", "key_file": "key", "nodes": ["redis://b"]}"#,
            "nodes",
            "`topology: cluster`",
        ),
        (
            r#"{"url": "redis://a", "key_file": "key", "topology": "sentinel"}"#,
            "master",
            "write the name",
        ),
        (
            r#"{"url": "redis://a/1", "key_file": "key", "topology": "cluster"}"#,
            "url",
            "a cluster has one only",
        ),
        (
            r#"{"url": "redis://a", "key_file": "key", "topology": "cluster", "nodes": ["rediss://b"]}"#,
            "nodes",
            "for all of them or for none",
        ),
        (
            r#"{"url": "redis://a", "key_file": "key", "username": "ann"}"#,
            "username",
            "needs",
        ),
        (
            r#"{"url": "redis://a", "key_file": "key", "password_file": "none"}"#,
            "password_file",
            "cannot read",
        ),
        (
            r#"{"url": "redis://a", "key_file": "key", "cert_file": "key"}"#,
            "cert_file",
            "set both or none",
        ),
    ] {
        let problems = config(changes).problems(directory.path());
        let key = format!("redis.{at}");
        let told = problems
            .iter()
            .any(|p| p.key == key && p.message.contains(said));
        assert!(told, "{at}: {said}: {problems:?}");
        assert!(!format!("{problems:?}").contains("hunter2"));
    }
    let good = config(r#"{"url": "redis://a", "key_file": "key"}"#).resolve(directory.path());
    assert!(good.expect("good").is_some());
}
