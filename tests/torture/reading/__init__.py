"""The proof of reader studies: two scripted readers, a killed server, a recorded traffic, a training."""
