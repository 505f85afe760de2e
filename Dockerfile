# The image that `cargo xtask image` makes, for those who have buildx:
#   cargo xtask build
#   docker buildx build --platform linux/amd64,linux/arm64 --provenance=false --tag NAME:TAG --push .
FROM scratch

ARG VERSION=0.1.0
ARG SOURCE
ARG REVISION
LABEL org.opencontainers.image.title="httpserver" \
      org.opencontainers.image.description="An HTTP server that is a WebAssembly component" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}"

COPY --chmod=0444 runtime-config.toml /runtime-config.toml
COPY --chmod=0444 spin.toml /spin.toml
COPY --chmod=0444 target/wasm32-wasip2/release/httpserver.wasm /target/wasm32-wasip2/release/httpserver.wasm

# With runtime-config.toml the key-value store is in memory, so that counting the responses costs little.
ENV SPIN_VARIABLE_METRICS=on

# The shims want an entrypoint, and there is no program: the kubelet's `command: ["/"]` is the same.
CMD ["/"]
