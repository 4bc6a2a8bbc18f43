//! Records and reports, between protobuf and what both doors ask and answer.

use crate::{
    analytics::{self as core, Record, measure},
    api::{analytics, refusal::Refusal},
    proto::v1::{
        self, Figures, Latency, ReasonShare, ReportRequest, ReportResponse, RouteReason,
        RouteReport, SumUpRequest, SumUpResponse, Verdicts,
    },
};

impl TryFrom<SumUpRequest> for analytics::Question {
    type Error = Refusal;

    fn try_from(asked: SumUpRequest) -> Result<Self, Refusal> {
        let records = asked.records.into_iter().enumerate();
        let records = records.map(|(at, sent)| record(at, &sent));
        Ok(Self {
            records: records.collect::<Result<_, _>>()?,
        })
    }
}

fn record(at: usize, sent: &v1::Record) -> Result<Record, Refusal> {
    let measured = |field, value| {
        measure(value)
            .map_err(|error| Refusal::field(format!("records[{at}].{field}"), &error.to_string()))
    };
    Ok(Record {
        throughput_rps: measured("throughput_rps", sent.throughput_rps)?,
        latency_ms: measured("latency_ms", sent.latency_ms)?,
        total_requests: sent.total_requests,
        coalesced_requests: sent.coalesced_requests,
        cache_hits: sent.cache_hits,
        errors: sent.errors,
    })
}

impl From<analytics::Answer> for SumUpResponse {
    fn from(answer: analytics::Answer) -> Self {
        let summary = answer.summary;
        Self {
            throughput: summary.throughput,
            latency: summary.latency,
            efficiency: summary.efficiency,
            error_rate: summary.error_rate,
            cache_hit_ratio: summary.cache_hit_ratio,
            records: summary.records,
            dispatch: Some(answer.dispatch.into()),
        }
    }
}

impl TryFrom<ReportRequest> for analytics::Window {
    type Error = Refusal;

    fn try_from(asked: ReportRequest) -> Result<Self, Refusal> {
        Ok(Self {
            window: asked.window.unwrap_or_else(analytics::five_minutes),
        })
    }
}

impl From<core::Report> for ReportResponse {
    fn from(report: core::Report) -> Self {
        Self {
            window_s: report.window_s.unwrap_or_default(),
            covered_s: report.covered_s,
            total: Some(report.total.into()),
            reasons: report.reasons.into_iter().map(Into::into).collect(),
            routes: report.routes.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<core::ReasonShare> for ReasonShare {
    fn from(share: core::ReasonShare) -> Self {
        Self {
            reason: share.reason.to_owned(),
            checks: share.checks,
            share: share.share,
        }
    }
}

impl From<core::RouteReport> for RouteReport {
    fn from(route: core::RouteReport) -> Self {
        Self {
            route: route.route,
            total: Some(route.total.into()),
            reasons: route.reasons.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<core::RouteReason> for RouteReason {
    fn from(told: core::RouteReason) -> Self {
        Self {
            reason: told.reason.to_owned(),
            verdict: told.verdict.to_owned(),
            checks: told.checks,
            rate: told.rate,
            share: told.share,
            latency: Some(told.latency.into()),
        }
    }
}

impl From<core::Figures> for Figures {
    fn from(figures: core::Figures) -> Self {
        let core::Verdicts { allow, deny, error } = figures.verdicts;
        Self {
            checks: figures.checks,
            rate: figures.rate,
            verdicts: Some(Verdicts { allow, deny, error }),
            denied_share: figures.denied_share,
            undecided_share: figures.undecided_share,
            latency: Some(figures.latency.into()),
        }
    }
}

impl From<core::Latency> for Latency {
    fn from(latency: core::Latency) -> Self {
        Self {
            p50_us: latency.p50_us,
            p95_us: latency.p95_us,
            p99_us: latency.p99_us,
            max_us: latency.max_us,
        }
    }
}
