# The few verbs that people type. Each sets up what it needs: the virtual environment, and the servers in .kaiser/.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin
LOCAL := $(BIN)/python -m kaiser.local
DURATION ?=
WORKERS ?=
SERVICE ?=
DEVICES ?=
ARGS ?=
MINUTES ?=
KNOWN ?=

.PHONY: help venv setup console up down status logs demo fleet ctl rules test test-containers lint bench chaos ledger audit alerts
.PHONY: contracts clean lock

help: ## These lines
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "Ports: KAISER_MQTT_PORT 1883, KAISER_NATS_PORT 4222, KAISER_PG_PORT 5433, KAISER_GATEWAY_PORT 8080,"
	@echo "       KAISER_BRIDGE_HEALTH_PORT 8081, KAISER_INGEST_HEALTH_PORT 8082, KAISER_GATEWAY_HEALTH_PORT 8083,"
	@echo "       KAISER_ACTUATOR_HEALTH_PORT 8084, KAISER_SAFETY_HEALTH_PORT 8085, KAISER_LOGIC_HEALTH_PORT 8086"
	@echo "Paths: KAISER_HOME .kaiser (data, logs, passwords), KAISER_TREE .kaiser/tree (PostgreSQL, Mosquitto)"

venv:
	@deploy/local/bootstrap.sh

setup: venv ## Virtual environment from the lock, servers from Debian packages; every other verb does what it needs of it
	@$(LOCAL) setup

console: venv ## Build the console, which gateways of this checkout serve; without a registry of npm packages there is none
	@clients/console/build.sh || [ $$? = 3 ]

up: console ## Start everything in the background; data is kept between starts
	@$(LOCAL) up

down: venv ## Stop everything
	@$(LOCAL) down

status: venv ## What runs, and whether it is ready
	@$(LOCAL) status

logs: venv ## Follow the logs; SERVICE=bridge for one of them
	@$(LOCAL) logs $(SERVICE)

ctl: venv ## kaiserctl, for those who operate Kaiser, as of docs/kaiserctl.md; ARGS="status"
	@$(BIN)/kaiserctl $(or $(ARGS),--help)

demo: console ## Everything with 50 simulated devices and a live table; DURATION=30 stops by itself and checks the count
	@$(LOCAL) demo $(if $(DURATION),--duration $(DURATION))

fleet: venv ## Simulated devices for what make up has started, until Ctrl-C; DEVICES=4
	@$(BIN)/python -m kaiser.fleet run --port $${KAISER_MQTT_PORT:-1883} --user device \
	  --password-file $${KAISER_HOME:-.kaiser}/secrets/mqtt-device --devices $(or $(DEVICES),4) --sensors 3 --interval 2

rules: venv ## Rules on the command line, as of docs/rules.md; ARGS="list", ARGS="why RULE"
	@$(BIN)/kaiserctl rules $(or $(ARGS),--help)

ledger: venv ## Balance what was handed over, stored and dead-lettered in the last hour; MINUTES=5 for less
	@$(BIN)/kaiserctl ledger $(if $(MINUTES),--minutes $(MINUTES))

audit: venv ## Verify that nobody changed the list of what was done; KNOWN=NUMBER:HASH for a head that was printed before
	@$(BIN)/kaiserctl audit verify $(if $(KNOWN),--known $(KNOWN))

test: setup lint console ## Lint, types, boundaries, contracts, and all tests but the long ones; WORKERS=1 for one file at a time
	@deploy/local/chromium.sh $${KAISER_TREE:-.kaiser/tree}/chromium
	$(BIN)/pytest --ignore=tests/bench --ignore=tests/containers -m "not long" \
	  -n $(or $(WORKERS),2) --dist loadfile --no-loadscope-reorder --durations=25

test-containers: setup ## The image, compose, and tests against servers in containers; skipped where no Docker daemon can run
	@tests/containers/run.sh $(ARGS)

lint: venv ## Style, types, import boundaries and contract drift
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m kaiser.contracts drift
	$(BIN)/python -m kaiser.gateway.openapi drift

bench: setup ## The figures of the README, measured here (ARGS="--only latency")
	$(BIN)/python tests/bench/figures.py $(ARGS)
ifeq ($(ARGS),)
	$(BIN)/python tests/bench/devices.py
	$(BIN)/python tests/bench/commands.py
	$(BIN)/python -m tests.bench.rules
	$(BIN)/python -m tests.bench.causes
	$(BIN)/python tests/bench/bridge.py
	$(BIN)/python tests/bench/sockets.py
	$(BIN)/python tests/bench/physics.py
	$(BIN)/python tests/bench/processing.py
endif

chaos: setup ## Every fault that Kaiser must survive, at full length
	$(BIN)/pytest tests/chaos tests/integration/gateway/test_gapless.py tests/integration/rebuilding \
	  tests/e2e/test_every_change_explained.py tests/e2e/test_total_loss.py -m ""

alerts: venv ## Hold the alert rules to examples, with promtool out of Debian's package
	@deploy/local/promtool.sh $${KAISER_HOME:-.kaiser}/promtool

contracts: venv ## Write contracts/ anew from the types
	$(BIN)/python -m kaiser.contracts generate
	$(BIN)/python -m kaiser.gateway.openapi generate

lock: venv ## Resolve the dependencies anew, with hashes
	deploy/local/lock.sh

clean: ## Stop everything and remove environment, servers and DATA of this checkout
	@[ ! -x $(BIN)/python ] || $(LOCAL) down
	rm -rf .venv .kaiser clients/typescript/{.node,node_modules,dist}
