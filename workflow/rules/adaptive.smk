# Adaptive grids: finished scores -> which sizes to run next, round by round.


def planned(number):
    """The packs that a round of planning names."""
    file = checkpoints.next_sizes.get(round=number).output[0]
    return Path(file).read_text().split()


def planning(end=GRID.rounds):
    """The rounds of planning before `end`; none in a grid that is no adaptive one."""
    if GRID.config.adaptive is None:
        return []
    return [f"{RESULTS}/adaptive/round-{number}.txt" for number in range(end)]


def previous_scores(wildcards):
    """What a round looks at: all that the one before it has named."""
    number = int(wildcards.round)
    named = planned(number - 1) if number else []
    return [f"{RESULTS}/packs/{pack}/evaluate.done" for pack in named]


checkpoint next_sizes:
    input:
        config=f"{RESULTS}/config.yaml",
        previous=lambda w: planning(int(w.round))[-1:],
        scores=previous_scores,
    output:
        f"{RESULTS}/adaptive/round-{{round}}.txt",
    log:
        f"{RESULTS}/logs/adaptive/round-{{round}}.log",
    conda:
        "../envs/seqgra.yaml"
    params:
        repository=REPOSITORY,
    shell:
        "seqgra next --grid {input.config:q} --library {params.repository:q} -o {output:q} > {log:q} 2>&1"
