# One verb each. CI runs `make check`, `make image-test` and `make conformance`, no more and no less.

CARGO ?= cargo
# Another target, such as TARGET=aarch64-unknown-linux-musl, is built across.
TARGET ?= $(shell uname -m)-unknown-linux-musl
# Where `make static` leaves the program.
STATIC ?= target/static/$(TARGET)/mixpanel-mcp-server
# What builds images: docker or podman, or another with their flags.
DOCKER ?= docker
# What of the measurement: `--quick` takes half a minute, `--only start,export` some parts.
BENCH ?=

.PHONY: run test check format lint docs-check docs conformance bench static image image-test

# A server on http://127.0.0.1:5000 that answers from the sandbox.
run:
	$(CARGO) run --locked --release -- --sandbox

test:
	$(CARGO) test --locked --quiet

check: format lint test docs-check

format:
	$(CARGO) fmt --check

lint:
	$(CARGO) clippy --locked --all-targets -- -D warnings

docs-check:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

# Renews what is generated: the README's tables and the snapshots of the published tools.
docs:
	UPDATE_GENERATED=1 $(CARGO) test --locked --test integration generated

# The official conformance suite against the product and against a fixture server; needs npm and, the first time, its registry.
conformance:
	tests/conformance/run

# Measures the release build, or the one that MIXPANEL_MCP_BINARY names, such as the static one, beside bare limits.
bench:
	$(CARGO) bench --locked --bench speed -- $(BENCH)

# The program without any library beside it, stripped.
static:
	settings=$$(.ci/musl-env $(TARGET)) && eval "$$settings" && \
	  $(CARGO) build --release --locked --target $(TARGET) && \
	  install -D "$${CARGO_TARGET_DIR:-target}/$(TARGET)/release/mixpanel-mcp-server" $(STATIC)
	! readelf --wide --dynamic --program-headers $(STATIC) | grep -E 'NEEDED|INTERP'
	@echo "$(STATIC): $$(wc -c <$(STATIC)) bytes"

image:
	$(DOCKER) build -f Dockerfile.scratch -t mixpanel-mcp-server .

# The image, built around the static program, and all integration tests against what is in it; needs root, and Debian's buildah,
# which it installs.
image-test: static
	tests/image/run $(STATIC)
