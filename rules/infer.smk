"""Detections on the test set, which are submitted, and on the val set, which are scored."""


rule infer:
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
    conda:
        "../envs/parkdet.yaml"
    threads: all_cores()
    resources:
        gpu=gpus(CONFIG.infer.device),
        mem_mb=16000,
        runtime=360,
    params:
        options=inference_options(CONFIG),
        code=code_of("infer"),
    message:
        "Detecting on the test images at {CONFIG.infer.imgsz} px"
    shell:
        f"exec python {SCRIPTS}/infer.py --weights {{input.weights:q}} --images {{input.images}} "
        "--image-dir {input.folder:q} --out {output.predictions} {params.options:q} "
        f"--device {CONFIG.infer.device} --threads {{threads}} --log {{log}}"


rule infer_val:
    input:
        weights=PLAN.inference_weights,
        images=f"{R}/dataset/val.json",
        folder=f"{R}/dataset/images",
    output:
        predictions=f"{R}/predictions/val_preds.json",
        provenance=sidecar(f"{R}/predictions/val_preds.json"),
    log:
        f"{R}/logs/infer_val.log",
    benchmark:
        f"{R}/benchmarks/infer_val.tsv"
    conda:
        "../envs/parkdet.yaml"
    threads: all_cores()
    resources:
        gpu=gpus(CONFIG.infer.device),
        mem_mb=16000,
        runtime=120,
    params:
        options=inference_options(CONFIG),
        code=code_of("infer"),
    message:
        "Detecting on the val images at {CONFIG.infer.imgsz} px"
    shell:
        f"exec python {SCRIPTS}/infer.py --weights {{input.weights:q}} --images {{input.images}} "
        "--image-dir {input.folder}/val --out {output.predictions} {params.options:q} "
        f"--device {CONFIG.infer.device} --threads {{threads}} --log {{log}}"
