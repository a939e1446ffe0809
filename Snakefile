"""parkdet: from labelled photographs of parking scenes to a detector and a submission file."""

from snakemake.utils import min_version

min_version("9.0")


# With --configfile the demo's values must not leak in: config.yaml counts only without it.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


# For --sdm apptainer; docs/containers.md says how to build it. Other runs do not look for it.
container: "envs/parkdet.sif"


include: "rules/common.smk"
include: "rules/prepare.smk"
include: "rules/train.smk"
include: "rules/infer.smk"
include: "rules/submission.smk"
include: "rules/evaluate.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        PLAN.final_files,


onstart:
    export_forced()
    cores = None if on_cluster() else all_cores()
    print(*messages.at_the_start(PLAN, steps(), cores), sep="\n", file=sys.stderr)


onsuccess:
    print(*messages.after_success(PLAN, STARTED), sep="\n")


onerror:
    command = ["snakemake", *sys.argv[1:]]
    print(*messages.after_failure(failures(), STARTED, command), sep="\n", file=sys.stderr)
