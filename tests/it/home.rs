//! The operator's first page: what it tells, that nothing hostile gets out of its place, and that a real
//! browser shows it.

use std::{path::Path, process::Command};

use crate::{
    support::{client::Request, tools},
    world::World,
};

/// A world in which one check passed and two did not.
async fn asked() -> World {
    let world = World::start().await;
    let token = world.keys.token("alice");
    world.send(Request::get("/docs/own").bearer(&token)).await;
    world.send(Request::get("/docs/own")).await;
    world.send(Request::get("/nowhere")).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_rates_routes_refusals_and_where_work_runs() {
    let world = asked().await;
    let page = Request::get("/").send(world.subzero.admin).await;
    assert_eq!(page.status, 200);
    let text = page.text();
    for words in [
        "class=\"state ready\"",
        "3 checks: 1 allowed, 2 denied, 0 undecided",
        ">doc</th>",
        ">token_missing</td>",
        ">no_route</td>",
        "href=\"/decisions/",
        ">permission</th>",
        "break-even",
    ] {
        assert!(text.contains(words), "no `{words}` in {text}");
    }
    assert!(
        text.contains("Nobody else was asked so far."),
        "an unconfigured upstream is shown"
    );
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(!text.contains("<script"), "nothing runs");
    for line in text.split("http").skip(1) {
        // Names of XML are no addresses that anything is fetched from.
        assert!(
            !line.starts_with("s://")
                && (!line.starts_with("://") || line.starts_with("://www.w3.org/")),
            "{line}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn loads_itself_again_until_told_to_stop() {
    let world = World::start().await;
    let page = async |path: &str| Request::get(path).send(world.subzero.admin).await;
    assert!(
        page("/?window=1h")
            .await
            .text()
            .contains("http-equiv=\"refresh\"")
    );
    assert!(
        !page("/?refresh=off")
            .await
            .text()
            .contains("http-equiv=\"refresh\"")
    );
    for wrong in [
        "/?window=%3Cscript%3E",
        "/?window=1s",
        "/?refresh=never",
        "/?other=1",
    ] {
        let answer = page(wrong).await;
        assert_eq!(answer.status, 400, "{wrong}");
        let kind = answer.header("content-type").expect("a type").to_owned();
        assert!(kind.starts_with("text/plain"), "{wrong}: {kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_it_on_a_phone_and_on_a_desk() {
    let world = asked().await;
    let folder = tempfile::tempdir().expect("make a folder");
    let url = format!("http://{}/?refresh=off", world.subzero.admin);
    for (name, size) in [("phone", "390,844"), ("desk", "1280,1400")] {
        let picture = folder.path().join(format!("{name}.png"));
        let shown = chromium(
            folder.path(),
            size,
            &[&format!("--screenshot={}", picture.display()), &url],
        );
        assert!(shown.contains("written to file"), "{shown}");
        let bytes = std::fs::metadata(&picture).expect("a picture").len();
        assert!(
            bytes > 10_000,
            "{name}: an empty page has fewer than {bytes} bytes"
        );
    }
    let tree = chromium(folder.path(), "390,844", &["--dump-dom", &url]);
    assert!(
        tree.contains("<strong>33.3%</strong><span>allowed</span>"),
        "{tree}"
    );
}

/// What the browser says.
fn chromium(folder: &Path, size: &str, arguments: &[&str]) -> String {
    let output = Command::new(tools::chromium())
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
        ])
        .args([
            "--disable-component-update",
            "--disable-sync",
            "--disable-quic",
            // Containers have little shared memory.
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .arg(format!("--window-size={size}"))
        .args(arguments)
        .output()
        .expect("run the browser");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
