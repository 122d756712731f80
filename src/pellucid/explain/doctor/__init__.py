"""The doctor: checks of data, labels, networks and training, each with a stable code and a text that explains it.

A family of checks looks at one kind of thing, and is one file: `columns` (D1), `labels` (D2), `network` (D3), `course`
of training (D4). A check and the description of the fault that it finds stand together; `FAULTS` has all of them.
"""

from pellucid.explain.doctor import columns, course, labels, network
from pellucid.explain.doctor.diagnosis import Diagnosis
from pellucid.explain.doctor.faults import FAULTS, Fault, fault, without_consequences
from pellucid.explain.doctor.findings import Finding

__all__ = [
    "FAULTS",
    "Diagnosis",
    "Fault",
    "Finding",
    "columns",
    "course",
    "fault",
    "labels",
    "network",
    "without_consequences",
]
