"""Conversion of released checkpoints and of torchvision's and Caffe's pretrained networks.

A file is read without running what it may carry, every key of it is accounted for, and what is
written is safetensors with a card that says where it came from.
"""
