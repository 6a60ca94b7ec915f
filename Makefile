# make run, make test: the two commands of the README. Everything else helps with work on
# Palimpsest itself. Needs Python 3.11 or newer and a package index, nothing else.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
HOME_DIR ?= .palimpsest

.PHONY: run test dashboard check lint types imports test-long format clean help

run: $(READY) ## Take an agent through the example workspace, from transcripts to verified memory
	$(BIN)/palimpsest run examples/claims-desk --home $(HOME_DIR)

test: $(READY) ## Run the tests
	$(BIN)/python -m tests.check tests

dashboard: $(READY) ## Open the dashboard on what `make run` made
	$(BIN)/palimpsest dashboard --home $(HOME_DIR)

check: $(READY) ## Format, lint, types, import contracts and tests: the whole gate
	$(BIN)/python -m tests.check

lint types imports: $(READY)
	$(BIN)/python -m tests.check $@

test-long: $(READY) ## Crash and fault suites at full length (minutes)
	$(BIN)/python -m pytest -m long

format: $(READY)
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

clean: ## Remove the environment and what `make run` made
	rm -rf $(VENV) $(HOME_DIR)

help: ## Say what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# constraints.txt pins every version; the stamp is renewed when either file changes.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Palimpsest needs Python 3.11 or newer; run make PYTHON=python3.12, say."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[all,dev]"
	@touch $(READY)
