"""Models made of several networks: autoencoders and generative adversarial networks; and models that write text."""
