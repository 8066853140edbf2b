"""What the family itself has set when it was built, untouched: its own scheme, or pretrained weights.

For skipray's families that is what torch's layers start with (Kaiming uniform with a = sqrt(5), whose variance is 1 /
(3 fan_in); normalizations with scale 1). Random numbers that a family draws come from the trial's seed.
"""

AS_BUILT = True
"""So that nothing is filled."""
