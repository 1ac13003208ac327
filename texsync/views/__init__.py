"""Pictures of one canvas: what every view shows, and what all of them say about a cell."""

from .base import BLENDS as BLENDS
from .base import Prefix as Prefix
from .base import Views as Views
from .base import lookup as lookup
from .masks import masks as masks
from .motion import segments as segments
from .motion import unequal as unequal
from .noise import noise as noise
from .noise import shared_noise as shared_noise
from .plane import feathered as feathered
from .plane import flip as flip
from .plane import identity as identity
from .plane import latest as latest
from .plane import rotations as rotations
from .plane import stack as stack
from .plane import windows as windows
from .points import point_views as point_views
from .shuffle import ambiguous as ambiguous
from .surface import surface_views as surface_views
