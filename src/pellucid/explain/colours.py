"""The colours of every picture: of layers, of positive and negative numbers, and of paper and ink, light and dark.

Input orange, first hidden layer blue, second magenta, output green, as the introductory texts draw them; further hidden
layers get colours of their own. All have a contrast of at least 3 : 1 with white and with the dark paper (WCAG 2.2,
1.4.11), so that one colour serves both. Positive and negative are blue and red, which also the colour-blind tell apart;
nothing is said by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence

INPUT, OUTPUT = "#E07B12", "#2E9A4C"
HIDDEN = ("#2F7DD1", "#C4308F", "#7B5BD6", "#12909C", "#A0682F", "#D9536F", "#7C8A1B", "#64789A")
POSITIVE, NEGATIVE, ZERO = "#1F6FC4", "#D64530", "#8A93A0"
LIGHT = {"paper": "#FFFFFF", "panel": "#F4F6F9", "ink": "#1B2430", "muted": "#5A6675", "line": "#C9D0DA"}
DARK = {"paper": "#15181D", "panel": "#1F242C", "ink": "#E9EDF2", "muted": "#A3AEBC", "line": "#3B4552"}


def hidden_colour(place: int) -> str:
    """The colour of a hidden layer, counted from 0; after the last they begin again.

    >>> hidden_colour(0) == HIDDEN[0], hidden_colour(8) == HIDDEN[0]
    (True, True)
    """
    return HIDDEN[place % len(HIDDEN)]


def sign_colour(value: float) -> str:
    """Blue for a positive number, red for a negative one, grey for 0 and what is no number."""
    return POSITIVE if value > 0 else NEGATIVE if value < 0 else ZERO


def blend(first: str, second: str, share: float) -> str:
    """The colour that lies `share` of the way from the first to the second.

    >>> blend("#000000", "#FFFFFF", 0.5)
    '#808080'
    """
    pairs = zip(_channels(first), _channels(second), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * min(max(share, 0.0), 1.0)):02X}" for a, b in pairs)


def _channels(colour: str) -> Sequence[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
