# Adaptive grids: finished scores -> which sizes to run next, round by round.


checkpoint next_sizes:
    input:
        lambda w: after_planning("next", w.round),
    output:
        packs=f"{RESULTS}/adaptive/round-{{round}}.packs",
        done=f"{RESULTS}/adaptive/round-{{round}}.done",
    log:
        f"{RESULTS}/logs/adaptive/round-{{round}}.log",
    benchmark:
        f"{RESULTS}/logs/adaptive/round-{{round}}.tsv"
    conda:
        "../envs/seqgra.yaml"
    params:
        batch=batch,
    shell:
        "seqgra next --batch {params.batch:q} --done {output.done:q} > {log:q} 2>&1"


localrules:
    next_sizes,
