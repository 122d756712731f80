"""`pellucid.models`: networks that can be trained, and loading them from files."""

from pellucid.train.model import Model as Model
from pellucid.train.models.autoencoder import Autoencoder as Autoencoder
from pellucid.train.models.beam_search import Hypothesis as Hypothesis
from pellucid.train.models.encoder_decoder import EncoderDecoder as EncoderDecoder
from pellucid.train.models.gan import GAN as GAN
from pellucid.train.models.language import LanguageModel as LanguageModel
from pellucid.train.models.vae import VAE as VAE
from pellucid.train.saving import load_model as load_model
from pellucid.train.sequential import Sequential as Sequential

__all__ = [
    "GAN",
    "VAE",
    "Autoencoder",
    "EncoderDecoder",
    "Hypothesis",
    "LanguageModel",
    "Model",
    "Sequential",
    "load_model",
]
