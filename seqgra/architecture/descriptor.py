"""Short names of networks: ``conv10w-do03-fc5-do03`` -> layers.

Parts are joined by hyphens: ``conv`` + filters + width suffix (xn 3, n 5, none 11, w 21, xw 41,
xxw 81), ``fc`` + units, ``gmp`` global max pooling, ``do`` + two digits (03 = 0.3) dropout, ``bn`` +
features batch normalisation. Convolutions and dense layers end in ReLU, after their batch
normalisation if they have one. A network without ``gmp`` is flattened before its first ``fc``; the
output layer is implied.
"""

from __future__ import annotations

import re

from seqgra.errors import bad_input

WIDTHS = {"xn": 3, "n": 5, "": 11, "w": 21, "xw": 41, "xxw": 81}
_PART = re.compile(
    r"conv(?P<filters>[1-9]\d*)(?P<suffix>xn|n|xxw|xw|w|)|fc(?P<units>[1-9]\d*)|(?P<gmp>gmp)"
    r"|do(?P<rate>0\d)|bn(?P<features>[1-9]\d*)?"
)


def looks_like_descriptor(name: str) -> bool:
    """Tell whether a name begins as a descriptor does."""
    return re.match(r"(conv|fc)\d", name) is not None


def parse_descriptor(name: str) -> dict[str, object]:
    """Return the content of an architecture file that the descriptor stands for.

    >>> parse_descriptor("fc10")["layers"]
    ['flatten', {'dense': {'units': 10}}, {'activation': 'relu'}]
    >>> parse_descriptor("conv10w-gmp-fc5")["layers"][:3]
    [{'conv': {'filters': 10, 'width': 21}}, {'activation': 'relu'}, 'global-max-pool']

    Raises
    ------
    InputError
        If a part is unknown or stands where it cannot.
    """
    layers: list[object] = []
    flat, features = False, 0
    due = False  # whether the ReLU of a conv or fc is still to come
    parts = name.split("-")
    for number, part in enumerate(parts):
        match = _PART.fullmatch(part)
        if not match:
            message = f"unknown part {part!r}; parts are convN[xn|n|w|xw|xxw], fcN, gmp, do0D, bnN"
            raise bad_input(name, "architecture", message)
        normalised = number + 1 < len(parts) and parts[number + 1].startswith("bn")
        if match["filters"] or match["gmp"]:
            if flat:
                raise bad_input(name, "architecture", f"{part} cannot follow gmp or a dense layer")
            if match["gmp"]:
                layers.append("global-max-pool")
                flat = True
                continue
            features = int(match["filters"])
            layers.append({"conv": {"filters": features, "width": WIDTHS[match["suffix"]]}})
            due = True
        elif match["units"]:
            if not flat:
                layers.append("flatten")
                flat = True
            features = int(match["units"])
            layers.append({"dense": {"units": features}})
            due = True
        elif match["rate"]:
            layers.append({"dropout": int(match["rate"]) / 10})
            continue
        else:
            if match["features"] and int(match["features"]) != features:
                message = f"{part} stands behind {features} features"
                raise bad_input(name, "architecture", message)
            layers.append("batch-norm")
        if due and not normalised:
            layers.append({"activation": "relu"})
            due = False
    if not flat:
        layers.append("flatten")
    return {"description": name, "layers": layers}
