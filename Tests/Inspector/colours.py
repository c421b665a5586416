"""What colours stand for, by other means than the page's."""

# viridis at every fifth of its 256 places, as matplotlib publishes it.
VIRIDIS = [
    bytes.fromhex(colour)
    for colour in """
    440154 46085c 471063 481769 481d6f 482475 472a7a 46307e 453781 433d84 414287 3f4889 3d4e8a
    3a538b 38598c 355e8d 33638d 31688e 2e6d8e 2c718e 2a768e 297b8e 27808e 25848e 23898e 218e8d
    20928c 1f978b 1e9c89 1fa188 21a585 24aa83 28ae80 2eb37c 35b779 3dbc74 46c06f 50c46a 5ac864
    65cb5e 70cf57 7cd250 89d548 95d840 a2da37 b0dd2f bddf26 cae11f d8e219 e5e419 f1e51d fde725
    """.split()
]
# What is between two places, two levels that the page allows itself, and half a place of 256.
TOLERANCE = 5


def viridis(value):
    place = value * (len(VIRIDIS) - 1)
    low = min(int(place), len(VIRIDIS) - 2)
    return [a + (b - a) * (place - low) for a, b in zip(VIRIDIS[low], VIRIDIS[low + 1])]


def is_weighting(colour, value):
    """Whether it is the colour of this share: exactly at both ends, nearly between."""
    tolerance = 0 if round(value * 255) in (0, 255) else TOLERANCE
    expected = VIRIDIS[-1 if value > 0.5 else 0] if tolerance == 0 else viridis(value)
    return all(abs(a - b) <= tolerance for a, b in zip(colour, expected))


def luminance(colour):
    red, green, blue = colour
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
