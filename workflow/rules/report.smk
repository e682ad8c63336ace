# All finished cells -> tables, figures and the report.


rule compare:
    input:
        lambda w: after_planning("compare"),
    output:
        report(
            f"{RESULTS}/report.html",
            caption="../report/answer.rst",
            category="Answer",
        ),
        report(
            f"{RESULTS}/tables/needed.csv",
            caption="../report/needed.rst",
            category="Tables",
        ),
        report(
            f"{RESULTS}/tables/ranking.csv",
            caption="../report/ranking.rst",
            category="Tables",
        ),
        report(
            f"{RESULTS}/tables/status.csv",
            caption="../report/status.rst",
            category="Tables",
        ),
        done=f"{RESULTS}/compare.done",
    log:
        f"{RESULTS}/logs/compare/compare.log",
    benchmark:
        f"{RESULTS}/logs/compare/compare.tsv"
    conda:
        "../envs/seqgra.yaml"
    threads: 2
    resources:
        mem_mb=lambda w, attempt: jobs.memory(GRID, "compare", "", attempt),
        runtime=lambda w, attempt: jobs.runtime(GRID, "compare", "", attempt),
    params:
        batch=batch,
    shell:
        "seqgra compare --batch {params.batch:q} --done {output.done:q} --workers {threads} > {log:q} 2>&1"
