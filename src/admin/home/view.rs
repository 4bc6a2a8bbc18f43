//! How the page looks.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::{Home, timeline, upstreams::Upstream};
use crate::{
    analytics::{Report, RouteReport},
    dispatch::Row,
};

/// The page of what was gathered.
pub(super) struct View<'a>(pub(super) &'a Home);

const STYLE: &str = include_str!("style.css");

/// Windows that are offered.
const WINDOWS: [&str; 4] = ["1m", "5m", "15m", "1h"];

/// Pages about one thing each.
const PAGES: [(&str, &str); 7] = [
    ("/metrics", "metrics"),
    ("/readyz", "readiness"),
    ("/config", "configuration"),
    ("/dispatch", "dispatch"),
    ("/decisions", "decisions"),
    ("/analytics?window=5m", "analytics"),
    ("/failure-table", "failures"),
];

impl View<'_> {
    pub(super) fn render(&self) -> String {
        let page = self.0;
        let document = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    @if page.refresh { meta http-equiv="refresh" content="10"; }
                    title { "subzero: " (page.readiness.word) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    (self.top())
                    main {
                        (self.figures())
                        section { (timeline::draw(&page.timeline)) }
                        section { h2 { "Routes" } (routes(&page.report)) }
                        section { h2 { "Last refusals" } (denials(&page.denials)) }
                        section { h2 { "Upstreams" } (upstreams(&page.upstreams)) }
                        section { h2 { "Where work runs" } (self.dispatch()) }
                    }
                    footer { "subzero " (env!("CARGO_PKG_VERSION")) }
                }
            }
        };
        document.into_string()
    }

    fn top(&self) -> Markup {
        let page = self.0;
        html! {
            header {
                h1 { "subzero" }
                span class={ "state " (page.readiness.word.replace(' ', "-")) } { (page.readiness.word) }
                nav aria-label="window" {
                    @for window in WINDOWS {
                        a href=(format!("/?window={window}")) aria-current=[(window == page.window).then_some("true")] { (window) }
                    }
                    @if page.refresh {
                        a href=(format!("/?window={}&refresh=off", page.window)) { "stop" }
                    } @else {
                        a href=(format!("/?window={}", page.window)) { "go on" }
                    }
                }
                nav aria-label="pages" { @for (address, name) in PAGES { a href=(address) { (name) } } }
            }
            @for trouble in &page.readiness.troubles { p class="trouble" { (trouble) } }
        }
    }

    fn figures(&self) -> Markup {
        let total = &self.0.report.total;
        let allowed = 1.0 - total.denied_share;
        html! {
            section class="figures" {
                (figure("checks a second", &format!("{:.1}", total.rate)))
                (figure("allowed", &if total.checks == 0 { "–".to_owned() } else { percent(allowed) }))
                (figure("denied", &total.verdicts.deny.to_string()))
                (figure("could not decide", &percent(total.undecided_share)))
                (figure("half within", &micros(total.latency.p50_us)))
                (figure("99 % within", &micros(total.latency.p99_us)))
            }
        }
    }

    fn dispatch(&self) -> Markup {
        let table = &self.0.dispatch;
        html! {
            p { (table.threads) " threads on " (format!("{:.2}", table.quota)) " cores; handing work over takes " (micros(table.handoff_us)) "." }
            div class="wide" { table {
                thead { tr { th { "operation" } th { "one item" } th { "a kilobyte" } th { "break-even" } } }
                tbody { @for row in &table.operations { (operation(row)) } }
            } }
            div class="plot" { (PreEscaped(table.svg())) }
        }
    }
}

fn figure(name: &str, value: &str) -> Markup {
    html! { div { strong { (value) } span { (name) } } }
}

fn routes(report: &Report) -> Markup {
    if report.routes.is_empty() {
        return html! { p class="none" { "No check in this window." } };
    }
    html! {
        div class="wide" { table {
            thead { tr { th { "route" } th { "a second" } th { "denied" } th { "p50" } th { "p95" } th { "p99" } th class="text" { "most" } } }
            tbody { @for route in &report.routes { (one_route(route)) } }
        } }
    }
}

fn one_route(route: &RouteReport) -> Markup {
    let total = &route.total;
    let share = percent(total.denied_share);
    html! {
        tr {
            th scope="row" { (route.route.as_deref().unwrap_or("no route")) }
            td { (format!("{:.1}", total.rate)) }
            td class="bar" style=(format!("--share:{share}")) { (share) }
            td { (micros(total.latency.p50_us)) }
            td { (micros(total.latency.p95_us)) }
            td { (micros(total.latency.p99_us)) }
            td class="text" { @if let Some(reason) = route.reasons.first() { (reason.reason) } }
        }
    }
}

fn denials(denials: &[Value]) -> Markup {
    if denials.is_empty() {
        return html! { p class="none" { "Nothing was refused lately." } };
    }
    let text = |denial: &Value, key: &str| denial[key].as_str().unwrap_or("–").to_owned();
    html! {
        div class="wide" { table {
            thead { tr { th class="text" { "when" } th class="text" { "route" } th class="text" { "reason" } th { "took" } th class="text" { "decision" } } }
            tbody { @for denial in denials {
                @let id = text(denial, "id");
                tr {
                    td class="text" { (text(denial, "time").get(11..19).unwrap_or("–")) }
                    td class="text" { (text(denial, "route")) }
                    td class="text" { (text(denial, "reason")) }
                    td { (micros(denial["cost_us"].as_f64().unwrap_or_default())) }
                    td class="text" { a href=(format!("/decisions/{id}")) { "why" } }
                }
            } }
        } }
    }
}

fn upstreams(upstreams: &[Upstream]) -> Markup {
    if upstreams.is_empty() {
        return html! { p class="none" { "Nobody else was asked so far." } };
    }
    html! {
        div class="wide" { table {
            thead { tr { th { "upstream" } th { "calls" } th { "failed" } th class="text" { "why" } th { "mean" } th class="text" { "breaker" } } }
            tbody { @for upstream in upstreams {
                tr {
                    th scope="row" { (upstream.name) }
                    td { (upstream.ok + upstream.failed) }
                    td { (upstream.failed) }
                    td class="text" { (upstream.worst.as_deref().unwrap_or("–")) }
                    td { (upstream.mean_ms.map_or_else(|| "–".to_owned(), |mean| micros(mean * 1e3))) }
                    td class={ "text breaker " (upstream.breaker.unwrap_or_default()) } { (upstream.breaker.unwrap_or("–")) }
                }
            } }
        } }
    }
}

fn operation(row: &Row) -> Markup {
    html! {
        tr {
            th scope="row" { (row.operation) }
            td { (micros(row.item_cost_us)) }
            td { (micros(row.per_kb_us)) }
            td { (row.break_even_items.map_or_else(|| "never".to_owned(), |items| format!("{items} items"))) }
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// Three figures and a unit.
fn micros(micros: f64) -> String {
    if micros <= 0.0 {
        "–".to_owned()
    } else if micros < 1.0 {
        format!("{:.0} ns", micros * 1e3)
    } else if micros < 100.0 {
        format!("{micros:.1} µs")
    } else if micros < 1e3 {
        format!("{micros:.0} µs")
    } else if micros < 1e6 {
        format!("{:.1} ms", micros / 1e3)
    } else {
        format!("{:.1} s", micros / 1e6)
    }
}
