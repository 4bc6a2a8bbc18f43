//! Envoy's API as `envoy-types` generates it, our own as `build.rs` does, and the descriptors that
//! reflection serves.
//!
//! Nothing else in the crate names `envoy_types`, so a new API version touches this file.

pub use envoy_types::pb::{
    envoy::{
        config::core::v3::{
            Address, HeaderMap, HeaderValue, Metadata, SocketAddress,
            address::Address as AddressKind, header_value_option::HeaderAppendAction,
        },
        service::auth::v3::{
            AttributeContext, CheckRequest, CheckResponse,
            attribute_context::{HttpRequest, Peer, Request},
            authorization_client::AuthorizationClient,
            check_response::HttpResponse,
        },
    },
    google::protobuf::{Struct, Value, value::Kind},
};

/// `proto/subzero/v1/subzero.proto`: messages, servers, and clients for tests and callers in Rust.
pub mod v1 {
    #![expect(
        unused_qualifications,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::pedantic,
        reason = "generated"
    )]

    include!(concat!(env!("OUT_DIR"), "/subzero.v1.rs"));
}

/// `FileDescriptorSet` of `envoy.service.auth.v3`, of `subzero.v1` and all they import.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
