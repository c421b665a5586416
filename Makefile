# `make run` starts the server, `make test` runs the tests; both install first what is missing.

# Options of `ntm serve`, as in: make run ARGS='--port 9000'
ARGS ?=
# Options of `swift build` and `swift test`. Warnings are errors in .ci/run, not here: a newer
# compiler than ours must not keep anyone from building.
SWIFT_FLAGS ?=
DOCKER ?= docker
# What is built for speed. On Linux the Swift runtime is a part of the executable: calls of it take no
# detour then, which is 6 % of a request's time, and it runs where no toolchain is.
RELEASE := -c release $(SWIFT_FLAGS) $(if $(filter Linux,$(shell uname)),--static-swift-stdlib)

SWIFT_SOURCES := Package.swift Sources Tests
SHELL_SCRIPTS := .ci/run $(wildcard scripts/*.sh examples/*.sh Benchmarks/*/*.sh Tests/*/*.sh)

.PHONY: help run test build format lint test-thread-sanitizer contract check-contract check-inspector check-durability check-decimals check-attacks crash-test bench bench-quick bench-train bench-stall bench-attacks bench-durability bench-sessions image clean dependencies

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## build for speed and serve the models in Models/ (options: ARGS='--port 9000')
	@exec "$$(swift build $(RELEASE) --show-bin-path)/ntm" serve --models Models $(ARGS)

# openssl makes the certificates of the tests.
test: dependencies ## build and run the tests
	@scripts/install-dependencies.sh openssl
	@swift test --disable-xctest $(SWIFT_FLAGS)

build: dependencies ## build the ntm executable for speed
	@swift build $(RELEASE) --product ntm

format: ## format the Swift sources in place
	swift format --in-place --recursive $(SWIFT_SOURCES)

lint: ## check the format of the Swift sources, the shell scripts, and what the Dockerfile copies
	@scripts/install-dependencies.sh shellcheck
	swift format lint --strict --recursive $(SWIFT_SOURCES)
	shellcheck --external-sources $(SHELL_SCRIPTS)
	scripts/check-dockerfile.sh

test-thread-sanitizer: dependencies ## run the tests of concurrent use under ThreadSanitizer
	@scripts/test-thread-sanitizer.sh

contract: ## make openapi.json of openapi.yaml, after a change of the latter
	@scripts/check-contract.sh --make

check-contract: ## hold a running server to openapi.yaml (options: ARGS=--long)
	@scripts/check-contract.sh $(ARGS)

check-inspector: ## test the inspector page in a browser
	@scripts/check-inspector.sh

check-durability: ## kill servers and break their disks, in minutes
	@scripts/check-durability.sh

check-decimals: ## compare the decimals of every float32 with the C++ library's (options: ARGS=997 tries one in 997)
	@Tests/Decimals/check.sh $(ARGS)

check-attacks: ## attack a server and check the bounds of its memory and disk (options: ARGS='--seconds 60')
	@scripts/check-attacks.sh $(ARGS)

crash-test: ## kill a server 200 times with each durability, and look for what was lost
	@scripts/check-durability.sh --long

# PyTorch is Debian's. The library's own choice of kernels is what its users get.
bench-train: build ## compare the speed of training with PyTorch's
	@/usr/bin/python3 -c 'import torch' 2>/dev/null || scripts/install-dependencies.sh python3-torch
	@Benchmarks/training/compare.py --ntm "$$(swift build $(RELEASE) --show-bin-path)/ntm" $(ARGS)

bench-stall: build ## measure what one client's long request costs another's short ones
	@scripts/install-dependencies.sh wrk
	@Benchmarks/stall/compare.py --ntm "$$(swift build $(RELEASE) --show-bin-path)/ntm" $(ARGS)

bench-attacks: build ## measure how much each attack slows down another client
	@scripts/install-dependencies.sh wrk
	@Benchmarks/attacks/compare.py --ntm "$$(swift build $(RELEASE) --show-bin-path)/ntm" --markdown Benchmarks/README.md $(ARGS)

# Which revision bench-quick compares with.
BASE ?= HEAD

bench: build ## compare the speed with what people would use instead
	@swift build $(RELEASE) --product ntm-steps
	@folder=$$(swift build $(RELEASE) --show-bin-path); python=$$(Benchmarks/speed/install.sh) && \
	  Benchmarks/speed/compare.py --ntm "$$folder/ntm" --steps "$$folder/ntm-steps" --python "$$python" \
	    --json Benchmarks/speed/results.json --chart Benchmarks/speed/chart.svg --markdown Benchmarks/README.md $(ARGS)

bench-quick: dependencies ## compare the speed with another revision's (BASE=main)
	@Benchmarks/speed/quick.sh $(BASE)

bench-durability: build ## measure what saving sessions costs
	@scripts/install-dependencies.sh wrk
	@Benchmarks/durability/compare.py --ntm "$$(swift build $(RELEASE) --show-bin-path)/ntm" --markdown Benchmarks/README.md $(ARGS)

bench-sessions: build ## measure a server that has a million stored sessions
	@scripts/install-dependencies.sh wrk
	@Benchmarks/durability/many_sessions.py --ntm "$$(swift build $(RELEASE) --show-bin-path)/ntm" $(ARGS)

image: ## build the container image ntm
	$(DOCKER) build --tag ntm .

clean: ## remove everything that was built
	rm -rf .build .build-tsan

# curl is what the examples drive the server with.
dependencies:
	@scripts/install-dependencies.sh curl
