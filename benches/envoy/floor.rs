//! The floor: a server that allows everything, in tonic, on the runtime and the allocator that Subzero
//! has. No `ext_authz` server in this stack can cost less.

use std::{fs, path::Path};

use envoy_types::pb::{
    envoy::service::auth::v3::{
        CheckRequest, CheckResponse, OkHttpResponse,
        authorization_server::{Authorization, AuthorizationServer},
        check_response::HttpResponse,
    },
    google::rpc::Status as Said,
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
        let server = || Server::builder().add_service(AuthorizationServer::new(Everything));
        let (tcp, unix) = tokio::join!(
            server().serve_with_incoming(TcpListenerStream::new(tcp)),
            server().serve_with_incoming(UnixListenerStream::new(unix)),
        );
        tcp.expect("serves");
        unix.expect("serves");
    });
}

struct Everything;

#[tonic::async_trait]
impl Authorization for Everything {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(CheckResponse {
            status: Some(Said::default()),
            http_response: Some(HttpResponse::OkResponse(OkHttpResponse::default())),
            dynamic_metadata: None,
        }))
    }
}
