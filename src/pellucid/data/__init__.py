"""From a user's table to the arrays a network eats: reading, schema, encoding, splitting, batches, named datasets."""
