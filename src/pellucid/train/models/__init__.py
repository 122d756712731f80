"""Models made of several networks: autoencoders and generative adversarial networks."""
