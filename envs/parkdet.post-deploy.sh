# Run by `snakemake --sdm conda` in the new environment, from the project's root. The checksum makes
# a new lock a new environment: `make lock` writes it.
set -e
echo "82a19241755a15fb6d8a4024304b954cdf429798d4203dfa8e5b107a47409edd  envs/requirements.lock" | sha256sum --check --quiet
python -m pip install --quiet --no-cache-dir --no-deps --require-hashes -r envs/requirements.lock
