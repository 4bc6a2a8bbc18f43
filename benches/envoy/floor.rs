//! The floor: a server that allows everything, in tonic, on the runtime and the allocator that Subzero
//! has. No `ext_authz` server in this stack can cost less. Asked about [`RICH`], it says as much as Subzero
//! does: what Envoy spends on that is Envoy's.

use std::{fs, path::Path};

use envoy_types::pb::{
    envoy::{
        config::core::v3::{
            HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction,
        },
        service::auth::v3::{
            CheckRequest, CheckResponse, OkHttpResponse,
            authorization_server::{Authorization, AuthorizationServer},
            check_response::HttpResponse,
        },
    },
    google::{
        protobuf::{Struct, Value, value::Kind},
        rpc::Status as Said,
    },
};
use tokio::{
    net::{TcpListener, UnixListener},
    runtime::Builder,
};
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::{Request, Response, Status, transport::Server};

/// Serves on `[address, socket]` until it is killed.
pub(crate) fn serve(listen: &[String]) {
    let [address, socket] = listen else {
        panic!("floor ADDRESS SOCKET")
    };
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let tcp = TcpListener::bind(address).await.expect("binds");
        let _ = fs::remove_file(Path::new(socket));
        let unix = UnixListener::bind(socket).expect("binds");
        let server =
            || Server::builder().add_service(AuthorizationServer::new(Everything { rich: rich() }));
        let (tcp, unix) = tokio::join!(
            server().serve_with_incoming(TcpListenerStream::new(tcp)),
            server().serve_with_incoming(UnixListenerStream::new(unix)),
        );
        tcp.expect("serves");
        unix.expect("serves");
    });
}

/// The path of a request that is answered at length.
pub(crate) const RICH: &str = "/rich";

struct Everything {
    rich: CheckResponse,
}

#[tonic::async_trait]
impl Authorization for Everything {
    async fn check(&self, asked: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let request = asked.get_ref().attributes.as_ref();
        let http = request.and_then(|request| request.request.as_ref()?.http.as_ref());
        if http.is_some_and(|http| http.path == RICH) {
            return Ok(Response::new(self.rich.clone()));
        }
        Ok(Response::new(allow(OkHttpResponse::default())))
    }
}

fn allow(response: OkHttpResponse) -> CheckResponse {
    CheckResponse {
        status: Some(Said::default()),
        http_response: Some(HttpResponse::OkResponse(response)),
        dynamic_metadata: None,
    }
}

/// What Subzero says of a token and a permission: two headers, one to remove, five facts.
fn rich() -> CheckResponse {
    const ID: &str = "0123456789abcdef0123456789abcdef";
    let header = |name: &str, value: &str| HeaderValueOption {
        header: Some(HeaderValue {
            key: name.into(),
            value: value.into(),
            ..HeaderValue::default()
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    };
    let entry = |name: &str, kind| (name.to_owned(), Value { kind: Some(kind) });
    let text = |name: &str, text: &str| entry(name, Kind::StringValue(text.into()));
    let facts = [
        text("decision_id", ID),
        text("reason", "ok"),
        text("route", "document"),
        text("plan", "identity=1us/1us permission=1us/1us"),
        entry("cost_us", Kind::NumberValue(3.2)),
    ];
    let of = |fields: Vec<(String, Value)>| Struct {
        fields: fields.into_iter().collect(),
    };
    let own = entry("subzero", Kind::StructValue(of(facts.into())));
    CheckResponse {
        dynamic_metadata: Some(of(vec![own])),
        ..allow(OkHttpResponse {
            headers: vec![
                header("x-subzero-decision", ID),
                header("x-subzero-subject", "alice"),
            ],
            headers_to_remove: vec!["x-envoy-auth-partial-body".into()],
            ..OkHttpResponse::default()
        })
    }
}
