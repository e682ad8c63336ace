# Grammar -> one pool of training and validation examples a data seed, one test set, and the sequences that probe
# models of it; real dataset -> its examples in the order of each data seed: a job a source of examples.

for stage in SOURCE_STAGES:

    rule:
        name:
            stage
        input:
            lambda w, stage=stage: earlier(stage, w.source),
        output:
            f"{RESULTS}/packs/{{source}}/{stage}.done",
        log:
            f"{RESULTS}/logs/{stage}/{{source}}.log",
        benchmark:
            f"{RESULTS}/logs/{stage}/{{source}}.tsv"
        # Before all packs: one that waits for data may be the longest (test_the_slurm_profile_... sees it).
        priority: 1000000 if stage in EXAMPLES else 0
        conda:
            "../envs/seqgra.yaml"
        resources:
            mem_mb=lambda w, attempt, stage=stage: jobs.memory(
                GRID, stage, w.source, attempt
            ),
            runtime=lambda w, attempt, stage=stage: jobs.runtime(
                GRID, stage, w.source, attempt
            ),
        params:
            stage=stage,
            batch=batch,
        shell:
            "seqgra {params.stage} --batch {params.batch:q} --done {output:q} > {log:q} 2>&1"


localrules:
    subsample,
