# make run    see it work: a SIP user and an XMPP user talk in a room (ONCE=1: and that is all)
# make test   prove it: every test, against real Prosody, ejabberd, Kamailio, SIPp, Wireshark and Chromium
# make bench  measure it, beside raw XMPP clients on both servers (LOAD="fanout legs=50 server=prosody": only that)
# make fuzz   feed garbage to everything that parses, FUZZ_SECONDS=20 for each target
# make lint   what the review would say anyway
#
# `run` and `test` install what is missing from Debian's packages and say so first. Nothing of the machine's own
# servers is touched: what is started lives under target/ or in temporary directories, on loopback ports.

CARGO ?= cargo
RUN_PACKAGES   := prosody
BENCH_PACKAGES := prosody ejabberd
TEST_PACKAGES  := prosody prosody-modules ejabberd sip-tester kamailio kamailio-tls-modules tshark chromium openssl libxml2-utils procps
FUZZ_PACKAGES  := g++
CARGO_FUZZ     := 0.13.2
FUZZ_SECONDS   ?= 20

.PHONY: run test bench fuzz lint
.DEFAULT_GOAL := run

run:
	@tests/install-packages "about four minutes the first time, most of it the release build" $(RUN_PACKAGES)
	@$(CARGO) build --release --locked --package mucfocus --package mucfocus-rig --bin mucfocus --bin demo
	@ONCE=$(ONCE) target/release/demo target/release/mucfocus

test:
	@tests/install-packages "about 20 minutes on two cores the first time, five of them compiling" $(TEST_PACKAGES)
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	  $(CARGO) test --workspace --locked --doc --quiet && $(CARGO) nextest run --workspace --locked --no-fail-fast; \
	else \
	  $(CARGO) test --workspace --locked --no-fail-fast; \
	fi

bench:
	@tests/install-packages "about half an hour on two cores the first time, ten minutes of it compiling" $(BENCH_PACKAGES)
	@$(CARGO) bench --package mucfocus-core --locked
	@$(CARGO) bench --package mucfocus --bench idle_sessions --bench sip_cycles --locked
	@$(CARGO) build --release --locked --package mucfocus --package mucfocus-rig --bin mucfocus --bin room-of-ten --bin load --bin flood
	@target/release/room-of-ten target/release/mucfocus
	@target/release/load target/release/mucfocus $(LOAD)
	@target/release/flood target/release/mucfocus

fuzz:
	@tests/install-packages "five minutes or so with 20 seconds for each target" $(FUZZ_PACKAGES)
	@$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install --locked --quiet cargo-fuzz --version $(CARGO_FUZZ)
	@tests/fuzz/run $(FUZZ_SECONDS)

lint:
	@$(CARGO) fmt --all --check
	@$(CARGO) fmt --manifest-path tests/fuzz/Cargo.toml --check
	@$(CARGO) clippy --workspace --locked --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	  $(CARGO) deny check bans licenses sources && \
	  $(CARGO) deny --manifest-path tests/fuzz/Cargo.toml --config deny.toml check bans licenses sources; \
	fi
