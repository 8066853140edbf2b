"""Networks as one brings them to a depth sweep: a ViT with and without skips, a ConvNeXt, one of torchvision's ResNets.

Depth counts blocks. Each has its own initial values, which the sweep keeps (`as_built`).
"""


class vit:
    """A pre-norm vision transformer (Dosovitskiy et al. 2021). Options: `heads` of attention, `patch` in pixels."""

    DEPTH = "blocks"
    OPTIONS = {"heads": 2, "patch": 2}
    SKIPS = True

    @classmethod
    def check(cls, model, input_shape, classes):
        if model.width % model.options.get("heads", 2):
            raise ValueError(f"found {model.options['heads']} heads; allowed: divisors of {model.width}", "options")

    @classmethod
    def build(cls, model, input_shape, classes):
        import torch
        from torch import nn

        skip = float(cls.SKIPS)

        class Block(nn.Module):
            def __init__(self, width, heads):
                super().__init__()
                self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
                self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
                self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

            def forward(self, x):
                h = self.norm1(x)
                x = skip * x + self.attention(h, h, h, need_weights=False)[0]
                return skip * x + self.mlp(self.norm2(x))

        class ViT(nn.Module):
            def __init__(self, channels, side, width, heads, patch):
                super().__init__()
                self.patches = nn.Conv2d(channels, width, patch, patch)
                self.positions = nn.Parameter(0.02 * torch.randn(1, (side // patch) ** 2, width))
                self.blocks = nn.ModuleList(Block(width, heads) for _ in range(model.depth))
                self.norm = nn.LayerNorm(width)
                self.head = nn.Linear(width, classes)
                for module in self.modules():
                    if isinstance(module, nn.Linear):
                        nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(self.head.weight)

            def forward(self, x):
                x = self.patches(x).flatten(2).transpose(1, 2) + self.positions
                for block in self.blocks:
                    x = block(x)
                return self.head(self.norm(x).mean(1))

        options = cls.OPTIONS | dict(model.options)
        return ViT(input_shape[0], input_shape[1], model.width, options["heads"], options["patch"])


class vit_noskip(vit):
    """Its twin: the same but for the additions."""

    SKIPS = False


class convnext:
    """Liu et al. 2022 in small: depthwise 7x7, layer normalization, an inverted bottleneck, LayerScale."""

    DEPTH = "blocks"

    @staticmethod
    def build(model, input_shape, classes):
        import torch
        from torch import nn

        class Block(nn.Module):
            def __init__(self, width):
                super().__init__()
                self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
                self.norm = nn.LayerNorm(width)
                self.expand, self.reduce = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
                self.layer_scale = nn.Parameter(1e-2 * torch.ones(width))
                for module in (self.depthwise, self.expand, self.reduce):
                    nn.init.trunc_normal_(module.weight, std=0.02)

            def forward(self, x):
                h = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
                h = self.layer_scale * self.reduce(nn.functional.gelu(self.expand(h)))
                return x + h.permute(0, 3, 1, 2)

        stem = nn.Conv2d(input_shape[0], model.width, 2, 2)
        blocks = [Block(model.width) for _ in range(model.depth)]
        pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(model.width)]
        return nn.Sequential(stem, *blocks, *pooled, nn.Linear(model.width, classes))


class torchvision_resnet:
    """torchvision's ResNet, its first two stages, for small images. Depth counts blocks of the first stage.

    It says itself where it is measured.
    """

    DEPTH = "blocks"

    @staticmethod
    def fields(kind):
        return ()  # a sweep's width is not for this one

    @staticmethod
    def build(model, input_shape, classes):
        from torch import nn
        from torchvision.models.resnet import BasicBlock, ResNet

        class SmallImages(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = ResNet(BasicBlock, [model.depth, 1, 1, 1], num_classes=classes)
                self.net.conv1 = nn.Conv2d(input_shape[0], 64, 3, 2, 1, bias=False)
                nn.init.kaiming_normal_(self.net.conv1.weight, mode="fan_out", nonlinearity="relu")
                self.net.maxpool = self.net.layer3 = self.net.layer4 = nn.Identity()
                self.net.fc = nn.Linear(128, classes)

            def forward(self, x):
                return self.net(x)

            def skipray_layers(self):
                return ["net.layer1.*"]

        return SmallImages()
