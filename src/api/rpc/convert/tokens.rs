//! Tokens and risk, between protobuf and what both doors ask and answer.
//!
//! What a reader would get wrong: a list cannot be left out in protobuf. No issuers named means all of
//! them here, as leaving the field out does in JSON; an empty list in JSON trusts nobody.

use crate::{
    api::{auth, refusal::Refusal, risk},
    proto::v1::{
        AuthenticateRequest, AuthenticateResponse, RevokeRequest, RevokeResponse, RiskEvent,
        ScoreRequest, ScoreResponse, TokenVerdict, VerifyBatchRequest, VerifyBatchResponse,
    },
    risk::{Event, Name, NameTooLong},
};

impl TryFrom<AuthenticateRequest> for auth::LoginQuestion {
    type Error = Refusal;

    fn try_from(asked: AuthenticateRequest) -> Result<Self, Refusal> {
        let address = asked.source_ip.map(|text| {
            let wrong = "is not an IP address";
            text.parse().map_err(|_| Refusal::field("source_ip", wrong))
        });
        Ok(Self {
            token: asked.token,
            user_id: asked.user_id,
            scopes: asked.scopes,
            address: address.transpose()?,
            _user_agent: asked.user_agent,
            device: asked.device_fingerprint,
        })
    }
}

impl From<auth::LoginAnswer> for AuthenticateResponse {
    fn from(answer: auth::LoginAnswer) -> Self {
        Self {
            authenticated: answer.authenticated,
            user_id: answer.user_id,
            expires_in: answer.expires_in,
            scopes: answer.scopes,
            risk_score: answer.risk_score,
            reason: answer.reason.to_owned(),
            access_token: answer.access_token,
        }
    }
}

impl TryFrom<VerifyBatchRequest> for auth::BatchQuestion {
    type Error = Refusal;

    fn try_from(asked: VerifyBatchRequest) -> Result<Self, Refusal> {
        Ok(Self {
            tokens: asked.tokens,
            issuers: Some(asked.issuers).filter(|named| !named.is_empty()),
        })
    }
}

impl From<auth::BatchAnswer> for VerifyBatchResponse {
    fn from(answer: auth::BatchAnswer) -> Self {
        let one = |verdict: auth::Verdict| TokenVerdict {
            valid: verdict.valid,
            subject: verdict.subject,
            reason: verdict.reason.to_owned(),
        };
        Self {
            results: answer.results.into_iter().map(one).collect(),
            dispatch: Some(answer.dispatch.into()),
        }
    }
}

impl TryFrom<RevokeRequest> for auth::RevocationQuestion {
    type Error = Refusal;

    fn try_from(asked: RevokeRequest) -> Result<Self, Refusal> {
        Ok(Self {
            jti: asked.jti,
            sub: asked.sub,
            sid: asked.sid,
            before: asked.before,
            issuer: asked.issuer,
        })
    }
}

impl From<()> for RevokeResponse {
    fn from((): ()) -> Self {
        Self {}
    }
}

impl TryFrom<ScoreRequest> for risk::Question {
    type Error = Refusal;

    fn try_from(asked: ScoreRequest) -> Result<Self, Refusal> {
        let events = asked.events.into_iter().enumerate();
        let events = events.map(|(at, sent)| event(at, sent));
        Ok(Self {
            events: events.collect::<Result<_, _>>()?,
        })
    }
}

fn event(at: usize, sent: RiskEvent) -> Result<Event, Refusal> {
    let place = |field| format!("events[{at}].{field}");
    let name = |field, text| {
        Name::try_from(text)
            .map_err(|error: NameTooLong| Refusal::field(place(field), &error.to_string()))
    };
    Ok(Event {
        timestamp: sent
            .timestamp
            .ok_or_else(|| Refusal::field(place("timestamp"), "is missing; send seconds"))?,
        ip: name("ip", sent.ip)?,
        device: name("device", sent.device)?,
        behavior: sent.behavior,
    })
}

impl From<risk::Answer> for ScoreResponse {
    fn from(answer: risk::Answer) -> Self {
        Self {
            scores: answer.scores,
            dispatch: Some(answer.dispatch.into()),
        }
    }
}
