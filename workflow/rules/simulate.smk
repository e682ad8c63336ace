# Grammar -> one pool of training and validation examples a data seed, and one test set.


rule batch_simulate:
    output:
        f"{RESULTS}/packs/{{grammar}}/simulate.txt",
    log:
        f"{RESULTS}/logs/simulate/{{grammar}}.batch.log",
    conda:
        "../envs/seqgra.yaml"
    params:
        lines=lambda w: commands.lines(GRID, "simulate", w.grammar),
    shell:
        "cat > {output:q} 2> {log:q} <<'END'\n{params.lines}\nEND"


rule simulate:
    input:
        batch=f"{RESULTS}/packs/{{grammar}}/simulate.txt",
        grammar=lambda w: GRID.grammar_inputs(w.grammar),
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
