"""Training: the paper's end-to-end method, its frozen baseline, and pretraining on images.

Nothing is imported here, so that reading a configuration costs no torch.
"""
