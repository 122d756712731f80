"""Random numbers for own layers, losses and updates."""

from pellucid.nn.random import *
