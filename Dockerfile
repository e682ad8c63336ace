# seqgra and its workflow, with the versions of constraints.txt; PyTorch as the package index has it, which also runs on
# GPUs. Untried: written where no container can be built.
#
#   docker build --tag seqgra .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" seqgra init my-project
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD/my-project:/work" --entrypoint snakemake seqgra --cores 4
FROM python:3.11-slim-bookworm

WORKDIR /opt/seqgra
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY grammars ./grammars
COPY architectures ./architectures
COPY workflow ./workflow
COPY seqgra ./seqgra
RUN pip install --no-cache-dir --constraint constraints.txt .

# Any user may run it: compiled kernels, the cache of Snakemake and settings of matplotlib go to a folder that all may write.
ENV HOME=/home/seqgra XDG_CACHE_HOME=/home/seqgra/.cache NUMBA_CACHE_DIR=/home/seqgra/.cache/numba
RUN mkdir -p "$NUMBA_CACHE_DIR" && chmod -R a+rwX /home/seqgra
WORKDIR /work
ENTRYPOINT ["seqgra"]
CMD ["--help"]
