"""Daylight, weather and lamps: how bright things are, and the mood of the image."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Weather = Literal["맑음", "흐림", "비"]
"""Clear, overcast, rain, as written in the challenge's file names."""


@dataclass(frozen=True)
class Light:
    """The light of one recording.

    Attributes:
        weather: clear, overcast or rain.
        night: whether lamps replace the sun.
        sun: (3,) unit vector towards the main light.
        sky: (3,) red, green, blue factor of the ambient light.
        beam: (3,) the same for the main light on a face perpendicular to it.
        shadow: how much of the main light a shadow takes away, 0 to 1.
        lamps: (k, 2) positions of the lamp posts, metres; empty by day.
        noise: standard deviation of the sensor noise, grey levels.
    """

    weather: Weather
    night: bool
    sun: np.ndarray
    sky: np.ndarray
    beam: np.ndarray
    shadow: float
    lamps: np.ndarray
    noise: float

    def pool(self, places: np.ndarray) -> np.ndarray:
        """Main light at ground points (..., 2): 1 by day, pools of light at night."""
        places = np.asarray(places, dtype=np.float32)
        if not self.night:
            return np.ones(places.shape[:-1], dtype=np.float32)
        strength = np.full(places.shape[:-1], 0.12, dtype=np.float32)
        for lamp in self.lamps.astype(np.float32):
            distance = ((places - lamp) ** 2).sum(axis=-1)
            strength += 1.15 / (1 + distance / 24) ** 1.6
        return strength

    def on_faces(self, normals: np.ndarray, place: np.ndarray) -> np.ndarray:
        """(k, 3) factors for faces with unit normals (k, 3) of an object at ``place`` (2,).

        A zero normal stands for something round, partly lit from the side.
        """
        round_ones = ~normals.any(axis=1)
        direct = np.maximum(normals @ self.sun, 0)
        direct[round_ones] = 0.6
        upward = np.where(round_ones, 0.9, 0.82 + 0.18 * normals[:, 2])
        strength = direct * self.pool(place)
        return upward[:, None] * self.sky + strength[:, None] * self.beam


def daylight(rng: np.random.Generator, weather: Weather) -> Light:
    """Sun from one side, so that shadows are visible, or a grey sky."""
    side = rng.integers(2) * np.pi
    azimuth, elevation = side + rng.uniform(-0.6, 0.6), rng.uniform(0.65, 0.95)
    flat = np.cos(elevation)
    sun = np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
    sky, beam, shadow, noise = {
        "맑음": ((0.56, 0.61, 0.72), (0.76, 0.68, 0.53), 0.9, 1.0),
        "흐림": ((0.84, 0.87, 0.90), (0.26, 0.25, 0.24), 0.75, 1.2),
        "비": ((0.72, 0.77, 0.83), (0.18, 0.18, 0.19), 0.7, 1.4),
    }[weather]
    return Light(
        weather, False, sun, np.float32(sky), np.float32(beam), shadow, np.empty((0, 2)), noise
    )


def lamplight(rng: np.random.Generator, weather: Weather, lamps: np.ndarray) -> Light:
    """A dark blue night with warm pools of light below the lamps (k, 2)."""
    sun = np.array([rng.uniform(-0.25, 0.25), -0.32, 0.9])
    warmth = rng.uniform(0.0, 1.0)
    beam = np.float32([0.86, 0.74 - 0.06 * warmth, 0.56 - 0.14 * warmth])
    sky = np.float32([0.27, 0.31, 0.42])
    return Light(weather, True, sun / np.linalg.norm(sun), sky, beam, 0.6, lamps, 1.8)
