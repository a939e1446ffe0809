"""The closing summary, the report for people, and its charts for `snakemake --report`."""

TEMPLATES = "scripts/parkdet/report/templates"
# The first of the project's presets that --configfile names; files after it may change its values.
# Like the config, it is only for the shell.
NAMED = [Path(path).resolve() for path in workflow.overwrite_configfiles]
PRESETS = [path for path in NAMED if path.parent == Path(workflow.basedir, "presets").resolve()]
PRESET = f"--preset {in_shell(str(PRESETS[0]))}" if PRESETS else ""


rule summary:
    input:
        PLAN.summary_files.values(),
    output:
        json=f"{R}/summary.json",
        text=f"{R}/summary.txt",
        provenance=sidecar(f"{R}/summary.json"),
    log:
        f"{R}/logs/summary.log",
    benchmark:
        f"{R}/benchmarks/summary.tsv"
    conda:
        "../envs/parkdet.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        options=summary_options(PLAN),
        code=code_of("summary"),
    message:
        "Summing up"
    shell:
        f"python {SCRIPTS}/summary.py {{params.options:q}} --out {{output.json}} --log {{log}} "
        "> {output.text}"


rule report:
    input:
        files=PLAN.report_files,
        test_images=PLAN.test_images,
        test_truth=PLAN.test_truth or [],
    output:
        page=report(
            f"{R}/report/index.html", category="Report", labels={"page": "the whole report"}
        ),
        figures=[
            report(
                f"{R}/report/figures/{name}.svg",
                category=FIGURES[name].section.capitalize(),
                caption=f"../{TEMPLATES}/captions/{name}.rst",
                labels={"chart": FIGURES[name].title},
            )
            for name in expected_figures(not PLAN.given_weights, PLAN.has_test_set)
        ],
        gallery=directory(f"{R}/report/gallery"),
    log:
        f"{R}/logs/report.log",
    benchmark:
        f"{R}/benchmarks/report.tsv"
    conda:
        "../envs/parkdet.yaml"
    threads: 4
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        options=lambda wildcards: report_options(PLAN),
        templates=[
            sha256_file(path) for path in sorted(Path(workflow.basedir, TEMPLATES).glob("**/*.*"))
        ],
        code=code_of("report"),
    message:
        "Writing the report"
    shell:
        f"python {SCRIPTS}/report.py --results {R} --config {CONFIG_TEXT} {PRESET} --out {R}/report "
        "{params.options:q} --threads {threads} --log {log}"
