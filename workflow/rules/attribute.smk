# Models + the fixed test examples -> attributions and grammar recovery.


rule attribute:
    input:
        batch=f"{RESULTS}/packs/{{pack}}/attribute.txt",
        models=f"{RESULTS}/packs/{{pack}}/train.done",
    output:
        f"{RESULTS}/packs/{{pack}}/attribute.done",
    log:
        f"{RESULTS}/logs/attribute/{{pack}}.log",
    priority: priority
    conda:
        "../envs/seqgra.yaml"
    resources:
        mem_mb=lambda w, attempt: jobs.memory(GRID, "attribute", w.pack, attempt),
        runtime=lambda w, attempt: jobs.runtime(GRID, "attribute", w.pack, attempt),
        gpu=lambda w: jobs.gpu(GRID, w.pack),
        gres=lambda w: jobs.gres(GRID, w.pack),
    shell:
        "seqgra attribute --batch {input.batch:q} --done {output:q} > {log:q} 2>&1"
