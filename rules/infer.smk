"""Detections on the test set, which are submitted, and on the val set, which are scored."""


rule infer_val:
    input:
        weights=PLAN.inference_weights,
        images=f"{R}/dataset/val.json",
    output:
        predictions=f"{R}/predictions/val_preds.json",
        provenance=sidecar(f"{R}/predictions/val_preds.json"),
    log:
        f"{R}/logs/infer_val.log",
    benchmark:
        f"{R}/benchmarks/infer_val.tsv"
    conda:
        "../envs/parkdet.yaml"
    threads: cores_beside(CONFIG.infer.device)
    resources:
        gpu=gpus(CONFIG.infer.device),
        mem_mb=16000,
        runtime=120,
    params:
        **inference_params([f"{R}/dataset/images/val"], "infer_val"),
    message:
        "Detecting on the val images at {CONFIG.infer.imgsz} px"
    shell:
        f"exec python {SCRIPTS}/infer.py --weights {{input.weights:q}} --images {{input.images}} "
        "--image-dir {params.folder:q} --out {output.predictions} {params.options:q} "
        f"{{params.shard}} --on-bad {CONFIG.infer.on_bad} --state-dir {{params.state}} "
        f"--device {CONFIG.infer.device} --threads {{threads}} "
        "${{PARKDET_FORCED_{rule}-}} --log {log}"


if CONFIG.infer.shards == 1:

    use rule infer_val as infer with:
        input:
            weights=PLAN.inference_weights,
            images=f"{R}/dataset/test.json",
            folder=PLAN.test_images,
        output:
            predictions=f"{R}/predictions/best_preds.json",
            provenance=sidecar(f"{R}/predictions/best_preds.json"),
        log:
            f"{R}/logs/infer.log",
        benchmark:
            f"{R}/benchmarks/infer.tsv"
        resources:
            gpu=gpus(CONFIG.infer.device),
            mem_mb=16000,
            runtime=360,
        params:
            **inference_params(PLAN.test_images, "infer"),
        message:
            "Detecting on the test images at {CONFIG.infer.imgsz} px"

else:

    use rule infer_val as infer_shard with:
        input:
            weights=PLAN.inference_weights,
            images=f"{R}/dataset/test.json",
            folder=PLAN.test_images,
        output:
            predictions=f"{R}/predictions/shards/{{number}}-of-{{total}}.json",
            provenance=sidecar(f"{R}/predictions/shards/{{number}}-of-{{total}}.json"),
        log:
            f"{R}/logs/infer_{{number}}-of-{{total}}.log",
        benchmark:
            f"{R}/benchmarks/infer_{{number}}-of-{{total}}.tsv"
        resources:
            gpu=gpus(CONFIG.infer.device),
            mem_mb=16000,
            runtime=max(60, 360 // CONFIG.infer.shards),
        params:
            **inference_params(
                PLAN.test_images,
                "infer",
                lambda wildcards: f"--shard {wildcards.number}/{wildcards.total}",
            ),
        message:
            "Detecting on the test images at {CONFIG.infer.imgsz} px, shard {wildcards.number} "
            "of {wildcards.total}"

    rule infer:
        input:
            shards=[
                f"{R}/predictions/shards/{number}-of-{CONFIG.infer.shards}.json"
                for number in range(1, CONFIG.infer.shards + 1)
            ],
        output:
            predictions=f"{R}/predictions/best_preds.json",
            provenance=sidecar(f"{R}/predictions/best_preds.json"),
        log:
            f"{R}/logs/infer.log",
        benchmark:
            f"{R}/benchmarks/infer.tsv"
        conda:
            "../envs/parkdet.yaml"
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            code=code_of("merge_shards"),
        message:
            "Merging the detections of {CONFIG.infer.shards} shards"
        shell:
            f"python {SCRIPTS}/merge_shards.py --shards {{input.shards}} "
            "--out {output.predictions} --log {log}"
