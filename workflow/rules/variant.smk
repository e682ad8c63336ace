# Grammars and architectures that the config changes become files of their own.


rule variant_grammar:
    input:
        base=lambda w: GRID.sources[w.grammar].base,
        read=lambda w: GRID.sources[w.grammar].files_read,
    output:
        f"{RESULTS}/grammars/{{grammar}}.yaml",
    log:
        f"{RESULTS}/logs/variant/{{grammar}}.log",
    conda:
        "../envs/seqgra.yaml"
    params:
        changes=lambda w: GRID.variant_changes("grammars", w.grammar),
    shell:
        "seqgra variant grammar {input.base:q} {params.changes:q} -o {output:q} > {log:q} 2>&1"


rule variant_architecture:
    input:
        lambda w: GRID.architecture_sources(w.name),
    output:
        f"{RESULTS}/architectures/{{name}}.yaml",
    log:
        f"{RESULTS}/logs/variant/{{name}}.log",
    conda:
        "../envs/seqgra.yaml"
    params:
        base=lambda w: GRID.architecture_base(w.name),
        changes=lambda w: GRID.variant_changes("architectures", w.name),
    shell:
        "seqgra variant architecture {params.base:q} {params.changes:q} -o {output:q} > {log:q} 2>&1"
