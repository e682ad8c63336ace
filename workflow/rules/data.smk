# Grammar -> one pool of training and validation examples a data seed, and one test set.
# Real dataset -> its training and validation examples in the order of each data seed.


rule simulate:
    input:
        lambda w: earlier("simulate", w.source),
    output:
        f"{RESULTS}/packs/{{source}}/simulate.done",
    log:
        f"{RESULTS}/logs/simulate/{{source}}.log",
    priority: 1000000
    conda:
        "../envs/seqgra.yaml"
    resources:
        mem_mb=lambda w, attempt: jobs.memory(GRID, "simulate", w.source, attempt),
        runtime=lambda w, attempt: jobs.runtime(GRID, "simulate", w.source, attempt),
    params:
        batch=batch,
    shell:
        "seqgra simulate --batch {params.batch:q} --done {output:q} > {log:q} 2>&1"


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
