"""What carries a body: feet where gaps are small, posts where nothing that was seen is below."""

import numpy as np
from made_scenes import box

from iscene_ros.planning.convex_cuts import ConvexPart
from iscene_ros.planning.twin_feet import FEET_M, supports


def part(mesh):
    return ConvexPart.of(np.asarray(mesh.vertices), np.zeros((0, 3)))


TABLE = part(box((1.0, 1.0, 0.05), bottom=-0.05))
ABOVE, CENTER = np.array([0.0, 0.0, 2.0]), np.array([0.0, 0.0, 0.1])


def tilted(gap):
    """A block whose underside rises along x, from 0 to a gap [m]."""
    block = box((0.08, 0.08, 0.15))
    low = block.vertices[:, 2] < 0.01
    block.vertices[low, 2] += np.where(block.vertices[low, 0] > 0, gap, 0.0)
    return part(block)


def test_a_body_whose_centre_of_mass_is_over_its_contacts_needs_nothing():
    found = supports([tilted(0.0)], [], [TABLE], CENTER, ABOVE)
    assert found.feet == () and found.posts == ()


def test_a_body_with_a_slanted_underside_gets_feet_around_its_centre_of_mass():
    found = supports([tilted(0.01)], [], [TABLE], CENTER, ABOVE)
    assert len(found.feet) == 4 and found.posts == ()
    lowest = np.array([foot[:, 2].min() for foot in found.feet])
    np.testing.assert_allclose(lowest, 0.0, atol=1e-6)
    middles = np.array([foot.mean(axis=0)[:2] for foot in found.feet])
    assert middles[:, 0].min() < 0 < middles[:, 0].max()


def test_a_body_in_the_air_stands_on_posts_in_its_own_shade():
    floating = box((0.08, 0.08, 0.05), bottom=0.2)
    found = supports([part(floating)], [], [TABLE], np.array([0, 0, 0.22]), ABOVE)
    assert found.feet == () and len(found.posts) == 4
    for post in found.posts:
        np.testing.assert_allclose([post[:, 2].min(), post[:, 2].max()], [0, 0.2], atol=1e-6)


def test_no_post_is_where_the_camera_saw_that_nothing_is():
    floating = part(box((0.08, 0.08, 0.05), bottom=0.2))
    below = np.array([0.3, 0.0, 0.1])  # looks under the body
    found = supports([floating], [], [TABLE], np.array([0, 0, 0.22]), below)
    assert found.feet == () and found.posts == ()


def test_no_post_stands_on_another_body_and_none_over_the_void():
    floating = [part(box((0.08, 0.08, 0.05), bottom=0.2))]
    other = [part(box((0.2, 0.2, 0.05)))]
    center = np.array([0, 0, 0.22])
    for others, fixed in ((other, [TABLE]), ([], [])):
        found = supports(floating, others, fixed, center, ABOVE)
        assert found.feet == () and found.posts == ()


def test_feet_reach_down_to_another_body():
    base = part(box((0.1, 0.1, 0.05), bottom=-0.05))
    found = supports([tilted(0.01)], [base], [], CENTER, ABOVE)
    assert len(found.feet) == 4
    assert all(np.ptp(foot[:, 2]) < FEET_M[-1] + 0.004 for foot in found.feet)
