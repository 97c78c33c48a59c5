"""Proof on a graphics card: answers, speed, faults and training, unattended, with a time limit a part."""
