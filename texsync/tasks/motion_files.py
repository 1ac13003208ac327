"""What a long motion leaves on disk: files for animation programs, pictures and `run.json`, all or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..options.kinds import Names
from ..options.motion import MOTION_FORMATS

if TYPE_CHECKING:
    from .motion import Motion


def save_motion(made: Motion, folder: Path, *, overwrite: bool, formats: Any) -> Path:
    """See `Motion.save`."""
    from ..files.folder import atomic_folder
    from ..motion.bvh import write_bvh
    from ..motion.draw import gif
    from ..motion.glb import write_glb
    from ..motion.rig import rigged
    from .outputs import dump, peak_memory_mb, versions

    wanted = Names(MOTION_FORMATS, "format")("formats", formats)
    with atomic_folder(folder, overwrite=overwrite) as place:
        rig = rigged(made.joints) if {"bvh", "glb"} & set(wanted) else None
        if rig is not None and "bvh" in wanted:
            write_bvh(rig, place / "motion.bvh")
        if rig is not None and "glb" in wanted:
            write_glb(rig, place / "motion.glb")
        if "npy" in wanted:
            np.save(place / "motion.npy", made.joints.astype(np.float32))
            np.save(place / "features.npy", made.features.astype(np.float32))
        if "gif" in wanted:
            gif(made.joints, made.words, place / "motion.gif")
        if "sheet" in wanted:
            pictured(made).save(place / "sheet.png", optimize=True)
        if "results" in wanted:
            write_results(made, place / "results.npy")
        record = {
            **made.report,
            "formats": list(wanted),
            "peak_memory_mb": peak_memory_mb(),
            "versions": versions(),
        }
        (place / "run.json").write_text(dump(record, indent=2) + "\n")
    return folder


def pictured(made: Motion):
    """The sheet (PIL): a row of poses for each segment, the seam where it begins marked."""
    from ..motion.draw import rows

    return rows(
        made.joints,
        [(prompt, one.start, one.end) for prompt, one in zip(made.prompts, made.segments, strict=True)],
    )


def write_results(made: Motion, path: Path) -> None:
    """In the layout of MDM's own generate script: a dict in an array, which numpy pickles."""
    content = {
        "motion": made.joints.transpose(1, 2, 0)[None].astype(np.float32),
        "text": [", ".join(made.prompts)],
        "lengths": np.array([len(made.joints)]),
        "num_samples": 1,
        "num_repetitions": 1,
    }
    np.save(path, np.array(content, dtype=object), allow_pickle=True)
