"""Composes a frame: backdrop, shadows, objects, lamps, weather and sensor noise."""

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np

from parkdet.demo.backdrop import Backdrop
from parkdet.demo.camera import Camera
from parkdet.demo.light import Light
from parkdet.demo.painter import Outline, Seen, arrange, paint_objects
from parkdet.demo.placing import Placed, rotate

_SHIFT = 4


def render(
    objects: Sequence[Placed],
    backdrop: Backdrop,
    camera: Camera,
    light: Light,
    rng: np.random.Generator,
    known: dict[Placed, Outline] | None = None,
) -> tuple[np.ndarray, list[Seen]]:
    """Renders one frame.

    Args:
        rng: draws the noise and the rain.
        known: outlines of objects from earlier frames; new ones are added.

    Returns:
        The image (height, width, 3), uint8, RGB; and the objects visible in it.
    """
    shown = arrange(objects, camera, {} if known is None else known)
    visible = [item for item, _, _ in shown]
    layer = paint_objects(shown, camera, light)
    picture = _lit_backdrop(visible, backdrop, camera, light)
    picture *= 1 - layer.cover
    picture += layer.colour
    if light.night:
        picture += _halos(visible, backdrop, camera)
    if light.weather == "비":
        picture += _rain(picture.shape[:2], rng)[..., None]
    picture *= _vignette(camera.width, camera.height)
    noise = rng.standard_normal((*picture.shape[:2], 1), dtype=np.float32)
    picture += noise * np.float32(light.noise)
    return np.clip(picture, 0, 255, out=picture).astype(np.uint8), [seen for _, _, seen in shown]


def _lit_backdrop(
    objects: Sequence[Placed], backdrop: Backdrop, camera: Camera, light: Light
) -> np.ndarray:
    cast, contact = _shadows(objects, camera, light)
    direct = backdrop.pool * (1 - light.shadow * cast)
    if light.night:
        direct = direct + _headlight_beams(objects, backdrop.ground)
    factor = light.sky * (1 - 0.65 * contact) + light.beam * (np.float32(light.sun[2]) * direct)
    factor *= backdrop.albedo
    if light.night:
        factor += backdrop.glow * 0.42
    return factor


def _shadows(
    objects: Sequence[Placed], camera: Camera, light: Light
) -> tuple[np.ndarray, np.ndarray]:
    """Two masks (height, width, 1), 0 to 1: where the main light and where the sky is blocked."""
    cast = np.zeros((camera.height, camera.width), dtype=np.uint8)
    contact = np.zeros_like(cast)
    for item in objects:
        _fill_hulls(cast, item, camera, light.sun)
        corners = (item.footprint.corners() - (item.x, item.y)) * 0.97 + (item.x, item.y)
        pixels, _ = camera.project(np.column_stack((corners, np.zeros(4))))
        cv2.fillPoly(contact, [_fixed(pixels)], 255, cv2.LINE_AA, _SHIFT)
    soft = 0.7 if light.weather == "맑음" and not light.night else 3.0
    cast = cv2.GaussianBlur(cast, (0, 0), soft).astype(np.float32) / 255
    contact = cv2.GaussianBlur(contact, (0, 0), 2.2).astype(np.float32) / 255
    return cast[..., None], contact[..., None]


def _fill_hulls(mask: np.ndarray, item: Placed, camera: Camera, sun: np.ndarray) -> None:
    """Fills the shadow of each part of an object: the hull of its corners on the ground."""
    model = item.model
    counts = np.diff(model.starts)
    owners = np.repeat(model.parts, counts)
    widths = np.repeat([0.0 if radii is None else max(radii) for radii in model.radii], counts)
    points = item.to_world(model.points)
    ground = points[:, :2] - sun[:2] / sun[2] * points[:, 2:]
    across = np.array((-sun[1], sun[0])) / max(float(np.hypot(*sun[:2])), 1e-6)
    sides = [ground + sign * widths[:, None] * across for sign in (1, -1)]
    owners, flat = np.concatenate((owners, owners)), np.concatenate(sides)
    pixels, _ = camera.project(np.column_stack((flat, np.zeros(len(flat)))))
    for part in np.unique(owners):
        hull = cv2.convexHull(pixels[owners == part].astype(np.float32))
        cv2.fillPoly(mask, [_fixed(hull)], 255, cv2.LINE_AA, _SHIFT)


def _fixed(pixels: np.ndarray) -> np.ndarray:
    return np.round((np.clip(pixels, -4000, 8000) - 0.5) * (1 << _SHIFT)).astype(np.int32)


def _headlight_beams(objects: Sequence[Placed], ground: np.ndarray) -> np.ndarray:
    """(height, width, 1): headlamp light on the ground, cones about ten metres long."""
    beams = np.zeros(ground.shape[:2], dtype=np.float32)
    for item in objects:
        if not item.lit:
            continue
        turned = rotate((ground - np.float32((item.x, item.y))).reshape(-1, 2), -item.heading)
        ahead = turned[:, 0].reshape(beams.shape) - item.model.size[0] / 2
        aside = turned[:, 1].reshape(beams.shape)
        cone = np.exp(-((aside / (item.model.size[1] * 0.5 + 0.22 * np.maximum(ahead, 0))) ** 2))
        reach = np.clip(ahead / 1.2, 0, 1) * np.exp(-np.maximum(ahead, 0) / 4.5)
        beams += 0.9 * (cone * reach).astype(np.float32)
    return beams[..., None]


def _halos(objects: Sequence[Placed], backdrop: Backdrop, camera: Camera) -> np.ndarray:
    """(height, width, 3): the soft glow around lamps that are on."""
    shine = backdrop.glow * 0.22
    for item in objects:
        model = item.model
        lamps = np.flatnonzero(model.glows > 0)
        if not len(lamps):
            continue
        middles = np.array(
            [model.points[model.starts[k] : model.starts[k + 1]].mean(axis=0) for k in lamps]
        )
        world = item.to_world(middles)
        pixels, depth = camera.project(world)
        normals = item.turn(model.normals[lamps])
        facing = ((np.array(camera.position) - world) * normals).sum(axis=1)
        for lamp, pixel, away, front in zip(lamps, pixels, depth, facing, strict=True):
            strength = model.glows[lamp] * np.clip(3 * front / away, 0, 1)
            if strength > 0:
                colour = (model.colours[lamp] * strength).tolist()
                radius = max(1, int(0.16 * camera.focal / away))
                cv2.circle(shine, np.round(pixel).astype(int).tolist(), radius, colour, cv2.FILLED)
    small = cv2.resize(shine, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    halo = cv2.GaussianBlur(small, (0, 0), 5) * 0.9 + cv2.GaussianBlur(small, (0, 0), 1.5) * 0.5
    return cv2.resize(halo, (camera.width, camera.height), interpolation=cv2.INTER_LINEAR)


def _rain(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """(height, width): thin bright streaks, grey levels."""
    height, width = size
    streaks = np.zeros(size, dtype=np.uint8)
    for _ in range(170 * width * height // (640 * 384)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        length = rng.uniform(6, 15)
        ends = np.array([(x, y), (x - 0.18 * length, y + length)])
        cv2.line(streaks, *_fixed(ends).tolist(), int(rng.uniform(14, 34)), 1, cv2.LINE_AA, _SHIFT)
    return streaks.astype(np.float32)


@cache
def _vignette(width: int, height: int) -> np.ndarray:
    """(height, width, 1) factors that darken the corners slightly."""
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    return (1.02 - 0.09 * (x**2 + y**2))[..., None]
