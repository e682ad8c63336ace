# Dataset + architecture -> models, one job a pack of cells.


rule batch_pack:
    output:
        f"{RESULTS}/packs/{{pack}}/{{stage}}.txt",
    log:
        f"{RESULTS}/logs/{{stage}}/{{pack}}.batch.log",
    conda:
        "../envs/seqgra.yaml"
    params:
        lines=lambda w: commands.lines(GRID, w.stage, w.pack),
    shell:
        "cat > {output:q} 2> {log:q} <<'END'\n{params.lines}\nEND"


rule train:
    input:
        batch=f"{RESULTS}/packs/{{pack}}/train.txt",
        dataset=lambda w: data_marker(w.pack.split("/")[0]),
        tuning=lambda w: tune_marker(w.pack),
        architecture=lambda w: GRID.architecture_inputs(w.pack.split("/")[1]),
    output:
        f"{RESULTS}/packs/{{pack}}/train.done",
    log:
        f"{RESULTS}/logs/train/{{pack}}.log",
    priority: priority
    conda:
        "../envs/seqgra.yaml"
    threads: GRID.config.train.threads
    resources:
        mem_mb=lambda w, attempt: jobs.memory(GRID, "train", w.pack, attempt),
        runtime=lambda w, attempt: jobs.runtime(GRID, "train", w.pack, attempt),
        gpu=lambda w: jobs.gpu(GRID, w.pack),
        gres=lambda w: jobs.gres(GRID, w.pack),
    shell:
        "seqgra train --batch {input.batch:q} --done {output:q} > {log:q} 2>&1"
