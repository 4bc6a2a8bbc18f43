//! Compiles `proto/`: our own services to Rust, and everything into the descriptor set that gRPC
//! server reflection serves.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let descriptors = protox::compile(
        [
            "envoy/service/auth/v3/external_auth.proto",
            "subzero/v1/subzero.proto",
        ],
        ["proto", "proto/third_party"],
    )?;
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let ours = protox::compile(["subzero/v1/subzero.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .compile_well_known_types(true)
        .extern_path(".google.protobuf", "::envoy_types::pb::google::protobuf")
        .compile_fds(ours)?;
    Ok(())
}
