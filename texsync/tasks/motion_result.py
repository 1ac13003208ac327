"""What a long motion leaves on disk: files for animation programs, pictures and `run.json`, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..options.kinds import Names
from ..options.motion_options import MOTION_FORMATS, USUAL_MOTION_FORMATS

if TYPE_CHECKING:
    import numpy as np

    from ..motion.plan import Segment


@dataclass(repr=False)
class Motion:
    """What long motion returns.

    joints: (F, 22, 3) metres, y up, feet held where they stand; 20 frames a second.  features: (F, 263) HumanML3D's, as
    the model made them.  segments: whose frames are whose.  prompts: one each per segment.
    report: every option as it was used, timings in seconds, foot skate; what `run.json` holds.
    """

    joints: np.ndarray
    features: np.ndarray
    segments: tuple[Segment, ...]
    prompts: list[str]
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> list[str]:
        """The prompt of every frame."""
        return [
            prompt
            for prompt, one in zip(self.prompts, self.segments, strict=True)
            for _ in range(one.start, one.end)
        ]

    def __repr__(self) -> str:
        told = self.report.get("foot_skate", {}).get("result", 0.0)
        size = f"{len(self.joints) / 20:g} seconds, {len(self.segments)} segments"
        return f"<Motion: {size}, a foot slides in {told:.1%} of the frames>"

    def shown(self) -> dict[str, Any]:
        """Its poses, for a sweep."""
        return {"poses": pictured(self)}

    def save(
        self, folder: str | Path, *, overwrite: bool = False, formats: Any = USUAL_MOTION_FORMATS
    ) -> Path:
        """Write `run.json` and what `formats` says: bvh, glb, npy (motion.npy and features.npy), gif, sheet, results.

        All or nothing.  Raises InputError if the folder exists and `overwrite` is False, or cannot be written.
        """
        return save_motion(self, Path(folder), overwrite=overwrite, formats=formats)


def save_motion(made: Motion, folder: Path, *, overwrite: bool, formats: Any) -> Path:
    """See `Motion.save`."""
    import numpy as np

    from ..motion.bvh import write_bvh
    from ..motion.draw import gif
    from ..motion.rig import rigged
    from ..motion.skinned import write_glb
    from ..record.atomic import atomic_folder
    from ..record.facts import recorded, write_record

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
        write_record(recorded(made.report, formats=list(wanted)), place)
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
    import numpy as np

    content = {
        "motion": made.joints.transpose(1, 2, 0)[None].astype(np.float32),
        "text": [", ".join(made.prompts)],
        "lengths": np.array([len(made.joints)]),
        "num_samples": 1,
        "num_repetitions": 1,
    }
    np.save(path, np.array(content, dtype=object), allow_pickle=True)
