# Grammar -> one pool of training and validation examples a data seed, and one test set.
# Real dataset -> its training and validation examples in the order of each data seed.


rule batch_data:
    output:
        f"{RESULTS}/packs/{{grammar}}/{{maker}}.txt",
    log:
        f"{RESULTS}/logs/{{maker}}/{{grammar}}.batch.log",
    conda:
        "../envs/seqgra.yaml"
    params:
        lines=lambda w: commands.lines(GRID, w.maker, w.grammar),
    shell:
        "cat > {output:q} 2> {log:q} <<'END'\n{params.lines}\nEND"


rule simulate:
    input:
        batch=f"{RESULTS}/packs/{{grammar}}/simulate.txt",
        grammar=lambda w: GRID.sources[w.grammar].inputs,
    output:
        f"{RESULTS}/packs/{{grammar}}/simulate.done",
    log:
        f"{RESULTS}/logs/simulate/{{grammar}}.log",
    priority: 1000000
    conda:
        "../envs/seqgra.yaml"
    resources:
        mem_mb=lambda w, attempt: jobs.memory(GRID, "simulate", w.grammar, attempt),
        runtime=lambda w, attempt: jobs.runtime(GRID, "simulate", w.grammar, attempt),
    shell:
        "seqgra simulate --batch {input.batch:q} --done {output:q} > {log:q} 2>&1"


rule subsample:
    input:
        batch=f"{RESULTS}/packs/{{grammar}}/subsample.txt",
        dataset=lambda w: GRID.sources[w.grammar].inputs,
    output:
        f"{RESULTS}/packs/{{grammar}}/subsample.done",
    log:
        f"{RESULTS}/logs/subsample/{{grammar}}.log",
    priority: 1000000
    conda:
        "../envs/seqgra.yaml"
    shell:
        "seqgra subsample --batch {input.batch:q} --done {output:q} > {log:q} 2>&1"
