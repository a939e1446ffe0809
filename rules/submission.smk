"""From all detections to a validated file that fits the limit."""


rule conf_cut:
    input:
        predictions=f"{R}/predictions/best_preds.json",
        val=[*PLAN.cut_files.values()],
    output:
        submission=f"{R}/submission/best_preds_cut.json",
        stats=f"{R}/submission/cut.json",
        provenance=[sidecar(f"{R}/submission/{name}.json") for name in ("best_preds_cut", "cut")],
    log:
        f"{R}/logs/conf_cut.log",
    benchmark:
        f"{R}/benchmarks/conf_cut.tsv"
    conda:
        "../envs/parkdet.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        options=cut_options(PLAN),
        code=code_of("conf_cut"),
    message:
        "Cutting the detections to less than {CONFIG.cut.max_bytes} bytes"
    shell:
        f"python {SCRIPTS}/conf_cut.py --predictions {{input.predictions}} "
        "--out {output.submission} --stats {output.stats} {params.options:q} --log {log}"


rule validate_submission:
    input:
        submission=f"{R}/submission/best_preds_cut.json",
        images=f"{R}/dataset/test.json",
        train=PLAN.train_json,
        sample=PLAN.sample_submission,
    output:
        report=f"{R}/submission/validation.json",
        provenance=sidecar(f"{R}/submission/validation.json"),
    log:
        f"{R}/logs/validate_submission.log",
    benchmark:
        f"{R}/benchmarks/validate_submission.tsv"
    conda:
        "../envs/parkdet.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        max_bytes=CONFIG.cut.max_bytes,
        sample=lambda wildcards, input: ["--sample", *input.sample] if input.sample else [],
        code=code_of("validate_submission"),
    message:
        "Checking the submission file"
    shell:
        f"python {SCRIPTS}/validate_submission.py --submission {{input.submission}} "
        "--images {input.images} --train {input.train:q} {params.sample:q} "
        "--max-bytes {params.max_bytes} --out {output.report} --log {log}"
