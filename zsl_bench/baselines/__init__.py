"""The paper's models: the end-to-end network and its frozen baseline.

Nothing is imported here, so that listing models costs no torch.
"""
