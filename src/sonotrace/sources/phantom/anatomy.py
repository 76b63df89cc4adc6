"""Fetal anatomy in cross-section, drawn on a `Scene` by one function per standard plane.

Proportions follow the planes as ISUOG's guideline shows them (Salomon et al. 2022); they are for
exercising software and say nothing about a fetus. Levels are echo amplitudes (1: bright tissue),
losses nepers per image height.
"""

from collections.abc import Callable

import numpy as np

from sonotrace.sources.phantom.elementary import Floats, sin_cos
from sonotrace.sources.phantom.scene import (
    TURN,
    Body,
    Mark,
    Pose,
    Scene,
    arc,
    bend,
    blob,
    capsule,
    ribbon,
)

FALX, CSP, PLEXUS = "MIDLINE_FALX", "CSP", "CHOROID_PLEXUS"

# Nepers per image height: a femur about 5 % of the height thick takes some 18 dB.
SKULL_LOSS = 14.0
RIB_LOSS = 45.0
SPINE_LOSS = 32.0
FEMUR_LOSS = 42.0

Draw = Callable[[Scene, Pose, Body], None]


def abdomen(scene: Scene, pose: Pose, body: Body) -> None:
    """Draw the abdomen at the level of stomach and umbilical vein; the spine is at -x."""
    rng, unit = scene.rng, pose.size
    outline = blob(rng, (0, 0), (1.0, 0.92 * body.slim), 0.03)
    _trunk(scene, pose, body, outline)
    for side in (-1, 1):
        start = side * rng.uniform(1.9, 2.2)
        rib = arc((0, 0), (0.9, 0.82 * body.slim), start, start + side * rng.uniform(0.25, 0.6))
        scene.stroke(pose.place(rib), 0.035 * unit, 2.0 * body.ossified, 0.5 * RIB_LOSS)
    bowel = rng.uniform([-0.1, 0.1], [0.5, 0.65], (rng.integers(3, 9), 2))
    for x, y in bowel.astype(np.float32):
        spot = blob(rng, (x, y), (0.07, 0.05), 0.2)
        scene.fill(pose.place(spot), rng.uniform(0.4, 0.9) * body.echo, soft=0.02 * unit)
    girth = rng.uniform(0.17, 0.32)
    centre = (rng.uniform(-0.2, 0.12), -rng.uniform(0.38, 0.5))
    stomach = blob(rng, centre, (1.25 * girth, 0.8 * girth), 0.12, rng.uniform(-0.6, 0.6))
    scene.fill(pose.place(stomach), 0.012, soft=0.012 * unit)
    hook = rng.uniform(0.1, 0.28)
    vein = bend([(0.62, 0.03), (0.3, 0.0), (0.08, 0.05), (-0.02, hook), (-0.12, hook + 0.14)])
    _vessel(scene, pose, vein, rng.uniform(0.035, 0.055), 0.7 * body.echo)
    _spine(scene, pose, body)


def thorax(scene: Scene, pose: Pose, body: Body) -> None:
    """Draw the thorax with the four chambers of the heart; the spine is at -x, the apex at +x."""
    rng, unit = scene.rng, pose.size
    outline = blob(rng, (0, 0), (0.97, 0.95 * body.slim), 0.025)
    _trunk(scene, pose, body, outline)
    for side in (-1, 1):
        reach = rng.uniform(1.0, 1.7)
        start = side * rng.uniform(0.7, 1.3)
        rib = arc((-0.03, 0), (0.84, 0.82 * body.slim), start, start + side * reach)
        scene.stroke(pose.place(rib), 0.055 * unit, 3.0 * body.ossified, 0.4 * RIB_LOSS)
        for angle in start + side * np.linspace(0.1, 0.9, 4) * reach:
            shadow = arc((-0.03, 0), (0.84, 0.82 * body.slim), angle, angle + 0.12)
            scene.stroke(pose.place(shadow), 0.06 * unit, 3.6 * body.ossified, RIB_LOSS)
    _heart(scene, pose, body)
    _spine(scene, pose, body)


def _heart(scene: Scene, pose: Pose, body: Body) -> None:
    """Draw four chambers around the crux, the septum and the valves, and the aorta."""
    rng = scene.rng
    axis = -rng.uniform(0.5, 1.0)
    scale = rng.uniform(0.46, 0.6)
    along = Pose(0.1, -0.12, scale, axis, mirrored=False)

    def spot(points: Floats) -> Floats:
        return pose.place(along.place(points))

    unit = pose.size * scale
    muscle = blob(rng, (0.05, 0), (1.0, 0.8), 0.05)
    scene.fill(spot(muscle), 0.3 * body.echo, soft=0.03 * unit)
    scene.stroke(spot(muscle), 0.05 * unit, 0.35 * body.echo, closed=True)
    squeeze = rng.uniform(0.75, 1.1)
    for side in (-1, 1):
        ventricle = blob(rng, (0.42, 0.31 * side), (0.43, 0.21 * squeeze), 0.08, turn=-0.28 * side)
        atrium = blob(rng, (-0.42, 0.34 * side), (0.34, 0.27 / squeeze), 0.08)
        scene.fill(spot(ventricle), 0.014, soft=0.03 * unit)
        scene.fill(spot(atrium), 0.014, soft=0.03 * unit)
        valve = bend([(-0.07, 0.02 * side), (0.04, 0.28 * side), (-0.05, 0.52 * side)])
        scene.stroke(spot(valve), 0.05 * unit, 1.3 * body.echo)
    scene.stroke(spot(bend([(-0.08, 0), (0.4, 0.02), (0.88, 0)])), 0.1 * unit, 0.9 * body.echo)
    foramen = rng.uniform(0.25, 0.4)
    scene.stroke(spot(bend([(-0.74, 0), (-0.74 + foramen, 0.02)])), 0.05 * unit, 0.7 * body.echo)
    aorta = blob(rng, (-0.52, -0.16), (0.075, 0.075), 0.05)
    scene.fill(pose.place(aorta), 0.015, soft=0.01 * pose.size)
    scene.stroke(pose.place(aorta), 0.02 * pose.size, 0.6 * body.echo, closed=True)


def femur(scene: Scene, pose: Pose, body: Body) -> None:
    """Draw the thigh along x with the femur's shaft, which casts a shadow."""
    rng, unit = scene.rng, pose.size
    girth = rng.uniform(0.36, 0.6) * body.slim
    offset = rng.uniform(-0.12, 0.12)
    outline = capsule(rng, 1.45, girth) + np.array([0, offset], np.float32)
    _halo(scene, pose.place(outline), body)
    scene.fill(pose.place(outline), rng.uniform(0.1, 0.22) * body.echo, 0.5, 0.02 * unit)
    scene.stroke(pose.place(outline), 0.035 * unit, 0.7 * body.echo, closed=True)
    for y in rng.uniform(-0.8, 0.8, 6) * girth + offset:
        fibre = bend([(-0.9, y), (rng.uniform(-0.3, 0.3), y + rng.uniform(-0.06, 0.06)), (0.9, y)])
        scene.stroke(pose.place(fibre), 0.02 * unit, rng.uniform(0.1, 0.3) * body.echo)
    for x, side in ((-1.05, 1), (1.08, -1)):
        cartilage = blob(rng, (x, 0.03 * side), (0.17, 0.17), 0.1)
        scene.fill(pose.place(cartilage), 0.06 * body.echo, soft=0.02 * unit)
        scene.stroke(pose.place(cartilage), 0.02 * unit, 0.3 * body.echo, closed=True)
    sag = rng.uniform(0.03, 0.13)
    shaft = bend([(-0.95, 0.03), (-0.4, -0.6 * sag), (0.3, -sag), (0.95, 0.05)])
    bone = ribbon(shaft, 0.03 + 0.035 * np.square(np.square(np.linspace(-1, 1, len(shaft)))))
    scene.stroke(pose.place(shaft), 0.085 * unit, 6.0 * body.ossified, FEMUR_LOSS)
    scene.stroke(pose.place(bone), 0.03 * unit, 4.0 * body.ossified, FEMUR_LOSS, closed=True)


def brain(scene: Scene, pose: Pose, body: Body) -> None:
    """Draw the head, its front at +x, with falx, CSP and choroid plexus, which it marks."""
    rng, unit = scene.rng, pose.size
    width = 0.78 * body.slim
    skull = blob(rng, (0, 0), (1.0, width), 0.012)
    thickness = rng.uniform(0.028, 0.055)
    _halo(scene, pose.place(skull * 1.12), body)
    scene.stroke(pose.place(skull * 1.09), 0.02 * unit, 0.6 * body.echo, closed=True)
    scene.fill(pose.place(skull), rng.uniform(0.045, 0.09) * body.echo, 0.5, 0.02 * unit)
    deep = 1 if pose.place(np.array([[0, 1]], np.float32))[0, 1] > pose.y else -1
    haze = blob(rng, (0, -0.42 * deep), (0.75, 0.32 * width), 0.08)
    scene.fill(pose.place(haze), rng.uniform(0.06, 0.14) * body.echo, 0.4, 0.08 * unit)
    _sulci(scene, pose, body, width)
    for side in (-1, 1):
        thalamus = blob(rng, (0.02, 0.15 * side), (0.24, 0.115), 0.06, turn=0.12 * side)
        scene.fill(pose.place(thalamus), 0.05 * body.echo, soft=0.02 * unit)
        scene.stroke(pose.place(thalamus), 0.012 * unit, 0.2 * body.echo, closed=True)
    _plexus(scene, pose, body, deep)
    if rng.random() < 0.35:
        _plexus(scene, pose, body, -deep)
    _midline(scene, pose, body)
    scene.stroke(pose.place(skull), thickness * unit, 5.0 * body.ossified, SKULL_LOSS, closed=True)


def _sulci(scene: Scene, pose: Pose, body: Body, width: float) -> None:
    """Draw the Sylvian fissures and a few short cortical echoes."""
    rng, unit = scene.rng, pose.size
    for side in (-1, 1):
        y = side * rng.uniform(0.62, 0.7) * width
        sylvian = bend([(0.0, y), (0.15, y - 0.1 * side), (0.38, y)])
        scene.stroke(pose.place(sylvian), 0.02 * unit, 0.9 * body.echo)
    for _ in range(rng.integers(3, 8)):
        angle, depth = rng.uniform(0, TURN), rng.uniform(0.7, 0.88)
        sulcus = arc((0, 0), (depth, depth * width), angle, angle + rng.uniform(0.08, 0.25))
        scene.stroke(pose.place(sulcus), 0.014 * unit, rng.uniform(0.2, 0.9) * body.echo)


def _plexus(scene: Scene, pose: Pose, body: Body, side: int) -> None:
    """Draw a lateral ventricle on one side with its choroid plexus, and mark the plexus."""
    rng, unit = scene.rng, pose.size
    x, y = rng.uniform(-0.46, -0.24), side * rng.uniform(0.32, 0.42)
    turn = -side * rng.uniform(0.05, 0.35)
    length = rng.uniform(0.17, 0.25)
    ventricle = blob(rng, (x - 0.05, y), (length + 0.16, 0.13), 0.05, turn)
    scene.fill(pose.place(ventricle), 0.015, soft=0.015 * unit)
    scene.stroke(pose.place(ventricle), 0.012 * unit, 0.45 * body.echo, closed=True)
    plexus = blob(rng, (x + 0.02, y), (length, rng.uniform(0.085, 0.11)), 0.1, turn)
    scene.fill(pose.place(plexus), rng.uniform(0.5, 0.8) * body.echo, 0.35, 0.008 * unit)
    scene.marks.append(Mark(PLEXUS, pose.place(plexus), 0.0))


def _midline(scene: Scene, pose: Pose, body: Body) -> None:
    """Draw the falx, broken by the thalami and the CSP, and mark both."""
    rng, unit = scene.rng, pose.size
    front, length = rng.uniform(0.58, 0.68), rng.uniform(0.18, 0.26)
    half = rng.uniform(0.05, 0.075)
    weight = rng.uniform(0.014, 0.024) * unit
    sway = rng.normal(0, 0.035, 5)
    pieces = [
        bend([(-0.93, 0), (-0.75, sway[0]), (-0.45, sway[1]), (-0.26, 0)]),
        bend([(-0.16, 0), (0.0, sway[2]), (0.2, sway[3]), (front - length - 0.06, 0)]),
        bend([(front + 0.03, 0), (0.93, sway[4] / 4)]),
    ]
    for piece, level in zip(pieces, (1.8, 1.0, 1.8), strict=True):
        scene.stroke(pose.place(piece), weight, level * body.echo)
    scene.marks.append(Mark(FALX, pose.place(np.concatenate(pieces)), weight / 2))
    box = np.array([(front - length, -half), (front, -half), (front, half), (front - length, half)])
    cavity = box.astype(np.float32)
    scene.fill(pose.place(cavity), 0.012, soft=0.01 * unit)
    for wall in (cavity[:2], cavity[2:]):
        scene.stroke(pose.place(wall), 1.2 * weight, 2.2 * body.echo)
    scene.marks.append(Mark(CSP, pose.place(cavity), 0.6 * weight))


PLANES: dict[str, Draw] = {
    "Fetal abdomen": abdomen,
    "Fetal brain": brain,
    "Fetal femur": femur,
    "Fetal thorax": thorax,
}


def surroundings(scene: Scene, pose: Pose, body: Body) -> None:
    """Draw what lies around the fetus: uterine walls, amniotic fluid, and sections of limbs."""
    rng, (height, width) = scene.rng, scene.tissue.shape
    for _ in range(rng.integers(2, 7)):
        y = rng.uniform(0.1, 1.1) * height
        bow = rng.uniform(-0.25, 0.25, 2) * height
        wall = bend([(-20, y), (0.35 * width, y + bow[0]), (width + 20, y + bow[1])])
        scene.stroke(wall, rng.uniform(2, 7), rng.uniform(0.1, 0.9))
    if rng.random() < 0.3 + 0.65 * body.fluid:
        reach = pose.size * rng.uniform(1.1, 1.3 + 0.5 * body.fluid)
        drift = rng.uniform(-0.5, 0.5, 2) * pose.size
        pool = blob(rng, (pose.x + drift[0], pose.y + drift[1]), (1.3 * reach, reach), 0.14)
        scene.fill(pool, 0.01 + 0.02 * rng.random(), soft=3)
    for _ in range(rng.integers(0, 4)):
        angle, away = rng.uniform(0, TURN), pose.size * rng.uniform(1.1, 1.6)
        sin, cos = (float(part) for part in sin_cos(angle))
        centre = (pose.x + away * cos, pose.y + away * sin)
        size = rng.uniform(14, 40)
        limb = blob(rng, centre, (size, size * rng.uniform(0.6, 1)), 0.08)
        scene.fill(limb, 0.25 * body.echo, soft=2)
        scene.stroke(limb, 3, 0.6 * body.echo, closed=True)
        bone = blob(rng, centre, (size * 0.25, size * 0.2), 0.1)
        scene.stroke(bone, 4, 1.6 * body.ossified, 0.6 * RIB_LOSS, closed=True)


def _trunk(scene: Scene, pose: Pose, body: Body, outline: Floats) -> None:
    """Draw skin, fat and the filling that abdomen and thorax share."""
    rng, unit = scene.rng, pose.size
    placed, inner = pose.place(outline), pose.place(outline * 0.93)
    _halo(scene, pose.place(outline * 1.05), body)
    scene.fill(placed, rng.uniform(0.05, 0.3) * body.echo, soft=0.01 * unit)
    scene.fill(inner, rng.uniform(0.16, 0.3) * body.echo, 0.4, 0.02 * unit)
    scene.stroke(placed, 0.024 * unit, 2.0 * body.echo, closed=True)
    scene.stroke(inner, 0.02 * unit, 0.35 * body.echo, closed=True)


def _halo(scene: Scene, outline: Floats, body: Body) -> None:
    """Lay a rim of fluid or of bright tissue around a part, whatever the part is."""
    level = 0.02 if scene.rng.random() < 0.35 + 0.4 * body.fluid else 0.3 * body.echo
    scene.fill(outline, level, soft=3)


def _spine(scene: Scene, pose: Pose, body: Body) -> None:
    """Draw the three ossification centres of a vertebra at -x, and its shadow."""
    centre = -0.74
    scene.fill(pose.place(arc((centre, 0), (0.17, 0.17), 0, TURN)), 0.12 * body.echo, soft=2)
    for x, y in ((centre + 0.09, 0.0), (centre - 0.06, 0.1), (centre - 0.06, -0.1)):
        spot = blob(scene.rng, (x, y), (0.028, 0.04), 0.1)
        scene.stroke(pose.place(spot), 0.05 * pose.size, 4.5 * body.ossified, SPINE_LOSS, closed=True)


def _vessel(scene: Scene, pose: Pose, centre: Floats, half: float, wall: float) -> None:
    """Draw a vessel: a dark lumen, wider inside the body, between two thin bright walls."""
    lumen = pose.place(ribbon(centre, half * np.linspace(0.8, 1.3, len(centre))))
    scene.fill(lumen, 0.014, soft=0.015 * pose.size)
    scene.stroke(lumen, 0.012 * pose.size, wall, closed=True)
