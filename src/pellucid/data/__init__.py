"""From what a user has to the arrays a network eats: tables, text, series, images, sound, batches, named data sets."""
