"""A stranger's model: the mean colour of a clip, projected at random into word space."""

import torch

from zsl_bench import ModelCard, class_vectors


class MeanColour:
    card = ModelCard(
        name="mean-colour",
        revision="1",
        trained_on=(),
        pretrained_on=(),
        licence="Apache-2.0",
        description="mean colour of a clip, projected at random",
    )

    def __init__(self, options):
        self.options = options
        self.projection = torch.randn(3, 300, generator=torch.Generator().manual_seed(0))

    def class_vectors(self, classes):
        approximate = self.options.allow_approximate
        return class_vectors(classes, self.options.vectors, allow_approximate=approximate)

    def embed_classes(self, classes):
        return torch.from_numpy(self.class_vectors(classes).matrix).to(self.options.device)

    def embed_clips(self, clips):
        return clips.float().mean(dim=(1, 3, 4)) @ self.projection.to(clips.device)


load = MeanColour
