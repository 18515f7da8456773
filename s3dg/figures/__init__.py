"""What the paper's figures show: statistics of filters, embeddings of features, and the plots."""
