"""`pellucid.callbacks`: the public door to `pellucid.train.callbacks`, and to the flight recorder."""

from pellucid.train.callbacks import *
from pellucid.train.recorder import Recorder as Recorder
from pellucid.train.recording import Recording as Recording
