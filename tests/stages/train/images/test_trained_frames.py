"""TrainSamples as runs of frames, and the random frames that stand for them."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.train.images.draws import draw_step
from stages.train.images.frames import TrainSamples, draw_frames
from stages.train.step import sample_features
from tests.tiny_training import image_samples, tiny_parameters

COUNTS = st.lists(st.integers(1, 40), min_size=1, max_size=8)


@given(counts=COUNTS, n_frames=st.integers(1, 20), seed=st.integers(0, 99))
def test_frames_are_the_sample_s_own_and_differ_where_it_has_enough(
    counts: list[int], n_frames: int, seed: int
) -> None:
    drawn = draw_frames(torch.tensor(counts), n_frames=n_frames, generator=torch.Generator().manual_seed(seed))
    assert drawn.shape == (len(counts), n_frames)
    for frames, count in zip(drawn.tolist(), counts, strict=True):
        assert all(0 <= frame < count for frame in frames)
        if count >= n_frames:
            assert len(set(frames)) == n_frames


def test_every_frame_is_as_likely_as_any_other() -> None:
    generator = torch.Generator().manual_seed(0)
    for count in (5, 3):
        drawn = draw_frames(torch.full((4000,), count), n_frames=4, generator=generator)
        share = torch.bincount(drawn.flatten(), minlength=count) / drawn.numel()
        np.testing.assert_allclose(share, 1 / count, atol=0.015)


@given(counts=COUNTS, seed=st.integers(0, 99))
def test_packing_keeps_every_sample_s_frames(counts: list[int], seed: int) -> None:
    count = np.array(counts)
    first = np.random.default_rng(seed).permutation(len(counts)) * 50
    samples = TrainSamples(first, count, np.arange(len(counts)))
    expected = [frame for start, n in zip(first, counts, strict=True) for frame in range(start, start + n)]
    assert samples.frames.tolist() == expected
    packed = samples.packed()
    for i, n in enumerate(counts):
        assert samples.frames[packed.first[i] : packed.first[i] + n].tolist() == list(range(first[i], first[i] + n))


def test_images_are_samples_of_one_frame() -> None:
    samples = image_samples(np.array([3, 1, 2]))
    assert samples.frames.tolist() == [0, 1, 2]
    assert len(samples) == 3


def test_the_features_of_a_sample_are_the_mean_over_its_frames() -> None:
    features = torch.arange(24, dtype=torch.float32).view(6, 4)
    expected = torch.stack([features[:3].mean(dim=0), features[3:].mean(dim=0)])
    assert torch.equal(sample_features(features, n_samples=2), expected)
    assert sample_features(features, n_samples=6) is features


def test_a_step_draws_frames_of_its_samples_alone_and_augments_each_by_itself() -> None:
    samples = TrainSamples(np.array([100, 200, 300]), np.array([2, 5, 9]), np.array([4, 4, 5]))
    generator = torch.Generator().manual_seed(0)
    draw = draw_step(torch.tensor([2, 0]), samples, parameters=tiny_parameters(frames=4), generator=generator)
    assert draw.targets.tolist() == [5, 4]
    assert all(300 <= frame < 309 for frame in draw.frames[:4])
    assert all(100 <= frame < 102 for frame in draw.frames[4:])
    assert len(draw.augmentation.crops.top) == 8
    assert torch.equal(generator.get_state(), draw.generator_state)
