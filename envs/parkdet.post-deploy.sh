# Run by `snakemake --sdm conda` in the new environment, from the project's root. The checksum makes
# a new lock a new environment: `make lock` writes it.
set -e
echo "c2adb76a0a796daa39be39eedd17e200ac14a6831d8f3dd8ce915cfffee8f467  envs/requirements.lock" | sha256sum --check --quiet
python -m pip install --quiet --no-cache-dir --no-deps --require-hashes -r envs/requirements.lock
