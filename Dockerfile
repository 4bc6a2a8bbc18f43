# syntax=docker/dockerfile:1
#
# Subzero alone, for amd64 and arm64:
#
#     docker buildx build --platform linux/amd64,linux/arm64 --tag subzero --sbom=true --provenance=true .
#
# No shell, no package manager, a numeric user, nothing that it needs to write: `docker run --read-only` works
# as it is.

ARG DEBIAN=bookworm
ARG RUST=1.95.0

FROM docker.io/library/rust:${RUST}-slim-${DEBIAN} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# aws-lc and jemalloc are C: a compiler is in the image, make is not.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# Pages of 64 KiB are usual on arm64, and jemalloc fixes their size when it is built.
ENV JEMALLOC_SYS_WITH_LG_PAGE=16

# The dependencies alone: this layer stays while Cargo.lock does.
COPY Cargo.toml Cargo.lock build.rs ./
COPY proto proto
RUN mkdir -p src && touch src/lib.rs && echo 'fn main() {}' > src/main.rs \
  && cargo build --release --locked --lib --bin subzero \
  && rm -rf src target/release/.fingerprint/subzero-* target/release/deps/*subzero*

COPY src src
RUN cargo build --release --locked --bin subzero

COPY LICENSE ./
COPY tools/image_root.sh tools/
# And it is seen to run with that alone.
RUN tools/image_root.sh target/release/subzero /image && chroot /image /usr/local/bin/subzero --version

FROM scratch
COPY --from=build /image /
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 9191 9192 9193
ENTRYPOINT ["/usr/local/bin/subzero"]
CMD ["serve", "--config", "/etc/subzero/config/subzero.yaml"]
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["/usr/local/bin/subzero", "health"]

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="subzero" \
      org.opencontainers.image.description="Envoy external authorization: who is calling, may they, and is what they send safe" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/subzero-authz/subzero" \
      org.opencontainers.image.documentation="https://github.com/subzero-authz/subzero/blob/main/README.md" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
