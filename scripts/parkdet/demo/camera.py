"""A pinhole camera above a flat lot: from metres on the ground to pixels and back.

World axes: x to the right and y away from the camera along the ground, z up, in metres. The camera
stands over (x, 0). Pixels: u to the right, v down, the image's top left corner is (0, 0).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

NEAREST = 0.5  # metres; anything nearer is clipped


@dataclass(frozen=True)
class Camera:
    """Where the camera stands and looks.

    Attributes:
        width: image width in pixels.
        height: image height in pixels.
        focal: focal length, in pixels.
        position: (x, y, z) in metres.
        yaw: rotation from the y axis to the right, in radians.
        pitch: tilt below the horizon, in radians.
    """

    width: int
    height: int
    focal: float
    position: tuple[float, float, float]
    yaw: float
    pitch: float

    @cached_property
    def axes(self) -> np.ndarray:
        """(3, 3): the rows are the camera's right, down and forward directions."""
        sin_yaw, cos_yaw = np.sin(self.yaw), np.cos(self.yaw)
        sin_pitch, cos_pitch = np.sin(self.pitch), np.cos(self.pitch)
        right = (cos_yaw, -sin_yaw, 0.0)
        down = (-sin_yaw * sin_pitch, -cos_yaw * sin_pitch, -cos_pitch)
        forward = (sin_yaw * cos_pitch, cos_yaw * cos_pitch, -sin_pitch)
        return np.array([right, down, forward])

    def scaled(self, factor: int) -> "Camera":
        """The same view in an image ``factor`` times the size."""
        size = (self.width * factor, self.height * factor, self.focal * factor)
        return Camera(*size, self.position, self.yaw, self.pitch)

    def view(self, points: np.ndarray) -> np.ndarray:
        """World points (n, 3) in the camera's own axes (right, down, forward), metres."""
        return (np.asarray(points, dtype=float) - self.position) @ self.axes.T

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (n, 2) and depths (n,) in metres of world points (n, 3)."""
        viewed = self.view(points)
        depth = np.maximum(viewed[:, 2], NEAREST)
        return self._pixels(viewed[:, :2], depth), depth

    def project_polygon(self, points: np.ndarray) -> np.ndarray:
        """Pixels (m, 2) of a polygon (n, 3), clipped where it is too near (possibly entirely)."""
        viewed = self.view(points)
        if (viewed[:, 2] >= NEAREST).all():
            return self._pixels(viewed[:, :2], viewed[:, 2])
        kept = []
        for here, there in zip(viewed, np.roll(viewed, -1, axis=0), strict=True):
            if here[2] >= NEAREST:
                kept.append(here)
            if (here[2] >= NEAREST) != (there[2] >= NEAREST):
                share = (NEAREST - here[2]) / (there[2] - here[2])
                kept.append(here + share * (there - here))
        clipped = np.array(kept).reshape(-1, 3)
        return self._pixels(clipped[:, :2], clipped[:, 2])

    def _pixels(self, sideways: np.ndarray, depth: np.ndarray) -> np.ndarray:
        centre = (self.width / 2, self.height / 2)
        return sideways * (self.focal / depth)[:, None] + centre

    def ground(self, pixels: np.ndarray) -> np.ndarray:
        """Ground points (..., 2) seen at pixels (..., 2); far away at or above the horizon."""
        pixels = np.asarray(pixels)
        right = (pixels[..., 0] - self.width / 2) / self.focal
        down = (pixels[..., 1] - self.height / 2) / self.focal
        x, y, z = (
            float(self.axes[0, k]) * right + float(self.axes[1, k]) * down + float(self.axes[2, k])
            for k in range(3)
        )
        reach = self.position[2] / np.maximum(-z, 1e-3)
        return np.stack((self.position[0] + x * reach, self.position[1] + y * reach), axis=-1)

    def sees(self, x: float, y: float, margin: float = 0.03) -> bool:
        """Whether a ground point lies in the image, ``margin`` of its size or more inside."""
        if self.view(np.array([[x, y, 0.0]]))[0, 2] < NEAREST:
            return False
        (u, v), _ = (array[0] for array in self.project(np.array([[x, y, 0.0]])))
        across, down = u / self.width, v / self.height
        return margin < across < 1 - margin and margin < down < 1 - margin
