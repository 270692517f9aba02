"""The embedded data set: drawn people before several cameras, the same bytes from the same seed everywhere."""

from stages.ingest.synthetic.image import draw_image
from stages.ingest.synthetic.table import draw_path, synthetic_samples

__all__ = ["draw_image", "draw_path", "synthetic_samples"]
