"""Sets and sketches on their way to other programs and back.

exchange.py write FOLDER  writes values as other programs make them, one file for each.
exchange.py read FOLDER   reads what is there and prints what it says, one line for each file.
"""

import pathlib
import sys

from datasketches import (
    compact_theta_sketch, hll_sketch, tgt_hll_type, update_theta_sketch,
)
from pyroaring import BitMap, BitMap64

SIZES = [0, 1, 5, 100, 1_000, 50_000]


def write(folder):
    def put(name, data):
        (folder / name).write_bytes(bytes(data))

    for size in SIZES:
        numbers = range(7, 7 + 3 * size, 3)
        small = BitMap(numbers)
        put(f"roaring_{size}", small.serialize())
        small.run_optimize()
        put(f"roaring_runs_{size}", small.serialize())
        put(f"roaring_dense_{size}", BitMap(range(size)).serialize())
        wide = BitMap64(n * 700_000_007 for n in numbers)
        put(f"roaring64_{size}", wide.serialize())
        for kind in (tgt_hll_type.HLL_4, tgt_hll_type.HLL_6, tgt_hll_type.HLL_8):
            for lg_k in (4, 8, 12):
                sketch = hll_sketch(lg_k, kind)
                for n in numbers:
                    sketch.update(n)
                name = f"hll_{kind.name}_{lg_k}_{size}"
                put(name, sketch.serialize_compact())
                put(f"{name}_updatable", sketch.serialize_updatable())
        texts = hll_sketch(12, tgt_hll_type.HLL_8)
        theta_texts = update_theta_sketch(12)
        for n in numbers:
            texts.update(f"user-{n}")
            theta_texts.update(f"user-{n}")
        put(f"hll_texts_{size}", texts.serialize_compact())
        put(f"theta_texts_{size}", theta_texts.compact().serialize())
        for lg_k in (5, 12):
            sketch = update_theta_sketch(lg_k)
            for n in numbers:
                sketch.update(n)
            put(f"theta_{lg_k}_{size}", sketch.compact().serialize())
            put(f"theta_{lg_k}_{size}_unordered", sketch.compact(False).serialize())
    return [told(path) for path in sorted(folder.iterdir())]


def bounds(sketch):
    two = 2
    numbers = (sketch.get_lower_bound(two), sketch.get_estimate() if hasattr(sketch, "get_estimate")
               else sketch.estimate, sketch.get_upper_bound(two))
    return " ".join(f"{number:.6f}" for number in numbers)


def told(path):
    """What the library itself says of a file."""
    data, kind = path.read_bytes(), path.name.split("_")[0]
    if kind == "roaring":
        numbers = BitMap.deserialize(data)
        says = f"{len(numbers)} {sum(numbers)}"
    elif kind == "roaring64":
        numbers = BitMap64.deserialize(data)
        says = f"{len(numbers)} {sum(numbers)}"
    elif kind == "hll":
        says = bounds(hll_sketch.deserialize(data))
    elif kind == "theta":
        says = bounds(compact_theta_sketch.deserialize(data))
    else:
        raise ValueError(f"{path.name}: of what kind?")
    return f"{path.name} {says}"


if __name__ == "__main__":
    way, place = sys.argv[1], pathlib.Path(sys.argv[2])
    lines = write(place) if way == "write" else [told(path) for path in sorted(place.iterdir())]
    print("\n".join(lines))
