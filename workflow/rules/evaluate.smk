# Models + the shared test set -> predictions, curves and metrics.


rule evaluate:
    input:
        batch=f"{RESULTS}/packs/{{pack}}/evaluate.txt",
        models=f"{RESULTS}/packs/{{pack}}/train.done",
    output:
        f"{RESULTS}/packs/{{pack}}/evaluate.done",
    log:
        f"{RESULTS}/logs/evaluate/{{pack}}.log",
    priority: priority
    conda:
        "../envs/seqgra.yaml"
    resources:
        mem_mb=lambda w, attempt: jobs.memory(GRID, "evaluate", w.pack, attempt),
        runtime=lambda w, attempt: jobs.runtime(GRID, "evaluate", w.pack, attempt),
        gpu=lambda w: jobs.gpu(GRID, w.pack),
        gres=lambda w: jobs.gres(GRID, w.pack),
    shell:
        "seqgra evaluate --batch {input.batch:q} --done {output:q} > {log:q} 2>&1"
