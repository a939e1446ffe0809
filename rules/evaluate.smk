"""Scores on val, and on the test truth if there is one."""


rule evaluate:
    input:
        predictions=f"{R}/predictions/val_preds.json",
        truth=f"{R}/dataset/val.json",
    output:
        metrics=f"{R}/metrics/val.json",
        analysis=f"{R}/metrics/val_analysis.json",
        provenance=[sidecar(f"{R}/metrics/{name}.json") for name in ("val", "val_analysis")],
    log:
        f"{R}/logs/evaluate.log",
    benchmark:
        f"{R}/benchmarks/evaluate.tsv"
    conda:
        "../envs/parkdet.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code_of("evaluate"),
    message:
        "Scoring the detections on val"
    shell:
        f"python {SCRIPTS}/evaluate.py --truth {{input.truth:q}} --predictions {{input.predictions}} "
        "--out {output.metrics} --analysis {output.analysis} --log {log}"


if PLAN.test_truth:

    use rule evaluate as evaluate_test with:
        input:
            predictions=f"{R}/predictions/best_preds.json",
            truth=PLAN.test_truth,
        output:
            metrics=f"{R}/metrics/test.json",
            analysis=f"{R}/metrics/test_analysis.json",
            provenance=[sidecar(f"{R}/metrics/{name}.json") for name in ("test", "test_analysis")],
        log:
            f"{R}/logs/evaluate_test.log",
        benchmark:
            f"{R}/benchmarks/evaluate_test.tsv"
        message:
            "Scoring the detections on the test truth"


if PLAN.scores_start:

    use rule train_baseline as start_weights with:
        output:
            last=temp(f"{R}/weights/start_last.pt"),
            best=f"{R}/weights/start.pt",
            metrics=temp(f"{R}/metrics/start.csv"),
            provenance=[sidecar(f"{R}/weights/{name}.pt") for name in ("start_last", "start")],
        log:
            f"{R}/logs/start_weights.log",
        benchmark:
            f"{R}/benchmarks/start_weights.tsv"
        params:
            options=lambda wildcards: [*training_options(CONFIG, CONFIG.baseline), "--epochs", "0"],
        message:
            "Writing the starting weights as they enter the training"

    use rule infer_val as infer_start with:
        input:
            weights=f"{R}/weights/start.pt",
            images=f"{R}/dataset/test.json",
            folder=PLAN.test_images,
        output:
            predictions=f"{R}/predictions/start_preds.json",
            provenance=sidecar(f"{R}/predictions/start_preds.json"),
        log:
            f"{R}/logs/infer_start.log",
        benchmark:
            f"{R}/benchmarks/infer_start.tsv"
        params:
            **inference_params(PLAN.test_images, "infer_start"),
        message:
            "Detecting on the test images with the starting weights"

    use rule evaluate_test as evaluate_start with:
        input:
            predictions=f"{R}/predictions/start_preds.json",
            truth=PLAN.test_truth,
        output:
            metrics=f"{R}/metrics/start.json",
            analysis=f"{R}/metrics/start_analysis.json",
            provenance=[sidecar(f"{R}/metrics/{name}.json") for name in ("start", "start_analysis")],
        log:
            f"{R}/logs/evaluate_start.log",
        benchmark:
            f"{R}/benchmarks/evaluate_start.tsv"
        message:
            "Scoring the starting weights on the test truth"
