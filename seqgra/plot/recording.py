"""A drawn figure as the list of what its artists asked a renderer for, to be written in several formats.

Most of the time of drawing goes into the artists: placing ticks, measuring and aligning text, transforming
paths. Here they do it once, for SVG's 72 dots per inch; PDF has the same, and what PNG gets is scaled.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.transforms import Affine2D, BboxBase, Transform, TransformedBbox, TransformedPath

#: Dots per inch of SVG and PDF.
_DPI = 72


class Recording(Figure):
    """A figure that draws what another one has drawn, which may not change any more.

    Parameters
    ----------
    figure
        Laid out, without a layout engine.
    dpi
        Dots per inch of its pictures in SVG and PDF, and of PNG.
    """

    def __init__(self, figure: Figure, dpi: int) -> None:
        width, height = figure.get_size_inches()
        super().__init__(figsize=(width, height), dpi=dpi)
        self._renderer = _Recorder(width * _DPI, height * _DPI, dpi / _DPI)
        before = figure.dpi
        figure.dpi = _DPI
        figure.draw(self._renderer)
        figure.dpi = before

    def draw(self, renderer: Any) -> None:
        """Ask a renderer for all that was recorded."""
        height = self._renderer.height
        for name, gc, values, more in self._renderer.calls:
            if gc is None:
                getattr(renderer, name)(*values, **more)
                continue
            scale = renderer.points_to_pixels(1.0)  # another one while it draws pixels
            own = renderer.new_gc()
            own.copy_properties(gc)
            if scale != 1:
                values = _SCALED[name](*values, scale=scale)
                _scale_clip(own, scale)
            if name == "draw_text" and not renderer.flipy():
                x, y, *others = values
                values = (x, height - y, *others)
            if name == "draw_image" and not renderer.option_scale_image():
                values = _resampled(*values)
            getattr(renderer, name)(own, *values, **more)
            own.restore()


class _Recorder(RendererBase):
    """Notes what it is asked to draw, and measures as the renderer of SVG does."""

    def __init__(self, width: float, height: float, magnification: float) -> None:
        super().__init__()
        self.width, self.height = width, height
        self._magnification = magnification
        self._clips: dict[int, tuple[Any, Any]] = {}
        self.calls: list[tuple[str, Any, tuple[Any, ...], dict[str, Any]]] = []

    def _note(self, name: str, gc: Any, *values: Any, **more: Any) -> None:
        if gc is not None:
            gc = copy.copy(gc)
            gc.set_clip_rectangle(self._frozen(gc.get_clip_rectangle()))
            gc.set_clip_path(self._frozen(gc._clippath))
        kept = tuple(v.frozen() if isinstance(v, Transform) else v for v in values)
        self.calls.append((name, gc, kept, more))

    def _frozen(self, clip: Any) -> Any:
        """Return a clip as it is now: one object each, since PDF begins a clip wherever it is another."""
        if clip is not None and id(clip) not in self._clips:
            now = (
                clip.frozen()
                if isinstance(clip, BboxBase)
                else TransformedPath(*clip.get_transformed_path_and_affine())
            )
            self._clips[id(clip)] = clip, now  # what is kept alive has an id of its own
        return None if clip is None else self._clips[id(clip)][1]

    def start_rasterizing(self) -> None:
        self._note("start_rasterizing", None)

    def stop_rasterizing(self) -> None:
        self._note("stop_rasterizing", None)

    def open_group(self, s: str, gid: str | None = None) -> None:
        self._note("open_group", None, s, gid)

    def close_group(self, s: str) -> None:
        self._note("close_group", None, s)

    def draw_path(self, gc: Any, *values: Any, **more: Any) -> None:
        self._note("draw_path", gc, *values, **more)

    def draw_markers(self, gc: Any, *values: Any, **more: Any) -> None:
        self._note("draw_markers", gc, *values, **more)

    def draw_path_collection(self, gc: Any, *values: Any, **more: Any) -> None:
        self._note("draw_path_collection", gc, *values, **more)

    def draw_quad_mesh(self, gc: Any, *values: Any, **more: Any) -> None:
        self._note("draw_quad_mesh", gc, *values, **more)

    def draw_image(self, gc: Any, *values: Any, **more: Any) -> None:
        self._note("draw_image", gc, *values, **more)

    def draw_text(self, gc: Any, *values: Any, **more: Any) -> None:
        x, y, text, font, *others = values
        self._note("draw_text", gc, x, y, text, copy.copy(font), *others, **more)

    def get_image_magnification(self) -> float:
        return self._magnification

    def option_scale_image(self) -> bool:
        return True

    def get_canvas_width_height(self) -> tuple[float, float]:
        return self.width, self.height

    def get_text_width_height_descent(self, s: str, prop: Any, ismath: Any) -> Any:
        return self._text2path.get_text_width_height_descent(s, prop, ismath)


def _path(path: Any, transform: Any, *face: Any, scale: float) -> tuple[Any, ...]:
    return path, transform + Affine2D().scale(scale), *face


def _markers(
    marker: Any, marker_transform: Any, path: Any, transform: Any, *face: Any, scale: float
) -> tuple[Any, ...]:
    larger = Affine2D().scale(scale)
    return marker, marker_transform + larger, path, transform + larger, *face


def _collection(
    master: Any, paths: Any, transforms: Any, offsets: Any, offset: Any, *rest: Any, scale: float
) -> tuple[Any, ...]:
    larger = Affine2D().scale(scale)
    return master + larger, paths, transforms, offsets, offset + larger, *rest


def _mesh(
    master: Any, w: Any, h: Any, points: Any, offsets: Any, offset: Any, *rest: Any, scale: float
) -> tuple[Any, ...]:
    larger = Affine2D().scale(scale)
    return master + larger, w, h, points, offsets, offset + larger, *rest


def _image(x: float, y: float, pixels: Any, transform: Any = None, *, scale: float) -> Any:
    larger = None if transform is None else transform + Affine2D().scale(scale)
    return x * scale, y * scale, pixels, larger


def _text(x: float, y: float, *rest: Any, scale: float) -> tuple[Any, ...]:
    return x * scale, y * scale, *rest


#: What a call's values are where a point is so many pixels.
_SCALED: dict[str, Callable[..., tuple[Any, ...]]] = {
    "draw_path": _path,
    "draw_markers": _markers,
    "draw_path_collection": _collection,
    "draw_quad_mesh": _mesh,
    "draw_image": _image,
    "draw_text": _text,
}


def _scale_clip(gc: Any, scale: float) -> None:
    larger = Affine2D().scale(scale)
    if (box := gc.get_clip_rectangle()) is not None:
        gc.set_clip_rectangle(TransformedBbox(box, larger))
    path, transform = gc.get_clip_path()
    if path is not None:
        gc.set_clip_path(TransformedPath(path, transform + larger))


def _resampled(x: float, y: float, pixels: np.ndarray, transform: Any) -> tuple[Any, ...]:
    """Return an image that a transform was to stretch as the pixels that it then has."""
    if transform is None:
        return x, y, pixels
    width, shear, other_shear, height, left, bottom = transform.to_values()
    assert shear == other_shear == 0, "images are not turned"
    left, columns = _nearest(x + left, width, pixels.shape[1])
    bottom, rows = _nearest(y + bottom, height, pixels.shape[0])
    return left, bottom, np.ascontiguousarray(pixels[rows][:, columns])


def _nearest(start: float, length: float, many: int) -> tuple[int, np.ndarray]:
    """Return the first whole pixel from `start` on, and which of `many` cells each one shows."""
    first, last = sorted((round(start), round(start + length)))
    places = (np.arange(first, last) + 0.5 - start) / length * many
    return first, np.clip(np.floor(places), 0, many - 1).astype(np.intp)
