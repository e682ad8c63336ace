# Datasets + architecture -> tunings, models; models + test set -> scores, attributions; models + constructed
# sequences -> probes: a job a pack of cells.

for stage in PACK_STAGES:

    rule:
        name:
            stage
        input:
            lambda w, stage=stage: earlier(stage, w.pack),
        output:
            f"{RESULTS}/packs/{{pack}}/{stage}.done",
        log:
            f"{RESULTS}/logs/{stage}/{{pack}}.log",
        benchmark:
            f"{RESULTS}/logs/{stage}/{{pack}}.tsv"
        # The longest first: begun last, it would end long after all others (test_the_slurm_profile_... sees it).
        priority: lambda w: int(60 * GRID.packs[w.pack].minutes)
        conda:
            "../envs/seqgra.yaml"
        # A model predicts with the threads that it was trained with.
        threads: GRID.config.train.threads
        resources:
            **SLURM_EXTRA,
            mem_mb=lambda w, attempt, stage=stage: jobs.memory(
                GRID, stage, w.pack, attempt
            ),
            runtime=lambda w, attempt, stage=stage: jobs.runtime(
                GRID, stage, w.pack, attempt
            ),
            gpu=lambda w: jobs.gpu(GRID, w.pack),
            gres=lambda w: jobs.gres(GRID, w.pack),
        params:
            stage=stage,
            batch=batch,
        shell:
            "seqgra {params.stage} --batch {params.batch:q} --done {output:q} > {log:q} 2>&1"
