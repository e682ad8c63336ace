# All finished cells -> tables, figures and the report.


rule grid_config:
    output:
        f"{RESULTS}/config.yaml",
    log:
        f"{RESULTS}/logs/compare/config.log",
    conda:
        "../envs/seqgra.yaml"
    params:
        content=yaml.safe_dump(
            GRID.content, sort_keys=False, allow_unicode=True, width=100
        ),
    shell:
        "cat > {output:q} 2> {log:q} <<'END'\n{params.content}\nEND"


rule compare:
    input:
        config=f"{RESULTS}/config.yaml",
        planning=planning(),
        scores=lambda w: markers("evaluate"),
        attributions=lambda w: markers("attribute"),
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
    log:
        f"{RESULTS}/logs/compare/compare.log",
    conda:
        "../envs/seqgra.yaml"
    threads: 2
    resources:
        mem_mb=lambda w, attempt: 2000 * attempt,
        runtime=lambda w, attempt: 60 * attempt,
    params:
        folder=lambda w, output: str(Path(output[0]).parent),
        repository=REPOSITORY,
    shell:
        "seqgra compare --grid {input.config:q} --library {params.repository:q} "
        "-o {params.folder:q} --workers {threads} > {log:q} 2>&1"
