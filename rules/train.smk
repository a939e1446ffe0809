"""The two trainings, which pass on explicit weight files."""


rule pretrained:
    input:
        PLAN.pretrained_file,
    output:
        weights=f"{R}/weights/pretrained.pt",
        provenance=sidecar(f"{R}/weights/pretrained.pt"),
    log:
        f"{R}/logs/pretrained.log",
    benchmark:
        f"{R}/benchmarks/pretrained.tsv"
    conda:
        "../envs/parkdet.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        options=lambda wildcards: pretrained_options(PLAN),
        code=code_of("pretrained"),
    message:
        "Reading the starting weights"
    shell:
        f"python {SCRIPTS}/pretrained.py {{params.options:q}} --out {{output.weights}} --log {{log}}"


rule train_baseline:
    input:
        dataset=f"{R}/dataset/dataset.yaml",
        train=f"{R}/dataset/train.json",
        val=f"{R}/dataset/val.json",
        weights=f"{R}/weights/pretrained.pt",
    output:
        last=f"{R}/weights/baseline_last.pt",
        best=f"{R}/weights/baseline_best.pt",
        metrics=f"{R}/metrics/baseline.csv",
        provenance=[sidecar(f"{R}/weights/baseline_{name}.pt") for name in ("last", "best")],
    log:
        f"{R}/logs/train_baseline.log",
    benchmark:
        f"{R}/benchmarks/train_baseline.tsv"
    conda:
        "../envs/parkdet.yaml"
    threads: cores_beside(CONFIG.training.device, CONFIG.training.world_size)
    resources:
        gpu=gpus(CONFIG.training.device, CONFIG.training.world_size),
        mem_mb=16000,
        runtime=2880,
    params:
        options=lambda wildcards: training_options(CONFIG, CONFIG.baseline),
    message:
        "Training the baseline: {CONFIG.baseline.epochs} epochs at {CONFIG.training.imgsz} px"
    shell:
        f"exec python {SCRIPTS}/train.py --stage baseline --dataset {{input.dataset}} "
        "--weights {input.weights} --last {output.last} --best {output.best} "
        f"--metrics {{output.metrics}} --state-dir {R}/state/baseline "
        f"--tensorboard {R}/tensorboard/baseline {{params.options:q}} "
        f"{machine_options(CONFIG)} {tracking_options(PLAN)} "
        "--threads {threads} ${{PARKDET_FORCED_train_baseline-}} --log {log}"


rule finetune:
    input:
        dataset=f"{R}/dataset/dataset.yaml",
        train=f"{R}/dataset/train.json",
        val=f"{R}/dataset/val.json",
        weights=f"{R}/weights/baseline_last.pt",
    output:
        last=f"{R}/weights/tune_last.pt",
        best=f"{R}/weights/tune_best.pt",
        metrics=f"{R}/metrics/tune.csv",
        provenance=[sidecar(f"{R}/weights/tune_{name}.pt") for name in ("last", "best")],
    log:
        f"{R}/logs/finetune.log",
    benchmark:
        f"{R}/benchmarks/finetune.tsv"
    conda:
        "../envs/parkdet.yaml"
    threads: cores_beside(CONFIG.training.device, CONFIG.training.world_size)
    resources:
        gpu=gpus(CONFIG.training.device, CONFIG.training.world_size),
        mem_mb=16000,
        runtime=1440,
    params:
        options=lambda wildcards: training_options(CONFIG, CONFIG.finetune),
    message:
        "Finetuning: {CONFIG.finetune.epochs} epochs at {CONFIG.training.imgsz} px"
    shell:
        f"exec python {SCRIPTS}/train.py --stage tune --dataset {{input.dataset}} "
        "--weights {input.weights} --last {output.last} --best {output.best} "
        f"--metrics {{output.metrics}} --state-dir {R}/state/tune "
        f"--tensorboard {R}/tensorboard/tune {{params.options:q}} "
        f"{machine_options(CONFIG)} {tracking_options(PLAN)} "
        "--threads {threads} ${{PARKDET_FORCED_finetune-}} --log {log}"
