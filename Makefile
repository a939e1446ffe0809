# make setup   the environment in .venv, from the pinned lock
# make setup-tracking  MLflow and Weights & Biases, for training.tracking
# make demo    the whole chain on synthetic scenes: two CPU cores, minutes
# make demo-picture  the README's image, from the demo's detections
# make test    the tests           make lint   formatting, linting
# make test-slurm  the workflow on a real one-node Slurm (root, Debian)
# make test-slow  the full demo, with the scores it must reach
# make fuzz    many more random data sets for prepare_dataset than `make test` tries
# make bench-accuracy  parkdet and stock yolov5 on photographs, 3 seeds each (needs PARKDET_DATA)
# make bench-ensemble  after that: its three sets of weights, fused
# make bench-train  training speed against stock yolov5; bench-loader, bench-precision,
#              bench-equal-time: see docs/benchmarks.md (all need PARKDET_DATA)
# make bench-prepare  data preparation at the challenge's size against that of 2022 (generated data)
# make bench-infer  detection against stock yolov5's val (needs PARKDET_DATA)
# make bench-cut  the cut at the challenge's size against the search of 2022
# make bench-cut-methods  the AP that each method of the cut keeps (needs PARKDET_DATA and runs)
# By hand: scripts/convert_annotations.py  imports YOLO or Pascal VOC label files (docs/data.md)
# make lock    updates the locks    make docs   the generated pages
# make demo-weights  trains the demo's starting weights again (assets/demo_start.pt)
# make clean   removes caches and the demo's results; make clean-state  saved training state

PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup setup-tracking demo demo-weights demo-picture test fuzz test-slurm test-slow bench-accuracy bench-ensemble bench-train bench-loader bench-precision bench-equal-time bench-prepare bench-infer bench-cut bench-cut-methods lint lock docs clean clean-state

setup: .venv/installed

.venv/installed: envs/requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "parkdet needs Python 3.11 or newer; try: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-deps --require-hashes -r envs/requirements.lock
	touch $@

setup-tracking: .venv/tracking-installed

.venv/tracking-installed: envs/tracking.lock .venv/installed
	$(BIN)/pip install --quiet --no-deps --require-hashes -r envs/tracking.lock
	touch $@

demo: setup
	$(BIN)/snakemake --cores all

demo-weights: setup
	$(BIN)/python scripts/demo_data.py --out data/demo-start --seed 1001 --train-images 1200 --test-images 60
	$(BIN)/snakemake --cores all --configfile assets/demo_start.yaml finetune
	$(BIN)/python scripts/pretrained.py --source results/demo-start/weights/tune_last.pt --drop-head \
		--out assets/demo_start.pt

demo-picture: demo
	$(BIN)/python scripts/draw_detections.py --images data/demo/Test_Images_Information.json \
		--image-dir data/demo/test/images --predictions results/demo/predictions/best_preds.json \
		--image-ids 1841 1521 --min-score 0.6 --out docs/images/demo.jpg

# Two processes that each take one file at a time, the longest-running files first.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

fuzz: setup
	PARKDET_FUZZ=5000 $(BIN)/python -m pytest --timeout=7200 tests/unit/data/hostile/test_fuzz.py

test-slurm: setup
	$(BIN)/python -m pytest tests/slurm --timeout=900

test-slow: setup
	$(BIN)/python -m pytest -m slow

bench-accuracy: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/accuracy.py

bench-ensemble: setup
	$(BIN)/python benchmarks/ensemble.py

bench-train: setup
	$(BIN)/python benchmarks/train.py

bench-loader: setup
	$(BIN)/python benchmarks/loader.py

bench-precision: setup
	$(BIN)/python benchmarks/precision.py

bench-equal-time: setup
	$(BIN)/python benchmarks/equal_time.py

bench-infer: setup
	$(BIN)/python benchmarks/infer.py

bench-cut: setup
	$(BIN)/python benchmarks/conf_cut.py

bench-cut-methods: setup
	$(BIN)/python benchmarks/cut_methods.py

bench-prepare: setup
	$(BIN)/python benchmarks/prepare.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check -l 100 Snakefile rules
	$(BIN)/hadolint envs/Containerfile
	$(BIN)/snakemake --lint

COMPILE := $(BIN)/uv pip compile --quiet --config-file envs/uv.toml --python-version 3.11 \
	--generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock"

lock: setup
	$(COMPILE) envs/requirements.in -o envs/requirements.lock
	$(COMPILE) envs/tracking.in -c envs/requirements.lock -o envs/tracking.lock
	sed -i "s/[0-9a-f]\{64\}/$$(sha256sum envs/requirements.lock | cut -c 1-64)/" \
		envs/parkdet.post-deploy.sh

docs: setup
	$(BIN)/python scripts/document_config.py --schema schemas/config.schema.json --page docs/configuration.md
	PYTHONPATH=scripts:tests/unit/data $(BIN)/python -m hostile.page docs/reliability.md

clean:
	for set in data/demo data/demo-start; do \
		if grep -qs 'parkdet demo: synthetic' $$set/train/label/Train.json; then rm -rf $$set; fi; done
	rm -rf results/demo results/demo-start .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

clean-state:
	rm -rf results/*/state
