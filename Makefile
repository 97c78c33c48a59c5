# ra-node: `make demo` shows the product, `make test` proves it, `make run` leaves a node running.
PYTHON ?= python3
BIN := .venv/bin
# Behind a proxy that inspects TLS only the system's store has its authority. uv, npm and a pip older than 24.2
# bring a list of their own.
SYSTEM_CA := $(firstword $(wildcard $(SSL_CERT_FILE) /etc/ssl/certs/ca-certificates.crt \
  /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem))
export UV_SYSTEM_CERTS ?= $(if $(SYSTEM_CA),true,false)
export PIP_CERT ?= $(SYSTEM_CA)
export NODE_EXTRA_CA_CERTS ?= $(SYSTEM_CA)
export REQUESTS_CA_BUNDLE ?= $(SYSTEM_CA)
INSTALLED := .venv/.installed

.PHONY: demo run test quick torture lint types contracts pytest fast peers viewer install audit gpu image image-context sbom lock lock-cpu offline deb systemd version release viewer-files clean

demo: install
	@$(BIN)/ra-node demo

run: install
	@$(BIN)/ra-node run --config config/node.toml

test: install peers lint types contracts pytest

# Before a commit: all but the slow modules, and of those the ones that belong to changed files.
quick: install
	@$(MAKE) --no-print-directory -j 4 lint types contracts fast

# The whole proof that nothing is lost; `make torture SEED=7 KILLS=400` for another one. Minutes.
SEED ?= 1
KILLS ?= 200
torture: install peers
	@$(BIN)/python -m tests.torture --seed $(SEED) --kills $(KILLS)

install: $(INSTALLED)

# uv is installed by pip with its hash from the lock, then installs everything else by its hashes.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(sys.version_info < (3, 11) and f"ra-node needs Python 3.11 or later, found {v}; try: make PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python lacks its venv part; on Debian: apt install python3-venv"; exit 1; }
	@echo "Installing into .venv (about 6 GB with PyTorch; a minute on a fast network) ..."
	@$(PYTHON) -m venv .venv
	@awk '/^uv==/ {on = 1} on {print} on && !/\\$$/ {exit}' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

# Where there is a CUDA device: answers, speed, faults and training in about ten minutes, unattended; the table is
# printed and kept in dist/gpu.json. `make gpu GPU="--device cpu --tiny"` runs every line without one.
GPU ?=
gpu: install
	@$(BIN)/python -m tests.gpu_proof $(GPU)

# The real peers of the tests; without root or apt the tests say what they skip and why.
PEERS := dcmtk orthanc orthanc-dicomweb libpixelmed-java default-jre-headless postgresql strace \
  chromium fonts-noto-cjk poppler-utils prometheus systemd
OHIF := 3.13.2
peers: $(if $(wildcard .peers/ohif/index.html),,viewer)
	@if dpkg -s $(PEERS) >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing the tests' peers: $(PEERS)"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(PEERS) >/dev/null; \
	  for one in orthanc postgresql prometheus; do service $$one stop >/dev/null 2>&1 || true; done; \
	else echo "Not root on Debian: tests that need $(PEERS) are skipped unless they are installed"; fi

# The viewer in which radiologists read; npm checks what it brings against the registry's hash.
viewer:
	@if ! command -v npm >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends npm >/dev/null; fi
	@if command -v npm >/dev/null; then \
	  echo "Fetching the OHIF viewer $(OHIF) for the tests ..."; rm -rf .peers && mkdir -p .peers/new && cd .peers && \
	  npm pack --silent @ohif/app@$(OHIF) >/dev/null && tar -xzf ohif-app-$(OHIF).tgz --strip-components=2 -C new package/dist && \
	  rm ohif-app-$(OHIF).tgz && mv new ohif; \
	else echo "No npm: the tests with the OHIF viewer are skipped"; fi

lint: install
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: install
	@$(BIN)/mypy

contracts: install
	@$(BIN)/lint-imports

pytest: install
	@$(BIN)/pytest -n auto --dist loadgroup

fast: install
	@$(BIN)/pytest -n auto --dist loadgroup --quick

# Known weaknesses of the locked packages, and what the node is made of; both ask or write, neither is part of a test.
audit: install
	@$(BIN)/python -m tests.audit

sbom: install
	@mkdir -p dist
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o dist/sbom.cdx.json $(BIN)/python
	@$(BIN)/python -c 'import json, pathlib, ra_node; p = pathlib.Path("dist/sbom.cdx.json"); made = json.loads(p.read_text()); \
	  made["metadata"]["component"]["version"] = ra_node.__version__; p.write_text(json.dumps(made, indent=2) + "\n")'

# One command for all locks: requirements.lock for development (tests and training), then those of an installation, with
# its versions. A node needs no triton (1 GB): the networks are not compiled. PyTorch's wheels without GPU libraries
# come from its own index, which uv knows; where it cannot be reached, node-cpu.lock stays as it is.
# `make lock UPGRADE=--upgrade` takes the newest versions, `UPGRADE="-P httpx"` that of one package.
COMPILE = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-header --quiet
UPGRADE ?=
lock: install
	@$(COMPILE) $(UPGRADE) --extra dev --extra training -o requirements.lock
	@$(COMPILE) --no-annotate -c requirements.lock --no-emit-package triton -o config/locks/node.lock
	@$(COMPILE) --no-annotate -c requirements.lock --extra training -o config/locks/training.lock
	@$(MAKE) --no-print-directory lock-cpu || echo "node-cpu.lock is not refreshed: PyTorch's own index cannot be reached"

lock-cpu: install
	@$(COMPILE) --no-annotate -c requirements.lock --no-emit-package triton --torch-backend cpu -o config/locks/node-cpu.lock

# Images of the node and of the set in config/container/compose.yaml; dist/images.txt has their digests. The context is
# all that a build needs. VARIANT=cpu needs `make lock-cpu`; BUILD passes options on, e.g. BUILD="--build-arg BASE=...".
CONTAINER := dist/image
BUILDER ?= $(firstword $(foreach one,podman buildah docker,$(if $(shell command -v $(one)),$(one))))
VARIANT ?= gpu
IMAGES ?= node postgres orthanc viewer
BUILD ?=
image-context: install viewer-files
	@rm -rf $(CONTAINER) && mkdir -p $(CONTAINER)/locks $(CONTAINER)/wheel
	@$(BIN)/python -m hatchling build -t wheel -d $(CONTAINER)/wheel >/dev/null
	@cp config/locks/node*.lock $(CONTAINER)/locks
	@awk '/^uv==/ {on = 1} on {print} on && !/\\$$/ {exit}' requirements.lock > $(CONTAINER)/locks/uv.lock
	@cp -r config/container $(CONTAINER)/set && mv $(CONTAINER)/set/Containerfile $(CONTAINER)
	@PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON -o $(CONTAINER)/sbom.cdx.json \
	  config/locks/$(if $(filter cpu,$(VARIANT)),node-cpu,node).lock
	@cp -r .peers/ohif $(CONTAINER)/ohif

image: image-context
	@test -n "$(BUILDER)" || { echo "No podman, buildah or docker here: apt install podman buildah"; exit 1; }
	@BUILDER="$(BUILDER)" VARIANT="$(VARIANT)" VERSION="$$($(BIN)/python -m hatchling version)" \
	  sh config/container/build.sh $(CONTAINER) "$(IMAGES)" $(BUILD) > dist/images.txt
	@cat dist/images.txt

viewer-files: $(if $(wildcard .peers/ohif/index.html),,viewer)

# One tar that installs a node without network on machines with this Python and architecture: wheels, lock, hashes,
# install script; bundle, units and guide are in the node's own wheel. LOCK=config/locks/node-cpu.lock for one without GPU.
LOCK ?= config/locks/node.lock
OFFLINE := dist/offline/ra-node
offline: install
	@rm -rf $(OFFLINE) && mkdir -p $(OFFLINE)/wheels
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes -r $(LOCK) -d $(OFFLINE)/wheels
	@$(BIN)/python -m hatchling build -t wheel -d $(OFFLINE)/wheels
	@cp $(LOCK) $(OFFLINE)/node.lock && cp config/install.sh $(OFFLINE) && cp LICENSE $(OFFLINE)
	@cd $(OFFLINE) && find . -type f ! -name SHA256SUMS | sort | xargs sha256sum > SHA256SUMS
	@tar -C dist/offline -cf dist/ra-node-offline.tar ra-node && rm -rf dist/offline
	@ls -l dist/ra-node-offline.tar

# The same as a Debian package, for Debian 12 when Python 3.11 makes it.
deb:
	@[ -f dist/ra-node-offline.tar ] || $(MAKE) --no-print-directory offline
	@mkdir -p dist/offline && tar -C dist/offline -xf dist/ra-node-offline.tar
	@sh config/debian-package.sh $(OFFLINE) $(BIN)/python dist/ra-node.deb && rm -rf dist/offline
	@ls -l dist/ra-node.deb

# The guide's commands on empty Debian 12 machines that boot a systemd of their own (root, debootstrap, systemd-nspawn);
# the ways of installation whose file lies in dist: `make offline deb systemd` proves all.
systemd: install peers
	@$(BIN)/python -m tests.torture --only systemd offline deb

# The one place of the version is ra_node/__init__.py: `make version NEW=0.2.0` (or major, minor, patch) changes it,
# and what the changelog has as unreleased becomes that version. Without NEW it prints the version.
version: install
	@$(BIN)/python -m hatchling version $(NEW)
	@if [ -n "$(NEW)" ]; then sed -i "s/^## Unreleased$$/## Unreleased\n\n## $$($(BIN)/python -m hatchling version)/" CHANGELOG.md; fi

# A release from a clean tree: version, changelog section, commit, tag, wheel, locks, offline tar, image recipe, SBOM and
# checksums in dist/release. `make release NEW=0.2.0 DRY=1` does all of it and leaves the repository as it was.
release: install
	@DRY="$(DRY)" SKIP="$(SKIP)" PYTHON="$(CURDIR)/$(BIN)/python" sh config/release.sh "$(NEW)"

clean:
	rm -rf .venv var dist
