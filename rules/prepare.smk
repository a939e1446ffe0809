"""From raw photographs and annotations to a set that YOLO and COCO tools can read."""

if PLAN.is_demo:

    rule demo_data:
        output:
            train=f"{ROOT}/train/label/Train.json",
            test=f"{ROOT}/Test_Images_Information.json",
            sample=f"{ROOT}/sample_submission.json",
            truth=f"{ROOT}/test_ground_truth.json",
            train_images=directory(f"{ROOT}/train/images"),
            test_images=directory(f"{ROOT}/test/images"),
        log:
            f"{R}/logs/demo_data.log",
        benchmark:
            f"{R}/benchmarks/demo_data.tsv"
        conda:
            "../envs/parkdet.yaml"
        threads: all_cores()
        resources:
            mem_mb=2000,
            runtime=10,
        params:
            options=demo_options(CONFIG),
            code=code_of("demo_data"),
        message:
            "Drawing synthetic parking scenes into data/demo"
        shell:
            f"python {SCRIPTS}/demo_data.py --out {ROOT} {{params.options:q}} --log {{log}}"


# The folders images/ and labels/ are written too, but not declared as outputs: Snakemake would remove
# their files one by one before the program could replace them, a minute or more for 40,000. The
# program writes them before the declared files, all of them or none.
rule prepare_dataset:
    input:
        train=PLAN.train_json,
        train_images=PLAN.train_images,
        test=PLAN.test_json,
        test_images=PLAN.test_images,
        val=PLAN.val_json,
    output:
        yaml=f"{R}/dataset/dataset.yaml",
        train=f"{R}/dataset/train.json",
        val=f"{R}/dataset/val.json",
        test=[f"{R}/dataset/test.json"] if PLAN.has_test_set else [],
        lists=[f"{R}/dataset/{part}.txt" for part in PLAN.parts],
        issues=f"{R}/dataset/issues.csv",
        summary=f"{R}/dataset/summary.json",
        provenance=[sidecar(f"{R}/dataset/{name}.json") for name in [*PLAN.parts, "summary"]],
    log:
        f"{R}/logs/prepare_dataset.log",
    benchmark:
        f"{R}/benchmarks/prepare_dataset.tsv"
    conda:
        "../envs/parkdet.yaml"
    threads: 4
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        options=lambda wildcards: prepare_options(PLAN),
        code=code_of("prepare_dataset"),
    message:
        "Checking, splitting and linking the images of {ROOT}"
    shell:
        f"python {SCRIPTS}/prepare_dataset.py --data-root {in_shell(ROOT)} --out {R}/dataset "
        f"{{params.options:q}} --hash-cache {R}/state/prepare/hashes.json --log {{log}}"
