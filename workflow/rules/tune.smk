# The tuning dataset + architecture -> which candidate optimiser settings each size of a pack trains with.


rule tune:
    input:
        batch=f"{RESULTS}/packs/{{pack}}/tune.txt",
        dataset=lambda w: data_marker(w.pack.split("/")[0]),
        architecture=lambda w: GRID.architecture_inputs(w.pack.split("/")[1]),
    output:
        f"{RESULTS}/packs/{{pack}}/tune.done",
    log:
        f"{RESULTS}/logs/tune/{{pack}}.log",
    priority: priority
    conda:
        "../envs/seqgra.yaml"
    threads: GRID.config.train.threads
    resources:
        mem_mb=lambda w, attempt: jobs.memory(GRID, "tune", w.pack, attempt),
        runtime=lambda w, attempt: jobs.runtime(GRID, "tune", w.pack, attempt),
        gpu=lambda w: jobs.gpu(GRID, w.pack),
        gres=lambda w: jobs.gres(GRID, w.pack),
    shell:
        "seqgra tune --batch {input.batch:q} --done {output:q} > {log:q} 2>&1"
