"""Backbones, one file a provider; a new file with a `PROVIDER` registers itself."""

from stages.nn.torchvision_import import import_torchvision

import_torchvision()
