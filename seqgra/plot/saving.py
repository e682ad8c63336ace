"""Saving many figures, in processes beside the one that draws them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from matplotlib.figure import Figure

from seqgra.plot.style import save

#: ``save(figure, stem)`` writes a figure as SVG, PDF and PNG, now or later.
Save = Callable[[Figure, Path], None]


@contextmanager
def saver(workers: int) -> Iterator[Save]:
    """Yield what saves figures; at the end all of them are written.

    Once drawn, a figure may go to another process: its three formats take twice the time of drawing
    it. Files are the same with any number of workers.

    Parameters
    ----------
    workers
        Processes in all, this one included.
    """
    if workers == 1:
        yield save
        return
    pending: list[Future[None]] = []

    def send(figure: Figure, stem: Path) -> None:
        if sum(not future.done() for future in pending) < 2 * (workers - 1):
            pending.append(pool.submit(save, figure, stem))
        else:  # all have one to do and one to come: lend a hand
            save(figure, stem)

    # spawn: a fork would copy the locks of this process's threads
    with ProcessPoolExecutor(workers - 1, mp_context=get_context("spawn")) as pool:
        try:
            yield send
            for future in pending:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
