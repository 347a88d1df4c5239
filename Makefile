# Primum. `make run` tries everything on this machine, `make test` runs every
# test; nothing else is needed to set up.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export CGO_ENABLED ?= 0

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)

.PHONY: help run build web dist test check bench soak model constant shots clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: build ## build and start `primum local`: a house, two nodes, an adviser
	@exec ./primum local $(ARGS)

build: web ## build ./primum
	@[ -x primum ] || echo "compiling primum (a minute or two the first time; later seconds) …"
	@go build -trimpath -ldflags '$(LDFLAGS)' -o primum ./cmd/primum

web: ## build the portal's pages and their engine (nothing when nothing changed)
	@go run -C tools ./web $(WEBARGS)

dist: WEBARGS := -best
dist: web ## programs and Debian packages for linux amd64 and arm64 in dist/
	@mkdir -p dist && rm -f dist/*.deb
	@go run ./cmd/primum completion bash >dist/primum.bash
	@for arch in amd64 arm64; do \
	  echo "dist/primum-linux-$$arch dist/primum_$$arch.deb"; \
	  GOOS=linux GOARCH=$$arch go build -trimpath -ldflags '$(LDFLAGS)' -o dist/primum-linux-$$arch ./cmd/primum; \
	  go run -C tools ./deb -arch $$arch -version '$(VERSION)' -at "$$(git log -1 --format=%ct 2>/dev/null || echo 0)" -root .. \
	    -program ../dist/primum-linux-$$arch -completion ../dist/primum.bash -o ../dist/primum_$$arch.deb; \
	done
	@cd dist && sha256sum primum-linux-* *.deb > SHA256SUMS

test: ## install what tests need (root on Debian) and run all, raced and shuffled
	@tools/setup
	@tools/test

check: ## format, vet, lint, fuzz smoke, vulnerabilities; no tests
	@tools/check

bench: ## the bars of speed, each beside its peer: BENCH=regexp for a part
	@go build -C tools -o ../.local/bench ./bench && PATH="$$PATH:/usr/sbin" .local/bench

soak: ## the hours-long tests
	@PRIMUM_SOAK=1 go test -tags full -timeout 12h -run 'Soak|Crash|Kill' -v ./...

model: ## the long model test of mls: STEPS (50000) for each of SEEDS (3), the first SEED
	@PRIMUM_MODEL_STEPS=$${STEPS:-50000} PRIMUM_MODEL_SEEDS=$${SEEDS:-3} PRIMUM_MODEL_SEED=$${SEED:-} \
	  go test -tags full -timeout 12h -run 'Model' -v ./mls

constant: ## mls over 10,000 epochs and 1,000,000 messages in each suite
	@PRIMUM_SOAK=1 go test -timeout 2h -run 'TestConstantState' -v ./mls

shots: web ## pictures of every page and state, in all looks, to .local/shots
	@go test -tags 'full shots' -timeout 1h ./internal/portal/... ./internal/operator/... ./internal/app

clean: ## remove what was built
	@rm -rf primum dist .local/web internal/portal/web/node_modules
	@find internal/portal/web/dist -mindepth 1 ! -name .keep -delete
