# The server in a slim image: no Swift runtime, no shell tools beyond Debian's own, no root.
#
#   docker build -t ntm .
#   docker run --rm -p 8080:8080 -v ntm:/var/lib/ntm ntm

ARG SWIFT_IMAGE=swift:6.3-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${SWIFT_IMAGE} AS build
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libgnutls28-dev libmicrohttpd-dev libopenblas-serial-dev libsqlite3-dev pkg-config \
      zlib1g-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /ntm
# Dependencies change less often than sources: this layer is kept while only code changes.
COPY Package.* ./
RUN swift package resolve
COPY openapi.yaml ./
COPY Sources Sources
COPY Tests Tests
COPY Benchmarks/speed/steps Benchmarks/speed/steps
RUN swift build -c release --product ntm --static-swift-stdlib \
 && install -s "$(swift build -c release --product ntm --static-swift-stdlib --show-bin-path)/ntm" \
      /usr/local/bin/ntm

FROM ${RUNTIME_IMAGE}
LABEL org.opencontainers.image.title="ntm" \
      org.opencontainers.image.description="HTTP inference server for Neural Turing Machines" \
      org.opencontainers.image.licenses="Apache-2.0"
# The serial OpenBLAS: the server makes its own threads and calls BLAS from each of them, so BLAS
# needs none, and this flavour keeps no pool (its allocator is locked, as callers require).
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libgnutls30 libmicrohttpd12 libopenblas0-serial libsqlite3-0 zlib1g \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/*
COPY --from=build /usr/local/bin/ntm /usr/local/bin/ntm
COPY Models /usr/share/ntm/Models
# Sessions survive the container where this is a volume that does.
RUN install -d -m 0700 -o 65532 -g 65532 /var/lib/ntm
VOLUME /var/lib/ntm
ENV NTM_HOST=0.0.0.0 \
    NTM_PORT=8080 \
    NTM_MODELS=/usr/share/ntm/Models \
    NTM_STORE=sqlite:/var/lib/ntm/sessions.sqlite
# A number, so that an orchestrator can see that it is not root; no entry in /etc/passwd is needed.
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/local/bin/ntm", "health"]
ENTRYPOINT ["/usr/local/bin/ntm"]
# A container's own network decides who reaches it. With keys, say so in place of this:
# docker run … ntm serve --api-key-file /run/secrets/keys
CMD ["serve", "--no-auth"]
