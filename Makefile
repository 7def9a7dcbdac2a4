# The commands a person calls; CI calls the same.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 7860
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.requirements-installed
LAB_READY := $(VENV)/.requirements-lab-installed
DEV_READY := $(VENV)/.requirements-dev-installed
SCALE_READY := $(VENV)/.requirements-scale-installed
# Programs that look at the project from outside, and would bring other versions of what it needs.
TOOLS := .venv-tools
TOOLS_READY := $(TOOLS)/.requirements-tools-installed
NODE_READY := node_modules/.package-lock.json

# --$(2) with the value of $(1), where there is one; the environment's NAME is no gallery's.
option = $(if $(filter-out NAME,$(1))$(findstring command,$(origin $(1))),$(if $($(1)),--$(2) "$($(1))"))

# Tests and checks start many processes, each of which would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run api install download index export inspect test test-all test-scale fuzz fuzz-api load security sbom lock check format evaluate evaluate-copies bench bench-embed bench-lives bench-query bench-search bench-start bench-words bench-formats study docker screenshots clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

run: $(RUN_READY) ## install what is needed, then serve the page at HOST and PORT
	@HOST=$(HOST) PORT=$(PORT) $(BIN)/python -m app serve

api: run ## the same server: REST is at /docs, MCP at /mcp

download: ## fetch a published data set (DATA=caltech; DATA=all fetches all, DATA=--help lists them)
	@bash data_download.sh $(DATA)

index: $(RUN_READY) ## build a gallery (DATA=caltech, or IMAGES= CSV= PARQUET= WEBDATASET= EMBEDDINGS= with NAME=; MODEL= POOL= INDEX= PCA= EXPAND= LIMIT= FORCE=1)
	@$(BIN)/python create_index.py $(call option,DATA,data) $(call option,IMAGES,images) \
	  $(call option,CSV,csv) $(call option,PARQUET,parquet) \
	  $(call option,WEBDATASET,webdataset) $(call option,EMBEDDINGS,embeddings) \
	  $(call option,NAME,name) $(call option,MODEL,model) $(call option,POOL,pool) \
	  $(call option,INDEX,index) $(call option,PCA,pca) $(call option,EXPAND,expand) \
	  $(call option,LIMIT,limit) $(if $(filter 1,$(FORCE)),--force)

export: $(RUN_READY) ## write a gallery's embeddings to a folder (NAME=gallery OUT=folder)
	@$(BIN)/python -m app export "$(if $(findstring command,$(origin NAME)),$(NAME))" "$(OUT)"

inspect: $(RUN_READY) ## say what pictures are like (IMAGES=folder or NAME=gallery; REPORT=file.html)
	@$(BIN)/python -m app inspect $(call option,IMAGES,images) $(call option,NAME,gallery) \
	  $(call option,REPORT,report)

docker: ## build the image and serve it at 127.0.0.1, PORT (needs Docker)
	PORT=$(PORT) docker compose up --build

install: $(RUN_READY) ## install the application, what it needs and its command ris into .venv

# One worker a core, each with one thread: two that share a core wait for each other's threads.
test test-all: export OMP_NUM_THREADS ?= 1
PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile \
  --no-loadscope-reorder --cov --cov-report=term --cov-fail-under=95

test: $(DEV_READY) ## run the tests (REQUIRE_BROWSER=1, REAL_DATA=folder widen them)
	$(PYTEST)

test-all: $(DEV_READY) ## run these and the long ones: every model, every step, more examples
	$(PYTEST) -m "" --hypothesis-profile=all

test-scale: $(SCALE_READY) ## run the tests of what works past one machine, with requirements-scale.txt
	$(BIN)/python -m pytest -m scale

fuzz: $(DEV_READY) ## decode mutations of pictures, a million unless COUNT= says otherwise (SEED=)
	@$(BIN)/python -m tests.fuzz $(call option,COUNT,count) $(call option,SEED,seed)

fuzz-api: $(DEV_READY) ## ask a server 50,000 times by its OpenAPI document, right and wrong (COUNT= SEED=)
	@$(BIN)/python -m tests.fuzz_api $(call option,COUNT,count) $(call option,SEED,seed)

security: $(DEV_READY) $(TOOLS_READY) ## look for known faults: ruff's S rules, and pip-audit's of what is installed
	$(BIN)/ruff check --select S .
	$(TOOLS)/bin/pip-audit --path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

sbom: $(RUN_READY) $(TOOLS_READY) ## write what is installed as a CycloneDX bill of materials, sbom.json
	$(TOOLS)/bin/cyclonedx-py environment $(BIN)/python --output-reproducible --output-file sbom.json

lock: $(TOOLS_READY) ## write requirements-locked.txt: all that is needed, with hashes, for pip's --require-hashes
	$(TOOLS)/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	  --no-emit-find-links --no-emit-trusted-host --output-file requirements-locked.txt requirements.txt

check: $(DEV_READY) $(NODE_READY) ## check style, types, imports, the page's scripts and documents
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	node_modules/.bin/biome lint --error-on-warnings
	node_modules/.bin/tsc --project .
	$(BIN)/python -m pytest -q tests/test_docs.py

format: $(DEV_READY) ## put the code into its one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

evaluate: $(DEV_READY) ## measure quality and search times on Caltech101 (REAL_DATA=folder that holds it)
	$(BIN)/python -m benchmarks.evaluate

evaluate-copies: $(DEV_READY) ## measure how well edited copies of photographs are found (FOLDER=photographs; QUERIES= SEED= SAVE=, GALLERIES=folder keeps them, ERRORS=folder, WITHOUT_ORIGINALS=1)
	@$(BIN)/python -m benchmarks.copies $(call option,FOLDER,folder) $(call option,QUERIES,queries) \
	  $(call option,SEED,seed) $(call option,GALLERIES,home) $(call option,ERRORS,errors) \
	  $(call option,SAVE,save) $(if $(filter 1,$(WITHOUT_ORIGINALS)),--without-originals)

bench: $(DEV_READY) ## measure the build, the server's memory and start, a query, the page (REAL_DATA=folder)
	$(BIN)/python -m benchmarks.speed

bench-embed: $(DEV_READY) ## measure pictures to vectors, part by part, beside other programs' loops (REAL_DATA= or FOLDER=; MODEL= MEGAPIXELS= SAVE=)
	@$(BIN)/python -m benchmarks.embed_speed $(call option,FOLDER,folder) $(call option,MODEL,model) \
	  $(call option,MEGAPIXELS,megapixels) $(call option,SAVE,save)

bench-query: $(DEV_READY) ## measure uploads over HTTP, alone and from 16 clients (REAL_DATA=folder; SAVE=)
	@$(BIN)/python -m benchmarks.query_speed $(call option,SAVE,save)

load: $(DEV_READY) $(TOOLS_READY) ## ask a server from 64 clients for half an hour, bad input too (REAL_DATA=folder; CLIENTS= MINUTES= SAVE=)
	@$(BIN)/python -m benchmarks.load --locust $(TOOLS)/bin/locust $(call option,CLIENTS,clients) \
	  $(call option,MINUTES,minutes) $(call option,SAVE,save)

bench-words: $(DEV_READY) ## measure words, conditions, counts and lists (SAVE=)
	@$(BIN)/python -m benchmarks.words_speed $(call option,SAVE,save)

bench-start: $(DEV_READY) ## measure the time from the server's start to its first page (SAVE=)
	@$(BIN)/python -m benchmarks.speed --only start $(call option,SAVE,save)

bench-lives: $(DEV_READY) ## measure how long changes of galleries take, on 1,000,000 vectors (10 minutes and more)
	$(BIN)/python -m benchmarks.lives

bench-search: $(DEV_READY) ## measure searches at equal recall beside hnswlib's (VECTORS=file.npz; ROWS= KEEP=folder SAVE=, MEMORY=1)
	@$(BIN)/python -m benchmarks.search_speed $(call option,VECTORS,vectors) $(call option,ROWS,rows) \
	  $(call option,KEEP,keep) $(call option,SAVE,save) $(if $(filter 1,$(MEMORY)),--memory)

study: $(LAB_READY) ## find the model, index and parameters for your vectors (GALLERY="a b" or VECTORS=file; OUT= METRIC= METHODS= N= RECALL=)
	@$(BIN)/python -m lab study $(foreach name,$(GALLERY),--gallery "$(name)") \
	  $(call option,VECTORS,vectors) $(call option,OUT,out) $(call option,METRIC,metric) \
	  $(call option,METHODS,methods) $(call option,N,n) $(call option,RECALL,recall)

bench-formats: $(LAB_READY) ## measure size and load time of vectors in each storage format (ROWS= DIM=)
	@$(BIN)/python -m lab formats $(call option,ROWS,rows) $(call option,DIM,dim)

screenshots: $(DEV_READY) ## make the README's pictures of the page anew (needs Chromium)
	$(BIN)/python -m docs.screenshots

clean: ## remove .venv, node_modules and the caches of the tools
	rm -rf $(VENV) node_modules .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
MORE := $(shell sed '/^\#/d; /^--no-deps/d' requirements-lab-more.txt)
MORE_ALONE := $(shell sed -n 's/^--no-deps //p' requirements-lab-more.txt)

# Installs $(1) and requirements-lab-more.txt. Of the latter some are compiled: this goes on beside
# the rest, into pip's cache. All are installed at once or, where one cannot be, each by itself.
define install_lab
@wheels=$$(mktemp -d); \
$(BIN)/pip wheel --quiet --no-deps --wheel-dir "$$wheels" $(MORE) >/dev/null 2>&1 & \
$(INSTALL) --requirement $(1) --editable .; status=$$?; \
wait; rm -rf "$$wheels"; exit $$status
@$(INSTALL) --requirement requirements.txt $(MORE) >/dev/null 2>&1 \
|| for package in $(MORE); do \
  $(INSTALL) --requirement requirements.txt $$package >/dev/null 2>&1 || $(left_out); done
@for package in $(MORE_ALONE); do $(INSTALL) --no-deps --ignore-requires-python $$package >/dev/null 2>&1 || $(left_out); done
endef
left_out = echo "$$package cannot be installed here: what needs it leaves it out."

$(RUN_READY): requirements.txt pyproject.toml | $(BIN)/python
	$(INSTALL) --requirement requirements.txt --editable .
	@touch $@

LAB_FILES := requirements-lab.txt requirements-lab-more.txt requirements.txt pyproject.toml

$(LAB_READY): $(LAB_FILES) | $(BIN)/python
	$(call install_lab,requirements-lab.txt)
	@touch $@ $(RUN_READY)

# It holds the others' requirements too, so that pip resolves all of them once.
$(DEV_READY): requirements-dev.txt requirements-int8.txt $(LAB_FILES) | $(BIN)/python
	$(call install_lab,requirements-dev.txt)
	@touch $@ $(LAB_READY) $(RUN_READY)

$(SCALE_READY): requirements-scale.txt $(DEV_READY)
	$(INSTALL) --requirement requirements-scale.txt
	@touch $@

$(TOOLS_READY): requirements-tools.txt
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet --disable-pip-version-check --requirement requirements-tools.txt
	@touch $@

$(NODE_READY): package.json package-lock.json
	npm ci --silent
	@touch $@
