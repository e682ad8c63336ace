# Grammar -> one pool of training and validation examples a data seed, and one test set; and the sequences that
# probe models of it.
# Real dataset -> its training and validation examples in the order of each data seed.


for stage in ("simulate", "construct"):

    rule:
        name:
            stage
        input:
            lambda w, stage=stage: earlier(stage, w.source),
        output:
            f"{RESULTS}/packs/{{source}}/{stage}.done",
        log:
            f"{RESULTS}/logs/{stage}/{{source}}.log",
        priority: 1000000 if stage == "simulate" else 0
        conda:
            "../envs/seqgra.yaml"
        resources:
            mem_mb=lambda w, attempt, stage=stage: jobs.memory(
                GRID, stage, w.source, attempt
            ),
            runtime=lambda w, attempt, stage=stage: jobs.runtime(
                GRID, stage, w.source, attempt
            ),
        params:
            stage=stage,
            batch=batch,
        shell:
            "seqgra {params.stage} --batch {params.batch:q} --done {output:q} > {log:q} 2>&1"


rule subsample:
    input:
        lambda w: earlier("subsample", w.source),
    output:
        f"{RESULTS}/packs/{{source}}/subsample.done",
    log:
        f"{RESULTS}/logs/subsample/{{source}}.log",
    priority: 1000000
    conda:
        "../envs/seqgra.yaml"
    params:
        batch=batch,
    shell:
        "seqgra subsample --batch {params.batch:q} --done {output:q} > {log:q} 2>&1"


localrules:
    subsample,
